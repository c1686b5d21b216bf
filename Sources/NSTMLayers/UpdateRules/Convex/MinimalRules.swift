import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

// Recurrent units whose gates see tokens only (Feng et al. 2024, "Were RNNs all we needed?"), as the rule of every state: the key
// part is a moving average of the routed keys, and so is the value part, with a gate per channel. The candidate h̃ is the token's
// value.

/// minGRU: V ← V + w z ⊙ (v − V), z = σ(x·W + b).
public final class MinGRURule: TokenDrivenUpdateRule {
    private let gate: Linear

    public init(_ parameters: ParameterBuilder, width: Int) {
        gate = Linear(parameters.child("gate"), in: width, out: width)
    }
    public func update(
        _ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext
    ) -> ConvexUpdate.Gated {
        ConvexUpdate.Gated(write: routing, gate: gate(tokens, context).sigmoid())
    }
}

/// minLSTM in its normalized form, V ← f/(f + i) ⊙ V + i/(f + i) ⊙ v with f = σ(x·F + b), i = σ(x·I + c): a convex update with
/// z = i/(f + i) = σ(log i − log f).
public final class MinLSTMRule: TokenDrivenUpdateRule {
    private let gates: Linear

    public init(_ parameters: ParameterBuilder, width: Int) {
        gates = Linear(parameters.child("gates"), in: width, out: 2 * width)
    }
    public func update(
        _ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext
    ) -> ConvexUpdate.Gated {
        let logs = gates(tokens, context).logSigmoid().split(axis: 2, into: 2)
        return ConvexUpdate.Gated(write: routing, gate: (logs[1] - logs[0]).sigmoid())
    }
}

// MARK: Configuration

extension MinGRURule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "min-gru"
        public static let summary = "minGRU: a convex update with a gate for each channel"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            MinGRURule(parameters, width: layer.width)
        }
    }
}

extension MinLSTMRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "min-lstm"
        public static let summary = "normalized minLSTM: a convex update with two gates for each channel"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            MinLSTMRule(parameters, width: layer.width)
        }
    }
}

extension UpdateRuleConfiguration where Self == MinGRURule.Configuration {
    public static var minGRU: Self { Self() }
}

extension UpdateRuleConfiguration where Self == MinLSTMRule.Configuration {
    public static var minLSTM: Self { Self() }
}

// MARK: Cost

extension MinGRURule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.Gated.multiplyAdds(pass, reading: readout, gates: pass.width * pass.width)
    }
}

extension MinLSTMRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.Gated.multiplyAdds(pass, reading: readout, gates: 2 * pass.width * pass.width)
    }
}
