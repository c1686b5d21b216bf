import NSTMTensor

/// The generated tasks beside `CopyTask` and `RecallTask`, and what they have in common.
public enum Synthetic {}

/// A dataset of generated sequences, each a function of its own random key.
///
/// A task says which sizes a sequence has, its *form*, and writes one sequence of a form and a key. Batches, the evaluation split
/// and the fingerprint follow from that. All sequences of a batch have the same form, drawn per batch, so there is no padding. A
/// training sequence depends only on the key of the run, the step and its index in the batch; an evaluation sequence only on the
/// task, its form and its index. Neither depends on the batch size.
public protocol SyntheticTask: Dataset {
    /// The sizes of a sequence, such as the number of its vectors.
    associatedtype Form: Sendable & Equatable
    /// The version of the generator and all settings; the fingerprint is the digest of this text.
    var settings: String { get }
    /// The form of the longest training sequence.
    var largestForm: Form { get }
    /// Forms of the evaluation split, in order; at least one.
    var evaluationForms: [Form] { get }
    /// Number of evaluation sequences per form, at least 1.
    var evaluationCount: Int { get }

    /// The form of a training batch.
    /// - Parameters:
    ///   - difficulty: 0...1; limits the lengths as in `Dataset.trainingBatch(step:size:key:difficulty:)`.
    ///   - key: the random key of the step.
    func trainingForm(difficulty: Double, key: RandomKey) -> Form
    /// The reason why there are no sequences of a form; nil for a valid form.
    func issue(_ form: Form) -> String?
    /// The numbers that identify a form.
    func sizes(_ form: Form) -> [Int]
    /// T, the number of positions of a sequence.
    func positions(_ form: Form) -> Int
    /// Writes one sequence.
    /// - Parameters:
    ///   - form: a valid form.
    ///   - key: the random key of the sequence.
    func write(_ form: Form, key: RandomKey, to sequence: inout Synthetic.Writer)
    /// The key whose folds by index are the keys of the training sequences; by default `key.fold("sequences")`.
    /// - Parameter key: the random key of the step.
    func sequencesKey(_ key: RandomKey) -> RandomKey
}

extension SyntheticTask {
    public var fingerprint: String { FileDigest(of: settings).sha256 }
    /// Number of positions of the longest training sequence.
    public var contextLength: Int { positions(largestForm) }
    public var evaluationLength: Int { evaluationForms.map { positions($0) }.max()! }
    public func sequencesKey(_ key: RandomKey) -> RandomKey { key.fold("sequences") }

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        trainingBatch(step: step, size: size, key: key, difficulty: 1)
    }
    public func trainingBatch(step: Int, size: Int, key: RandomKey, difficulty: Double) -> Batch {
        guard 0...1 ~= difficulty else {
            nstmFatal(.other(op: "\(Self.self).trainingBatch", "difficulty \(difficulty), needs 0...1"))
        }
        let key = key.fold(name).fold(step), sequences = sequencesKey(key)
        return batch(trainingForm(difficulty: difficulty, key: key), size: size) { sequences.fold($0) }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let perForm = evaluationForms.map { evaluationBatches($0, count: evaluationCount, size: size) }, each = perForm[0].count
        return BatchSequence(total: each * perForm.count, limit: limit) { perForm[$0 / each][$0 % each] }
    }
    /// An evaluation set of one form, which may exceed those of training.
    ///
    /// A sequence depends only on the task, the form and its index: a smaller set is a prefix of a larger one. Stops the program
    /// if the form is invalid.
    /// - Parameters:
    ///   - count: number of sequences, at least 1.
    ///   - size: largest B, at least 1.
    public func evaluationBatches(_ form: Form, count: Int, size: Int) -> BatchSequence {
        let issues = [
            issue(form), count < 1 ? "count \(count), needs at least 1" : nil,
            size < 1 ? "batch size \(size), needs at least 1" : nil,
        ].compactMap(\.self)
        guard issues.isEmpty else {
            nstmFatal(.other(op: "\(Self.self).evaluationBatches", issues.joined(separator: "; ")))
        }
        let sequences = sizes(form).reduce(RandomKey(0).fold("\(name) evaluation")) { $0.fold($1) }
        return BatchSequence(total: (count + size - 1) / size) { i in
            batch(form, size: Swift.min(size, count - i * size)) { sequences.fold(i * size + $0) }
        }
    }

    /// - Parameter key: the random key of a sequence by its index in the batch.
    private func batch(_ form: Form, size: Int, key: (Int) -> RandomKey) -> Batch {
        guard size >= 1 else { nstmFatal(.other(op: "\(Self.self)", "batch size \(size) must be at least 1")) }
        var writer = Synthetic.Writer(sequences: size, positions: positions(form), inputs: inputKind, targets: targetKind)
        for index in 0..<size {
            writer.begin(index)
            write(form, key: key(index), to: &writer)
        }
        return writer.batch
    }
}

