import NSTMTensor
import Testing

/// Random indices for the subscript, with the shape of the result and the selected elements in row-major order.
enum RandomIndex {
    static func some(_ dims: [Int], _ random: inout TestRandom) -> (indices: [Tensor.AxisIndex], dims: [Int], offsets: [Int]) {
        var indices: [Tensor.AxisIndex] = [], out: [Int] = [], picked: [[Int]] = []
        // Axes from `rest` on are not named; new axes have one position and no axis of their own.
        let rest = random.int(0..<3) == 0 ? random.int(0..<dims.count + 1) : dims.count
        for (axis, n) in dims.enumerated() {
            if axis == rest {
                indices.append(.rest)
            }
            if axis >= rest {
                picked.append(Array(0..<n))
                out.append(n)
                continue
            }
            if random.int(0..<6) == 0 && out.count < 5 {
                indices.append(.new)
                out.append(1)
            }
            switch random.int(0..<4) {
            case 0 where n > 0:
                let p = random.int(0..<n)
                indices.append(.at(random.int(0..<2) == 0 ? p : p - n))
                picked.append([p])
            case 1:
                let low = random.int(0..<n + 1), high = random.int(low..<n + 1), step = [1, 2, 3, -1, -2, 9][random.int(0..<6)]
                let positions =
                    step > 0
                    ? Array(stride(from: low, to: high, by: step)) : Array(stride(from: high - 1, through: low, by: step))
                indices.append(.range(low..<high, step: step))
                picked.append(positions)
                out.append(positions.count)
            case 2:
                indices.append(.reversed)
                picked.append((0..<n).reversed())
                out.append(n)
            default:
                indices.append(.all)
                picked.append(Array(0..<n))
                out.append(n)
            }
        }
        var offsets = [0]
        for (n, positions) in zip(dims, picked) { offsets = offsets.flatMap { p in positions.map { p * n + $0 } } }
        return (indices, out, offsets)
    }
}

@Suite struct IndexingTests {
    @Test(arguments: 0..<6) func readingAndWritingAgainstLists(rank: Int) {
        for seed in 0..<120 {
            var random = TestRandom(UInt64(500 * rank + seed))
            var v = Viewed(seed % 4 == 0 ? random.dims(rank: rank) : random.positiveDims(rank: rank))
            for _ in 0..<random.int(0..<3) where v.model.dims.count <= 5 { v.randomView(&random) }
            guard v.model.dims.count <= 5 else { continue }
            let (indices, dims, offsets) = RandomIndex.some(v.model.dims, &random)
            let part = v.tensor.indexed(indices)
            #expect(part.shape.dims == dims)
            #expect(part.doubles() == offsets.map { v.model.values[$0] })
            #expect(part.storage == v.tensor.storage)
            // Written through, with the original kept.
            var copy = v.tensor
            let new = offsets.indices.map { -1 - Double($0) }
            copy.write(Tensor(new, Shape(dims)), at: indices)
            var expected = v.model.values
            for (p, x) in zip(offsets, new) { expected[p] = x }
            #expect(copy.doubles() == expected)
            #expect(v.tensor.doubles() == v.model.values)
        }
    }

    @Test func theSubscript() {
        var x = Tensor.arange(24, dtype: .int32).reshaped([2, 3, 4])
        #expect(x[0, .range(1..<3), -1].doubles() == [7, 11])
        #expect(x[.rest, 0].doubles() == [0, 4, 8, 12, 16, 20])
        #expect(x[1, .reversed, .range(0..<4, step: 2)].doubles() == [20, 22, 16, 18, 12, 14])
        #expect(x[.new, 1, .all, 1].shape == [1, 3])
        x[.all, 0] = Tensor([-1, -2, -3, -4] as [Int32])
        #expect(x[1, 0].doubles() == [-1, -2, -3, -4] && x[0, 1].doubles() == [4, 5, 6, 7])
        x[0] = x[0, .reversed]
        #expect(x[0, 2].doubles() == [-1, -2, -3, -4])
        #expect(Tensor.scalar(3)[].item() == 3)
    }

    /// What is written may be a view of what it is written to.
    @Test func overlappingWrites() {
        var x = Tensor.arange(6, dtype: .float64)
        x[.range(1..<6)] = x[.range(0..<5)]
        #expect(x.doubles() == [0, 0, 1, 2, 3, 4])
        x[.all] = x[.reversed]
        #expect(x.doubles() == [4, 3, 2, 1, 0, 0])
        let address = x.pointer
        x[2] = .scalar(9, dtype: .float64)
        #expect(x.pointer == address && x.doubles() == [4, 3, 9, 1, 0, 0])
    }

