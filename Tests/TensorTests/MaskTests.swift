import NSTMTensor
import Testing

@Suite struct MaskTests {
    private static let special: [Double] = [0, -0.0, 1, -1, .nan, .infinity, -.infinity, 2.5]

    /// Every comparison in every type, broadcast in both directions and strided, against Swift's operators.
    @Test(arguments: DType.allCases) func comparisons(type: DType) {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let target = random.dims(rank: random.int(0..<5))
            func operand() -> (Tensor, Model) {
                let dims = target.map { random.int(0..<3) == 0 ? 1 : $0 }.dropFirst(random.int(0..<target.count + 1))
                let values = (0..<dims.reduce(1, *)).map { _ in
                    type.isFloatingPoint ? MaskTests.special[random.int(0..<8)] : Double(random.int(0..<(type == .bool ? 2 : 4)))
                }
                let order = Array(0..<dims.count).shuffled(using: &random)
                let m = Model(Array(dims), values)
                return (Tensor(values, Shape(dims)).cast(to: type).permuted(order).flipped(), flipped(m.permuted(order)))
            }
            func flipped(_ m: Model) -> Model { m.dims.indices.reduce(m) { $0.slice(axis: $1, 0..<$0.dims[$1], step: -1) } }
            let (a, ma) = operand(), (b, mb) = operand()
            guard let shape = Shape.broadcast(a.shape, b.shape) else { continue }
            let x = ma.broadcast(to: shape.dims).values, y = mb.broadcast(to: shape.dims).values
            func check(_ t: Tensor, _ op: (Double, Double) -> Bool) {
                #expect(t.dtype == .bool && t.shape == shape)
                #expect(t.elements(Bool.self) == zip(x, y).map(op))
            }
            check(a .== b, ==)
            check(a .!= b, !=)
            check(a .< b, <)
            check(a .<= b, <=)
            check(a .> b, >)
            check(a .>= b, >=)
            // Logic of the results.
            let p = a .< b, q = a .!= b
            check(p .& q) { $0 < $1 && $0 != $1 }
            check(p .| q) { $0 < $1 || $0 != $1 }
            check(p .^ q) { ($0 < $1) != ($0 != $1) }
            check(.!p) { !($0 < $1) }
        }
    }

    @Test func comparisonsWithNumbers() {
        let x = Tensor([0, 1, 2, 3] as [Int32])
        #expect((x .> 1).doubles() == [0, 0, 1, 1])
        #expect((x .>= 1.5).doubles() == [0, 0, 1, 1])
        #expect((x .< 1e12).doubles() == [1, 1, 1, 1])
        #expect((x .== -0.5).doubles() == [0, 0, 0, 0])
        // The number is rounded to the tensor's type, as everywhere.
        #expect((Tensor([0.1] as [Float]) .== 0.1).item() == 1)
        #expect((Tensor([255, 0] as [UInt8]) .< 300).doubles() == [1, 1])
        #expect((Tensor([true, false]) .!= 0).doubles() == [1, 0])
    }

    @Test func longRowsOfEveryPattern() {
        // Sizes beyond a vector and beyond a block, with either operand dense, repeated or strided.
        var random = TestRandom(8)
        for (n, m) in [(3, 9001), (700, 33), (1, 40_000)] {
            let x = Tensor(random.doubles(n * m), [n, m]).cast(to: .float32),
                y = Tensor(random.doubles(n * m), [m, n]).transposed()
            let z = y.cast(to: .float32), row = x.slice(axis: 0, 0..<1), column = z.slice(axis: 1, 2..<3)
            for (a, b) in [(x, z), (x, row), (row, z), (x, column), (column, row), (x, .scalar(0)), (.scalar(0), z)] {
                let dims = Shape.broadcast(a.shape, b.shape)!
                let p = a.broadcast(to: dims).elements(Float.self), q = b.broadcast(to: dims).elements(Float.self)
                let mask = a .< b
                #expect(mask.elements(Bool.self) == zip(p, q).map { $0 < $1 })
                #expect(Tensor.where(mask, a, b).elements(Float.self) == zip(p, q).map { min($0, $1) })
                #expect(
                    Tensor.where(mask.slice(axis: 1, 0..<1), a, b).elements(Float.self)
                        == p.indices.map { p[$0 / m * m] < q[$0 / m * m] ? p[$0] : q[$0] })
            }
        }
    }

    @Test(arguments: DType.allCases) func chosenElements(type: DType) {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            let target = random.dims(rank: 3)
            func operand(_ high: Int) -> Model {
                let dims = Array(target.map { random.int(0..<3) == 0 ? 1 : $0 }.dropFirst(random.int(0..<3)))
                return Model(dims, (0..<dims.reduce(1, *)).map { _ in Double(random.int(0..<high)) })
            }
            let m = operand(2), a = operand(type == .bool ? 2 : 100), b = operand(type == .bool ? 2 : 100)
            func tensor(_ x: Model, _ t: DType) -> Tensor { Tensor(x.values, Shape(x.dims)).cast(to: t) }
            let shape = Shape.broadcast(op: "test", [tensor(m, .bool), tensor(a, type), tensor(b, type)]).dims
            let expected = zip(m.broadcast(to: shape).values, zip(a.broadcast(to: shape).values, b.broadcast(to: shape).values))
                .map { $0 != 0 ? $1.0 : $1.1 }
            for maskType in [DType.bool, .uint8] {
                #expect(Model(.where(tensor(m, maskType), tensor(a, type), tensor(b, type))) == Model(shape, expected))
            }
        }
        #expect(Tensor.ones([2, 2], dtype: type).maskedFill(Tensor([true, false]), 0).doubles() == [0, 1, 0, 1])
    }

    @Test func anyAndAll() {
        for seed in 0..<150 {
            var random = TestRandom(UInt64(seed))
            let dims = random.dims(rank: random.int(0..<5))
            let values = (0..<dims.reduce(1, *)).map { _ in random.int(0..<5) < (seed % 2 == 0 ? 1 : 4) ? 1.0 : 0 }
            let m = Model(dims, values), axes = dims.indices.filter { _ in random.int(0..<2) == 0 }, keeping = seed % 3 == 0
            let order = Array(dims.indices).shuffled(using: &random)
            var inverse = order
            for (i, a) in order.enumerated() { inverse[a] = i }
            let x = Tensor(m.permuted(order).values, Shape(m.permuted(order).dims)).cast(to: .bool).permuted(inverse)
            let counts = m.sum(Set(axes), keeping: keeping),
                zeros = Model(dims, values.map { 1 - $0 }).sum(Set(axes), keeping: keeping)
            #expect(Model(x.any(axes: axes, keepDims: keeping)) == Model(counts.dims, counts.values.map { $0 > 0 ? 1 : 0 }))
            #expect(Model(x.all(axes: axes, keepDims: keeping)) == Model(zeros.dims, zeros.values.map { $0 == 0 ? 1 : 0 }))
        }
        #expect(Tensor.zeros([0], dtype: .bool).any().item() == 0 && Tensor.zeros([0], dtype: .bool).all().item() == 1)
        #expect(Tensor([0, 7] as [UInt8]).any().item() == 1)
        #expect(Tensor.ones([300, 400], dtype: .bool).all(axes: [1]).doubles() == Array(repeating: 1, count: 300))
    }

    @Test(arguments: DType.allCases) func triangles(type: DType) {
        for rows in 0..<5 {
            for columns in 0..<5 {
                for diagonal in [-100, -3, -1, 0, 1, 2, 100, Int.max, Int.min] {
                    let x = Tensor.ones([2, columns, rows], dtype: type).transposed()
                    let seen = Model.indices([2, rows, columns]).map { Double($0[2]) - Double($0[1]) }
                    #expect(x.lowerTriangle(diagonal: diagonal).doubles() == seen.map { $0 <= Double(diagonal) ? 1 : 0 })
                    #expect(x.upperTriangle(diagonal: diagonal).doubles() == seen.map { $0 >= Double(diagonal) ? 1 : 0 })
                    for half in Tensor.Triangle.allCases {
                        let mask = Tensor.triangular(half, rows: rows, columns: columns, diagonal: diagonal)
                        let y = half == .lower ? x.lowerTriangle(diagonal: diagonal) : x.upperTriangle(diagonal: diagonal)
                        #expect(mask.dtype == .bool && mask.doubles() == y[0].doubles())
                    }
                }
            }
        }
    }
}
