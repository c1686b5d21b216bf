import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Softmax routing: weights softmax(x·R + b), so that states compete for a token.
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

// MARK: Configuration

extension SoftmaxRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "softmax"
        public static let summary = "a softmax over the states"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            SoftmaxRouting(parameters, width: layer.width, states: layer.states)
        }
    }
}

extension RoutingConfiguration where Self == SoftmaxRouting.Configuration {
    public static var softmax: Self { Self() }
}

// MARK: Cost

extension SoftmaxRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { active }
}
