import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A gated recurrent unit (Cho et al., 2014) as the rule of every state: the value part moves towards GRU(V, v) by the routing
/// weight; the key part is a moving average of the routed keys.
///
/// The update depends on the states, so it runs step by step. The weights are shared by the states, which differ by their learned
/// initial values.
public final class GRURule: StateUpdateRule {
    private let input: Linear
    private let recurrent: Linear

    public init(_ parameters: ParameterBuilder, width: Int) {
        input = Linear(parameters.child("input"), in: width, out: 3 * width)
        recurrent = Linear(parameters.child("recurrent"), in: width, out: 3 * width)
    }
    public var stepsStatesAlone: Bool { true }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)
        let change = gatedRecurrentChange(
            states.values, input: input(token.value, context).unsqueezed(axis: 1), recurrent: recurrent(states.values, context))
        var next = states
        next.values = states.values + w * change
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        return next
    }
}

// MARK: Configuration

extension GRURule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "gru"
        public static let summary = "a gated recurrent unit in every state"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            GRURule(parameters, width: layer.width)
        }
    }
}

extension UpdateRuleConfiguration where Self == GRURule.Configuration {
    public static var gru: Self { Self() }
}

// MARK: Cost

extension GRURule: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 3 * pass.width * pass.width * (1 + pass.stepped) }
}
