import NSTMAutograd
import NSTMModules
import NSTMTensor

/// softmax(x·R + b): states compete for a token; its weights add up to 1.
public final class SoftmaxRouting: RoutingPolicy {
    public let projection: Linear
    public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        activity.hidingInactive(projection(tokens, context)).softmax()
    }
}

// MARK: Cost

extension SoftmaxRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { active }
}
