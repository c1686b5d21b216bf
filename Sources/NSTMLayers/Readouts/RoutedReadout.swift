import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A readout by routing: o = Σ aₘ rₘ Vₘ, with the same weights for all heads.
///
/// r are the read weights of the routing policy, or its weights w if it has no read weights; a is the activity of a state. It is
/// fused with the scan of convex updates without a channel gate.
public final class RoutedReadout: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        states.activity.weighing(routing.unsqueezed(axis: 1))
    }
}

// MARK: Configuration

extension RoutedReadout {
    public struct Configuration: ReadoutConfiguration {
        public static let type = "routed"
        public static let summary = "a sum over the states that the token is routed to"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateReadout {
            RoutedReadout()
        }
    }
}

extension ReadoutConfiguration where Self == RoutedReadout.Configuration {
    public static var routed: Self { Self() }
}

// MARK: Cost

extension RoutedReadout: ReadWeightCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { 0 }
}
