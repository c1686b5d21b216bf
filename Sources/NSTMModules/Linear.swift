import NSTMAutograd
import NSTMTensor

/// y = act(x Wᵀ + b): [..., in] → [..., out].
public final class Linear {
    public let weight: Parameter
    public let bias: Parameter?
    public let activation: Activation

    public init(
        _ parameters: ParameterBuilder, in inputs: Int, out outputs: Int, bias: Bool = true, activation: Activation = .none,
        initializer: Initializer = .fanIn, biasInitializer: Initializer = .zeros
    ) {
        weight = parameters("weight", [outputs, inputs], initializer)
        self.bias = bias ? parameters("bias", [outputs], biasInitializer) : nil
        self.activation = activation
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.linear(context[weight], bias: bias.map { context[$0] }, activation: activation)
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
    public let width: Int
    public let silu: Bool
    public init(_ parameters: ParameterBuilder, channels: Int, width: Int = 4, silu: Bool = false) {
        let bound = 1 / Double(width).squareRoot()
        weight = parameters("weight", [width, channels], .uniform(bound: bound), decays: false)
        self.width = width
        self.silu = silu
    }
    /// - Parameter history: the first rows of x that are earlier tokens; they feed the others and give no output.
    public func callAsFunction(_ x: Variable, _ context: ForwardContext, history: Int = 0) -> Variable {
        x.causalConvolution(context[weight], silu: silu, history: history)
    }
}

/// Two linear maps with an activation between them, at every position.
public final class FeedForward {
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
}
