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