    @Test func rankEight() {
        let dims = [2, 1, 3, 1, 2, 2, 1, 3]
        let v = Viewed(dims)
        let t = v.tensor.flipped(axes: [0, 2, 7])
        var m = v.model
        for a in [0, 2, 7] { m = m.slice(axis: a, 0..<dims[a], step: -1) }
        #expect(Model(t) == m)
        #expect(Model(t.rolled([1, -2], axes: [2, -1])).values.sorted() == m.values.sorted())
        #expect(t.flipped().flipped().doubles() == t.doubles())
        #expect(t.sorted(axis: 2).values.shape.dims == dims && t.cumulativeSum(axis: 2).shape.dims == dims)
        #expect(
            Model((t .< t.flipped()).cast(to: .float64))
                == Model(dims, zip(t.doubles(), t.flipped().doubles()).map { $0 < $1 ? 1 : 0 }))
    }

    @Test func aStepLongerThanEverything() {
        let x = Tensor.arange(5, dtype: .float64)
        #expect(x.slice(axis: 0, 1..<4, step: .max).doubles() == [1])
        #expect(x.slice(axis: 0, 1..<4, step: .min).doubles() == [3])
        #expect(x.slice(axis: 0, 2..<2, step: -1).shape == [0])
    }
}

@Suite struct JoiningTests {
    @Test func rollAgainstRotation() {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let v = Viewed(random.dims(rank: 3))
            let axis = random.int(0..<3), n = v.model.dims[axis], shift = random.int(-9..<10)
            let rolled = v.tensor.rolled([shift], axes: [axis])
            let expected = v.model.gather(v.model.dims) { index in
                var old = index
                old[axis] = ((index[axis] - shift) % n + n) % n
                return old
            }
            #expect(Model(rolled) == expected)
        }
    }

    @Test func splitsAreViewsAndJoinAgain() {
        let x = Viewed([4, 7, 2]).tensor.transposed(0, 1)
        for pieces in [
            x.split(axis: 0, [3, 0, 4]), x.split(axis: 0, into: 7), x.chunks(axis: 0, 3), x.chunks(axis: 0, 100),
            x.chunks(axis: 0, 1),
        ] {
            for p in pieces { #expect(p.storage == x.storage) }
            #expect(Tensor.concatenate(pieces, axis: 0).doubles() == x.doubles())
        }
        #expect(x.chunks(axis: 0, 3).map { $0.shape[0] } == [3, 3, 1])
        // As torch.chunk: six positions in four pieces of at most two are three.
        #expect(Tensor.zeros([6]).chunks(axis: 0, 4).map { $0.shape[0] } == [2, 2, 2])
        #expect(Tensor.zeros([0, 2]).chunks(axis: 0, 4).map { $0.shape[0] } == [0])
    }

    @Test func joinsOfStridedParts() {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let dims = random.dims(rank: 3), axis = random.int(0..<3)
            let parts = (0..<random.int(1..<5)).map { i -> Viewed in
                var d = dims
                d[axis] = random.int(0..<4)
                var v = Viewed([d[2], d[0], d[1]], start: 100 * i)
                v.tensor = v.tensor.permuted([1, 2, 0])
                v.model = v.model.permuted([1, 2, 0])
                return v
            }
            var d = dims
            d[axis] = parts.reduce(0) { $0 + $1.model.dims[axis] }
            let owners = parts.enumerated().flatMap { i, p in (0..<p.model.dims[axis]).map { (i, $0) } }
            let expected = Model(
                d,
                Model.indices(d).map { index in
                    var old = index
                    let (i, position) = owners[index[axis]]
                    old[axis] = position
                    return parts[i].model[old]
                })
            #expect(Model(.concatenate(parts.map(\.tensor), axis: axis)) == expected)
        }
    }

    /// Against a map from padded positions to sources, as `numpy.pad` describes its modes.
    @Test func paddingByModes() {
        for seed in 0..<40 {
            var random = TestRandom(UInt64(seed))
            let dims = (0..<3).map { _ in random.int(3..<6) }
            let v = Viewed(dims), before = random.int(0..<3), after = random.int(0..<3)
            let widths = [(axis: 0, before: before, after: after), (axis: -1, before: 2, after: 1)]
            for mode in [Tensor.PaddingMode.constant(-5), .reflect, .replicate, .circular] {
                let padded = v.tensor.transposed(0, 2).padded(widths, mode)
                let source = v.model.permuted([2, 1, 0])
                func position(_ i: Int, _ n: Int) -> Int? {
                    switch mode {
                    case .constant: 0..<n ~= i ? i : nil
                    case .reflect: i < 0 ? -i : (i >= n ? 2 * n - 2 - i : i)
                    case .replicate: i < 0 ? 0 : (i >= n ? n - 1 : i)
                    case .circular: (i + n) % n
                    }
                }
                let d = [source.dims[0] + before + after, source.dims[1], source.dims[2] + 3]
                let expected = Model.indices(d).map { i -> Double in
                    guard let a = position(i[0] - before, source.dims[0]), let c = position(i[2] - 2, source.dims[2]) else {
                        return -5
                    }
                    return source[[a, i[1], c]]
                }
                #expect(Model(padded) == Model(d, expected), "\(mode)")
            }
        }
        #expect(Tensor.zeros([0, 2]).padded(axis: 0, before: 1, after: 2).shape == [3, 2])
    }
}
