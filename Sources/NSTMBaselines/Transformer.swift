import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A decoder-only Transformer (Vaswani et al., 2017) without biases: pre-norm, GELU, learned positions and tied embeddings as in
/// GPT-2 (Radford et al., 2019), or rotary positions and SwiGLU as in LLaMA (Touvron et al., 2023).
public final class Transformer: SequenceModel {
    /// The type of the feed-forward layers.
    public enum FeedForwardKind: String, Sendable, CaseIterable { case gelu, swiglu }

    /// - Parameters:
    ///   - shape: `positions` is the maximum sequence length; nil for no learned positions.
    ///   - rotary: whether queries and keys are rotated by position (`Variable.rotated`).
    ///   - feedForward: type of the feed-forward layers.
    ///   - options: optional parts of the projections that NSTM layers also have, for comparisons of the mixing of tokens alone.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, rotary: Bool = false, feedForward: FeedForwardKind = .gelu,
        options: AttentionProjections.Options = AttentionProjections.Options()
    ) {
        var style = BlockOptions()
        if feedForward == .swiglu && shape.hidden > 0 {
            style.feedForward = { parameters, _, residual in
                SwiGLU(
                    parameters, width: shape.width, hidden: shape.hidden, initializer: .normal(standardDeviation: 0.02),
                    outputInitializer: residual)
            }
        }
        super.init(builder, shape, norm: .layer, style: style) { parameters, _, residual in
            CausalSelfAttention(
                parameters, width: shape.width, heads: shape.heads, rotary: rotary, options: options,
                initializer: .normal(standardDeviation: 0.02), outputInitializer: residual)
        }
    }
    public override var cacheGrowsWithLength: Bool { true }
}
