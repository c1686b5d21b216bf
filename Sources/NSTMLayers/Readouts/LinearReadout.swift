import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The readout of linear attention and related rules: o = Σ aₘ (q·Kₘ/√d) Vₘ by heads.
///
/// a is the activity of a state.
public final class LinearReadout: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        states.activity.weighing(queries.scores(against: states.keys, heads: states.heads))
    }
}

// MARK: Configuration

extension LinearReadout {
    public struct Configuration: ReadoutConfiguration {
        public static let type = "linear"
        public static let summary = "a sum over states, weighted by the match of query and key"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateReadout {
            LinearReadout()
        }
    }
}

extension ReadoutConfiguration where Self == LinearReadout.Configuration {
    public static var linear: Self { Self() }
}

// MARK: Cost

extension LinearReadout: ReadWeightCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.states }
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
}
