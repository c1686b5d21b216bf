import NSTMTensor
import Testing

@Suite struct CreationTests {
    @Test func rangesOfNumbers() {
        #expect(Tensor.arange(5, dtype: .int32).elements(Int32.self) == [0, 1, 2, 3, 4])
        #expect(Tensor.arange(2, 3, step: 0.25).doubles() == [2, 2.25, 2.5, 2.75])
        #expect(Tensor.arange(5, 0, step: -2).doubles() == [5, 3, 1])
        #expect(Tensor.arange(5, 0).shape == [0] && Tensor.arange(3, 3).shape == [0])
        #expect(Tensor.arange(100_000, dtype: .float64).doubles() == (0..<100_000).map(Double.init))
        // Not a running sum, so that the error of the step does not accumulate.
        #expect(Tensor.arange(0, 1000, step: 0.1, dtype: .float64).doubles()[9_999] == 9_999 * 0.1)
        let line = Tensor.linspace(-1, 0.7, count: 6, dtype: .float64).doubles()
        #expect(line.first == -1 && line.last == 0.7 && line.count == 6)
        for (i, x) in line.enumerated() { #expect(abs(x - (-1 + 1.7 * Double(i) / 5)) < 1e-15) }
        #expect(Tensor.linspace(3, 4, count: 1).doubles() == [3] && Tensor.linspace(3, 4, count: 0).shape == [0])
    }

    @Test(arguments: DType.allCases) func identities(type: DType) {
        for (rows, columns) in [(3, 3), (2, 5), (5, 2), (1, 1), (0, 3), (3, 0)] {
            for diagonal in [0, 1, -1, 2, -4, 100, -100, Int.max, Int.min] {
                let x = Tensor.eye(rows, columns, diagonal: diagonal, dtype: type)
                let expected = Model.indices([rows, columns]).map { Double($0[1]) - Double($0[0]) == Double(diagonal) ? 1.0 : 0 }
                #expect(Model(x) == Model([rows, columns], expected))
            }
        }
        #expect(Tensor.eye(2).doubles() == [1, 0, 0, 1])
        #expect(Tensor.full([2], 7, dtype: type == .bool ? .uint8 : type).doubles() == [7, 7])
    }

    @Test func oneHotRows() {
        let x = Tensor.oneHot(Tensor([2, 0, 1, 2] as [Int32], [2, 2]).transposed(), classes: 3)
        #expect(x.shape == [2, 2, 3] && x.doubles() == [0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1])
        #expect(Tensor.oneHot(Tensor([1] as [Int32], []), classes: 2, dtype: .bool).elements(Bool.self) == [false, true])
        #expect(Tensor.oneHot(Tensor([] as [Int32], [0]), classes: 2).shape == [0, 2])
    }
}

@Suite struct CastTests {
    private static let numbers: [Double] = [
        0, -0.0, 0.5, -0.5, 0.999, 1, -1, 1.5, 2.5, 254.9, 255, 255.5, 256, -255.7, 2147483646.5, 2147483647, 2147483648,
        -2147483648,
        -2147483649, 1e10, -1e10, 1e300, -1e300, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, 16777217, 0.1,
    ]

    /// The written rules, by Swift's own conversions.
    @Test(arguments: DType.allCases) func everyPairOfTypes(from: DType) {
        // Many times, so that vector loops and their rests are both used.
        let values = (0..<7).flatMap { _ in CastTests.numbers }
        let x: Tensor =
            switch from {
            case .float64: Tensor(values)
            case .float32: Tensor(values.map { Float($0) })
            case .int32: Tensor(values.map { $0.isNaN ? 7 : Int32(max(-2147483648, min(2147483647, $0))) })
            case .uint8: Tensor(values.indices.map { UInt8($0 % 256) })
            case .bool: Tensor(values.indices.map { $0 % 3 == 0 })
            }
        func limited(_ v: Double, _ low: Double, _ high: Double) -> Double {
            v.isNaN ? 0 : max(low, min(high, v)).rounded(.towardZero)
        }
        for to in DType.allCases {
            let y = x.cast(to: to)
            #expect(y.dtype == to)
            let expected = x.doubles().map { v -> Double in
                switch to {
                case .float64: v
                case .float32: Double(Float(v))
                case .int32: limited(v, -2147483648, 2147483647)
                case .uint8: limited(v, 0, 255)
                case .bool: v != 0 ? 1 : 0
                }
            }
            for (a, b) in zip(y.doubles(), expected) { #expect(a == b || (a.isNaN && b.isNaN), "\(from) to \(to)") }
            // Strided, and across blocks of threads.
            let wide = x.unsqueezed(axis: 1).broadcast(to: [x.count, 500]).transposed()
            #expect(wide.cast(to: to).select(axis: 0, 499).withBytes { Array($0) } == y.withBytes { Array($0) })
        }
    }
}
