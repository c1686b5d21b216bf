import NSTMAutograd
import NSTMTensor

/// Causal depthwise convolution along the sequence, [B, T, C] → [B, T, C], optionally followed by silu.
public final class CausalConvolution {
    public let weight: Parameter
    public let bias: Parameter?
    public let width: Int
    public let silu: Bool
    public init(_ parameters: ParameterBuilder, channels: Int, width: Int = 4, bias: Bool = false, silu: Bool = false) {
        let uniform = Initializer.uniform(bound: 1 / Double(width).squareRoot())
        weight = parameters("weight", [width, channels], uniform, decays: false)
        self.bias = bias ? parameters("bias", [channels], uniform) : nil
        self.width = width
        self.silu = silu
    }
    /// - Parameter history: the first rows of x that are earlier tokens; they feed the others and give no output.
    public func callAsFunction(_ x: Variable, _ context: ForwardContext, history: Int = 0) -> Variable {
        x.causalConvolution(context[weight], bias: bias.map { context[$0] }, silu: silu, history: history)
    }
    /// The rows before the first token, for a mixer to put into its state.
    public func initialState(batch: Int, _ context: ForwardContext) -> Variable {
        context.constant(.zeros([batch, width - 1, weight.value.shape[1]], dtype: weight.value.dtype))
    }
    /// Goes on from the rows that a state carries under a name, and leaves the last ones there.
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ name: String, _ context: ForwardContext) -> Variable {
        guard let history = state?[name] else { return self(x, context) }
        let joined = Variable.concatenate([history, x], axis: 1), length = joined.shape[1]
        let last = joined.slice(axis: 1, length - (width - 1)..<length)
        // What holds hardly more than it shows need not be copied.
        state![name] = length > 2 * width ? last.owned : last
        return self(joined, context, history: width - 1)
    }
}
