import NSTMAutograd
import NSTMTensor

/// LayerNorm (Ba et al., 2016) over the last axis, [..., width].
public final class LayerNorm {
    /// γ, [width].
    public let gain: Parameter
    /// β, [width]; nil without one.
    public let bias: Parameter?
    /// Added to the variance.
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

/// RMSNorm (Zhang & Sennrich 2019) over the last axis, [..., width].
public final class RMSNorm {
    /// γ, [width].
    public let gain: Parameter
    /// Added to the mean square.
    public let epsilon: Double
    public init(_ parameters: ParameterBuilder, width: Int, epsilon: Double = 1e-6) {
        gain = parameters("gain", [width], .ones)
        self.epsilon = epsilon
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.rmsNorm(gain: context[gain], epsilon: epsilon)
    }
}
