import NSTMTensor
import Testing

@Suite struct ReduceTests {
    private func close(_ t: Tensor, _ m: Model, _ tolerance: Double = 1e-12) -> Bool {
        t.shape.dims == m.dims && zip(t.doubles(), m.values).allSatisfy { abs($0 - $1) <= tolerance * (1 + abs($1)) }
    }

    @Test(arguments: 0..<6) func sumsOverRandomAxes(rank: Int) {
        for seed in 0..<120 {
            var random = TestRandom(UInt64(500 * rank + seed))
            let dims = seed % 4 == 0 ? random.dims(rank: rank) : random.positiveDims(rank: rank)
            let order = Array(0..<rank).shuffled(using: &random)
            let t = Tensor(random.doubles(dims.reduce(1, *)), Shape(dims)).permuted(order)
            let axes = (0..<rank).filter { _ in random.int(0..<2) == 0 }
            let keep = random.int(0..<2) == 0
            let named = axes.map { random.int(0..<2) == 0 ? $0 : $0 - rank }.shuffled(using: &random)
            let expected = Model(t).sum(Set(axes), keeping: keep)
            #expect(close(t.sum(axes: named, keepDims: keep), expected), "\(t.shape) over \(axes)")
            #expect(close(t.cast(to: .float32).sum(axes: named, keepDims: keep), expected, 1e-5))
            let n = axes.reduce(1) { $0 * t.shape[$1] }
            if n > 0 {
                let mean = Model(expected.dims, expected.values.map { $0 / Double(n) })
                #expect(close(t.mean(axes: named, keepDims: keep), mean))
            }
        }
    }

    @Test func sumOverEverything() {
        let t = Viewed([3, 4, 5]).tensor
        #expect(t.sum().shape == [] && t.sum().item() == 60 * 59 / 2)
        #expect(t.sum(keepDims: true).shape == [1, 1, 1])
        #expect(Tensor.zeros([0]).sum().item() == 0)
        #expect(Tensor.scalar(3).sum().item() == 3)
        #expect(t.mean().item() == 29.5)
    }

    /// More rows and columns than one block of work, along every axis.
    @Test(arguments: [
        [700, 3], [3, 70_000], [70_000, 3], [5, 300, 7], [1, 100_000], [100_000, 1], [2, 40_000, 1], [300, 1, 300],
    ])
    func longSums(dims: [Int]) {
        var random = TestRandom(3)
        let t = Tensor(random.doubles(dims.reduce(1, *)), Shape(dims)), m = Model(t)
        for axis in dims.indices {
            #expect(close(t.sum(axes: [axis]), m.sum([axis], keeping: false), 1e-11))
            #expect(close(t.cast(to: .float32).sum(axes: [axis]), m.sum([axis], keeping: false), 2e-4))
        }
        #expect(abs(t.sum().item() - m.values.reduce(0, +)) < 1e-9)
        #expect(abs(t.sumOfSquares() - m.values.reduce(0) { $0 + $1 * $1 }) < 1e-8)
    }

    /// The sum of many equal float32 numbers keeps its accuracy.
    @Test func floatSumsDoNotDrift() {
        let n = 3_000_000, t = Tensor(repeating: 0.1, [n])
        #expect(abs(t.sum().item() / (Double(Float(0.1)) * Double(n)) - 1) < 1e-6)
        #expect(abs(t.sumOfSquares() / (0.01 * Double(n)) - 1) < 1e-6)
    }

    /// The same along an axis that is not the whole tensor: mean losses over a batch and norms' column sums use this.
    @Test func floatSumsAlongAnAxisDoNotDrift() {
        let n = 1_000_000
        for axes in [[0], [1]] {
            let t = Tensor(repeating: 0.1, axes == [0] ? [n, 2] : [2, n])
            for v in t.sum(axes: axes).doubles() { #expect(abs(v / (Double(Float(0.1)) * Double(n)) - 1) < 1e-5, "axes \(axes)") }
        }
    }

    @Test func maximumTakesTheFirstOfEquals() {
        let t = Tensor([1, 5, 5, 2, 7, 7, 7, 0, -3, -3, -4, -3] as [Float], [3, 4])
        let (values, indices) = t.maximum(axis: -1)
        #expect(values.doubles() == [5, 7, -3] && indices.elements(Int32.self) == [1, 0, 0])
        let (columns, rows) = t.maximum(axis: 0)
        #expect(columns.doubles() == [7, 7, 7, 2] && rows.elements(Int32.self) == [1, 1, 1, 0])
        #expect(t.argmax().shape == [3])
    }

    @Test func maximumShowsNaN() {
        let n = Float.nan, i = Float.infinity
        let t = Tensor([1, n, 3, i, n, i, -i, -i, -i] as [Float], [3, 3])
        let (values, indices) = t.maximum(axis: 1)
        let v = values.elements(Float.self)
        #expect(v[0].isNaN && v[1].isNaN && v[2] == -i)
        #expect(indices.elements(Int32.self) == [1, 1, 0])
    }

    @Test func maximumAgainstALoop() {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let dims = random.positiveDims(rank: 3), axis = random.int(0..<3)
            // Few distinct numbers: many ties.
            let values = (0..<dims.reduce(1, *)).map { _ in Double(random.int(-2..<3)) }
            let t = Tensor(values, Shape(dims)).permuted([2, 0, 1]), m = Model(t)
            let (best, at) = t.maximum(axis: axis - 3)
            var rest = m.dims
            rest.remove(at: axis)
            for (i, index) in Model.indices(rest).enumerated() {
                let line = (0..<m.dims[axis]).map { j in
                    var full = index
                    full.insert(j, at: axis)
                    return m[full]
                }
                #expect(best.doubles()[i] == line.max()!)
                #expect(Int(at.elements(Int32.self)[i]) == line.firstIndex(of: line.max()!)!)
            }
        }
    }

