import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The decoder-only Transformer (Vaswani et al. 2017; pre-norm, GELU, learned positions and tied embeddings as in GPT-2, Radford et
/// al. 2019), without biases.
public final class Transformer: SequenceModel {
    /// - Parameter shape: `positions` is the longest sequence it can read.
    public init(_ builder: ParameterBuilder, _ shape: ModelShape) {
        super.init(builder, shape, norm: .layer) { parameters, _, residual in
            CausalSelfAttention(
                parameters, width: shape.width, heads: shape.heads, initializer: .normal(deviation: 0.02),
                outputInitializer: residual)
        }
    }
}
