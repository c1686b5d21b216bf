import NSTMAutograd
import NSTMTensor

/// Causal depthwise convolution along the sequence, [B, T, C] → [B, T, C], optionally followed by silu.
public final class CausalConvolution {
    /// Taps of each channel, [width, C]; the last row applies to the current token.
    public let weight: Parameter
    /// [C]; nil without one.
    public let bias: Parameter?
    /// Number of taps.
    public let width: Int
    /// Whether silu follows.
    public let silu: Bool
    public init(_ parameters: ParameterBuilder, channels: Int, width: Int = 4, bias: Bool = false, silu: Bool = false) {
        let uniform = Initializer.uniform(bound: 1 / Double(width).squareRoot())
        weight = parameters("weight", [width, channels], uniform, decays: false)
        self.bias = bias ? parameters("bias", [channels], uniform) : nil
        self.width = width
        self.silu = silu
    }
    /// The convolution of a whole sequence x [B, history + T, C] → [B, T, C].
    /// - Parameter history: number of leading rows of x that are earlier tokens: inputs of the others, without an output.
    public func callAsFunction(_ x: Variable, _ context: ForwardContext, history: Int = 0) -> Variable {
        x.causalConvolution(context[weight], bias: bias.map { context[$0] }, silu: silu, history: history)
    }
    /// The rows before the first token, [B, width − 1, C] zeros, for the cache of a mixer.
    public func initialState(batch: Int, _ context: ForwardContext) -> Variable {
        context.constant(.zeros([batch, width - 1, weight.value.shape[1]], dtype: weight.value.dtype))
    }
    /// The convolution of the next tokens x [B, T, C] → [B, T, C].
    ///
    /// It continues from the rows stored in the cache under `name` and stores the last width − 1 rows there; without a cache, or
    /// without that name, x starts a sequence.
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ name: String, _ context: ForwardContext) -> Variable {
        guard let history = state?[name] else { return self(x, context) }
        let joined = Variable.concatenate([history, x], axis: 1), length = joined.shape[1]
        let last = joined.slice(axis: 1, length - (width - 1)..<length)
        // A view keeps the whole of `joined` in memory, so the rows are copied unless `joined` is hardly larger than they are.
        state![name] = length > 2 * width ? last.owned : last
        return self(joined, context, history: width - 1)
    }
}
