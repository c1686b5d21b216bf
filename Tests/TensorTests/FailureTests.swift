import NSTMTensor
import Testing

/// A programmer's error stops the program with a message that names the operation and the sizes, also in optimized code.
@Suite struct FailureTests {
    private func message(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }

    @Test func broadcast() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]) + Tensor.zeros([2, 4])
        }
        #expect(message(r).contains("add: shapes [2, 3] and [2, 4] do not broadcast together"))
    }
    @Test func innerSizes() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).matmul(.zeros([4, 5]))
        }
        #expect(message(r).contains("matmul: inner sizes differ: lhs [2, 3] has 3, rhs [4, 5] has 4"))
    }
    @Test func vectorsInMatmul() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).matmul(.zeros([3, 5])) }
    }
    @Test func mixedTypes() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2]) * Tensor.zeros([2], dtype: .float64)
        }
        #expect(message(r).contains("multiply: got float64, needs float32"))
    }
    @Test func reshape() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).reshaped([4, -1])
        }
        #expect(message(r).contains("reshape: [2, 3] (6 elements) cannot become [4, -1]"))
    }
    @Test func axisOutOfRange() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).sum(axes: [2])
        }
        #expect(message(r).contains("axis 2 is out of range for shape [2, 3]"))
    }
    @Test func sliceOutOfRange() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).slice(axis: 1, 1..<4)
        }
        #expect(message(r).contains("slice: 1..<4"))
    }
    @Test func zeroStep() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([4]).slice(axis: 0, 0..<4, step: 0) }
    }
    @Test func permutationOfWrongAxes() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).permuted([0, 0]) }
    }
    @Test func tooManyAxes() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([1, 1, 1, 1, 1, 1, 1, 1]).unsqueezed(axis: 0) }
    }
    @Test func wrongElementType() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2]).elements(Double.self) }
    }
    @Test func wrongNumberOfElements() async {
        await #expect(processExitsWith: .failure) { _ = Tensor([1, 2, 3] as [Float], [2, 2]) }
    }
    @Test func itemOfMany() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2]).item() }
    }
    @Test func rowOutsideTheTable() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([3, 2]).rows(Tensor([0, 3] as [Int32]))
        }
        #expect(message(r).contains("rows: index 3 is outside 0..<3"))
    }
    @Test func addedRowOutsideTheTable() async {
        await #expect(processExitsWith: .failure) {
            _ = Tensor.addingRows(.zeros([2, 2]), at: Tensor([0, -1] as [Int32]), count: 3)
        }
    }
    @Test func maximumOfNothing() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3, 0]).maximum(axis: 1) }
    }
    @Test func concatenationThatDoesNotFit() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.concatenate([.zeros([2, 3]), .zeros([3, 3])], axis: 1) }
    }
    @Test func sumOfIntegers() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([3], dtype: .int32).sum()
        }
        #expect(message(r).contains("got int32, needs float32 or float64"))
    }
    @Test func addInPlaceOfAnotherShape() async {
        await #expect(processExitsWith: .failure) {
            var t = Tensor.zeros([2, 3])
            t.add(.zeros([3, 2]))
        }
    }
    @Test func unfitIndices() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3])[0, 0] }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3])[.rest, .rest] }
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([3, 2])[.all, -3]
        }
        #expect(message(r).contains("select: position -3 is outside axis 1 of [3, 2]"))
        await #expect(processExitsWith: .failure) {
            var x = Tensor.zeros([3, 2])
            x[.all, 0] = .zeros([2])
        }
        await #expect(processExitsWith: .failure) {
            var x = Tensor.zeros([3, 2])
            x[0] = .zeros([2], dtype: .float64)
        }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).flipped(axes: [0, -1]) }
    }
    @Test func indicesOutsideTheirAxis() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([3, 2]).gather(axis: 1, Tensor([0, 1, 0, 2] as [Int32], [2, 2]))
        }
        #expect(message(r).contains("gather: index 2 is outside 0..<2, at 3 of indices [2, 2]"))
        let s = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([3]).scatterAdd(axis: 0, Tensor([-1] as [Int32]), .ones([1]))
        }
        #expect(message(s).contains("scatterAdd: index -1 is outside 0..<3"))
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([0, 2]).indexSelect(axis: 0, Tensor([0] as [Int32])) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).indexSelect(axis: 0, .zeros([2])) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3, 2]).gather(axis: 0, .zeros([1, 3], dtype: .int32)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3, 2]).gather(axis: 0, .zeros([3], dtype: .int32)) }
        await #expect(processExitsWith: .failure) {
            _ = Tensor.zeros([3]).scatter(axis: 0, .zeros([2], dtype: .int32), .zeros([3]))
        }
        await #expect(processExitsWith: .failure) {
            _ = Tensor.zeros([3]).indexAdd(axis: 0, .zeros([2], dtype: .int32), .zeros([3]))
        }
        await #expect(processExitsWith: .failure) { _ = Tensor.oneHot(Tensor([3] as [Int32]), classes: 3) }
    }
    @Test func unfitMasks() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]) .< Tensor.zeros([4]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]) .< Tensor.zeros([3], dtype: .int32) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]) .& Tensor.zeros([3]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.where(.zeros([3]), .zeros([3]), .zeros([3])) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).maskedFill(.ones([2, 3], dtype: .bool), 0) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).lowerTriangle() }
    }
    @Test func unfitSizes() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([7]).split(axis: 0, into: 3) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([7]).split(axis: 0, [3, 3]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([7]).chunks(axis: 0, 0) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).topK(4) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).padded([(0, 3, 0)], .reflect) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([0]).padded([(0, 1, 0)], .replicate) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).padded([(0, -1, 0)]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3]).padded([(0, 1, 0), (-1, 1, 0)]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([3], dtype: .int32).cumulativeProduct(axis: 0) }
        await #expect(processExitsWith: .failure) { _ = Tensor.arange(0, 3, step: 0) }
    }
    @Test func impossibleDistributions() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.categorical(.full([2, 3], -.infinity), key: RandomKey(1)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.categorical(.full([2, 3], .nan), key: RandomKey(1)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.bernoulli(.full([2], .nan), key: RandomKey(1)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.bernoulli([2], probability: 1.1, key: RandomKey(1)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.integers([2], in: 3..<3, key: RandomKey(1)) }
        await #expect(processExitsWith: .failure) { _ = Tensor.truncatedNormal([2], low: 1, high: 1, key: RandomKey(1)) }
    }
}
