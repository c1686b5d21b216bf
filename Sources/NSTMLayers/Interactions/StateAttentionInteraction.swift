import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Gated attention among states: Δ = MHA(norm(V + identity)), V ← γ ⊙ V + (1 − γ) ⊙ RMSNorm(Δ), γ = σ(b).
///
/// b starts at 2, so that the layer starts close to the identity; the norm keeps states bounded. Learned identities distinguish
/// states with equal contents (Hutchins et al., 2022, "Block-recurrent transformers"); their initial scale is small.
public final class StateAttentionInteraction: StateInteraction {
    private let identity: Parameter
    private let norm: RMSNorm
    private let attention: MultiHeadAttention
    private let change: GatedChange

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int) {
        identity = parameters("identity", [states, width], .normal(standardDeviation: 0.02), stateAxis: 0)
        norm = RMSNorm(parameters.child("norm"), width: width)
        attention = MultiHeadAttention(parameters.child("attention"), width: width, heads: heads)
        change = GatedChange(parameters, width: width)
    }
    public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        let seen = norm(states.values + context[identity], context)
        return change(states, message: attention(seen, keyBias: states.activity.readBias, context), context)
    }
}

// MARK: Configuration

extension StateAttentionInteraction {
    public struct Configuration: InteractionConfiguration {
        public static let type = "attention"
        public static let summary = "gated attention among states"
        /// Heads of the attention; nil: those of the layer.
        public var heads: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            heads = reader.heads(heads, layer)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction {
            StateAttentionInteraction(parameters, width: layer.width, states: layer.states, heads: heads ?? layer.heads)
        }
    }
}

extension InteractionConfiguration where Self == StateAttentionInteraction.Configuration {
    public static func attention(heads: Int? = nil) -> Self {
        var settings = Self()
        settings.heads = heads
        return settings
    }
}

extension ConfigurationReader {
    /// The number of heads of an attention among states.
    func heads(_ given: Int?, _ layer: LayerDimensions) -> Int {
        let heads = int("heads", default: given ?? layer.heads, in: 1...layer.width)
        if layer.width % heads != 0 { addIssue("heads", "\(heads) does not divide the width \(layer.width)") }
        return heads
    }
}

// MARK: Cost

extension StateAttentionInteraction: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states)
    }
}
