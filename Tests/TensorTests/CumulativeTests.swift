import Foundation
import NSTMTensor
import Testing

@Suite struct CumulativeTests {
    /// Scans of every axis against loops over lists: the prefix of each element, folded afresh.
    @Test(arguments: [DType.float32, .float64]) func againstFoldsOfPrefixes(type: DType) {
        for seed in 0..<120 {
            var random = TestRandom(UInt64(seed))
            let dims = random.dims(rank: random.int(1..<4)), axis = random.int(0..<dims.count), reversed = seed % 2 == 0
            let order = Array(dims.indices).shuffled(using: &random)
            let x = Tensor(random.doubles(dims.reduce(1, *), -2..<2), Shape(dims)).cast(to: type).permuted(order), m = Model(x)
            func expected(_ fold: ([Double]) -> Double) -> [Double] {
                Model.indices(m.dims).map { index in
                    let seen = reversed ? Array((index[axis]..<m.dims[axis]).reversed()) : Array(0...index[axis])
                    return fold(
                        seen.map {
                            var i = index
                            i[axis] = $0
                            return m[i]
                        })
                }
            }
            func check(_ y: Tensor, _ numbers: [Double]) {
                #expect(y.shape == x.shape && y.dtype == type)
                for (a, b) in zip(y.doubles(), numbers) {
                    #expect(abs(a - b) <= (type == .float32 ? 1e-5 : 1e-13) * max(1, abs(b)))
                }
            }
            check(x.cumulativeSum(axis: axis, reversed: reversed), expected { $0.reduce(0, +) })
            check(x.cumulativeProduct(axis: axis, reversed: reversed), expected { $0.reduce(1, *) })
            check(x.cumulativeLogSumExp(axis: axis, reversed: reversed), expected { log($0.map { exp($0) }.reduce(0, +)) })
            let (values, indices) = x.cumulativeMaximum(axis: axis, reversed: reversed)
            check(values, expected { $0.max()! })
            #expect(x.gather(axis: axis, indices).doubles() == values.doubles())
        }
    }

    /// Sizes at which threads share rows, groups of rows and columns.
    @Test func largeSizes() {
        var random = TestRandom(6)
        for dims in [[37, 500], [500, 37], [1, 5000], [3, 70, 130], [5000, 1], [20, 9, 1]] {
            let x = Tensor((0..<dims.reduce(1, *)).map { _ in Double(random.int(-9..<10)) }, Shape(dims))
            for axis in dims.indices {
                var running = Model(x)
                for i in Model.indices(dims) where i[axis] > 0 {
                    var before = i, flat = 0
                    before[axis] -= 1
                    for (n, p) in zip(dims, i) { flat = flat * n + p }
                    running.values[flat] += running[before]
                }
                #expect(x.cumulativeSum(axis: axis).doubles() == running.values)
                #expect(x.cast(to: .float32).cumulativeSum(axis: axis).doubles() == running.values)
                #expect(
                    x.flipped(axes: [axis]).cumulativeSum(axis: axis, reversed: true).flipped(axes: [axis]).doubles()
                        == running.values)
            }
        }
    }

    @Test func sumsOfIntegersAndMasks() {
        #expect(Tensor([true, false, true, true]).cumulativeSum(axis: 0).elements(Int32.self) == [1, 1, 2, 3])
        #expect(Tensor([5, -7, 100] as [Int32]).cumulativeSum(axis: 0, reversed: true).elements(Int32.self) == [98, 93, 100])
        #expect(Tensor([Int32.max, 1, -5]).cumulativeSum(axis: 0).elements(Int32.self) == [.max, .max, .max - 4])
    }

    /// Of equal elements the first is kept; NaN is larger than everything and is kept.
    @Test func largestSoFar() {
        let x = Tensor([1, 3, 3, .nan, 5, .nan] as [Double])
        #expect(x.cumulativeMaximum(axis: 0).indices.doubles() == [0, 1, 1, 3, 3, 3])
        #expect(x.cumulativeMaximum(axis: 0, reversed: true).indices.doubles() == [5, 5, 5, 5, 5, 5])
        #expect(x.slice(axis: 0, 0..<3).cumulativeMaximum(axis: 0, reversed: true).indices.doubles() == [2, 2, 2])
        let low = Tensor([-.infinity, -.infinity] as [Float]).cumulativeMaximum(axis: 0)
        #expect(low.values.doubles() == [-.infinity, -.infinity] && low.indices.doubles() == [0, 0])
    }

    @Test(arguments: [DType.float32, .float64]) func logSumExpAtTheEdges(type: DType) {
        func scan(_ x: [Double]) -> [Double] { Tensor(x).cast(to: type).cumulativeLogSumExp(axis: 0).doubles() }
        #expect(scan([-.infinity, -.infinity, -1000, -1000]).prefix(3) == [-.infinity, -.infinity, -1000])
        #expect(abs(scan([-.infinity, -1000, -1000])[2] - (-1000 + log(2))) < 1e-4)
        #expect(scan([1000, 1000]).allSatisfy { $0.isFinite })
        #expect(scan([0, .infinity, 5, -.infinity]) == [0, .infinity, .infinity, .infinity])
        #expect(scan([0, .nan, 5])[1...].allSatisfy { $0.isNaN })
        // A million equal terms: log n, to the precision of the type.
        let y = Tensor.zeros([1_000_000], dtype: type).cumulativeLogSumExp(axis: 0).select(axis: 0, -1).item()
        #expect(abs(y - log(1e6)) < (type == .float32 ? 2e-6 : 1e-12))
    }

    /// The sum is carried in double: its error does not grow with the length.
    @Test func longSumsStayExact() {
        let n = 1_000_000
        let y = Tensor.full([n], 0.1).cumulativeSum(axis: 0).elements(Float.self)
        #expect(y[n - 1] == Float(Double(Float(0.1)) * Double(n)))
    }
}
