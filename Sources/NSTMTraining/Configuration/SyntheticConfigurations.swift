import NSTMConfiguration
import NSTMData

// MARK: Copy and recall

extension CopyTask {
    public struct Configuration: DatasetConfiguration {
        public static let type = "copy"
        public static let summary = "random vectors to be reproduced after a delimiter"
        /// Bits of a vector.
        public var bits = 8
        /// Smallest number of vectors of a training sequence.
        public var minimumLength = 1
        /// Largest number of vectors of a training sequence.
        public var maximumLength = 10
        /// Lengths of the evaluation sequences; nil: every length of training.
        public var evaluationLengths: [Int]?
        /// Sequences of an evaluation, of each length.
        public var evaluationCount = 100
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            bits = reader.int("bits", default: bits, in: 1...1024)
            minimumLength = reader.int("minimum-length", default: minimumLength, in: 1...100_000)
            maximumLength = reader.int("maximum-length", default: maximumLength, in: 1...100_000)
            let usual = Array(minimumLength...max(minimumLength, maximumLength))
            evaluationLengths = reader.ints("evaluation-lengths", default: evaluationLengths ?? usual, in: 1...100_000)
            evaluationCount = reader.int("evaluation-count", default: evaluationCount, in: 1...1_000_000)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            let data = try CopyTask(
                bits: bits, minimumLength: minimumLength, maximumLength: maximumLength,
                evaluationLengths: evaluationLengths ?? [], evaluationCount: evaluationCount)
            return OpenedDataset(data, tokenizer: nil, warning: nil)
        }
    }
}

extension RecallTask {
    public struct Configuration: DatasetConfiguration {
        public static let type = "recall"
        public static let summary = "associative recall of several queries (MQAR)"
        /// Number of tokens.
        public var vocabulary = 256
        /// Tokens of a sequence.
        public var length = 128
        /// Pairs of key and value.
        public var pairs = 8
        /// Tokens between the queries.
        public var filler = Filler.blank
        /// Exponent of the power law of the distances.
        public var alpha = 0.01
        /// Lengths of the evaluation sequences; nil: the length of training.
        public var evaluationLengths: [Int]?
        /// Number of pairs for each evaluation length; nil: the pairs of training.
        public var evaluationPairs: [Int]?
        /// Sequences of an evaluation, of each length.
        public var evaluationCount = 200
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            vocabulary = reader.int("vocabulary", default: vocabulary, in: 4...1_000_000)
            length = reader.int("length", default: length, in: 4...1_000_000)
            pairs = reader.int("pairs", default: pairs, in: 1...250_000)
            filler = reader.choice("filler", default: filler)
            alpha = reader.double("alpha", default: alpha, in: -100...100)
            let lengths = reader.ints("evaluation-lengths", default: evaluationLengths ?? [length], in: 4...1_000_000)
            let counts = reader.ints(
                "evaluation-pairs", default: evaluationPairs ?? lengths.map { [pairs] _ in pairs }, in: 1...250_000)
            if lengths.count != counts.count {
                reader.addIssue("evaluation-pairs", "\(counts.count) numbers for \(lengths.count) evaluation lengths")
            }
            (evaluationLengths, evaluationPairs) = (lengths, counts)
            evaluationCount = reader.int("evaluation-count", default: evaluationCount, in: 1...1_000_000)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            let data = try RecallTask(
                vocabulary: vocabulary, length: length, pairs: pairs,
                evaluation: zip(evaluationLengths ?? [], evaluationPairs ?? []).map { .init(length: $0, pairs: $1) },
                evaluationCount: evaluationCount, filler: filler, alpha: alpha)
            return OpenedDataset(data, tokenizer: nil, warning: nil)
        }
    }
}

// MARK: The other tasks

extension Synthetic.Lengths {
    /// Reads `minimum-length`, `maximum-length`, `evaluation-lengths` and `evaluation-count`.
    ///
    /// By default evaluations have the largest length of training.
    /// - Parameter range: valid lengths.
    fileprivate mutating func read(_ reader: ConfigurationReader, in range: ClosedRange<Int>) {
        minimum = reader.int("minimum-length", default: minimum, in: range)
        maximum = reader.int("maximum-length", default: maximum, in: range)
        evaluation = reader.ints("evaluation-lengths", default: evaluationLengths, in: range)
        evaluationCount = reader.int("evaluation-count", default: evaluationCount, in: 1...1_000_000)
    }
}

extension Synthetic.RepeatCopy {
    public struct Configuration: DatasetConfiguration {
        public static let type = "repeat-copy"
        public static let summary = "random vectors to be reproduced several times"
        /// Bits of a vector.
        public var bits = 8
        /// Lengths, in vectors.
        public var lengths = Synthetic.Lengths(1, 10)
        /// Smallest number of repeats in training.
        public var minimumRepeats = 1
        /// Largest number of repeats in training.
        public var maximumRepeats = 10
        /// Number of repeats for each evaluation length; nil: the largest of training.
        public var evaluationRepeats: [Int]?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            bits = reader.int("bits", default: bits, in: 1...1024)
            lengths.read(reader, in: 1...10_000)
            minimumRepeats = reader.int("minimum-repeats", default: minimumRepeats, in: 1...1000)
            maximumRepeats = reader.int("maximum-repeats", default: maximumRepeats, in: 1...1000)
            let usual = lengths.evaluationLengths.map { [maximumRepeats] _ in maximumRepeats }
            evaluationRepeats = reader.ints("evaluation-repeats", default: evaluationRepeats ?? usual, in: 1...1000)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(
                try Synthetic.RepeatCopy(
                    bits: bits, lengths: lengths, minimumRepeats: minimumRepeats, maximumRepeats: maximumRepeats,
                    evaluationRepeats: evaluationRepeats))
        }
    }
}

