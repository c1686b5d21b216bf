import NSTMTensor

extension Synthetic {
    /// The repeat copy task: output a sequence of random bit vectors several times, then an end marker (Graves, Wayne and
    /// Danihelka, "Neural Turing Machines", 2014, section 4.2).
    ///
    /// After L vectors comes a delimiter, together with the number of repeats R in a channel of its own. With 2 bits, L = 2 and R
    /// = 2 (`.` is 0, and masked in the targets):
    ///
    ///     position        0 1 2 3 4 5 6 7
    ///     inputs  bit 0   1 0 . . . . . .        targets  bit 0   . . . 1 0 1 0 0
    ///             bit 1   1 1 . . . . . .                 bit 1   . . . 1 1 1 1 0
    ///             delim.  . . 1 . . . . .                 end     . . . 0 0 0 0 1
    ///             count   . . c . . . . .        mask             0 0 0 1 1 1 1 1
    ///
    /// The count is c = (R − mean) / standard deviation, with the mean and the standard deviation of the uniform distribution of
    /// the numbers of repeats in training, so that it has a mean of 0 and a variance of 1. If training has only one number of
    /// repeats, c is 0 for it, and R − mean for others. T = L + 2 + L·R, the inputs are [B, T, bits + 2], the targets [B, T, bits
    /// + 1]; the bits of the end marker's position count too.
    public struct RepeatCopy: SyntheticTask {
        /// The sizes of a sequence.
        public struct Form: Sendable, Equatable {
            /// L, in vectors.
            public let length: Int
            /// R, the number of repeats.
            public let repeats: Int
            public init(length: Int, repeats: Int) { (self.length, self.repeats) = (length, repeats) }
        }

        /// Number of bits of a vector.
        public let bits: Int
        /// L, in vectors.
        public let lengths: Lengths
        /// Range of the numbers of repeats R in training, uniformly distributed.
        public let repeats: ClosedRange<Int>
        public let evaluationForms: [Form]

        public let name = "repeat-copy"
        public var inputKind: InputKind { .features(width: bits + 2) }
        public var targetKind: TargetKind { .binary(width: bits + 1) }
        public var trainingLengths: ClosedRange<Int>? { lengths.training }
        public var largestForm: Form { Form(length: lengths.maximum, repeats: repeats.upperBound) }
        public var evaluationCount: Int { lengths.evaluationCount }
        public var settings: String {
            let evaluation = evaluationForms.map { "\($0.length)/\($0.repeats)" }.joined(separator: " ")
            return "nstm repeat-copy 1, bits \(bits), \(lengths.text), repeats \(repeats), evaluation \(evaluation)"
        }

        /// - Parameters:
        ///   - bits: number of bits of a vector, 1...1024; 8 in the paper.
        ///   - lengths: L, in vectors, each 1...10,000; 1...10 in the paper.
        ///   - minimumRepeats: smallest R in training, 1...1,000.
        ///   - maximumRepeats: largest R in training, 1...1,000; 10 in the paper.
        ///   - evaluationRepeats: R for each evaluation length; nil for the largest of training.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(
            bits: Int = 8, lengths: Lengths = Lengths(1, 10), minimumRepeats: Int = 1, maximumRepeats: Int = 10,
            evaluationRepeats: [Int]? = nil
        ) throws(DatasetError) {
            let evaluationLengths = lengths.evaluationLengths
            let evaluationRepeats = evaluationRepeats ?? evaluationLengths.map { _ in maximumRepeats }
            var issues = Issues()
            issues.check("the number of bits", bits, 1...1024)
            issues.list += lengths.issues(in: 1...10_000)
            issues.check("the minimum number of repeats", minimumRepeats, 1...1000)
            issues.check("the maximum number of repeats", maximumRepeats, 1...1000)
            // The maximum, which is the default, has been checked.
            for repeats in evaluationRepeats where repeats != maximumRepeats {
                issues.check("an evaluation number of repeats", repeats, 1...1000)
            }
            if minimumRepeats > maximumRepeats {
                issues.list.append("the minimum number of repeats \(minimumRepeats) is above the maximum \(maximumRepeats)")
            }
            if evaluationRepeats.count != evaluationLengths.count {
                issues.list.append(
                    "there are \(evaluationRepeats.count) evaluation numbers of repeats for \(evaluationLengths.count) lengths")
            }
            try issues.throwIfAny(dataset: "repeat-copy")
            (self.bits, self.lengths, repeats) = (bits, lengths, minimumRepeats...maximumRepeats)
            evaluationForms = zip(evaluationLengths, evaluationRepeats).map { Form(length: $0, repeats: $1) }
        }

        /// The input c for a number of repeats.
        public func normalized(repeats count: Int) -> Float {
            let mean = Double(repeats.lowerBound + repeats.upperBound) / 2, n = Double(repeats.count)
            // The variance of the uniform distribution of n successive integers.
            let deviation = ((n * n - 1) / 12).squareRoot()
            return Float((Double(count) - mean) / (deviation > 0 ? deviation : 1))
        }

        public func trainingForm(difficulty: Double, key: RandomKey) -> Form {
            Form(
                length: key.fold("length").length(lengths.training, difficulty: difficulty),
                repeats: key.fold("repeats").length(repeats, difficulty: difficulty))
        }
        public func issue(_ form: Form) -> String? {
            form.length >= 1 && form.repeats >= 1 ? nil : "length \(form.length), repeats \(form.repeats), both need at least 1"
        }
        public func sizes(_ form: Form) -> [Int] { [form.length, form.repeats] }
        public func positions(_ form: Form) -> Int { form.length * (form.repeats + 1) + 2 }
        public func write(_ form: Form, key: RandomKey, to sequence: inout Writer) {
            let length = form.length, values = key.bits(length * bits), last = positions(form) - 1
            for i in 0..<length {
                let vector = values[i * bits..<(i + 1) * bits]
                sequence.setInput(i, to: vector)
                for copy in 1...form.repeats { sequence.setTarget(copy * length + 1 + i, to: vector) }
            }
            sequence.setInput(length, channel: bits, to: 1)
            sequence.setInput(length, channel: bits + 1, to: normalized(repeats: form.repeats))
            sequence.setTarget(last, channel: bits, to: 1)
        }
    }
}
