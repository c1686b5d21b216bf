import NSTMAutograd
import NSTMTensor

/// y = act(x Wᵀ + b): [..., in] → [..., out].
public final class Linear {
    public let weight: Parameter
    public let bias: Parameter?
    public let activation: Activation

    /// - Parameter stateAxis: 0 when the outputs are the states of a layer, 1 when the inputs are.
    public init(
        _ parameters: ParameterBuilder, in inputs: Int, out outputs: Int, bias: Bool = true, activation: Activation = .none,
        initializer: Initializer = .fanIn, biasInitializer: Initializer = .zeros, stateAxis: Int? = nil
    ) {
        weight = parameters("weight", [outputs, inputs], initializer, stateAxis: stateAxis)
        self.bias = bias ? parameters("bias", [outputs], biasInitializer, stateAxis: stateAxis == 0 ? 0 : nil) : nil
        self.activation = activation
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        context.linear(x, weight, bias: bias.map { context[$0] }, activation: activation)
    }
}

/// Rows of a learned table by index: int32 [...] → [..., width].
public final class Embedding {
    public let weight: Parameter
    public init(_ parameters: ParameterBuilder, count: Int, width: Int, initializer: Initializer = .normal(deviation: 0.02)) {
        weight = parameters("weight", [count, width], initializer)
    }
    public func callAsFunction(_ indices: Tensor, _ context: ForwardContext) -> Variable { context[weight].rows(indices) }
}

/// LayerNorm (Ba et al. 2016) over the last axis; the bias is optional.
public final class LayerNorm {
    public let gain: Parameter
    public let bias: Parameter?
    public let epsilon: Double
    public init(_ parameters: ParameterBuilder, width: Int, bias: Bool = true, epsilon: Double = 1e-5) {
        gain = parameters("gain", [width], .ones)
        self.bias = bias ? parameters("bias", [width], .zeros) : nil
        self.epsilon = epsilon
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.layerNorm(gain: context[gain], bias: bias.map { context[$0] }, epsilon: epsilon)
    }
}

/// RMSNorm (Zhang & Sennrich 2019) over the last axis.
public final class RMSNorm {
    public let gain: Parameter
    public let epsilon: Double
    public init(_ parameters: ParameterBuilder, width: Int, epsilon: Double = 1e-6) {
        gain = parameters("gain", [width], .ones)
        self.epsilon = epsilon
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.rmsNorm(gain: context[gain], epsilon: epsilon)
    }
}

/// Dropout (Srivastava et al. 2014), in training only.
public final class Dropout {
    public let rate: Double
    public init(_ rate: Double) { self.rate = rate }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable { x.dropout(rate, context) }
}

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
    public func beginning(batch: Int, _ context: ForwardContext) -> Variable {
        context.constant(.zeros([batch, width - 1, weight.value.shape[1]], dtype: weight.value.dtype))
    }
    /// Goes on from the rows that a state carries under a name, and leaves the last ones there.
    public func callAsFunction(_ x: Variable, _ state: inout MixerState?, _ name: String, _ context: ForwardContext) -> Variable {
        guard let history = state?[name] else { return self(x, context) }
        let joined = Variable.concatenate([history, x], axis: 1), length = joined.shape[1]
        let last = joined.slice(1, length - (width - 1)..<length)
        // What holds hardly more than it shows need not be copied.
        state![name] = length > 2 * width ? last.owned : last
        return self(joined, context, history: width - 1)
    }
}

/// Two linear maps with an activation between them, at every position. It carries nothing from token to token.
public final class FeedForward: SequenceMixer {
    public let up: Linear
    public let down: Linear
    public init(
        _ parameters: ParameterBuilder, width: Int, hidden: Int, activation: Activation = .gelu,
        initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        up = Linear(
            parameters.child("up"), in: width, out: hidden, bias: false, activation: activation, initializer: initializer)
        down = Linear(parameters.child("down"), in: hidden, out: width, bias: false, initializer: outputInitializer)
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable { down(up(x, context), context) }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerState { MixerState() }
    public func callAsFunction(_ x: Variable, _ state: inout MixerState?, _ context: ForwardContext) -> Variable {
        self(x, context)
    }
}

/// A feed-forward part with a gate (SwiGLU: Shazeer 2020), without biases: down(silu(x W) ⊙ x V).
public final class GatedFeedForward: SequenceMixer {
    /// W and V in one.
    public let up: Linear
    public let down: Linear
    public init(
        _ parameters: ParameterBuilder, width: Int, hidden: Int, initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        up = Linear(parameters.child("up"), in: width, out: 2 * hidden, bias: false, initializer: initializer)
        down = Linear(parameters.child("down"), in: hidden, out: width, bias: false, initializer: outputInitializer)
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerState { MixerState() }
    public func callAsFunction(_ x: Variable, _ state: inout MixerState?, _ context: ForwardContext) -> Variable {
        let parts = up(x, context).split(2, into: 2)
        return down(parts[0].silu() * parts[1], context)
    }
}
