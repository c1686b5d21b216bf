import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The default rule: every state is an exponential moving average of the keys and values routed to it, K ← (1 − u) K + u k, V ←
/// (1 − u) V + u v.
///
/// A state is a convex combination of its inputs, so it is bounded by construction. u is the routing weight w, or 1 − (1 −
/// w)^(1/c) with a timescale c, optionally times a second gate σ(x·G + b).
///
/// Sources: gated slot attention (Zhang et al., 2024) for the recurrence, Raven for sparse routing over a fixed set of slots.
public final class GatedSlotsRule: TokenDrivenUpdateRule {
    /// Timescale c: 1 keeps the routing weight; larger values make updates slower.
    public let timescale: Double
    private let gate: Linear?
    var hasSecondGate: Bool { gate != nil }

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, timescale: Double = Configuration().timescale,
        secondGate: Bool = Configuration().hasSecondGate
    ) {
        self.timescale = timescale
        let start = Initializer.normal(standardDeviation: 0.02)
        gate = secondGate ? Linear(parameters.child("gate"), in: width, out: states, initializer: start, stateAxis: 0) : nil
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> ConvexUpdate {
        var u = routing
        if timescale != 1 {
            // In logarithms; the bound keeps the derivative finite where a weight reaches 1.
            u = 1 - ((1 - routing).clamped(min: 1e-6, max: 1).log() / timescale).exp()
        }
        if let gate { u = u * gate(tokens, context).sigmoid() }
        return ConvexUpdate(write: u)
    }
}

// MARK: Configuration

extension GatedSlotsRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "gated-slots"
        public static let summary = "moving averages of what is routed to each state"
        /// Timescale c: larger values make updates slower.
        public var timescale = 1.0
        /// Whether a gate that depends on the token multiplies the routing weight.
        public var hasSecondGate = false
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            timescale = reader.double("timescale", default: timescale, in: 1...1e6)
            hasSecondGate = reader.bool("second-gate", default: hasSecondGate)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            GatedSlotsRule(parameters, width: layer.width, states: layer.states, timescale: timescale, secondGate: hasSecondGate)
        }
    }
}

extension UpdateRuleConfiguration where Self == GatedSlotsRule.Configuration {
    public static var gatedSlots: Self { Self() }
    public static func gatedSlots(
        timescale: Double = Self().timescale, secondGate hasSecondGate: Bool = Self().hasSecondGate
    ) -> Self {
        var settings = Self()
        settings.timescale = timescale
        settings.hasSecondGate = hasSecondGate
        return settings
    }
}

// MARK: Cost

extension GatedSlotsRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.multiplyAdds(pass, reading: readout, gates: hasSecondGate ? pass.width * pass.states : 0)
    }
}
