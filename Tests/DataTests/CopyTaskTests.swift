import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    @Suite struct Copies {
        /// Logits that answer everything right.
        static func perfect(_ batch: Batch) -> Tensor {
            Tensor(batch.targets.elements(Float.self).map { $0 * 8 - 4 }, batch.targets.shape)
        }

        @Test(arguments: [(1, 1, 1), (8, 1, 20), (3, 5, 5), (130, 2, 3)])
        func invariants(bits: Int, minimum: Int, maximum: Int) throws {
            let task = try CopyTask(bits: bits, minimumLength: minimum, maximumLength: maximum)
            #expect(task.inputKind == .features(width: bits + 1))
            #expect(task.targetKind == .binary(width: bits))
            var lengths: Set<Int> = []
            for step in 0..<200 {
                let batch = task.trainingBatch(step: step, size: 2, key: RandomKey(1))
                let positions = batch.length, length = (positions - 1) / 2
                lengths.insert(length)
                #expect(positions == CopyTask.positions(length: length) && positions <= task.contextLength)
                #expect(batch.inputs.shape == [2, positions, bits + 1])
                #expect(batch.targets.shape == [2, positions, bits])
                // Targets are the inputs, delayed by the vectors and the delimiter.
                let vectors = batch.inputs.slice(axis: 1, 0..<length).slice(axis: 2, 0..<bits).contiguous().elements(Float.self)
                let recalled = batch.targets.slice(axis: 1, length + 1..<positions).contiguous().elements(Float.self)
                #expect(vectors == recalled)
                // Outside of that nothing is set but the delimiter, in its own channel.
                #expect(batch.inputs.elements(Float.self).reduce(0, +) == vectors.reduce(0, +) + 2)
                #expect(batch.inputs.slice(axis: 1, length..<length + 1).slice(axis: 2, bits..<bits + 1).doubles() == [1, 1])
                #expect(batch.targets.elements(Float.self).reduce(0, +) == recalled.reduce(0, +))
                let mask = [Double](repeating: 0, count: length + 1) + [Double](repeating: 1, count: length)
                #expect(batch.mask?.doubles() == mask + mask)
                #expect(batch.tokenCount == 2 * length)
                #expect(batch.bitErrors(logits: Self.perfect(batch)) == [0, 0])
                let opposite = Tensor(Self.perfect(batch).elements(Float.self).map { -$0 }, batch.targets.shape)
                #expect(batch.bitErrors(logits: opposite) == [length * bits, length * bits])
            }
            #expect(lengths == Set(minimum...maximum))
        }

        @Test func trainingIsAFunctionOfKeyAndStep() throws {
            let task = try CopyTask()
            func batch(_ step: Int, _ seed: UInt64, _ size: Int = 3) -> Batch {
                task.trainingBatch(step: step, size: size, key: RandomKey(seed))
            }
            #expect(batch(7, 1).inputs.doubles() == batch(7, 1).inputs.doubles())
            #expect(batch(7, 1).inputs.doubles() != batch(8, 1).inputs.doubles())
            #expect(batch(7, 1).inputs.doubles() != batch(7, 2).inputs.doubles())
            // A larger batch begins with the smaller one.
            #expect(batch(7, 1, 9).inputs.slice(axis: 0, 0..<3).doubles() == batch(7, 1).inputs.doubles())
        }

        @Test func bitsAreFair() throws {
            let task = try CopyTask(bits: 8, minimumLength: 50, maximumLength: 50)
            let batch = task.trainingBatch(step: 0, size: 100, key: RandomKey(4))
            let ones = batch.targets.elements(Float.self).reduce(0, +)
            // 40,000 bits: the standard deviation is 100.
            #expect(abs(ones - 20_000) < 400)
        }

        @Test func evaluationSetsAreFixed() throws {
            let task = try CopyTask(bits: 4, maximumLength: 6, evaluationLengths: [6, 12, 24], evaluationCount: 5)
            let batches = task.evaluationBatches(size: 2)
            #expect(batches.map(\.length) == [13, 13, 13, 25, 25, 25, 49, 49, 49])
            #expect(batches.map(\.sequenceCount) == [2, 2, 1, 2, 2, 1, 2, 2, 1])
            #expect(task.evaluationBatches(size: 2, limit: 3).map(\.length) == [13, 25, 49])
            func rows(_ batches: BatchSequence) -> [Double] { batches.flatMap { $0.inputs.doubles() } }
            // A sequence does not depend on the batch size or the size of the set.
            let five = rows(task.evaluationBatches(length: 12, count: 5, size: 2))
            #expect(five == rows(task.evaluationBatches(length: 12, count: 5, size: 5)))
            #expect(five == Array(rows(task.evaluationBatches(length: 12, count: 9, size: 4)).prefix(five.count)))
        }

        @Test func fingerprintFollowsTheParameters() throws {
            let base = try CopyTask().fingerprint
            #expect(try CopyTask().fingerprint == base)
            #expect(try CopyTask(bits: 7).fingerprint != base)
            #expect(try CopyTask(maximumLength: 21).fingerprint != base)
            #expect(try CopyTask(evaluationCount: 10).fingerprint != base)
        }

        @Test func namesAllIssues() {
            let error = #expect(throws: DatasetError.self) {
                try CopyTask(bits: 0, minimumLength: 9, maximumLength: 0, evaluationLengths: [-1], evaluationCount: 0)
            }
            guard case .invalid("copy", let issues) = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(issues.count == 5)
            #expect(issues.first == "the number of bits is 0, outside 1...1024")
        }
    }
}
