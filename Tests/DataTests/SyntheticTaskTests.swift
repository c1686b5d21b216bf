import Foundation
import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    /// What all synthetic tasks have in common.
    @Suite struct SyntheticTasks {
        /// Every task, small, with lengths of 4...7 (copy and recall: with their own settings).
        static func all() throws -> [any SyntheticTask] {
            let lengths = Synthetic.Lengths(4, 7, evaluation: [7, 12], evaluationCount: 5)
            return [
                try CopyTask(bits: 3, minimumLength: 4, maximumLength: 7, evaluationLengths: [7, 12], evaluationCount: 5),
                try RecallTask(
                    vocabulary: 16, length: 16, pairs: 3, evaluation: [.init(length: 16, pairs: 3), .init(length: 32, pairs: 6)],
                    evaluationCount: 5),
                try Synthetic.RepeatCopy(bits: 3, lengths: lengths, maximumRepeats: 3),
                try Synthetic.Reverse(bits: 3, lengths: lengths),
                try Synthetic.AssociativeRecall(bits: 3, vectors: 2, lengths: lengths),
                try Synthetic.NGram(context: 2, lengths: lengths),
                try Synthetic.PrioritySort(bits: 3, lengths: lengths),
                try Synthetic.SelectiveCopying(vocabulary: 8, tokens: 3, lengths: lengths),
                try Synthetic.Induction(vocabulary: 8, lengths: lengths),
                try Synthetic.Adding(lengths: lengths),
                try Synthetic.Parity(lengths: lengths),
                try Synthetic.Sorting(vocabulary: 8, lengths: lengths),
                try Synthetic.Dyck(types: 2, depth: 3, lengths: lengths),
            ]
        }
        /// All numbers of a batch, by sequence.
        static func rows(_ batch: Batch) -> [[Double]] {
            DataTests.sequences(batch).map { ($0.inputs + $0.targets).flatMap { $0.map(Double.init) } + $0.mask.map(Double.init) }
        }
        static func rows(_ batches: BatchSequence) -> [[Double]] { batches.flatMap { rows($0) } }

        @Test func trainingIsAFunctionOfKeyAndStep() throws {
            for task in try Self.all() {
                func rows(_ step: Int, _ seed: UInt64, _ size: Int = 3) -> [[Double]] {
                    Self.rows(task.trainingBatch(step: step, size: size, key: RandomKey(seed)))
                }
                #expect(rows(7, 1) == rows(7, 1) && rows(7, 1) != rows(8, 1) && rows(7, 1) != rows(7, 2), "\(task.name)")
                // A larger batch begins with the smaller one, and the sequences differ.
                #expect(Array(rows(7, 1, 9).prefix(3)) == rows(7, 1), "\(task.name)")
                #expect(Set(rows(7, 1, 9)).count > 1, "\(task.name)")
            }
        }
        @Test func evaluationSetsAreFixedAndMayBeLonger() throws {
            func check<Task: SyntheticTask>(_ task: Task) {
                let batches = task.evaluationBatches(size: 2), each = task.evaluationForms.map { task.positions($0) }
                #expect(batches.map(\.length) == each.flatMap { [$0, $0, $0] }, "\(task.name)")
                #expect(batches.map(\.sequenceCount) == [2, 2, 1, 2, 2, 1], "\(task.name)")
                #expect(task.evaluationLength == each.max() && task.evaluationLength > task.contextLength, "\(task.name)")
                #expect(task.inputLengths == [1...task.evaluationLength])
                // A sequence does not depend on the batch size or the size of the set.
                let form = task.evaluationForms[1], five = Self.rows(task.evaluationBatches(form, count: 5, size: 2))
                #expect(five == Self.rows(task.evaluationBatches(form, count: 5, size: 5)), "\(task.name)")
                #expect(five == Array(Self.rows(task.evaluationBatches(form, count: 9, size: 4)).prefix(5)), "\(task.name)")
                #expect(five == Array(Self.rows(task.evaluationBatches(size: 2)).suffix(5)), "\(task.name)")
                // It is not a training sequence.
                let training = Set((0..<50).flatMap { Self.rows(task.trainingBatch(step: $0, size: 2, key: RandomKey(0))) })
                if each[1] > 20 { #expect(training.isDisjoint(with: five), "\(task.name)") }
            }
            for task in try Self.all() { check(task) }
        }
        @Test func shapesAndMasksMatchTheKinds() throws {
            for task in try Self.all() {
                for step in 0..<20 {
                    let batch = task.trainingBatch(step: step, size: 3, key: RandomKey(2)), shape = Shape([3, batch.length])
                    switch task.inputKind {
                    case .tokens(let vocabulary):
                        #expect(batch.inputs.shape == shape)
                        #expect(batch.inputs.elements(Int32.self).allSatisfy { 0..<Int32(vocabulary) ~= $0 })
                    case .features(let width): #expect(batch.inputs.shape == Shape([3, batch.length, width]))
                    case .streams: Issue.record("\(task.name) has several inputs")
                    }
                    let mask = batch.mask!.elements(Float.self)
                    switch task.targetKind {
                    case .answers(let vocabulary):
                        #expect(batch.targets.shape == shape)
                        for (target, counts) in zip(batch.targets.elements(Int32.self), mask) {
                            #expect(counts == 1 ? 0..<Int32(vocabulary) ~= target : target == -1, "\(task.name)")
                        }
                    case .binary(let width):
                        #expect(batch.targets.shape == Shape([3, batch.length, width]))
                        #expect(batch.targets.elements(Float.self).allSatisfy { $0 == 0 || $0 == 1 }, "\(task.name)")
                    case .values(let width): #expect(batch.targets.shape == Shape([3, batch.length, width]))
                    case .nextToken, .classes: Issue.record("\(task.name)")
                    }
                    #expect(batch.length <= task.contextLength)
                    #expect(batch.tokenCount == mask.count { $0 == 1 } && mask.allSatisfy { $0 == 0 || $0 == 1 }, "\(task.name)")
                    #expect((task.name == "n-gram") == (batch.optimalLoss != nil))
                }
            }
        }
        /// Every length of a range occurs, the largest too, and a difficulty limits them.
        @Test(arguments: [0, 0.3, 0.5, 1]) func difficultyLimitsTheLengths(difficulty: Double) throws {
            func check<Task: SyntheticTask>(_ task: Task, _ positions: [Int: Int]) {
                let lengths = (0..<200).map { step in
                    let key = RandomKey(3)
                    if difficulty == 1 {
                        let plain = task.trainingBatch(step: step, size: 1, key: key)
                        let limited = task.trainingBatch(step: step, size: 1, key: key, difficulty: 1)
                        #expect(Self.rows(plain) == Self.rows(limited))
                    }
                    return task.trainingBatch(step: step, size: 1, key: key, difficulty: difficulty).length
                }
                let upper = 4 + Int((difficulty * 3).rounded())
                #expect(Set(lengths) == Set((4...upper).map { positions[$0]! }), "\(task.name)")
            }
            func check<Task: SyntheticTask>(_ task: Task) where Task.Form == Int {
                #expect(task.trainingLengths == 4...7, "\(task.name)")
                check(task, Dictionary(uniqueKeysWithValues: (4...7).map { ($0, task.positions($0)) }))
            }
            for task in try Self.all() {
                if let task = task as? any Synthetic.LengthTask { check(task) }
                if let task = task as? CopyTask { check(task) }
                if let task = task as? RecallTask { #expect(task.trainingLengths == nil) }
            }
        }
        @Test func fingerprintsFollowTheSettings() throws {
            let short = Synthetic.Lengths(4, 7), long = Synthetic.Lengths(4, 8), even = Synthetic.Lengths(4, 8, evaluation: [6])
            let few = Synthetic.Lengths(4, 7, evaluationCount: 9)
            var tasks: [any SyntheticTask] = try Self.all()
            for lengths in [short, long, even, few] {
                tasks += [
                    try Synthetic.RepeatCopy(lengths: lengths), try Synthetic.Reverse(lengths: lengths),
                    try Synthetic.AssociativeRecall(lengths: lengths), try Synthetic.NGram(context: 3, lengths: lengths),
                    try Synthetic.PrioritySort(lengths: lengths), try Synthetic.SelectiveCopying(tokens: 4, lengths: lengths),
                    try Synthetic.Induction(lengths: lengths), try Synthetic.Adding(lengths: lengths),
                    try Synthetic.Parity(lengths: lengths), try Synthetic.Sorting(lengths: lengths),
                    try Synthetic.Dyck(lengths: lengths),
                ]
            }
            tasks += [
                try Synthetic.RepeatCopy(bits: 7, lengths: short), try Synthetic.RepeatCopy(lengths: short, minimumRepeats: 2),
                try Synthetic.RepeatCopy(lengths: short, maximumRepeats: 9),
                try Synthetic.RepeatCopy(lengths: short, evaluationRepeats: [20]), try Synthetic.Reverse(bits: 7, lengths: short),
                try Synthetic.AssociativeRecall(bits: 7, lengths: short),
                try Synthetic.AssociativeRecall(vectors: 2, lengths: short), try Synthetic.NGram(context: 1, lengths: short),
                try Synthetic.PrioritySort(bits: 7, lengths: short), try Synthetic.PrioritySort(share: 0.5, lengths: short),
                try Synthetic.SelectiveCopying(vocabulary: 9, tokens: 4, lengths: short),
                try Synthetic.SelectiveCopying(tokens: 2, lengths: short), try Synthetic.Induction(vocabulary: 9, lengths: short),
                try Synthetic.Sorting(vocabulary: 9, lengths: short), try Synthetic.Dyck(types: 1, lengths: short),
                try Synthetic.Dyck(depth: 2, lengths: short),
            ]
            #expect(Set(tasks.map(\.fingerprint)).count == tasks.count)
            #expect(try Synthetic.Reverse(lengths: short).fingerprint == Synthetic.Reverse(lengths: short).fingerprint)
        }
        /// All issues of the settings are named at once.
        @Test func settingsErrors() {
            // Minimum, maximum, count and evaluation length are out of range, and the minimum is above the maximum.
            let bad = Synthetic.Lengths(9_000_000, -1, evaluation: [0], evaluationCount: 0)
            func check(_ name: String, _ count: Int, _ make: () throws -> any SyntheticTask) {
                let error = #expect(throws: DatasetError.self, "\(name)") { _ = try make() }
                guard case .invalid(name, let issues) = error else {
                    Issue.record("\(name): \(error as Any)")
                    return
                }
                #expect(issues.count == count, "\(name): \(issues)")
            }
            check("repeat-copy", 10) {
                try Synthetic.RepeatCopy(
                    bits: 0, lengths: bad, minimumRepeats: 5, maximumRepeats: 0, evaluationRepeats: [1001, 1])
            }
            check("reverse", 6) { try Synthetic.Reverse(bits: 0, lengths: bad) }
            check("associative-recall", 7) { try Synthetic.AssociativeRecall(bits: 0, vectors: 0, lengths: bad) }
            check("associative-recall", 1) { try Synthetic.AssociativeRecall(bits: 1, vectors: 2, lengths: .init(2, 5)) }
            check("n-gram", 6) { try Synthetic.NGram(context: 0, lengths: bad) }
            check("n-gram", 1) { try Synthetic.NGram(context: 5, lengths: .init(200, 200, evaluation: [5])) }
            check("priority-sort", 7) { try Synthetic.PrioritySort(bits: 0, share: .nan, lengths: bad) }
            check("selective-copying", 7) { try Synthetic.SelectiveCopying(vocabulary: 2, tokens: 0, lengths: bad) }
            check("selective-copying", 1) { try Synthetic.SelectiveCopying(tokens: 9, lengths: .init(8, 20)) }
            check("induction", 6) { try Synthetic.Induction(vocabulary: 2, lengths: bad) }
            check("adding", 5) { try Synthetic.Adding(lengths: bad) }
            check("parity", 5) { try Synthetic.Parity(lengths: bad) }
            check("parity", 1) { try Synthetic.Parity(lengths: .init(1, 2, evaluation: [])) }
            check("sorting", 6) { try Synthetic.Sorting(vocabulary: 2, lengths: bad) }
            check("dyck", 7) { try Synthetic.Dyck(types: 0, depth: 0, lengths: bad) }
        }
        @Test func invalidFormsStopTheProgram() async {
            await #expect(processExitsWith: .failure) {
                _ = try Synthetic.Induction().evaluationBatches(2, count: 1, size: 1)
            }
            await #expect(processExitsWith: .failure) {
                _ = try Synthetic.NGram(context: 5).evaluationBatches(5, count: 1, size: 1)
            }
            await #expect(processExitsWith: .failure) {
                _ = try Synthetic.Parity().trainingBatch(step: 0, size: 1, key: RandomKey(1), difficulty: 1.5)
            }
        }
        /// Noise is for evaluations: lengths and training batches are those of the clean dataset.
        @Test func noiseKeepsTheLengths() throws {
            let task = try Synthetic.Reverse(lengths: .init(1, 9))
            let noisy = try NoisyDataset(task, InputNoise(.gaussian, strength: 0.1))
            #expect(noisy.trainingLengths == 1...9 && noisy.fingerprint != task.fingerprint)
            for step in 0..<10 {
                let batches = [task, noisy].map { (data: any Dataset) in
                    Self.rows(data.trainingBatch(step: step, size: 2, key: RandomKey(1), difficulty: 0.25))
                }
                #expect(batches[0] == batches[1])
            }
        }

        /// The example of the page of tasks.
        struct Inversion: Synthetic.LengthTask {
            static let validLengths = 1...1000
            let lengths = Synthetic.Lengths(1, 20)
            let name = "inversion"
            let inputKind = InputKind.tokens(vocabulary: 2)
            let targetKind = TargetKind.answers(vocabulary: 2)
            var settings: String { "inversion 1, \(lengths)" }

            func positions(_ form: Int) -> Int { form }
            func write(_ form: Int, key: RandomKey, to sequence: inout Synthetic.Writer) {
                for i in 0..<form {
                    let bit = key.integer(i, below: 2)
                    sequence.setInput(i, token: bit)
                    sequence.setTarget(i, token: 1 - bit)
                }
            }
        }
        @Test func aTaskOfTheUser() throws {
            let task = Inversion()
            #expect(task.contextLength == 20 && task.evaluationLength == 20 && task.trainingLengths == 1...20)
            #expect(task.evaluationBatches(size: 30).map(\.sequenceCount) == [30, 30, 30, 10])
            for sequence in DataTests.sequences(task, steps: 20) {
                #expect(zip(sequence.inputs, sequence.targets).allSatisfy { $0[0] + $1[0] == 1 })
            }
            // The page has the same code.
            let file = URL(fileURLWithPath: #filePath)
            let root = file.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            func lines(_ url: URL) throws -> [String] {
                try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
                    $0.trimmingCharacters(in: .whitespaces)
                }
            }
            let page = try lines(root.appendingPathComponent("Documentation/Tasks.md")), own = try lines(file)
            let start = try #require(page.firstIndex { $0.hasPrefix("struct Inversion") })
            let first = try #require(own.firstIndex(of: page[start]))
            let end = try #require(page[start...].firstIndex(of: "```"))
            #expect(Array(page[start..<end]) == Array(own[first..<first + end - start]))
        }

        /// A picture has a row per channel and dots where nothing counts.
        @Test func pictures() {
            let batch = Batch(
                inputs: Tensor([1, 0, 0, 0.333, 0, -12] as [Float], [1, 3, 2]), targets: Tensor([0, 7, 10] as [Int32], [1, 3]),
                mask: Tensor([0, 1, 1] as [Float], [1, 3]))
            #expect(
                SequencePicture(batch).description == """
                    position  0    1    2
                    input 0   1    .    .
                    input 1   .    0.33 -12
                    target    .    7    10
                    mask      .    1    1
                    """)
            let image = Batch(
                inputs: Tensor([5, 6, 7, 8] as [Int32], [2, 2]), and: [Tensor([1, 2] as [Int32], [2, 1])],
                targets: Tensor([3, 4] as [Int32]))
            #expect(
                SequencePicture(image, index: 1).description == """
                    position  0 1 2
                    input 1   7 8
                    input 2   2
                    class     4
                    """)
        }

        /// The sequences and fingerprints of copy and recall are those of the first version of their generators.
        @Test func copyAndRecallAreUnchanged() throws {
            func digest(_ batches: some Sequence<Batch>) -> UInt64 {
                var key = RandomKey(0)
                for batch in batches {
                    for tensor in [batch.inputs, batch.targets, batch.mask!] {
                        for x in tensor.doubles() { key = key.fold(Int(x)) }
                    }
                    key = key.fold(batch.tokenCount)
                }
                return key.seed
            }
            let copy = try CopyTask(bits: 5, minimumLength: 2, maximumLength: 9, evaluationLengths: [4, 30], evaluationCount: 3)
            let recall = try RecallTask(
                vocabulary: 64, length: 40, pairs: 5, evaluation: [.init(length: 80, pairs: 10)], evaluationCount: 3,
                filler: .random)
            let digests = [copy, recall].map { (task: any Dataset) in
                let training = (0..<20).map { task.trainingBatch(step: $0, size: 3, key: RandomKey(5)) }
                return [digest(training), digest(task.evaluationBatches(size: 2))]
            }
            #expect(digests == [[6697210207344464863, 8444177826841540101], [17275310082125620845, 13180636217861697976]])
            #expect(copy.fingerprint.hasPrefix("98e3aca2cd053638") && recall.fingerprint.hasPrefix("e38a566041d11e17"))
        }
    }

    /// One sequence of a batch: vectors of inputs and targets by position (of one number if they are tokens), and the mask.
    struct SequenceOfBatch {
        var inputs: [[Float]]
        var targets: [[Float]]
        var mask: [Float]
        /// The input tokens.
        var tokens: [Int] { inputs.map { Int($0[0]) } }
        /// Targets of positions that count.
        var counted: [[Float]] { zip(targets, mask).filter { $1 == 1 }.map(\.0) }
    }
    static func sequences(_ batch: Batch) -> [SequenceOfBatch] {
        func split(_ tensor: Tensor) -> [[[Float]]] {
            let width = tensor.rank == 3 ? tensor.shape[2] : 1, length = tensor.shape[1], all = tensor.doubles().map { Float($0) }
            return (0..<tensor.shape[0]).map { b in
                (0..<length).map { t in Array(all[(b * length + t) * width..<(b * length + t + 1) * width]) }
            }
        }
        let inputs = split(batch.inputs), targets = split(batch.targets), mask = split(batch.mask!)
        return inputs.indices.map { .init(inputs: inputs[$0], targets: targets[$0], mask: mask[$0].map { $0[0] }) }
    }
    /// Training sequences of several steps.
    static func sequences(_ task: any Dataset, steps: Int, size: Int = 3, seed: UInt64 = 11) -> [SequenceOfBatch] {
        (0..<steps).flatMap { sequences(task.trainingBatch(step: $0, size: size, key: RandomKey(seed))) }
    }
}
