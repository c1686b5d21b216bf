import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

// Rules whose states are the rows of a matrix (`MatrixUpdate`). The routing weight w scales the update of a state: a decay α
// becomes exp(w log α), so that a state with weight 0 is left exactly unchanged.

/// Gated linear attention (Yang et al., 2024): V ← α^w V + w c v, log α = logsigmoid(x·G + b)/τ per state, with the gate logit
/// normalizer τ.
public final class GatedLinearRule: TokenDrivenUpdateRule {
    private let gate: Linear
    /// Gate logit normalizer τ.
    public let gateLogitNormalizer: Double

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int,
        gateLogitNormalizer: Double = Configuration().gateLogitNormalizer
    ) {
        gate = Linear(parameters.child("gate"), in: width, out: states, stateAxis: 0)
        self.gateLogitNormalizer = gateLogitNormalizer
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> MatrixUpdate {
        MatrixUpdate(write: routing, decay: (routing * (gate(tokens, context).logSigmoid() / gateLogitNormalizer)).exp())
    }
}

/// A rule with one decay per token or per state.
///
/// With a gate it is the form of Mamba-2 (Dao & Gu 2024): V ← exp(−w Δ eᴬ) V + w Δ c v, with one step size Δ = softplus(x·g + b)
/// for all states. Without a gate it is the retention of RetNet (Sun et al., 2023), with the decays 1 − 2⁻⁵ … 1 − 2⁻¹² spread
/// over the states instead of the heads: V ← γₘ^w V + w c v.
public final class ScalarDecayRule: TokenDrivenUpdateRule {
    let step: Linear?
    /// With a gate A, [1]; without one the logarithms of the decays, [N], which are not learned.
    private let rate: Parameter

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, gate: Bool = Configuration().isGated) {
        // softplus(−2.25) = 0.1
        step = gate ? Linear(parameters.child("step"), in: width, out: 1, biasInitializer: .constant(-2.25)) : nil
        let fixed = (0..<states).map { log1p(-exp2(-5 - 7 * Double($0) / Double(max(1, states - 1)))) }
        rate =
            gate
            ? parameters("rate", [1], .zeros)
            : parameters("rate", [states], .values(Tensor(fixed, [states])), trainable: false, stateAxis: 0)
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> MatrixUpdate {
        guard let step else { return MatrixUpdate(write: routing, decay: (routing * context[rate]).exp()) }
        let time = routing * step(tokens, context).softplus()
        return MatrixUpdate(write: time, decay: (time * -context[rate].exp()).exp())
    }
}

/// Linear attention (Katharopoulos et al., 2020) without decay, as a running mean: a state is the sum of its writes divided by
/// their mass, V = Σ w c v/n with n = 1 + Σ w, where the learned initial state counts as one token.
///
/// The mean is bounded, whereas the sum would grow with the sequence and its normalizer Σ q·k could vanish. `usage` is n, at most
/// the window W: after a mass of W, old writes decay, and a state is the mean over a mass of about W.
public final class LinearAttentionRule: TokenDrivenUpdateRule {
    /// Window W, the largest n, at least 1.
    public let window: Double
    public init(window: Double = Configuration().window) { self.window = window }
    public var initialUsage: Double? { 1 }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> MatrixUpdate {
        guard let usage else { fatalError("LinearAttentionRule: states without usage") }
        // w is never negative, so that the bound of the sum is the bound of every step.
        let n = (routing.cumulativeSum(axis: 1) + usage.unsqueezed(axis: 1)).clamped(min: 0, max: window), share = routing / n
        return MatrixUpdate(write: share, decay: 1 - share, usage: n.select(axis: 1, routing.shape[1] - 1))
    }
}

/// The delta rule (Schlag et al., 2021, Yang et al., 2024), V ← V + β c (v − Σ c V) with ‖c‖ = 1 and a strength β = σ(x·W + b)
/// per head: a token replaces the value stored under its key.
///
/// With a gate (gated delta net: Yang et al., 2025) states first decay by α^w, log α = −eᴬ softplus(x·G + b) per state.
public final class DeltaRule: TokenDrivenUpdateRule {
    private let strength: Linear
    let gate: Linear?
    /// A, [N].
    private let rate: Parameter?

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int, gate: Bool = false) {
        strength = Linear(parameters.child("strength"), in: width, out: heads)
        // softplus(−4.6) = 0.01
        self.gate =
            gate ? Linear(parameters.child("gate"), in: width, out: states, biasInitializer: .constant(-4.6), stateAxis: 0) : nil
        rate = gate ? parameters("rate", [states], .zeros, stateAxis: 0) : nil
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> MatrixUpdate {
        let decay = gate.map { (routing * -context[rate!].exp() * $0(tokens, context).softplus()).exp() }
        return MatrixUpdate(write: routing, decay: decay, beta: strength(tokens, context).sigmoid())
    }
}

