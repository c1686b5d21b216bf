import NSTMAutograd
import NSTMConfiguration
import NSTMModules

/// One iteration of slot attention (Locatello et al., 2020, "Object-centric learning with slot attention", algorithm 1) per
/// token: states compete for the token and are updated by a gated recurrent unit and a residual feed-forward layer.
///
///     a = softmax over active states of q(norm(V))·k/√D;   V' = GRU(V, v);   V' ← tanh(V' + MLP(norm(V')))
///     V ← V + w ⊙ a ⊙ (V' − V);   K ← K + w ⊙ a ⊙ (k − K)
///
/// In the paper all inputs are known at once, and the attention weights of a slot are divided by their sum. With one token at a
/// time each would be 1, so here the weight itself is the step size of a state. The tanh is an addition that keeps states bounded
/// over long streams. The update depends on the states, so it runs step by step.
public final class SlotAttentionRule: StateUpdateRule {
    private let norm: RMSNorm
    private let query: Linear
    private let input: Linear
    private let recurrent: Linear
    private let feedNorm: RMSNorm
    private let feedForward: FeedForward
    var hidden: Int { feedForward.up.weight.value.shape[0] }

    public init(_ parameters: ParameterBuilder, width: Int, hidden: Int) {
        norm = RMSNorm(parameters.child("norm"), width: width)
        query = Linear(parameters.child("query"), in: width, out: width, bias: false)
        input = Linear(parameters.child("input"), in: width, out: 3 * width)
        recurrent = Linear(parameters.child("recurrent"), in: width, out: 3 * width)
        feedNorm = RMSNorm(parameters.child("feedNorm"), width: width)
        feedForward = FeedForward(parameters.child("feedForward"), width: width, hidden: hidden)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let v = states.values, key = token.key.unsqueezed(axis: 1)
        let scores = (query(norm(v, context), context) * key).sum(axes: [2]) / Double(v.shape[2]).squareRoot()
        let share = states.activity.hidingInactive(scores).softmax()
        let updated =
            v + gatedRecurrentChange(v, input: input(token.value, context).unsqueezed(axis: 1), recurrent: recurrent(v, context))
        let new = (updated + feedForward(feedNorm(updated, context), context)).tanh()
        let w = (token.weights * share).unsqueezed(axis: 2)
        var next = states
        next.values = v + w * (new - v)
        next.keys = states.keys + w * (key - states.keys)
        return next
    }
}

// MARK: Configuration

extension SlotAttentionRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "slot-attention"
        public static let summary = "states that compete for each token"
        /// Width of the feed-forward layer; nil: the width of the layer.
        public var hidden: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            hidden = reader.int("hidden", default: hidden ?? layer.width, in: 1...1_000_000)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            SlotAttentionRule(parameters, width: layer.width, hidden: hidden ?? layer.width)
        }
    }
}

extension UpdateRuleConfiguration where Self == SlotAttentionRule.Configuration {
    public static var slotAttention: Self { Self() }
    public static func slotAttention(hidden: Int) -> Self {
        var settings = Self()
        settings.hidden = hidden
        return settings
    }
}

// MARK: Cost

extension SlotAttentionRule: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.rows * pass.width * (pass.width * (3 + 4 * pass.states) + 2 * hidden * pass.states)
    }
}
