import NSTMAutograd
import NSTMTensor
import Testing

/// The heads of a pointer against plain loops, against a pair of counters, and the invariants of distributions.
@Suite struct PointerScanTests {
    typealias Move = Tensor.PointerMove
    private static let sets: [[Move]] = [
        [.stay, .forward], [.stay, .forward, .back, .home, .follow], Move.allCases, Move.allCases.reversed(),
        [.home, .find, .stay], [.cycle], [.back, .forward], [.follow, .stay, .forward], [.find, .cycle, .home],
    ]
    private static let orders: [[Int32]?] = [nil, [0, 1, 2, 3, 4, 5], [0, 2, 5], [0, 3], [0]]

    private func scan(
        _ moves: [Move], _ shares: Tensor, _ start: Tensor, target: Tensor? = nil, match: Tensor? = nil, _ order: [[Int32]]? = nil
    ) -> Tensor {
        let isTargeted = moves.contains(.follow) || moves.contains(.cycle)
        return Variable(shares).pointerScan(
            moves, start: Variable(start), target: isTargeted ? target.map { Variable($0) } : nil,
            match: moves.contains(.find) ? match.map { Variable($0) } : nil, order: order
        ).value
    }
    private func shares(_ shape: [Int], _ name: String, _ dtype: DType = .float64) -> Tensor {
        Variable(.normal(Shape(shape), standardDeviation: 2, key: RandomKey(4).fold(name), dtype: dtype)).softmax().value
    }
    private func rest(_ batch: Int, _ positions: Int, _ dtype: DType = .float64) -> Tensor {
        Tensor((0..<batch * positions).map { $0 % positions == 0 ? 1.0 : 0 }, [batch, positions]).cast(to: dtype)
    }
    private func row(_ x: Tensor, _ s: Int, _ t: Int) -> [Double] { x.select(axis: 0, s).select(axis: 0, t).doubles() }

    /// Where a head goes that is at exactly one position, given the distribution of the target head: positions with probabilities.
    ///
    /// - Parameter last: index of the last position in use; indices count positions in use.
    private func destinations(_ move: Move, from i: Int, last: Int, target: [Double], match: [Double]) -> [(Int, Double)] {
        switch move {
        case .stay: return [(i, 1)]
        case .forward: return i < last ? [(i + 1, 1)] : []
        case .back: return [(max(0, i - 1), 1)]
        // Moves that ignore the position, and bring back a head that was lost: see `naive`.
        case .home, .follow, .find: return []
        case .cycle:
            guard last > 0 else { return [(0, 1)] }
            guard i < last else { return [(1, 1)] }
            // The target head is before the next position.
            let beyond = target[...i].reduce(0, +)
            return [(i + 1, 1 - beyond), (1, beyond)]
        }
    }
    private func naive(
        _ moves: [Move], _ shares: [Double], _ h: [Double], target: [Double], match: [Double], _ order: [Int]
    ) -> [Double] {
        var next = h.map { _ in 0.0 }
        let w = order.map { target[$0] }
        for (move, share) in zip(moves, shares) {
            switch move {
            case .home: next[0] += share
            case .follow: for p in order { next[p] += share * target[p] }
            case .find: for p in order.dropFirst() { next[p] += share * match[p - 1] }
            default:
                for (i, p) in order.enumerated() {
                    for (to, probability) in destinations(move, from: i, last: order.count - 1, target: w, match: match) {
                        next[order[to]] += share * probability * h[p]
                    }
                }
            }
        }
        return next
    }

