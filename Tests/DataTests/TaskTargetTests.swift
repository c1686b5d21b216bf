import Foundation
import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    /// The target of each synthetic task, recomputed from its inputs.
    @Suite struct TaskTargets {
        /// The vectors of some positions, without the other channels.
        private func vectors(_ sequence: SequenceOfBatch, _ positions: Range<Int>, _ bits: Int) -> [[Float]] {
            sequence.inputs[positions].map { Array($0.prefix(bits)) }
        }
        /// The mask of targets that count from a position on.
        private func mask(from position: Int, of length: Int) -> [Float] { (0..<length).map { $0 < position ? 0 : 1 } }

        @Test(arguments: [1, 8]) func reverse(bits: Int) throws {
            for sequence in sequences(try Synthetic.Reverse(bits: bits, lengths: .init(1, 9)), steps: 100) {
                let length = (sequence.inputs.count - 1) / 2
                #expect(sequence.inputs.count == 2 * length + 1)
                #expect(sequence.inputs.map { $0[bits] } == (0...2 * length).map { $0 == length ? 1 : 0 })
                #expect(vectors(sequence, length..<2 * length + 1, bits).allSatisfy { $0.allSatisfy { $0 == 0 } })
                var expected = vectors(sequence, 0..<length, bits)
                expected.reverse()
                #expect(sequence.counted == expected && sequence.mask == mask(from: length + 1, of: 2 * length + 1))
            }
        }

        @Test(arguments: [(1, 10), (2, 5), (3, 3)]) func repeatCopy(minimum: Int, maximum: Int) throws {
            let bits = 4
            let task = try Synthetic.RepeatCopy(
                bits: bits, lengths: .init(1, 5), minimumRepeats: minimum, maximumRepeats: maximum)
            // Mean and standard deviation over the numbers of repeats, one by one.
            let all = (minimum...maximum).map(Double.init), mean = all.reduce(0, +) / Double(all.count)
            let deviation = (all.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(all.count)).squareRoot()
            var found: Set<Int> = [], lengths: Set<Int> = []
            for sequence in sequences(task, steps: 300, size: 2) {
                let length = sequence.inputs.firstIndex { $0[bits] == 1 }!
                let repeats = (sequence.inputs.count - length - 2) / length
                found.insert(repeats)
                lengths.insert(length)
                #expect(sequence.inputs.count == length + 1 + length * repeats + 1)
                // The count is finite, and 0 if there is only one number of repeats.
                let count = Double(sequence.inputs[length][bits + 1])
                let expectedCount = minimum == maximum ? 0 : (Double(repeats) - mean) / deviation
                #expect(abs(count - expectedCount) < 1e-6)
                for (t, input) in sequence.inputs.enumerated() where t != length {
                    #expect(input[bits] == 0 && input[bits + 1] == 0 && (t < length || input.allSatisfy { $0 == 0 }))
                }
                var expected: [[Float]] = []
                for _ in 0..<repeats { expected += vectors(sequence, 0..<length, bits).map { $0 + [0] } }
                expected.append([Float](repeating: 0, count: bits) + [1])
                #expect(sequence.counted == expected && sequence.mask == mask(from: length + 1, of: sequence.inputs.count))
            }
            // The largest values are drawn too.
            #expect(found == Set(minimum...maximum) && lengths == Set(1...5))
        }
        @Test func repeatCountsAreNormalized() throws {
            // In the paper's range the mean of the counts is 0 and their variance 1.
            let task = try Synthetic.RepeatCopy(), counts = (1...10).map { Double(task.normalized(repeats: $0)) }
            let square = counts.map { $0 * $0 }.reduce(0, +) / 10
            #expect(abs(counts.reduce(0, +)) < 1e-5 && abs(square - 1) < 1e-5)
            // Not (R − (max − min)/2), and with a scale beyond the range of training.
            #expect(abs(task.normalized(repeats: 5) + task.normalized(repeats: 6)) < 1e-6)
            let beyond = Double(task.normalized(repeats: 20)), expected = 14.5 / (99.0 / 12).squareRoot()
            #expect(abs(beyond - expected) < 1e-6)
            let one = try Synthetic.RepeatCopy(minimumRepeats: 4, maximumRepeats: 4)
            #expect(one.normalized(repeats: 4) == 0 && one.normalized(repeats: 6) == 2)
        }
        @Test func repeatsGrowWithTheDifficulty() throws {
            let task = try Synthetic.RepeatCopy(bits: 1, lengths: .init(3, 3), minimumRepeats: 2, maximumRepeats: 10)
            func largest(_ difficulty: Double) -> Int {
                (0..<200).map {
                    (task.trainingBatch(step: $0, size: 1, key: RandomKey(1), difficulty: difficulty).length - 5) / 3
                }.max()!
            }
            #expect(largest(0) == 2 && largest(0.5) == 6 && largest(1) == 10)
        }

        @Test(arguments: [(6, 3), (1, 3)]) func associativeRecall(bits: Int, width: Int) throws {
            let task = try Synthetic.AssociativeRecall(bits: bits, vectors: width, lengths: .init(2, 6))
            var asked: Set<Int> = [], counts: Set<Int> = []
            for sequence in sequences(task, steps: 200) {
                let starts = sequence.inputs.indices.filter { sequence.inputs[$0][bits] == 1 }
                let queries = sequence.inputs.indices.filter { sequence.inputs[$0][bits + 1] == 1 }
                #expect(queries.count == 2 && starts == starts.indices.map { $0 * (width + 1) })
                let items = starts.map { vectors(sequence, $0 + 1..<$0 + 1 + width, bits) }
                #expect(Set(items).count == items.count && queries[0] == items.count * (width + 1))
                let query = vectors(sequence, queries[0] + 1..<queries[1], bits)
                let index = items.firstIndex(of: query)!
                asked.insert(index)
                counts.insert(items.count)
                #expect(sequence.inputs.count == queries[1] + 1 + width && index + 1 < items.count)
                #expect(sequence.counted == items[index + 1])
                #expect(sequence.mask == mask(from: queries[1] + 1, of: sequence.inputs.count))
                #expect(vectors(sequence, queries[1]..<sequence.inputs.count, bits).allSatisfy { $0.allSatisfy { $0 == 0 } })
            }
            #expect(counts == Set(2...6) && asked == Set(0...4))
        }

        /// The optimum is that of the formula, with contexts counted as texts.
        @Test(arguments: [1, 3, 5]) func nGram(context: Int) throws {
            let task = try Synthetic.NGram(context: context, lengths: .init(context + 1, 60))
            for step in 0..<50 {
                let batch = task.trainingBatch(step: step, size: 3, key: RandomKey(4))
                var total = 0.0
                for sequence in sequences(batch) {
                    let bits = sequence.inputs.map { $0[0] } + [sequence.targets.last![0]]
                    #expect(sequence.counted.map { $0[0] } == Array(bits[context...]))
                    #expect(sequence.mask == mask(from: context - 1, of: bits.count - 1))
                    let text = bits.map { $0 == 1 ? "1" : "0" }.joined()
                    for end in context..<bits.count {
                        let past = text.prefix(end), history = past.suffix(context)
                        // All earlier occurrences of the context with their next bits.
                        var ones = 0.0, zeros = 0.0
                        for start in 0..<end - context where past.dropFirst(start).prefix(context) == history {
                            if past.dropFirst(start + context).first == "1" { ones += 1 } else { zeros += 1 }
                        }
                        let p = (ones + 0.5) / (zeros + ones + 1)
                        total -= log(bits[end] == 1 ? p : 1 - p)
                    }
                }
                #expect(abs(batch.optimalLoss! - total / Double(batch.tokenCount)) < 1e-9)
            }
            #expect(Synthetic.NGram.optimalPrediction(zeros: 0, ones: 0) == 0.5)
            #expect(Synthetic.NGram.optimalPrediction(zeros: 1, ones: 2) == 2.5 / 4)
            #expect(Synthetic.NGram.optimalLoss([0, 1, 1], context: 2) == log(2))
        }
        /// The optimum of the paper's setting, 200 bits after contexts of five: 128.05 ± 0.18 bits for the 195 that count, in a
        /// simulation of 40,000 sequences in Python with `random.betavariate(0.5, 0.5)`.
        @Test func nGramOptimumOfThePaper() throws {
            let batch = try Synthetic.NGram().trainingBatch(step: 0, size: 10_000, key: RandomKey(8))
            // The standard deviation of the mean is 0.36.
            let bits = batch.optimalLoss! * 195 / log(2)
            #expect(abs(bits - 128.05) < 1.6, "\(bits)")
        }
        /// Two bits after the same context are equal with probability E[p² + (1 − p)²]: 3/4 for Beta(½, ½), 2/3 for a uniform p.
        @Test func nGramProbabilitiesFollowTheBetaDistribution() throws {
            let task = try Synthetic.NGram(context: 1, lengths: .init(400, 400))
            var same = 0.0, all = 0.0
            for sequence in sequences(task, steps: 20, size: 200) {
                let bits = sequence.tokens
                guard let again = bits.dropFirst().firstIndex(of: bits[0]), again < bits.count - 1 else { continue }
                same += bits[1] == bits[again + 1] ? 1 : 0
                all += 1
            }
            // The standard deviation is 0.007; sequences that do not return to their first context are missing.
            #expect(all > 3700 && abs(same / all - 0.75) < 0.035, "\(same) of \(all)")
        }

        @Test(arguments: [(8, 0.8), (2, 1), (3, 0.1)]) func prioritySort(bits: Int, share: Double) throws {
            let task = try Synthetic.PrioritySort(bits: bits, share: share, lengths: .init(1, 20, evaluation: [20]))
            var priorities: [Double] = [], differences = 0
            for sequence in sequences(task, steps: 100) {
                let length = sequence.inputs.firstIndex { $0[bits + 1] == 1 }!
                let count = max(1, Int((share * Double(length)).rounded()))
                #expect(sequence.inputs.count == length + 1 + count)
                priorities += sequence.inputs[..<length].map { Double($0[bits]) }
                // Whole rows, by repeated search of the highest priority.
                var rows = sequence.inputs[..<length].map { Array($0) }, expected: [[Float]] = []
                for _ in 0..<count {
                    let best = rows.indices.max { rows[$0][bits] < rows[$1][bits] }!
                    expected.append(Array(rows.remove(at: best).prefix(bits)))
                }
                #expect(sequence.counted == expected && sequence.mask == mask(from: length + 1, of: sequence.inputs.count))
                // Each column sorted for itself would be another target.
                let columns = (0..<bits).map { c in sequence.inputs[..<length].map { $0[c] }.sorted(by: >).prefix(count) }
                let wrong = (0..<count).map { i in columns.map { $0[i] } }
                differences += wrong == expected ? 0 : 1
            }
            #expect(differences > 100)
            // Uniform in −1...1: a mean of 0 and a variance of 1/3, here with about 3000 of them.
            let n = Double(priorities.count), mean = priorities.reduce(0, +) / n
            let square = priorities.map { $0 * $0 }.reduce(0, +) / n
            #expect(abs(mean) < 0.05 && abs(square - 1 / 3) < 0.03)
            #expect(priorities.min()! < -0.99 && priorities.max()! > 0.99 && priorities.allSatisfy { -1...1 ~= $0 })
            #expect(task.outputs(of: 20) == [0.8: 16, 1: 20, 0.1: 2][share])
        }

        @Test func selectiveCopying() throws {
            let task = try Synthetic.SelectiveCopying(vocabulary: 8, tokens: 4, lengths: .init(4, 12))
            var tokens: Set<Int> = [], used: Set<Int> = []
            for sequence in sequences(task, steps: 300) {
                let length = sequence.tokens.count - 4, remembered = sequence.tokens[..<length].filter { $0 != 0 }
                #expect(remembered.count == 4 && sequence.tokens[length...].allSatisfy { $0 == 7 })
                #expect(sequence.counted.map { Int($0[0]) } == remembered && sequence.mask == mask(from: length, of: length + 4))
                tokens.formUnion(remembered)
                if length == 12 { used.formUnion(sequence.tokens[..<length].indices.filter { sequence.tokens[$0] != 0 }) }
            }
            // Every token and every position occurs, the largest too.
            #expect(tokens == Set(1...6) && used == Set(0..<12))
        }
        /// Sets of positions are equally probable: with 2 tokens among 5 positions each of the 10 sets.
        @Test func positionsOfSelectiveCopyingAreUniform() throws {
            let task = try Synthetic.SelectiveCopying(vocabulary: 8, tokens: 2, lengths: .init(5, 5))
            var counts: [[Int]: Double] = [:]
            for sequence in sequences(task, steps: 1, size: 10_000) {
                counts[(0..<5).filter { sequence.tokens[$0] != 0 }, default: 0] += 1
            }
            // The standard deviation is 30.
            #expect(counts.count == 10 && counts.values.allSatisfy { abs($0 - 1000) < 150 }, "\(counts)")
        }

        @Test func induction() throws {
            let task = try Synthetic.Induction(vocabulary: 6, lengths: .init(3, 10))
            var tokens: Set<Int> = [], first: Set<Int> = []
            for sequence in sequences(task, steps: 300) {
                let all = sequence.tokens, specials = all.indices.filter { all[$0] == 5 }
                #expect(specials.count == 2 && specials[1] == all.count - 1 && specials[0] < all.count - 2)
                #expect(sequence.counted == [[Float(all[specials[0] + 1])]])
                #expect(sequence.mask == mask(from: all.count - 1, of: all.count))
                tokens.formUnion(all)
                if all.count == 10 { first.insert(specials[0]) }
            }
            #expect(tokens == Set(0...5) && first == Set(0...7))
        }

        @Test func adding() throws {
            var sums: [Double] = [], marked: Set<Int> = []
            for sequence in sequences(try Synthetic.Adding(lengths: .init(2, 9)), steps: 1000) {
                let length = sequence.inputs.count, indices = sequence.inputs.indices.filter { sequence.inputs[$0][1] == 1 }
                #expect(indices.count == 2 && indices[0] < length / 2 && indices[1] >= length / 2)
                #expect(sequence.inputs.allSatisfy { 0..<1 ~= $0[0] && ($0[1] == 0 || $0[1] == 1) })
                let sum = sequence.inputs[indices[0]][0] + sequence.inputs[indices[1]][0]
                #expect(sequence.counted == [[sum]] && sequence.mask == mask(from: length - 1, of: length))
                sums.append(Double(sum))
                if length == 9 { marked.formUnion(indices) }
            }
            #expect(marked == Set(0..<9))
            // The error of always answering 1 is 1/6; its standard deviation over 3000 sequences is 0.0036.
            let error = sums.map { ($0 - 1) * ($0 - 1) }.reduce(0, +) / Double(sums.count)
            #expect(abs(error - 1 / 6) < 0.015)
        }

        @Test func parity() throws {
            var ones = 0, all = 0
            for sequence in sequences(try Synthetic.Parity(lengths: .init(1, 30)), steps: 200) {
                for end in sequence.tokens.indices {
                    #expect(sequence.targets[end] == [Float(sequence.tokens[...end].count { $0 == 1 } % 2)])
                }
                #expect(sequence.mask.allSatisfy { $0 == 1 })
                ones += sequence.tokens.reduce(0, +)
                all += sequence.tokens.count
            }
            // About 9300 fair bits: the standard deviation is 48.
            #expect(abs(ones - all / 2) < 250)
        }

        @Test func sorting() throws {
            var tokens: Set<Int> = []
            for sequence in sequences(try Synthetic.Sorting(vocabulary: 7, lengths: .init(1, 12)), steps: 100) {
                let length = (sequence.tokens.count - 1) / 2, given = sequence.tokens[..<length]
                #expect(sequence.tokens[length] == 6 && sequence.tokens[(length + 1)...].allSatisfy { $0 == 0 })
                let expected = (1...5).flatMap { token in [Int](repeating: token, count: given.count { $0 == token }) }
                #expect(sequence.counted.map { Int($0[0]) } == expected)
                #expect(sequence.mask == mask(from: length + 1, of: 2 * length + 1))
                tokens.formUnion(given)
            }
            #expect(tokens == Set(1...5))
        }

        /// A bracket may come next if the word with it can be completed: without matched pairs, only a few opening ones remain.
        @Test(arguments: [(1, 4), (2, 3), (3, 1), (2, 100)]) func dyck(types: Int, depth: Int) throws {
            func remainder(_ word: [Int]) -> [Int] {
                var word = word
                while let i = word.indices.dropLast().first(where: { word[$0] < types && word[$0 + 1] == word[$0] + types }) {
                    word.removeSubrange(i...i + 1)
                }
                return word
            }
            func isPrefix(_ word: [Int]) -> Bool {
                word.indices.allSatisfy { end in
                    let rest = remainder(Array(word[...end]))
                    return rest.count <= depth && rest.allSatisfy { $0 < types }
                }
            }
            var brackets: Set<Int> = [], deepest = 0
            for sequence in sequences(try Synthetic.Dyck(types: types, depth: depth, lengths: .init(1, 8)), steps: 60, size: 2) {
                let word = sequence.tokens
                #expect(remainder(word).isEmpty && isPrefix(word) && sequence.mask.allSatisfy { $0 == 1 })
                for end in word.indices {
                    let allowed = (0..<2 * types).map { isPrefix(word[...end] + [$0]) ? Float(1) : 0 }
                    #expect(sequence.targets[end] == allowed)
                    deepest = max(deepest, remainder(Array(word[...end])).count)
                }
                brackets.formUnion(word)
            }
            #expect(brackets == Set(0..<2 * types) && deepest >= min(depth, 4))
        }
    }
}
