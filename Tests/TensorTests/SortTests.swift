import NSTMTensor
import Testing

@Suite struct SortTests {
    /// Whether x comes before y: NaN after everything.
    private static func less(_ x: Double, _ y: Double) -> Bool { x < y || (!x.isNaN && y.isNaN) }
    /// Indices in stable order, by Swift's sort of (value, index).
    private static func order(_ row: [Double], descending: Bool) -> [Int] {
        row.indices.sorted { i, j in
            let (a, b) = descending ? (row[j], row[i]) : (row[i], row[j])
            return less(a, b) || (!less(b, a) && i < j)
        }
    }
    /// Rows that are hard cases of sorting algorithms.
    private static func row(_ n: Int, _ kind: Int, _ type: DType, _ random: inout TestRandom) -> [Double] {
        let special: [Double] = [
            .nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1e-40,
            .greatestFiniteMagnitude,
        ]
        return (0..<n).map { i in
            switch (kind, type) {
            case (0, .float32), (0, .float64): random.double(-1e3..<1e3)
            case (0, .int32): Double(random.int(Int(Int32.min)..<Int(Int32.max)))
            case (0, _): Double(random.int(0..<256))
            case (1, _): 1
            case (2, _): Double(i % 251)
            case (3, _): Double((n - i) % 251)
            case (4, .float32), (4, .float64): random.int(0..<2) == 0 ? special[random.int(0..<special.count)] : random.double()
            default: Double(random.int(0..<3))
            }
        }
    }

    /// Sizes on both sides of every change of method (runs of eight, merges, radix, selection).
    @Test(arguments: DType.allCases) func orderOfRows(type: DType) {
        var random = TestRandom(5)
        for n in [1, 2, 7, 8, 9, 16, 17, 31, 100, 511, 512, 513, 1023, 1025, 3000] {
            for kind in 0..<6 {
                let x = Tensor(SortTests.row(n, kind, type, &random), [n]).cast(to: type), row = x.doubles()
                for descending in [false, true] {
                    let positions = SortTests.order(row, descending: descending)
                    let sorted = x.sorted(descending: descending)
                    #expect(sorted.values.dtype == type && sorted.indices.dtype == .int32)
                    #expect(sorted.indices.elements(Int32.self).map(Int.init) == positions)
                    // Bit by bit: −0 stays −0 and a NaN the same NaN.
                    #expect(sorted.values.doubles().map(\.bitPattern) == positions.map { row[$0].bitPattern })
                    #expect(x.argsort(descending: descending).elements(Int32.self) == sorted.indices.elements(Int32.self))
                    for k in [0, 1, 3, n / 17, n / 16, n / 2, n] where k <= n {
                        let top = x.topK(k, largest: descending)
                        #expect(top.indices.elements(Int32.self).map(Int.init) == Array(positions.prefix(k)))
                        #expect(top.values.doubles().map(\.bitPattern) == positions.prefix(k).map { row[$0].bitPattern })
                    }
                }
            }
        }
    }

    @Test func everyAxisInEveryLayout() {
        for seed in 0..<80 {
            var random = TestRandom(UInt64(seed))
            var v = Viewed(random.dims(rank: random.int(1..<5)))
            v.model.values = v.model.values.map { _ in Double(random.int(-3..<4)) }
            v.tensor = Tensor(v.model.values, v.tensor.shape)
            for _ in 0..<2 where v.model.dims.count < 6 { v.randomView(&random) }
            guard let axis = v.model.dims.indices.randomElement(using: &random) else { continue }
            let descending = seed % 2 == 0, (values, indices) = v.tensor.sorted(axis: axis, descending: descending)
            #expect(values.shape == v.tensor.shape && indices.shape == v.tensor.shape)
            #expect(v.tensor.gather(axis: axis, indices).doubles() == values.doubles())
            // Row by row, along the axis brought to the end.
            let n = v.model.dims[axis], rows = v.tensor.transposed(axis, -1).doubles()
            let positions = indices.transposed(axis, -1).doubles()
            for r in 0..<(n == 0 ? 0 : rows.count / n) {
                let row = Array(rows[r * n..<(r + 1) * n])
                #expect(positions[r * n..<(r + 1) * n].map { Int($0) } == SortTests.order(row, descending: descending))
            }
        }
    }

    /// NaN is the largest: last ascending, first descending, and kept by topK.
    ///
    /// Signed zeros are equal.
    @Test func notANumberAndZeros() {
        let x = Tensor([1, .nan, -.infinity, 0, -0.0, .infinity, -.nan] as [Float])
        #expect(x.argsort().doubles() == [2, 3, 4, 0, 5, 1, 6])
        #expect(x.argsort(descending: true).doubles() == [1, 6, 5, 0, 3, 4, 2])
        #expect(x.topK(2).indices.doubles() == [1, 6])
        #expect(x.topK(3, largest: false).indices.doubles() == [2, 3, 4])
        #expect(x.sorted().values.elements(Float.self)[2].sign == .minus)
    }

    @Test func nothingAndOne() {
        #expect(Tensor.zeros([0]).sorted().indices.shape == [0])
        #expect(Tensor.zeros([3, 0]).topK(0).values.shape == [3, 0])
        #expect(Tensor.zeros([0, 4]).topK(2).values.shape == [0, 2])
        #expect(Tensor.zeros([5, 1]).sorted(axis: 0).indices.doubles() == [0, 1, 2, 3, 4])
    }

    @Test func manyRowsAndALongOne() {
        var random = TestRandom(2)
        let x = Tensor(random.doubles(600 * 90), [600, 90])
        let positions = x.argsort().elements(Int32.self), values = x.doubles()
        for r in 0..<600 {
            let row = Array(values[r * 90..<(r + 1) * 90])
            #expect(positions[r * 90..<(r + 1) * 90].map(Int.init) == SortTests.order(row, descending: false))
        }
        let long = random.doubles(200_000, -1e6..<1e6)
        #expect(Tensor(long).sorted().values.doubles() == long.sorted())
        #expect(Tensor(long).topK(1000).values.doubles() == Array(long.sorted().reversed().prefix(1000)))
    }
}