    /// The recurrence by definition: every position on its own, move by move.
    @Test(arguments: sets, orders) func moveByMove(_ moves: [Move], _ order: [Int32]?) {
        let b = 2, t = 9, n = 6, positions = (order ?? (0..<Int32(n)).map { $0 }).map { Int($0) }
        let e = shares([b, t, moves.count], "e"), used = Tensor((0..<n).map { positions.contains($0) ? 1.0 : 0 }, [n])
        // Heads at random positions in use; some of the weight of the target is lost.
        let start = shares([b, n], "start") * used, target = (shares([b, t, n], "target") * used).affine(0.9)
        let match = shares([b, t, n - 1], "match")
        let heads = scan(moves, e, start, target: target, match: match, order.map { [$0] })
        for s in 0..<b {
            var h = start.select(axis: 0, s).doubles()
            for i in 0..<t {
                h = naive(moves, row(e, s, i), h, target: row(target, s, i), match: row(match, s, i), positions)
                let result: [Double] = row(heads, s, i)
                for p in 0..<n { #expect(abs(result[p] - h[p]) < 1e-14) }
            }
        }
    }
    /// With one move per token, each head is at exactly one position, that of a counter, after any number of tokens.
    @Test(arguments: [DType.float32, .float64]) func oneMoveAtATime(_ type: DType) {
        let t = 3_000, n = 200, key = RandomKey(8), all = Move.allCases, advancing: [Move] = [.stay, .forward, .back, .home]
        var write = 0, read = 0, a: [Double] = [], e: [Double] = [], m: [Double] = [], positions: [(Int, Int?)] = []
        for i in 0..<t {
            let step = key.fold(i).integer(0, below: 400)
            let moved: Move = step < 30 ? .forward : step == 30 ? .back : i == 2_500 ? .home : .stay
            let move = all[key.fold(i).integer(1, below: all.count)], found = key.fold(i).integer(2, below: n)
            a += advancing.map { $0 == moved ? 1 : 0 }
            e += all.map { $0 == move ? 1 : 0 }
            m += (0..<n).map { $0 == found ? 1 : 0 }
            switch moved {
            case .forward: write += 1
            case .back: write = max(0, write - 1)
            case .home: write = 0
            default: break
            }
            let isGone = read > n
            switch move {
            case .forward: if !isGone { read += 1 }
            case .back: if !isGone { read = max(0, read - 1) }
            case .home: read = 0
            case .follow: read = write
            case .cycle: if !isGone { read = read + 1 > min(write, n) ? 1 : read + 1 }
            case .find: read = found + 1
            case .stay: break
            }
            positions.append((write, read > n ? nil : read))
        }
        let w = scan(advancing, Tensor(a, [1, t, 4]).cast(to: type), rest(1, n + 1, type))
        let r = scan(
            all, Tensor(e, [1, t, 7]).cast(to: type), rest(1, n + 1, type), target: w, match: Tensor(m, [1, t, n]).cast(to: type))
        let writes = w.doubles(), reads = r.doubles()
        for (i, (write, read)) in positions.enumerated() {
            func row(_ x: [Double]) -> [Double] { Array(x[i * (n + 1)..<(i + 1) * (n + 1)]) }
            #expect(row(writes) == (0...n).map { $0 == write ? 1 : 0 }, "write head after token \(i)")
            if let read { #expect(row(reads) == (0...n).map { $0 == read ? 1 : 0 }, "read head after token \(i)") }
        }
        // The case is not trivial: the write head has moved far and begun again.
        #expect(positions.contains { $0.0 > 100 } && positions.last!.0 < 100 && positions.contains { ($0.1 ?? 0) > 50 })
    }
    /// Reading L items again and again is L times `cycle`, for any number of states, from rest.
    @Test(arguments: [(1, 4), (3, 3), (3, 9), (5, 6)]) func cyclesThroughWhatWasWritten(_ length: Int, _ states: Int) {
        let t = 4 * length, target = Tensor((0...states).map { $0 == length ? 1.0 : 0 }, [1, 1, states + 1])
        let heads = scan(
            [.cycle], .ones([1, t, 1], dtype: .float64), rest(1, states + 1),
            target: target.broadcast(to: [1, t, states + 1]).contiguous())
        for i in 0..<t { #expect(row(heads, 0, i) == (0...states).map { $0 == i % length + 1 ? 1 : 0 }) }
    }
    /// Weights are nonnegative, their sum is at most 1, and lost weight has moved beyond the last position.
    @Test func distributions() {
        let all = Move.allCases, w = scan([.stay, .forward], shares([3, 400, 2], "a"), rest(3, 9))
        let r = scan(all, shares([3, 400, all.count], "e"), rest(3, 9), target: w, match: shares([3, 400, 8], "m"))
        for x in [w, r] {
            #expect(x.doubles().allSatisfy { $0 >= -1e-12 })
            #expect(x.sum(axes: [2]).doubles().allSatisfy { $0 <= 1 + 1e-12 })
        }
        let sums = w.sum(axes: [2]).doubles()
        // A head that only moves forward has weight 0 in the end, and weight 1 before it can reach the last position.
        #expect(sums[399] < 1e-6 && (0..<8).allSatisfy { abs(sums[$0] - 1) < 1e-12 })
        // Moves other than forward, and follow where the target is complete, keep the sum.
        let kept: [Move] = [.stay, .back, .home, .cycle, .find, .follow]
        let whole = scan(
            kept, shares([3, 400, 6], "k"), rest(3, 9), target: shares([3, 400, 9], "t"), match: shares([3, 400, 8], "m"))
        #expect(whole.sum(axes: [2]).doubles().allSatisfy { abs($0 - 1) < 1e-12 })
        #expect(whole.doubles().allSatisfy { $0 >= -1e-12 })
    }
    /// Sequences with different positions in use do not influence each other.
    @Test(arguments: sets) func positionsOfEachSequence(_ moves: [Move]) {
        let e = shares([2, 7, moves.count], "e"), orders: [[Int32]] = [[0, 1, 4], [0, 2, 3]]
        let target = shares([2, 7, 5], "t"), match = shares([2, 7, 4], "m")
        let both = scan(moves, e, rest(2, 5), target: target, match: match, orders)
        for b in 0..<2 {
            func part(_ x: Tensor) -> Tensor { x.slice(axis: 0, b..<b + 1) }
            let alone = scan(moves, part(e), rest(1, 5), target: part(target), match: part(match), [orders[b]])
            #expect(part(both).doubles() == alone.doubles())
            for n in 1..<5 where !orders[b].contains(Int32(n)) {
                #expect(both.select(axis: 0, b).select(axis: 1, n).doubles().allSatisfy { $0 == 0 })
            }
        }
    }

    // MARK: Key memory

    /// Scores and keys by plain loops, whole and in two segments, for lengths of several chunks.
    @Test(arguments: [DType.float32, .float64], [1, 3, 16, 37]) func keyMemory(_ type: DType, _ length: Int) {
        let b = 2, h = 3, d = 5, n = 4, key = RandomKey(12)
        func random(_ shape: [Int], _ name: String) -> Tensor { .normal(Shape(shape), key: key.fold(name), dtype: type) }
        let q = random([b, length, h, d], "q"), k = random([b, length, d], "k"), u = shares([b, length, n], "u", type)
        let start = random([b, d, n], "start")
        func run(_ range: Range<Int>, _ start: Tensor) -> (scores: Tensor, end: Tensor) {
            func part(_ x: Tensor) -> Variable { Variable(x.slice(axis: 1, range)) }
            let (scores, end) = part(q).keyMemoryScan(keys: part(k), write: part(u), start: Variable(start))
            return (scores.value, end.value)
        }
        let whole = run(0..<length, start), cut = length / 2, first = run(0..<cut, start), second = run(cut..<length, first.end)
        #expect(Tensor.concatenate([first.scores, second.scores], axis: 2).doubles() == whole.scores.doubles())
        #expect(second.end.doubles() == whole.end.doubles())
        let bound = type == .float64 ? 1e-13 : 1e-5
        let (scores, qs, ks, us) = (whole.scores.doubles(), q.doubles(), k.doubles(), u.doubles())
        var memory = start.doubles()
        for s in 0..<b {
            for t in 0..<length {
                for i in 0..<n {
                    for head in 0..<h {
                        let query = qs[((s * length + t) * h + head) * d..<((s * length + t) * h + head + 1) * d]
                        var expected = 0.0
                        for (j, q) in query.enumerated() { expected += q * memory[(s * d + j) * n + i] }
                        #expect(abs(scores[((s * h + head) * length + t) * n + i] - expected) < bound)
                    }
                }
                for i in 0..<n {
                    for j in 0..<d {
                        let u = us[(s * length + t) * n + i], old = memory[(s * d + j) * n + i]
                        memory[(s * d + j) * n + i] = (1 - u) * old + u * ks[(s * length + t) * d + j]
                    }
                }
            }
        }
        for (x, y) in zip(whole.end.doubles(), memory) { #expect(abs(x - y) < bound) }
    }
}
