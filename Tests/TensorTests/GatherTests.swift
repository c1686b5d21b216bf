import NSTMTensor
import Testing

/// Look-ups and additions by index against loops over lists, in all element types.
@Suite struct GatherTests {
    private func picks(_ dims: [Int], below n: Int, _ random: inout TestRandom) -> Model {
        Model(dims, (0..<dims.reduce(1, *)).map { _ in Double(random.int(0..<n)) })
    }
    private func tensor(_ m: Model, _ type: DType) -> Tensor { Tensor(m.values, Shape(m.dims)).cast(to: type) }

    @Test(arguments: DType.allCases) func indexSelect(type: DType) {
        for seed in 0..<80 {
            var random = TestRandom(UInt64(seed))
            var dims = random.dims(rank: random.int(1..<4))
            let axis = random.int(0..<dims.count)
            dims[axis] = random.int(1..<6)
            let x = picks(dims, below: type == .bool ? 2 : 200, &random)
            let at = picks(random.dims(rank: random.int(0..<3)), below: dims[axis], &random)
            let y = tensor(x, type).indexSelect(axis: axis - dims.count, tensor(at, .int32))
            let d = dims[..<axis] + at.dims + dims[(axis + 1)...]
            let expected = x.gather(Array(d)) { i in
                Array(i[..<axis]) + [Int(at[Array(i[axis..<axis + at.dims.count])])] + Array(i[(axis + at.dims.count)...])
            }
            #expect(y.dtype == type && Model(y) == expected)
        }
    }

    @Test(arguments: DType.allCases) func gatherAndScatter(type: DType) {
        for seed in 0..<120 {
            var random = TestRandom(UInt64(seed))
            let rank = random.int(1..<5), axis = random.int(0..<rank), high = type == .bool ? 2 : 200
            var dims = random.positiveDims(rank: rank)
            let x = picks(dims, below: high, &random)
            // Indices may cover a part of the other axes only, and be longer than the axis.
            for a in 0..<rank {
                dims[a] = a == axis ? random.int(0..<7) : random.int(seed % 2 == 0 ? 0..<dims[a] + 1 : dims[a]..<dims[a] + 1)
            }
            let at = picks(dims, below: x.dims[axis], &random), source = picks(dims, below: high, &random)
            // In a transposed layout, so that nothing depends on being dense.
            let order = Array(0..<rank).shuffled(using: &random)
            var inverse = order
            for (i, a) in order.enumerated() { inverse[a] = i }
            func strided(_ m: Model, _ type: DType) -> Tensor { tensor(m.permuted(order), type).permuted(inverse) }
            let i = strided(at, .int32)
            func position(_ index: [Int]) -> [Int] {
                var p = index
                p[axis] = Int(at[index])
                return p
            }
            #expect(Model(strided(x, type).gather(axis: axis - rank, i)) == x.gather(dims, position))

            var written = x, added = x
            for index in Model.indices(dims) {
                var flat = 0
                for (n, p) in zip(x.dims, position(index)) { flat = flat * n + p }
                written.values[flat] = source[index]
                added.values[flat] += source[index]
            }
            #expect(Model(strided(x, type).scatter(axis: axis, i, strided(source, type))) == written)
            if type.isFloatingPoint { #expect(Model(strided(x, type).scatterAdd(axis: axis, i, strided(source, type))) == added) }
        }
    }

    @Test func indexAdd() {
        for seed in 0..<80 {
            var random = TestRandom(UInt64(seed))
            var dims = random.dims(rank: 3)
            let axis = random.int(0..<3), n = random.int(1..<6), m = random.int(0..<9)
            dims[axis] = n
            let x = picks(dims, below: 50, &random), at = picks([m], below: n, &random)
            dims[axis] = m
            let source = picks(dims, below: 50, &random)
            var expected = x
            for index in Model.indices(dims) {
                var p = index, flat = 0
                p[axis] = Int(at[[index[axis]]])
                for (n, i) in zip(x.dims, p) { flat = flat * n + i }
                expected.values[flat] += 2 * source[index]
            }
            let y = tensor(x, .float32).indexAdd(axis: axis, tensor(at, .int32), tensor(source, .float32), alpha: 2)
            #expect(Model(y) == expected)
        }
    }

    /// Sums of numbers whose order matters: they are those of a plain loop in order of the indices, at sizes that threads share.
    @Test func sumsAreInOrderOfTheIndices() {
        var random = TestRandom(3)
        let m = 4000, n = 37, width = 40
        let x = random.doubles(m * width).map { Float($0) }, at = (0..<m).map { _ in Int32(random.int(0..<n)) }
        var expected = [Float](repeating: 0, count: n * width)
        for i in 0..<m { for j in 0..<width { expected[Int(at[i]) * width + j] += x[i * width + j] } }
        let rows = Tensor(x, [m, width]), i = Tensor(at)
        #expect(Tensor.addingRows(rows, at: i, count: n).elements(Float.self) == expected)
        let wide = i.unsqueezed(axis: 1).broadcast(to: [m, width])
        #expect(Tensor.zeros([n, width]).scatterAdd(axis: 0, wide, rows).elements(Float.self) == expected)
        #expect(
            Tensor.zeros([width, n]).scatterAdd(axis: 1, wide.transposed(), rows.transposed()).transposed().elements(Float.self)
                == expected)
    }

    @Test func theArgumentsAreLeftAlone() {
        let x = Tensor.zeros([3, 2]), at = Tensor([1, 1] as [Int32], [1, 2]), ones = Tensor.ones([1, 2])
        _ = x.scatter(axis: 0, at, ones)
        _ = x.scatterAdd(axis: 0, at, ones)
        _ = x.indexAdd(axis: 0, Tensor([2] as [Int32]), ones)
        #expect(x.doubles() == Array(repeating: 0, count: 6))
        #expect(Tensor.zeros([3, 2]).scatter(axis: 0, at, ones).doubles() == [0, 0, 1, 1, 0, 0])
    }
}
