import NSTMAutograd
import NSTMConfiguration
import NSTMModules

/// Attention among states followed by a feed-forward layer, both with a residual and a norm, as in the relational memory core
/// (Santoro et al., 2018, "Relational recurrent neural networks").
///
///     M = norm(V + identity);  M ← norm(M + MHA(M));  V ← γ ⊙ V + (1 − γ) ⊙ RMSNorm(M + MLP(M))
///
/// The paper's gates depend on the input; between tokens there is none, so γ = σ(b) is learned per channel, as in
/// `StateAttentionInteraction`, and starts near 1.
public final class RelationalInteraction: StateInteraction {
    private let identity: Parameter
    private let norm: RMSNorm
    private let attention: MultiHeadAttention
    private let attended: RMSNorm
    private let feedForward: FeedForward
    var hidden: Int { feedForward.up.weight.value.shape[0] }
    private let change: GatedChange

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int, hidden: Int) {
        identity = parameters("identity", [states, width], .normal(standardDeviation: 0.02), stateAxis: 0)
        norm = RMSNorm(parameters.child("norm"), width: width)
        attention = MultiHeadAttention(parameters.child("attention"), width: width, heads: heads)
        attended = RMSNorm(parameters.child("attended"), width: width)
        feedForward = FeedForward(parameters.child("feedForward"), width: width, hidden: hidden)
        change = GatedChange(parameters, width: width)
    }
    public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        let m = norm(states.values + context[identity], context)
        let message = attended(m + attention(m, keyBias: states.activity.readBias, context), context)
        return change(states, message: message + feedForward(message, context), context)
    }
}

// MARK: Configuration

extension RelationalInteraction {
    public struct Configuration: InteractionConfiguration {
        public static let type = "relational"
        public static let summary = "attention among states with a feed-forward part"
        /// Heads of the attention; nil: those of the layer.
        public var heads: Int?
        /// Width of the feed-forward layer; nil: the width of the layer.
        public var hidden: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            heads = reader.heads(heads, layer)
            hidden = reader.int("hidden", default: hidden ?? layer.width, in: 1...1_000_000)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction {
            RelationalInteraction(
                parameters, width: layer.width, states: layer.states, heads: heads ?? layer.heads, hidden: hidden ?? layer.width)
        }
    }
}

extension InteractionConfiguration where Self == RelationalInteraction.Configuration {
    public static func relational(heads: Int? = nil, hidden: Int? = nil) -> Self {
        var settings = Self()
        settings.heads = heads
        settings.hidden = hidden
        return settings
    }
}

// MARK: Cost

extension RelationalInteraction: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states + 2 * hidden)
    }
}
