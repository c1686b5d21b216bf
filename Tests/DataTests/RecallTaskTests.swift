import Foundation
import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    @Suite struct Recalls {
        @Test(arguments: [(8, 16, 3, RecallTask.Filler.blank), (256, 128, 8, .random), (64, 64, 16, .random), (9, 4, 1, .blank)])
        func everyQueryHasItsPairBefore(vocabulary: Int, length: Int, pairs: Int, filler: RecallTask.Filler) throws {
            let task = try RecallTask(vocabulary: vocabulary, length: length, pairs: pairs, filler: filler)
            #expect(task.inputKind == .tokens(vocabulary: vocabulary) && task.targetKind == .answers(vocabulary: vocabulary))
            let half = Int32(vocabulary / 2)
            var fillers: Set<Int32> = []
            for step in 0..<50 {
                let batch = task.trainingBatch(step: step, size: 3, key: RandomKey(1))
                #expect(batch.inputs.shape == [3, length] && batch.targets.shape == [3, length])
                #expect(batch.tokenCount == 3 * pairs)
                let inputs = batch.inputs.elements(Int32.self), targets = batch.targets.elements(Int32.self)
                let mask = batch.mask!.elements(Float.self)
                for start in [0, length, 2 * length] {
                    let tokens = Array(inputs[start..<start + length])
                    let keys = (0..<pairs).map { tokens[2 * $0] }, values = (0..<pairs).map { tokens[2 * $0 + 1] }
                    #expect(Set(keys).count == pairs && keys.allSatisfy { (1..<half).contains($0) })
                    #expect(Set(values).count == pairs && values.allSatisfy { (half..<Int32(vocabulary)).contains($0) })
                    let asked = (0..<length).filter { mask[start + $0] == 1 }
                    #expect(mask[start..<start + length].reduce(0, +) == Float(pairs))
                    #expect(Set(asked.map { tokens[$0] }) == Set(keys) && asked.allSatisfy { $0 >= 2 * pairs && $0 % 2 == 0 })
                    for position in 0..<length {
                        let answer = asked.contains(position) ? values[keys.firstIndex(of: tokens[position])!] : -1
                        #expect(targets[start + position] == answer)
                        if position >= 2 * pairs && !asked.contains(position) { fillers.insert(tokens[position]) }
                    }
                }
            }
            switch filler {
            case .blank: #expect(fillers == [0])
            case .random: #expect(fillers == Set(0..<Int32(vocabulary)))
            }
        }

        /// The gap of the first pair is drawn first, so that it follows the power law exactly.
        ///
        /// Pearson's statistic has a mean of k − 1 and a variance of 2(k − 1); the bound is four deviations.
        @Test(arguments: [0.01, 1, -0.5]) func gapsFollowThePowerLaw(alpha: Double) throws {
            let task = try RecallTask(vocabulary: 64, length: 40, pairs: 4, alpha: alpha)
            let gaps = 16, samples = 20_000
            var counts = [Double](repeating: 0, count: gaps)
            let batch = task.trainingBatch(step: 0, size: samples, key: RandomKey(9))
            let inputs = batch.inputs.elements(Int32.self)
            for b in 0..<samples {
                let tokens = inputs[b * 40..<(b + 1) * 40]
                let index = tokens.lastIndex(of: tokens.first!)! - tokens.startIndex
                counts[(index - 8) / 2] += 1
            }
            let weights = (1...gaps).map { pow(Double($0), alpha - 1) }, total = weights.reduce(0, +)
            var statistic = 0.0
            for (count, weight) in zip(counts, weights) {
                let expected = Double(samples) * weight / total
                statistic += (count - expected) * (count - expected) / expected
            }
            let freedom = Double(gaps - 1)
            #expect(abs(statistic - freedom) < 4 * (2 * freedom).squareRoot(), "\(counts)")
        }

        @Test func tokensAreDrawnEvenly() throws {
            let task = try RecallTask(vocabulary: 32, length: 16, pairs: 4)
            let batch = task.trainingBatch(step: 3, size: 4000, key: RandomKey(2)), inputs = batch.inputs.elements(Int32.self)
            var counts = [Double](repeating: 0, count: 32)
            for b in 0..<4000 { for i in 0..<8 { counts[Int(inputs[b * 16 + i])] += 1 } }
            #expect(counts[0] == 0)
            // 16,000 keys among 15 tokens, as many values among 16; five deviations.
            for c in 1..<16 { #expect(abs(counts[c] - 16_000 / 15) < 5 * 32.7) }
            for c in 16..<32 { #expect(abs(counts[c] - 1000) < 5 * 31.7) }
        }

        @Test func trainingIsAFunctionOfKeyAndStep() throws {
            let task = try RecallTask(filler: .random)
            func batch(_ step: Int, _ seed: UInt64, _ size: Int = 3) -> [Double] {
                task.trainingBatch(step: step, size: size, key: RandomKey(seed)).inputs.doubles()
            }
            #expect(batch(7, 1) == batch(7, 1) && batch(7, 1) != batch(8, 1) && batch(7, 1) != batch(7, 2))
            // A larger batch begins with the smaller one, and no two sequences are the same.
            #expect(Array(batch(7, 1, 9).prefix(3 * 128)) == batch(7, 1))
            #expect(Array(batch(7, 1).prefix(128)) != Array(batch(7, 1).suffix(128)))
        }

        @Test func evaluationSetsAreFixedAndMayBeLonger() throws {
            let forms = [RecallTask.Form(length: 32, pairs: 4), .init(length: 64, pairs: 16)]
            let task = try RecallTask(vocabulary: 64, length: 32, pairs: 4, evaluation: forms, evaluationCount: 5)
            #expect(task.contextLength == 32 && task.evaluationLength == 64)
            let batches = task.evaluationBatches(size: 2)
            #expect(batches.map(\.length) == [32, 32, 32, 64, 64, 64] && batches.map(\.tokenCount) == [8, 8, 4, 32, 32, 16])
            func rows(_ batches: BatchSequence) -> [Double] { batches.flatMap { $0.inputs.doubles() } }
            let five = rows(task.evaluationBatches(forms[1], count: 5, size: 2))
            #expect(five == rows(task.evaluationBatches(forms[1], count: 5, size: 5)))
            #expect(five == Array(rows(task.evaluationBatches(forms[1], count: 9, size: 4)).prefix(five.count)))
        }

        @Test func fingerprintFollowsTheParameters() throws {
            let base = try RecallTask().fingerprint
            #expect(try RecallTask().fingerprint == base)
            for other in [
                try RecallTask(vocabulary: 128), try RecallTask(length: 64), try RecallTask(pairs: 9),
                try RecallTask(evaluation: [.init(length: 256, pairs: 8)]), try RecallTask(evaluationCount: 9),
                try RecallTask(filler: .random), try RecallTask(alpha: 0.5),
            ] { #expect(other.fingerprint != base) }
        }

        @Test func namesAllIssues() {
            let error = #expect(throws: DatasetError.self) {
                try RecallTask(
                    vocabulary: 16, length: 31, pairs: 4, evaluation: [.init(length: 64, pairs: 8), .init(length: 8, pairs: 0)],
                    evaluationCount: 0, alpha: .nan)
            }
            guard case .invalid("recall", let issues) = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(issues.count == 5, "\(issues)")
            #expect(issues.contains { $0.contains("even") } && issues.contains { $0.contains("only 7 keys") })
        }

        /// A token is correct if its logit is the strict maximum; ties and NaN are errors.
        @Test func correctTokensAreCounted() {
            let targets = Tensor([0, 2, -1, 1, 1, 2] as [Int32], [2, 3])
            let mask = Tensor([1, 1, 0, 1, 1, 1] as [Float], [2, 3])
            let batch = Batch(inputs: Tensor([Int32](repeating: 0, count: 6), [2, 3]), targets: targets, mask: mask)
            let logits: [Float] = [3, 1, 2, 0, 9, 1, 5, 5, 5, 1, 1, 0, 0, 2, .nan, -3, -2, -1]
            #expect(batch.correctTokens(logits: Tensor(logits, [2, 3, 3])) == [1, 1])
        }
    }
}
