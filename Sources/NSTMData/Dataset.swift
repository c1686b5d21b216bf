import NSTMTensor

/// The type and size of a dataset's inputs.
public enum InputKind: Sendable, Equatable, Codable {
    /// int32 token ids [B, T], each in 0..<vocabulary.
    case tokens(vocabulary: Int)
    /// float32 [B, T, width].
    case features(width: Int)
    /// Several inputs per sequence, such as an image and a question about it.
    indirect case streams([InputKind])
}

/// The type and size of a dataset's targets.
public enum TargetKind: Sendable, Equatable, Codable {
    /// int32 [B, T]: the id of the following token at every position.
    case nextToken(vocabulary: Int)
    /// int32 [B, T]: a token at unmasked positions; −1 at masked ones.
    case answers(vocabulary: Int)
    /// float32 [B, T, width], 0 or 1.
    case binary(width: Int)
    /// float32 [B, T, width], any numbers.
    case values(width: Int)
    /// int32 [B]: one class per sequence.
    case classes(count: Int)
}

/// A source of batches.
///
/// A training batch is a pure function of a key and a step, so that the step is all a resumed run needs: there is no cursor, no
/// shuffled order and no generator state to save.
public protocol Dataset: Sendable {
    /// A short name, as in a configuration file.
    var name: String { get }
    /// Type and size of the inputs.
    var inputKind: InputKind { get }
    /// Type and size of the targets.
    var targetKind: TargetKind { get }
    /// Maximum number of positions of a training sequence.
    var contextLength: Int { get }
    /// Maximum number of positions of an evaluation sequence; `contextLength` by default.
    var evaluationLength: Int { get }
    /// Range of the number of positions of each input, in training and evaluation. The default is for a dataset with one input,
    /// of any length up to the maximum.
    var inputLengths: [ClosedRange<Int>] { get }
    /// Range of the lengths of training sequences, in units of the dataset, which a curriculum limits; nil, the default, if there is
    /// no such range.
    var trainingLengths: ClosedRange<Int>? { get }
    /// SHA-256 of the content and its split, in hexadecimal: equal fingerprints mean equal batches for equal keys, steps and
    /// context lengths. Stored in checkpoints. For generated data: `FileDigest(of:)` of a text with all settings.
    var fingerprint: String { get }
    /// The scaling of the features from values in 0 … 1, for noise; nil, the default, if there are no features or no such
    /// scaling.
    var featureScale: InputNoise.FeatureScale? { get }

    /// The batch of a training step.
    /// - Parameters:
    ///   - step: 0 or more; the same step and key give the same batch.
    ///   - size: B, at least 1.
    ///   - key: the random key of the run.
    func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch
    /// The batch of a training step of limited difficulty, for a curriculum; the same as without a limit by default.
    /// - Parameter difficulty: 0...1; the largest length is lower + round(difficulty · (upper − lower)) of `trainingLengths`.
    func trainingBatch(step: Int, size: Int, key: RandomKey, difficulty: Double) -> Batch

    /// The batches of the validation split, always in the same order. Batches may differ in shape: means are weighted by
    /// `Batch.tokenCount`.
    /// - Parameters:
    ///   - size: the largest B, at least 1.
    ///   - limit: maximum number of batches, spread evenly over the split; nil for all of them.
    func evaluationBatches(size: Int, limit: Int?) -> BatchSequence
}

extension Dataset {
    /// `contextLength`.
    public var evaluationLength: Int { contextLength }
    /// One input of 1 position to the maximum length.
    public var inputLengths: [ClosedRange<Int>] { [1...max(1, contextLength, evaluationLength)] }
    /// nil: no lengths for a curriculum.
    public var trainingLengths: ClosedRange<Int>? { nil }
    /// The batch of the step, whatever the difficulty.
    public func trainingBatch(step: Int, size: Int, key: RandomKey, difficulty: Double) -> Batch {
        trainingBatch(step: step, size: size, key: key)
    }
    /// nil: no scaled features.
    public var featureScale: InputNoise.FeatureScale? { nil }
    /// The batches of the whole validation split.
    public func evaluationBatches(size: Int) -> BatchSequence { evaluationBatches(size: size, limit: nil) }
}

/// A fixed collection of batches, each created on access.
public struct BatchSequence: RandomAccessCollection, Sendable {
    public let startIndex = 0
    public let endIndex: Int
    private let total: Int
    private let make: @Sendable (Int) -> Batch

    /// A collection of `total` batches, or of `limit` of them, spread evenly.
    /// - Parameters:
    ///   - total: number of batches of the split.
    ///   - limit: maximum number of batches of the collection; nil for all.
    ///   - make: creates the batch of an index in 0..<total.
    public init(total: Int, limit: Int? = nil, _ make: @escaping @Sendable (Int) -> Batch) {
        self.total = total
        self.make = make
        endIndex = Swift.min(total, Swift.max(0, limit ?? total))
    }
    public subscript(position: Int) -> Batch {
        guard indices.contains(position) else {
            nstmFatal(.other(op: "BatchSequence", "index \(position) is out of range 0..<\(count)"))
        }
        return make(position * total / count)
    }
}
