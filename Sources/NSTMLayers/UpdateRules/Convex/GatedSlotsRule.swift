import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The flagship rule: every state is an exponential moving average of what was routed to it,
/// K ← (1 − u) K + u k, V ← (1 − u) V + u v. A state is a convex combination of what it saw, so it is bounded by construction.
///
/// u is the routing weight w, optionally slowed to 1 − (1 − w)^(1/c) and times a second gate σ(x·G + b) of its own.
/// Sources: gated slot attention (Zhang et al. 2024) for the recurrence, Raven for sparse routing over a fixed set of slots.
public final class GatedSlotsRule: TokenDrivenUpdateRule {
    /// c: 1 leaves the routing weight as it is; larger values make states slower.
    public let slowness: Double
    private let gate: Linear?
    var hasSecondGate: Bool { gate != nil }

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, slowness: Double = 1, secondGate: Bool = false) {
        self.slowness = slowness
        let start = Initializer.normal(standardDeviation: 0.02)
        gate = secondGate ? Linear(parameters.child("gate"), in: width, out: states, initializer: start, stateAxis: 0) : nil
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> any UpdateFamily {
        var u = routing
        if slowness != 1 {
            // In logarithms; the bound keeps the slope finite where a weight reaches 1.
            u = 1 - ((1 - routing).clamped(min: 1e-6, max: 1).log() / slowness).exp()
        }
        if let gate { u = u * gate(tokens, context).sigmoid() }
        return ConvexUpdate(write: u)
    }
}

// MARK: Cost

// MARK: Rules

extension GatedSlotsRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.multiplyAdds(pass, reading: readout, gates: hasSecondGate ? pass.width * pass.states : 0)
    }
}
