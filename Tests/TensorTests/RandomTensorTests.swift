import Foundation
import NSTMTensor
import Testing

/// Distributions against their moments (bounds of five standard errors) and their distribution functions.
@Suite struct RandomTensorTests {
    private func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
    private func variance(_ x: [Double]) -> Double {
        let m = mean(x)
        return x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)
    }
    /// Kolmogorov's statistic √n · sup |F̂ − F|, which exceeds 1.95 once in a thousand.
    private func kolmogorov(_ x: [Double], _ distribution: (Double) -> Double) -> Double {
        let n = Double(x.count)
        return x.sorted().enumerated().reduce(0) { worst, e in
            let f = distribution(e.element)
            return max(worst, abs(f - Double(e.offset) / n), abs(f - Double(e.offset + 1) / n))
        } * n.squareRoot()
    }
    private let n = 100_000

    @Test func exponential() {
        let x = Tensor.exponential([n], rate: 2, key: RandomKey(1), dtype: .float64).doubles()
        #expect(x.allSatisfy { $0 >= 0 && $0.isFinite })
        #expect(kolmogorov(x) { 1 - exp(-2 * $0) } < 2)
    }
    @Test func gumbel() {
        let x = Tensor.gumbel([n], key: RandomKey(2), dtype: .float64).doubles()
        #expect(x.allSatisfy { $0.isFinite })
        #expect(kolmogorov(x) { exp(-exp(-$0)) } < 2)
    }

    @Test(arguments: [(-1.0, 2.0), (0.5, 0.6), (3.0, .infinity), (-.infinity, -6.0), (9.0, 9.5), (-.infinity, .infinity)])
    func truncatedNormal(low: Double, high: Double) {
        let x = Tensor.truncatedNormal(
            [n], mean: 1, standardDeviation: 2, low: 1 + 2 * low, high: 1 + 2 * high, key: RandomKey(3), dtype: .float64
        )
        .doubles()
        #expect(x.allSatisfy { $0 >= 1 + 2 * low && $0 <= 1 + 2 * high && $0.isFinite })
        // By the upper tail where the lower one is nearly 1.
        func tail(_ z: Double) -> Double { 0.5 * erfc((low > 0 ? z : -z) / 2.0.squareRoot()) }
        let a = tail(low), b = tail(high)
        #expect(kolmogorov(x) { (tail(($0 - 1) / 2) - a) / (b - a) } < 2)
        let single = Tensor.truncatedNormal([n], low: low, high: high, key: RandomKey(3)).doubles()
        #expect(single.allSatisfy { $0 >= low && $0 <= high })
    }

    /// The inverse of the distribution function, by the function itself.
    @Test func normalQuantiles() {
        for z in stride(from: -37.0, through: 8, by: 0.01) {
            let p = Normal.distribution(z)
            // Near 1 neighboring doubles are far apart in z.
            let spacing = z > 0 ? 2e-16 / (exp(-z * z / 2) * 0.3989) : 0
            #expect(abs(Normal.quantile(p) - z) <= 1e-12 * max(1, abs(z)) + 4 * spacing, "\(z)")
        }
        #expect(Normal.quantile(0) == -.infinity && Normal.quantile(1) == .infinity && Normal.quantile(0.5) == 0)
    }

    @Test func bernoulli() {
        let x = Tensor.bernoulli([n], probability: 0.3, key: RandomKey(4))
        #expect(x.dtype == .bool)
        #expect(abs(mean(x.doubles()) - 0.3) < 5 * (0.21 / Double(n)).squareRoot())
        #expect(!Tensor.bernoulli([1000], probability: 0, key: RandomKey(4)).elements(Bool.self).contains(true))
        #expect(!Tensor.bernoulli([1000], probability: 1, key: RandomKey(4)).elements(Bool.self).contains(false))
        let p = Tensor([0, 0.25, 1] as [Float]).broadcast(to: [40_000, 3])
        let y = Tensor.bernoulli(p, key: RandomKey(5)).transposed()
        #expect(!y[0].elements(Bool.self).contains(true) && !y[2].elements(Bool.self).contains(false))
        #expect(abs(mean(y[1].doubles()) - 0.25) < 5 * (0.1875 / 40_000).squareRoot())
    }

    @Test func integersAndPermutations() {
        let x = Tensor.integers([n], in: -3..<4, key: RandomKey(6)).elements(Int32.self)
        for v in -3..<4 {
            let share = Double(x.count { $0 == Int32(v) }) / Double(n)
            #expect(abs(share - 1 / 7.0) < 5 * (6 / 49.0 / Double(n)).squareRoot())
        }
        #expect(x.allSatisfy { -3..<4 ~= $0 })
        let wide = Tensor.integers([1000], in: Int(Int32.min)..<Int(Int32.max) + 1, key: RandomKey(7)).elements(Int32.self)
        #expect(wide.min()! < -2_000_000_000 && wide.max()! > 2_000_000_000)
        #expect(Tensor.permutation(100, key: RandomKey(8)).elements(Int32.self).sorted() == (0..<100).map { Int32($0) })
    }

    @Test func categorical() {
        let weights = [0.1, 0, 0.6, 0.3], rows = 40_000
        let logits = Tensor(weights.map { log($0) + 700 }, [4]).broadcast(to: [2, rows, 4])
        let x = Tensor.categorical(logits, key: RandomKey(9))
        #expect(x.shape == [2, rows] && x.dtype == .int32)
        let drawn = x.elements(Int32.self)
        for (c, w) in weights.enumerated() {
            let share = Double(drawn.count { $0 == Int32(c) }) / Double(2 * rows)
            #expect(abs(share - w) <= 5 * (w * (1 - w) / Double(2 * rows)).squareRoot())
        }
        #expect(Tensor.categorical(Tensor([-.infinity, -5, -.infinity] as [Float]), key: RandomKey(1)).item() == 1)
        #expect(Tensor.categorical(.zeros([0, 3]), key: RandomKey(1)).shape == [0])
    }

    /// An element is a function of the key and its position: shapes, types and threads' blocks do not matter.
    @Test func streamsDoNotDependOnShapes() {
        let key = RandomKey(10), n = 20_001
        func check(_ make: (Shape, DType) -> Tensor) {
            let long = make([n], .float64).doubles()
            #expect(make([3, 5], .float64).doubles() == Array(long.prefix(15)))
            #expect(make([n], .float32).elements(Float.self) == long.map { Float($0) })
        }
        check { .uniform($0, low: -1, high: 3, key: key, dtype: $1) }
        check { .normal($0, mean: 1, standardDeviation: 2, key: key, dtype: $1) }
        check { .exponential($0, key: key, dtype: $1) }
        check { .gumbel($0, key: key, dtype: $1) }
        check { .truncatedNormal($0, low: -2, high: 2, key: key, dtype: $1) }
        let normal = Tensor.normal([n], key: key, dtype: .float64).doubles()
        for i in stride(from: 0, to: n - 1, by: 1001) {
            let pair = key.normalPair(i / 2)
            #expect(normal[i] == (i % 2 == 0 ? pair.0 : pair.1))
        }
    }
}