// MARK: Tasks of one length

extension Synthetic {
    /// The lengths of a task, in its own units, such as vectors or tokens.
    public struct Lengths: Sendable, Equatable {
        /// Smallest length in training.
        public var minimum: Int
        /// Largest length in training.
        public var maximum: Int
        /// Lengths of the evaluation split, in order; nil for the largest training length.
        public var evaluation: [Int]?
        /// Number of evaluation sequences per length.
        public var evaluationCount: Int
        /// - Parameters:
        ///   - minimum: smallest length in training.
        ///   - maximum: largest length in training; all lengths in between are equally probable.
        ///   - evaluation: lengths of the evaluation split, which may be longer; nil for the largest training length.
        ///   - evaluationCount: number of evaluation sequences per length, 1...1,000,000.
        public init(_ minimum: Int, _ maximum: Int, evaluation: [Int]? = nil, evaluationCount: Int = 100) {
            (self.minimum, self.maximum) = (minimum, maximum)
            (self.evaluation, self.evaluationCount) = (evaluation, evaluationCount)
        }
        /// Lengths of the evaluation split.
        public var evaluationLengths: [Int] { evaluation ?? [maximum] }

        var training: ClosedRange<Int> { minimum...maximum }
        var text: String { "lengths \(minimum)...\(maximum), evaluation \(evaluationLengths) × \(evaluationCount)" }
        /// All issues with the lengths, for the error of a task.
        /// - Parameter range: valid lengths.
        public func issues(in range: ClosedRange<Int>) -> [String] {
            var issues = Issues()
            issues.check("the minimum length", minimum, range)
            issues.check("the maximum length", maximum, range)
            issues.check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
            // The maximum length, which is the default, has been checked.
            for length in evaluationLengths where length != maximum { issues.check("an evaluation length", length, range) }
            if evaluationLengths.isEmpty { issues.list.append("there is no evaluation length") }
            if minimum > maximum {
                issues.list.append("the minimum length \(minimum) is above the maximum length \(maximum)")
            }
            return issues.list
        }
    }

    /// A synthetic task whose form is one length.
    public protocol LengthTask: SyntheticTask where Form == Int {
        /// Lengths of training and of the evaluation split.
        var lengths: Lengths { get }
        /// Lengths that the task can have.
        static var validLengths: ClosedRange<Int> { get }
    }

    /// Issues with the settings of a task.
    struct Issues {
        var list: [String] = []
        mutating func check(_ what: String, _ value: Int, _ range: ClosedRange<Int>) {
            if !range.contains(value) { list.append("\(what) is \(value), outside \(range)") }
        }
        func throwIfAny(dataset: String) throws(DatasetError) {
            guard list.isEmpty else { throw .invalid(dataset: dataset, issues: list) }
        }
    }
}

extension Synthetic.LengthTask {
    public var trainingLengths: ClosedRange<Int>? { lengths.training }
    public var largestForm: Int { lengths.maximum }
    public var evaluationForms: [Int] { lengths.evaluationLengths }
    public var evaluationCount: Int { lengths.evaluationCount }
    public func trainingForm(difficulty: Double, key: RandomKey) -> Int {
        key.fold("length").length(lengths.training, difficulty: difficulty)
    }
    public func issue(_ form: Int) -> String? {
        Self.validLengths.contains(form) ? nil : "length \(form), needs \(Self.validLengths)"
    }
    public func sizes(_ form: Int) -> [Int] { [form] }
}

// MARK: Random numbers

extension RandomKey {
    /// A length of a range, all with the same probability.
    /// - Parameter difficulty: 0...1; the largest length is lower + round(difficulty · (upper − lower)).
    func length(_ range: ClosedRange<Int>, difficulty: Double) -> Int {
        let steps = Int((difficulty * Double(range.upperBound - range.lowerBound)).rounded())
        return range.lowerBound + integer(0, below: steps + 1)
    }
    /// Uniform random bits, 0 or 1; 128 from each counter value.
    func bits(_ count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { p, initialized in
            var words = SIMD4<UInt32>()
            for i in 0..<count {
                if i % 128 == 0 { words = self.words(UInt64(i / 128)) }
                p[i] = words[i % 128 / 32] >> UInt32(i % 32) & 1 == 1 ? 1 : 0
            }
            initialized = count
        }
    }
    /// Distinct integers of 0 ..< bound, ascending; every set with the same probability (Floyd's algorithm: Bentley and Floyd,
    /// "Programming pearls: a sample of brilliance", 1987).
    func distinctIntegers(_ count: Int, below bound: Int) -> [Int] {
        var chosen: Set<Int> = []
        for largest in bound - count..<bound {
            let candidate = integer(largest, below: largest + 1)
            chosen.insert(chosen.contains(candidate) ? largest : candidate)
        }
        return chosen.sorted()
    }
}
