import NSTMAutograd
import NSTMConfiguration
import NSTMModules

/// A long short-term memory (Hochreiter & Schmidhuber 1997) as the rule of every state, with coupled input and forget gates
/// (CIFG: Greff et al., 2017, "LSTM: a search space odyssey"), which keep the cell bounded.
///
///     f, o, g = W v + U h + b;  c' = σ(f + 1) ⊙ c + (1 − σ(f + 1)) ⊙ tanh(g);  h' = σ(o) ⊙ tanh(c')
///
/// The first half of a state's value part is its cell c and the second its output h, D/2 channels each; both move to c', h' by
/// the routing weight, and the key part is a moving average of the routed keys. The update depends on the states, so it runs step
/// by step; weights are shared by the states.
public final class LSTMRule: StateUpdateRule {
    private let input: Linear
    private let recurrent: Linear

    /// - Parameter width: D, even.
    public init(_ parameters: ParameterBuilder, width: Int) {
        precondition(width % 2 == 0, "width \(width) has no halves")
        input = Linear(parameters.child("input"), in: width, out: 3 * width / 2)
        recurrent = Linear(parameters.child("recurrent"), in: width / 2, out: 3 * width / 2, bias: false)
    }
    public var stepsStatesAlone: Bool { true }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let old = states.values.split(axis: 2, into: 2)
        let gates = (input(token.value, context).unsqueezed(axis: 1) + recurrent(old[1], context)).split(axis: 2, into: 3)
        let candidate = gates[2].tanh()
        let cell = candidate + (gates[0] + 1).sigmoid() * (old[0] - candidate)
        let new = Variable.concatenate([cell, gates[1].sigmoid() * cell.tanh()], axis: 2)
        let w = token.weights.unsqueezed(axis: 2)
        var next = states
        next.values = states.values + w * (new - states.values)
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        return next
    }
}

// MARK: Configuration

extension LSTMRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "lstm"
        public static let summary = "a long short-term memory in every state"
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            if layer.width % 2 != 0 { reader.addIssue("type", "lstm needs an even width, not \(layer.width)") }
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            LSTMRule(parameters, width: layer.width)
        }
    }
}

extension UpdateRuleConfiguration where Self == LSTMRule.Configuration {
    public static var lstm: Self { Self() }
}

// MARK: Cost

extension LSTMRule: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.rows * (3 * pass.width / 2) * (pass.width + pass.stepped * (pass.width / 2))
    }
}