    /// sum(to:) is the adjoint of broadcast(to:): ⟨broadcast(x), y⟩ = ⟨x, sum(y)⟩.
    @Test func sumToIsTheAdjointOfBroadcast() {
        for seed in 0..<200 {
            var random = TestRandom(UInt64(seed))
            let target = random.dims(rank: random.int(0..<5))
            let from = Array(target.map { random.int(0..<2) == 0 ? 1 : $0 }.dropFirst(random.int(0..<target.count + 1)))
            let x = Tensor(random.doubles(from.reduce(1, *)), Shape(from))
            let y = Tensor(random.doubles(target.reduce(1, *)), Shape(target))
            let back = y.sum(to: x.shape)
            #expect(back.shape == x.shape)
            let left = zip(x.broadcast(to: y.shape).doubles(), y.doubles()).reduce(0) { $0 + $1.0 * $1.1 }
            let right = zip(x.doubles(), back.doubles()).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(left - right) < 1e-12)
        }
    }

    @Test func firstNonFiniteFindsThePosition() {
        for n in [1, 5, 1024, 1025, 5000] {
            var t = Tensor.ones([n])
            #expect(t.firstNonFinite() == nil)
            for bad in [Float.nan, .infinity, -.infinity] {
                t.withMutableElements(of: Float.self) { $0[n - 1] = bad }
                #expect(t.firstNonFinite() == n - 1)
            }
        }
        #expect(Tensor.ones([3], dtype: .int32).firstNonFinite() == nil)
        #expect(Tensor.zeros([0]).firstNonFinite() == nil)
    }
}

@Suite struct JoinTests {
    @Test func concatenateAgainstSlices() {
        for seed in 0..<120 {
            var random = TestRandom(UInt64(seed))
            let rank = random.int(1..<5), axis = random.int(0..<rank)
            let dims = random.positiveDims(rank: rank)
            let parts = (0..<random.int(1..<5)).map { _ -> Tensor in
                var d = dims
                d[axis] = random.int(0..<4)
                // Stored in another order, so that the parts are strided.
                let t = Tensor(random.doubles(d.reduce(1, *)), Shape(d.reversed()))
                return t.permuted(Array((0..<rank).reversed()))
            }
            let joined = Tensor.concatenate(parts, axis: axis - rank)
            var start = 0
            for p in parts {
                #expect(Model(joined.slice(axis: axis, start..<start + p.shape[axis])) == Model(p))
                start += p.shape[axis]
            }
            #expect(joined.shape[axis] == start)
        }
    }

    @Test(arguments: DType.allCases) func concatenateKeepsTheType(_ type: DType) {
        let a = Tensor.ones([2, 1], dtype: type), b = Tensor.zeros([2, 2], dtype: type)
        let c = Tensor.concatenate([a, b], axis: 1)
        #expect(c.dtype == type && c.doubles() == [1, 0, 0, 1, 0, 0])
    }

    @Test(arguments: [-3, -2, -1, 0, 1, 2]) func stackAgainstSelect(axis: Int) {
        let parts = (0..<4).map { Viewed([2, 3], start: 10 * $0).tensor.transposed() }
        let s = Tensor.stack(parts, axis: axis)
        #expect(s.rank == 3 && s.shape[axis] == 4)
        for (i, p) in parts.enumerated() { #expect(Model(s.select(axis: axis, i)) == Model(p)) }
    }

    @Test func paddedPlacesItself() {
        let t = Viewed([2, 3], start: 1).tensor
        for axis in [0, 1, -1, -2] {
            let p = t.padded(axis: axis, before: 2, after: 1), n = t.shape[axis]
            #expect(p.shape[axis] == n + 3)
            #expect(Model(p.slice(axis: axis, 2..<2 + n)) == Model(t))
            #expect(p.sum().item() == t.sum().item())
        }
        #expect(Model(t.padded(axis: 0, before: 0, after: 0)) == Model(t))
    }

    @Test func rowsAndTheirAdjoint() {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let n = random.int(1..<6), row = random.dims(rank: random.int(0..<3))
            let at = random.dims(rank: random.int(0..<3)), count = at.reduce(1, *)
            let table = Tensor(random.doubles(n * row.reduce(1, *)), Shape([n] + row))
            let picks = (0..<count).map { _ in Int32(random.int(0..<n)) }
            let indices = Tensor(picks, Shape(at))
            let got = table.rows(indices)
            #expect(got.shape.dims == at + row && got.dtype == .float64)
            let length = row.reduce(1, *), all = table.doubles()
            #expect(got.doubles() == picks.flatMap { all[Int($0) * length..<(Int($0) + 1) * length] })
            let g = Tensor(random.doubles(got.count), got.shape)
            let back = Tensor.addingRows(g, at: indices, count: n)
            #expect(back.shape == table.shape)
            let left = zip(got.doubles(), g.doubles()).reduce(0) { $0 + $1.0 * $1.1 }
            let right = zip(table.doubles(), back.doubles()).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(left - right) < 1e-12)
        }
    }

    @Test func rowsOfStridedTablesAndIndices() {
        let table = Viewed([3, 4]).tensor.transposed()
        let indices = Tensor([0, 3, 1, 2] as [Int32], [2, 2]).transposed()
        #expect(table.rows(indices).doubles() == [0, 4, 8, 1, 5, 9, 3, 7, 11, 2, 6, 10])
    }
}
