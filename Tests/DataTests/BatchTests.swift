import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    @Suite struct Batches {
        @Test func countsWhatCounts() {
            let tokens = Tensor([Int32](repeating: 0, count: 6), [2, 3])
            #expect(Batch(inputs: tokens, targets: tokens).tokenCount == 6)
            #expect(Batch(inputs: tokens, targets: tokens, mask: Tensor([1, 0, 0, 1, 1, 0] as [Float], [2, 3])).tokenCount == 3)
            let classes = Batch(inputs: .zeros([2, 3, 4]), targets: Tensor([1, 2] as [Int32]))
            #expect(classes.tokenCount == 2)
            #expect((classes.sequenceCount, classes.length, classes.positionCount) == (2, 3, 6))
        }

        @Test func stopsAtShapesThatDoNotFit() async {
            await #expect(processExitsWith: .failure) {
                _ = Batch(inputs: .zeros([2, 3, 4]), targets: .zeros([2, 4, 1]))
            }
            await #expect(processExitsWith: .failure) {
                _ = Batch(inputs: .zeros([2, 3, 4]), targets: .zeros([2, 3, 1]), mask: .zeros([2, 2]))
            }
        }

        @Test func bitErrorsAreCountedAtUnmaskedPositions() {
            let targets = Tensor([1, 0, 1, 1, 0, 0, 1, 0] as [Float], [2, 2, 2])
            let mask = Tensor([1, 0, 1, 1] as [Float], [2, 2])
            let batch = Batch(inputs: .zeros([2, 2, 3]), targets: targets, mask: mask)
            // First sequence: bit 0 wrong, position 1 masked. Second: one wrong, one not a number where 0 is wanted.
            let logits = Tensor([-2, -1, -9, -9, 3, -1, 4, .nan] as [Float], [2, 2, 2])
            #expect(batch.bitErrors(logits: logits) == [1, 2])
        }

        @Test func limitSpreadsEvenly() {
            let one = Tensor([Int32(0)], [1, 1])
            func picked(_ limit: Int?) -> [Int] {
                BatchSequence(total: 10, limit: limit) { Batch(inputs: one, targets: one, tokenCount: $0) }.map(\.tokenCount)
            }
            #expect(picked(nil) == Array(0..<10))
            #expect(picked(99) == Array(0..<10))
            #expect(picked(3) == [0, 3, 6])
            #expect(picked(0) == [])
        }
    }
}
