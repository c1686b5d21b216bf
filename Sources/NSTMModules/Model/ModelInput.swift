import NSTMAutograd
import NSTMTensor

/// The type and size of a model's input.
public enum ModelInput: Sendable, Equatable {
    /// int32 token indices [B, T], each in 0..<vocabulary.
    case tokens(vocabulary: Int)
    /// Vectors [B, T, width].
    case features(width: Int)
    /// Several inputs, concatenated into one sequence. Must not be nested.
    indirect case streams([ModelInput])
}

/// The type and size of a model's output.
public enum ModelOutput: Sendable, Equatable {
    /// Next-token logits [B, T, vocabulary]; the weights are tied to the embedding if the input has the same vocabulary.
    case nextToken(vocabulary: Int)
    /// A vector of logits per position, [B, T, width].
    case perToken(width: Int)
    /// Class logits [B, classes], from the mean over positions.
    case pooled(classes: Int)

    /// Whether there is one output per sequence.
    public var isPooled: Bool { if case .pooled = self { true } else { false } }
}
