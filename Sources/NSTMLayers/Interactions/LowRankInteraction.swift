import NSTMAutograd
import NSTMConfiguration
import NSTMModules

/// Mixing of the states through r shared channels, each a learned combination of all states: V ← γ ⊙ V + (1 − γ) ⊙ RMSNorm(S Cᵀ
/// norm(V)) with C, S ∈ ℝᴺˣʳ.
///
/// It has 4 N r D operations and 2 N r parameters instead of those of attention; the mixing weights do not depend on the values.
/// This is the token mixing of MLP-Mixer (Tolstikhin et al., 2021), linear and of rank r.
public final class LowRankInteraction: StateInteraction {
    /// C and S, [N, r].
    private let collect: Parameter
    private let spread: Parameter
    private let norm: RMSNorm
    var rank: Int { collect.value.shape[1] }
    private let change: GatedChange

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, rank: Int) {
        collect = parameters(
            "collect", [states, rank], .normal(standardDeviation: 1 / Double(states).squareRoot()), stateAxis: 0)
        spread = parameters("spread", [states, rank], .normal(standardDeviation: 1 / Double(rank).squareRoot()), stateAxis: 0)
        norm = RMSNorm(parameters.child("norm"), width: width)
        change = GatedChange(parameters, width: width)
    }
    public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        var seen = norm(states.values, context)
        // The contribution of a state is proportional to its activity.
        if let bias = states.activity.readBias { seen = seen * bias.exp().unsqueezed(axis: 2) }
        return change(states, message: context[spread].matmul(context[collect].matmul(seen, transposeSelf: true)), context)
    }
}

// MARK: Configuration

extension LowRankInteraction {
    public struct Configuration: InteractionConfiguration {
        public static let type = "low-rank"
        public static let summary = "mixing of states through r shared channels"
        /// Rank r; nil: 8, or the number of states if it is smaller.
        public var rank: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            rank = reader.int("rank", default: rank ?? min(8, layer.states), in: layer.choices)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction {
            LowRankInteraction(parameters, width: layer.width, states: layer.states, rank: rank ?? min(8, layer.states))
        }
    }
}

extension InteractionConfiguration where Self == LowRankInteraction.Configuration {
    public static func lowRank(_ rank: Int) -> Self {
        var settings = Self()
        settings.rank = rank
        return settings
    }
}

// MARK: Cost

extension LowRankInteraction: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.size.batch * 2 * pass.states * rank * pass.width }
}
