import NSTMAutograd
import NSTMTensor

/// A linear map with an optional activation, [..., in] → [..., out]: y = act(x Wᵀ + b).
public final class Linear {
    /// W, [out, in].
    public let weight: Parameter
    /// b, [out]; nil without one.
    public let bias: Parameter?
    /// act.
    public let activation: Activation

    /// - Parameter stateAxis: axis of the weight that indexes the states of a layer: 0 for the outputs, 1 for the inputs, nil for
    ///   neither.
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
