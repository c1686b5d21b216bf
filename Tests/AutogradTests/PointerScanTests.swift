import NSTMAutograd
import NSTMTensor
import Testing

/// The heads of a pointer against shift matrices, against a pair of counters, and the invariants of distributions.
@Suite struct PointerScanTests {
    private struct Heads {
        let writes: Tensor, reads: Tensor
    }
    private func scan(_ a: Tensor, _ e: Tensor, _ start: Tensor, _ order: [[Int32]]? = nil) -> Heads {
        let (w, r) = Variable(a).pointerScan(readMoves: Variable(e), heads: Variable(start), order: order)
        return Heads(writes: w.value, reads: r.value)
    }
    private func shares(_ shape: [Int], _ name: String, _ dtype: DType = .float64) -> Tensor {
        Variable(.normal(Shape(shape), standardDeviation: 2, key: RandomKey(4).fold(name), dtype: dtype)).softmax().value
    }
    private func rest(_ batch: Int, _ positions: Int, _ dtype: DType = .float64) -> Tensor {
        Tensor((0..<2 * batch * positions).map { $0 % positions == 0 ? 1.0 : 0 }, [batch, 2, positions]).cast(to: dtype)
    }

    /// The recurrence by definition: a matrix for each move over the positions in use.
    @Test(arguments: [nil, [0, 1, 2, 3, 4, 5], [0, 2, 5], [0]] as [[Int32]?]) func shiftMatrices(_ order: [Int32]?) {
        let b = 2, t = 9, n = 6, positions = (order ?? (0..<Int32(n)).map { $0 }).map { Int($0) }
        let a = shares([b, t, 2], "a"), e = shares([b, t, 5], "e")
        // Heads at random positions in use.
        let used = Tensor((0..<n).map { positions.contains($0) ? 1.0 : 0 }, [n]), start = shares([b, 2, n], "start") * used
        let heads = scan(a, e, start, order.map { [$0] })
        for s in 0..<b {
            func row(_ x: Tensor, _ i: Int) -> [Double] { x.select(axis: 0, s).select(axis: 0, i).doubles() }
            var w = row(start, 0), r = row(start, 1)
            for i in 0..<t {
                let a = row(a, i), e = row(e, i)
                var forward = Array(repeating: 0.0, count: n), next = forward
                for (k, p) in positions.enumerated() where k > 0 { forward[p] = w[positions[k - 1]] }
                w = positions.reduce(into: Array(repeating: 0.0, count: n)) { $0[$1] = a[0] * w[$1] + a[1] * forward[$1] }
                for (k, p) in positions.enumerated() {
                    next[p] += e[0] * r[p] + e[4] * w[p]
                    if k + 1 < positions.count { next[positions[k + 1]] += e[1] * r[p] }
                    next[positions[max(0, k - 1)]] += e[2] * r[p]
                }
                next[0] += e[3]
                r = next
                for p in 0..<n {
                    #expect(abs(heads.writes.select(axis: 0, s).select(axis: 0, i).doubles()[p] - w[p]) < 1e-14)
                    #expect(abs(heads.reads.select(axis: 0, s).select(axis: 0, i).doubles()[p] - r[p]) < 1e-14)
                }
            }
        }
    }
    /// With one move per token, each head is at exactly one position, that of a counter, after any number of tokens.
    @Test(arguments: [DType.float32, .float64]) func oneMoveAtATime(_ type: DType) {
        let t = 3_000, n = 200, key = RandomKey(8)
        var write = 0, read = 0, a: [Double] = [], e: [Double] = [], positions: [(Int, Int?)] = []
        for i in 0..<t {
            let moves = key.fold(i).integer(0, below: 16) == 0 ? 1 : 0, move = key.fold(i).integer(1, below: 5)
            a += (0..<2).map { $0 == moves ? 1.0 : 0 }
            e += (0..<5).map { $0 == move ? 1.0 : 0 }
            write += moves
            let isGone = read > n
            switch move {
            case 1: if !isGone { read += 1 }
            case 2: if !isGone { read = max(0, read - 1) }
            case 3: read = 0
            case 4: read = write
            default: break
            }
            positions.append((write, read > n ? nil : read))
        }
        let heads = scan(
            Tensor(a, [1, t, 2]).cast(to: type), Tensor(e, [1, t, 5]).cast(to: type), rest(1, n + 1, type))
        let w = heads.writes.doubles(), r = heads.reads.doubles()
        for (i, (write, read)) in positions.enumerated() {
            func row(_ x: [Double]) -> [Double] { Array(x[i * (n + 1)..<(i + 1) * (n + 1)]) }
            #expect(row(w) == (0...n).map { $0 == write ? 1 : 0 }, "write head after token \(i)")
            if let read { #expect(row(r) == (0...n).map { $0 == read ? 1 : 0 }, "read head after token \(i)") }
        }
        // The case is not trivial: both heads have moved far.
        #expect(positions.contains { $0.0 > 100 } && positions.contains { ($0.1 ?? 0) > 50 })
    }
    /// Weights are nonnegative, their sum is at most 1, and lost weight has moved beyond the last position.
    @Test func distributions() {
        let heads = scan(shares([3, 400, 2], "a"), shares([3, 400, 5], "e"), rest(3, 9))
        for x in [heads.writes, heads.reads] {
            #expect(x.doubles().allSatisfy { $0 >= 0 })
            #expect(x.sum(axes: [2]).doubles().allSatisfy { $0 <= 1 + 1e-12 })
        }
        let sums = heads.writes.sum(axes: [2]).doubles()
        // A head that only moves forward has weight 0 in the end, and weight 1 before it can reach the last position.
        #expect(sums[399] < 1e-6 && (0..<8).allSatisfy { abs(sums[$0] - 1) < 1e-12 })
    }
    /// Sequences with different positions in use do not influence each other.
    @Test func positionsOfEachSequence() {
        let a = shares([2, 7, 2], "a"), e = shares([2, 7, 5], "e"), orders: [[Int32]] = [[0, 1, 4], [0, 2, 3]]
        let both = scan(a, e, rest(2, 5), orders)
        for b in 0..<2 {
            let alone = scan(a.slice(axis: 0, b..<b + 1), e.slice(axis: 0, b..<b + 1), rest(1, 5), [orders[b]])
            #expect(both.writes.slice(axis: 0, b..<b + 1).doubles() == alone.writes.doubles())
            #expect(both.reads.slice(axis: 0, b..<b + 1).doubles() == alone.reads.doubles())
            for n in 1..<5 where !orders[b].contains(Int32(n)) {
                #expect(both.writes.select(axis: 0, b).select(axis: 1, n).doubles().allSatisfy { $0 == 0 })
                #expect(both.reads.select(axis: 0, b).select(axis: 1, n).doubles().allSatisfy { $0 == 0 })
            }
        }
    }
}