extension Synthetic.Reverse {
    public struct Configuration: DatasetConfiguration {
        public static let type = "reverse"
        public static let summary = "random vectors to be reproduced in the opposite order"
        /// Bits of a vector.
        public var bits = 8
        /// Lengths, in vectors.
        public var lengths = Synthetic.Lengths(1, 20)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            bits = reader.int("bits", default: bits, in: 1...1024)
            lengths.read(reader, in: Synthetic.Reverse.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Reverse(bits: bits, lengths: lengths))
        }
    }
}

extension Synthetic.AssociativeRecall {
    public struct Configuration: DatasetConfiguration {
        public static let type = "associative-recall"
        public static let summary = "the item that followed a given item"
        /// Bits of a vector.
        public var bits = 6
        /// Vectors of an item.
        public var vectors = 3
        /// Lengths, in items.
        public var lengths = Synthetic.Lengths(2, 6)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            bits = reader.int("bits", default: bits, in: 1...1024)
            vectors = reader.int("vectors", default: vectors, in: 1...100)
            lengths.read(reader, in: Synthetic.AssociativeRecall.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.AssociativeRecall(bits: bits, vectors: vectors, lengths: lengths))
        }
    }
}

extension Synthetic.NGram {
    public struct Configuration: DatasetConfiguration {
        public static let type = "n-gram"
        public static let summary = "the next bit of a random source that is new in every sequence"
        /// Bits on which the next one depends.
        public var context = 5
        /// Lengths, in bits.
        public var lengths = Synthetic.Lengths(200, 200)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            context = reader.int("context", default: context, in: 1...16)
            lengths.read(reader, in: Synthetic.NGram.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.NGram(context: context, lengths: lengths))
        }
    }
}

extension Synthetic.PrioritySort {
    public struct Configuration: DatasetConfiguration {
        public static let type = "priority-sort"
        public static let summary = "random vectors to be sorted by a priority"
        /// Bits of a vector.
        public var bits = 8
        /// Share of the vectors that are output.
        public var share = 0.8
        /// Lengths, in vectors.
        public var lengths = Synthetic.Lengths(20, 20)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            bits = reader.int("bits", default: bits, in: 1...1024)
            share = reader.double("share", default: share, in: 1e-6...1)
            lengths.read(reader, in: Synthetic.PrioritySort.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.PrioritySort(bits: bits, share: share, lengths: lengths))
        }
    }
}

extension Synthetic.SelectiveCopying {
    public struct Configuration: DatasetConfiguration {
        public static let type = "selective-copying"
        public static let summary = "tokens among noise, to be reproduced in order"
        /// Number of tokens.
        public var vocabulary = 16
        /// Tokens to remember.
        public var tokens = 16
        /// Lengths, in positions before the markers.
        public var lengths = Synthetic.Lengths(256, 256)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            vocabulary = reader.int("vocabulary", default: vocabulary, in: 3...1_000_000)
            tokens = reader.int("tokens", default: tokens, in: 1...100_000)
            lengths.read(reader, in: Synthetic.SelectiveCopying.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.SelectiveCopying(vocabulary: vocabulary, tokens: tokens, lengths: lengths))
        }
    }
}

extension Synthetic.Induction {
    public struct Configuration: DatasetConfiguration {
        public static let type = "induction"
        public static let summary = "the token that followed an earlier occurrence (induction heads)"
        /// Number of tokens.
        public var vocabulary = 16
        /// Lengths, in positions.
        public var lengths = Synthetic.Lengths(256, 256)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            vocabulary = reader.int("vocabulary", default: vocabulary, in: 3...1_000_000)
            lengths.read(reader, in: Synthetic.Induction.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Induction(vocabulary: vocabulary, lengths: lengths))
        }
    }
}

extension Synthetic.Adding {
    public struct Configuration: DatasetConfiguration {
        public static let type = "adding"
        public static let summary = "the sum of the two marked numbers"
        /// Lengths, in positions.
        public var lengths = Synthetic.Lengths(100, 100)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            lengths.read(reader, in: Synthetic.Adding.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Adding(lengths: lengths))
        }
    }
}

extension Synthetic.Parity {
    public struct Configuration: DatasetConfiguration {
        public static let type = "parity"
        public static let summary = "whether the number of ones so far is odd"
        /// Lengths, in bits.
        public var lengths = Synthetic.Lengths(1, 40)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            lengths.read(reader, in: Synthetic.Parity.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Parity(lengths: lengths))
        }
    }
}

extension Synthetic.Sorting {
    public struct Configuration: DatasetConfiguration {
        public static let type = "sorting"
        public static let summary = "tokens in ascending order"
        /// Number of tokens.
        public var vocabulary = 16
        /// Lengths, in tokens.
        public var lengths = Synthetic.Lengths(1, 20)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            vocabulary = reader.int("vocabulary", default: vocabulary, in: 3...1_000_000)
            lengths.read(reader, in: Synthetic.Sorting.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Sorting(vocabulary: vocabulary, lengths: lengths))
        }
    }
}

extension Synthetic.Dyck {
    public struct Configuration: DatasetConfiguration {
        public static let type = "dyck"
        public static let summary = "the brackets that may come next in a balanced word"
        /// Types of brackets.
        public var types = 2
        /// Largest number of open brackets.
        public var depth = 8
        /// Lengths, in pairs of brackets.
        public var lengths = Synthetic.Lengths(1, 20)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            types = reader.int("types", default: types, in: 1...1000)
            depth = reader.int("depth", default: depth, in: 1...500_000)
            lengths.read(reader, in: Synthetic.Dyck.validLengths)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            OpenedDataset(try Synthetic.Dyck(types: types, depth: depth, lengths: lengths))
        }
    }
}
