import NSTMTensor

/// What the inputs of a dataset are.
public enum InputKind: Sendable, Equatable, Codable {
    /// int32 [B, T], ids below the size of the vocabulary.
    case tokens(vocabulary: Int)
    /// float32 [B, T, width].
    case features(width: Int)
    /// Several inputs that belong together, such as an image and a question about it.
    indirect case streams([InputKind])
}

/// What the targets of a dataset are.
public enum TargetKind: Sendable, Equatable, Codable {
    /// int32 [B, T]: at every position the id of the token that follows.
    case nextToken(vocabulary: Int)
    /// int32 [B, T]: a token at the positions that the mask names, and nothing elsewhere.
    case answers(vocabulary: Int)
    /// float32 [B, T, width], 0 or 1.
    case binary(width: Int)
    /// int32 [B]: one class for the whole sequence.
    case classes(count: Int)
}

/// A source of batches.
///
/// A training batch is a pure function of a key and a step. A run that is resumed needs to know its step and nothing else: there
/// is no cursor, no shuffled order and no generator state to save.
public protocol Dataset: Sendable {
    /// A short name, as in a configuration file.
    var name: String { get }
    var inputKind: InputKind { get }
    var targetKind: TargetKind { get }
    /// The number of positions of a training sequence; the largest one where lengths vary.
    var contextLength: Int { get }
    /// The number of positions of the longest evaluation sequence; `contextLength` unless a dataset says otherwise.
    var evaluationLength: Int { get }
    /// The numbers of positions that each input can have, in training and evaluation; one range for each input. By default of a
    /// dataset with one input, of any length up to the longest.
    var inputLengths: [ClosedRange<Int>] { get }
    /// SHA-256 in hexadecimal of the content and of how it is split: equal fingerprints mean equal batches for equal keys,
    /// steps and contexts. Saved in checkpoints.
    var fingerprint: String { get }
    /// How features were made from values in 0 … 1, for noise on them; nil where they were not, or are none.
    var featureScale: FeatureScale? { get }

    /// The batch of a training step.
    /// - Parameters:
    ///   - step: any number from 0; the same step gives the same batch.
    ///   - size: B, at least 1.
    func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch

    /// The validation split, always in the same order. Batches may differ in shape: weigh means by `Batch.tokenCount`.
    /// - Parameters:
    ///   - size: the largest B, at least 1.
    ///   - limit: at most so many batches, spread evenly over the split; nil for all of it.
    func evaluationBatches(size: Int, limit: Int?) -> BatchSequence
}

extension Dataset {
    public var evaluationLength: Int { contextLength }
    public var inputLengths: [ClosedRange<Int>] { [1...max(1, contextLength, evaluationLength)] }
    public var featureScale: FeatureScale? { nil }
    /// The whole validation split.
    public func evaluationBatches(size: Int) -> BatchSequence { evaluationBatches(size: size, limit: nil) }
}

/// A fixed list of batches, each made when it is asked for.
public struct BatchSequence: RandomAccessCollection, Sendable {
    public let startIndex = 0
    public let endIndex: Int
    private let total: Int
    private let make: @Sendable (Int) -> Batch

    /// - Parameters:
    ///   - total: how many batches there are.
    ///   - limit: how many to keep at most, spread evenly.
    ///   - make: the batch of an index below `total`.
    public init(total: Int, limit: Int? = nil, _ make: @escaping @Sendable (Int) -> Batch) {
        self.total = total
        self.make = make
        endIndex = Swift.min(total, Swift.max(0, limit ?? total))
    }
    public subscript(position: Int) -> Batch {
        guard indices.contains(position) else { fatalError("BatchSequence: index \(position) of \(count) batches") }
        return make(position * total / count)
    }
}
