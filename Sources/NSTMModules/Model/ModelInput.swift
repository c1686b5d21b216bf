import NSTMAutograd
import NSTMTensor

/// What a model reads.
public enum ModelInput: Sendable, Equatable {
    /// int32 indices [B, T] below the count, through an embedding.
    case tokens(vocabulary: Int)
    /// Vectors [B, T, width], through a linear map.
    case features(width: Int)
    /// Several inputs, read one after the other as one sequence.
    indirect case streams([ModelInput])
}

/// What a model answers.
public enum ModelOutput: Sendable, Equatable {
    /// Next-token logits [B, T, vocabulary]; the weights are those of the embedding when the input has the same vocabulary.
    case nextToken(vocabulary: Int)
    /// Numbers (logits) for every position: [B, T, width].
    case perToken(width: Int)
    /// Class logits [B, classes] from the mean over positions.
    case pooled(classes: Int)

    /// Whether the answer is about the whole sequence.
    public var isPooled: Bool { if case .pooled = self { true } else { false } }
}
