import Foundation
import NSTMTensor
import Testing

@Suite struct RandomKeyTests {
    /// Philox4x32-10 from the paper's description, with the full 128-bit counter, written apart from the library's: checked
    /// with the published vectors, then used to check the library at counters that it can express.
    private func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
        var c = counter, k = key
        for round in 0..<10 {
            if round > 0 {
                k[0] = k[0] &+ 0x9E37_79B9
                k[1] = k[1] &+ 0xBB67_AE85
            }
            let a = c[0].multipliedFullWidth(by: 0xD251_1F53), b = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
            c = [b.high ^ c[1] ^ k[0], b.low, a.high ^ c[3] ^ k[1], a.low]
        }
        return c
    }

    /// Known answers published with Random123 (kat_vectors).
    @Test func knownAnswers() {
        #expect(philox([0, 0, 0, 0], [0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
        let ones = [UInt32](repeating: .max, count: 4)
        #expect(philox(ones, [.max, .max]) == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
        #expect(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0])
                == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
        let w = RandomKey(0).words(0)
        #expect((0..<4).map { w[$0] } == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    }

    @Test func wordsAgainstTheDescription() {
        var random = TestRandom(4)
        for _ in 0..<500 {
            let seed = random.next(), counter = random.next()
            func halves(_ x: UInt64) -> [UInt32] { [UInt32(truncatingIfNeeded: x), UInt32(x >> 32)] }
            let expected = philox(halves(counter) + [0, 0], halves(seed))
            let w = RandomKey(seed).words(counter)
            #expect((0..<4).map { w[$0] } == expected)
        }
    }

    @Test func uniformMoments() {
        let n = 400_000, key = RandomKey(11), x = (0..<n).map { key.uniform($0) }
        #expect(x.allSatisfy { $0 >= 0 && $0 < 1 })
        let mean = x.reduce(0, +) / Double(n), variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
        // Four standard errors.
        #expect(abs(mean - 0.5) < 4 / (12 * Double(n)).squareRoot())
        #expect(abs(variance - 1 / 12.0) < 4 * (1 / 180.0 / Double(n)).squareRoot())
        // χ² over 100 bins: 99 degrees of freedom, standard deviation √198.
        var bins = [Int](repeating: 0, count: 100)
        for v in x { bins[Int(v * 100)] += 1 }
        let expected = Double(n) / 100
        let chi = bins.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(abs(chi - 99) < 5 * 198.0.squareRoot())
        let serial = (1..<n).reduce(0) { $0 + (x[$1] - mean) * (x[$1 - 1] - mean) } / Double(n) / variance
        #expect(abs(serial) < 5 / Double(n).squareRoot())
    }

    @Test func normalMoments() {
        let n = 400_001, x = Tensor.normal([n], mean: 2, standardDeviation: 3, key: RandomKey(5), dtype: .float64).doubles()
        let z = x.map { ($0 - 2) / 3 }, count = Double(n)
        let moments = (1...4).map { k in z.reduce(0) { $0 + pow($1, Double(k)) } / count }
        // Variances of the sample moments of a normal variable: 1, 2, 15, 96.
        #expect(abs(moments[0]) < 5 * (1 / count).squareRoot())
        #expect(abs(moments[1] - 1) < 5 * (2 / count).squareRoot())
        #expect(abs(moments[2]) < 5 * (15 / count).squareRoot())
        #expect(abs(moments[3] - 3) < 5 * (96 / count).squareRoot())
        #expect(x.allSatisfy { $0.isFinite })
        // Both numbers of a pair are used, and they are not correlated.
        let pairs = stride(from: 0, to: n - 1, by: 2).reduce(0) { $0 + z[$1] * z[$1 + 1] } / (count / 2)
        #expect(abs(pairs) < 5 * (2 / count).squareRoot())
    }

    @Test func tensorsOfRandomNumbers() {
        let key = RandomKey(3)
        let a = Tensor.uniform([40, 50], low: -2, high: 5, key: key, dtype: .float64)
        #expect(a.doubles().allSatisfy { $0 >= -2 && $0 < 5 })
        #expect(a.doubles() == (0..<2000).map { -2 + 7 * key.uniform($0) })
        // The stream of a tensor does not depend on its type or shape.
        #expect(Tensor.uniform([2000], low: -2, high: 5, key: key).elements(Float.self) == a.doubles().map { Float($0) })
        let n = Tensor.normal([7], key: key, dtype: .float64).doubles()
        #expect(Tensor.normal([3], key: key, dtype: .float64).doubles() == Array(n.prefix(3)))
        #expect(Tensor.normal([7], key: key).elements(Float.self) == n.map { Float($0) })
    }

    @Test(arguments: [0, 1, 2, 10, 1000]) func permutationsArePermutations(n: Int) {
        for seed in 0..<20 { #expect(RandomKey(UInt64(seed)).permutation(n).sorted() == Array(0..<n)) }
    }

    /// All orders of three come up equally often.
    @Test func permutationsAreUniform() {
        var counts: [[Int]: Int] = [:]
        for seed in 0..<12_000 { counts[RandomKey(9).fold(seed).permutation(3), default: 0] += 1 }
        #expect(counts.count == 6)
        for c in counts.values { #expect(abs(Double(c) - 2000) < 5 * (2000.0 * 5 / 6).squareRoot()) }
    }

    @Test(arguments: [1, 2, 3, 7, 1000, Int.max]) func integersStayBelowTheirBound(bound: Int) {
        let key = RandomKey(21)
        for i in 0..<2000 { #expect((0..<bound).contains(key.integer(i, below: bound))) }
        if bound == 7 {
            var counts = [Int](repeating: 0, count: 7)
            for i in 0..<70_000 { counts[key.integer(i, below: 7)] += 1 }
            for c in counts { #expect(abs(Double(c) - 10_000) < 5 * 10_000.0.squareRoot()) }
        }
    }

    /// Keys of different seeds, steps, paths and orders of folding are all different; the same folds give the same key.
    @Test func foldsAreDistinct() {
        var seen: Set<UInt64> = []
        var made = 0
        func note(_ k: RandomKey) {
            seen.insert(k.seed)
            made += 1
        }
        for seed in 0..<40 {
            let key = RandomKey(UInt64(seed))
            note(key)
            for step in -20..<40 {
                note(key.fold(step))
                for path in ["", "a", "b", "ab", "ba", "blocks.0", "blocks.1", "dropout"] {
                    note(key.fold(step).fold(path))
                    note(key.fold(path).fold(step))
                }
            }
            note(key.fold("a").fold("b"))
            note(key.fold("b").fold("a"))
            note(key.fold("a.b"))
        }
        #expect(seen.count == made)
        #expect(RandomKey(7).fold(3).fold("x") == RandomKey(7).fold(3).fold("x"))
    }

    /// Fixed numbers, computed by another program from the written rule (FNV-1a, SplitMix64's finaliser, Philox, 53 bits): a
    /// change of the stream would change every run that anyone has recorded.
    @Test func streamIsStable() {
        let numbers = Tensor.uniform([3], key: RandomKey(1).fold("w"), dtype: .float64).doubles()
        #expect(numbers == [0.7116672973911822, 0.52790487698057, 0.5318463800907565])
    }

    @Test func keysSurviveCoding() throws {
        let key = RandomKey(.max - 5)
        #expect(try JSONDecoder().decode(RandomKey.self, from: JSONEncoder().encode(key)) == key)
    }
}