/// RWKV-6 (Peng et al., 2024) with a decay per state, V ← exp(−w e^(x·G + b)) V + w c v.
///
/// A token reads the states before its own update plus b w c v, where b is a learned bonus per state.
public final class WKVRule: TokenDrivenUpdateRule {
    private let gate: Linear
    /// b, [N].
    private let bonus: Parameter

    public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
        // exp(−3) = 0.05, e-fold in 20 tokens
        gate = Linear(parameters.child("gate"), in: width, out: states, biasInitializer: .constant(-3), stateAxis: 0)
        bonus = parameters("bonus", [states], .ones, stateAxis: 0)
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> MatrixUpdate {
        MatrixUpdate(write: routing, decay: (-routing * gate(tokens, context).exp()).exp(), bonus: context[bonus])
    }
}

// MARK: Configuration

extension GatedLinearRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "gated-linear"
        public static let summary = "gated linear attention"
        /// τ: divides the logarithm of the gates.
        public var gateLogitNormalizer = 16.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            gateLogitNormalizer = reader.double("gate-logit-normalizer", default: gateLogitNormalizer, in: 1...1e6)
        }
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            GatedLinearRule(parameters, width: layer.width, states: layer.states, gateLogitNormalizer: gateLogitNormalizer)
        }
    }
}

extension ScalarDecayRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "scalar-decay"
        public static let summary = "one decay for all states, of Mamba-2 or of RetNet"
        /// Whether the decay depends on the token (Mamba-2); otherwise it is fixed (RetNet).
        public var isGated = true
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            isGated = reader.bool("gate", default: isGated)
        }
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            ScalarDecayRule(parameters, width: layer.width, states: layer.states, gate: isGated)
        }
    }
}

extension LinearAttentionRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "linear-attention"
        public static let summary = "running means of what is written to each state"
        /// Mass of writes over which the mean is taken.
        public var window = 256.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            window = reader.double("window", default: window, in: 1...1e9)
        }
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            LinearAttentionRule(window: window)
        }
    }
}

extension DeltaRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "delta"
        public static let summary = "the delta rule"
        public init() {}
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            DeltaRule(parameters, width: layer.width, states: layer.states, heads: layer.heads)
        }
    }
}

extension DeltaRule {
    public struct GatedConfiguration: UpdateRuleConfiguration {
        public static let type = "gated-delta"
        public static let summary = "the delta rule with a decay for each state"
        public init() {}
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            DeltaRule(parameters, width: layer.width, states: layer.states, heads: layer.heads, gate: true)
        }
    }
}

extension WKVRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "wkv"
        public static let summary = "RWKV-6 with a decay for each state"
        public init() {}
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            WKVRule(parameters, width: layer.width, states: layer.states)
        }
    }
}

extension UpdateRuleConfiguration where Self == GatedLinearRule.Configuration {
    public static var gatedLinear: Self { Self() }
    public static func gatedLinear(gateLogitNormalizer: Double) -> Self {
        var settings = Self()
        settings.gateLogitNormalizer = gateLogitNormalizer
        return settings
    }
}

extension UpdateRuleConfiguration where Self == ScalarDecayRule.Configuration {
    public static func scalarDecay(gate isGated: Bool = Self().isGated) -> Self {
        var settings = Self()
        settings.isGated = isGated
        return settings
    }
}

extension UpdateRuleConfiguration where Self == LinearAttentionRule.Configuration {
    public static var linearAttention: Self { Self() }
    public static func linearAttention(window: Double) -> Self {
        var settings = Self()
        settings.window = window
        return settings
    }
}

extension UpdateRuleConfiguration where Self == DeltaRule.Configuration {
    public static var delta: Self { Self() }
}

extension UpdateRuleConfiguration where Self == DeltaRule.GatedConfiguration {
    public static var gatedDelta: Self { Self() }
}

extension UpdateRuleConfiguration where Self == WKVRule.Configuration {
    public static var wkv: Self { Self() }
}

// MARK: Cost

extension GatedLinearRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: pass.width * pass.states, decays: true)
    }
}

extension ScalarDecayRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: step == nil ? 0 : pass.width, decays: true)
    }
}

extension LinearAttentionRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: 0, decays: true)
    }
}

extension DeltaRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        let gates = pass.width * (pass.dimensions.heads + (gate == nil ? 0 : pass.states))
        return MatrixUpdate.multiplyAdds(pass, reading: readout, gates: gates, decays: gate != nil, delta: true)
    }
}

extension WKVRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: pass.width * pass.states, decays: true, bonus: true)
    }
}
