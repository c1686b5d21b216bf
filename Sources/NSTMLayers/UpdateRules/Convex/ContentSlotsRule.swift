import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// States allocated by content as part of the recurrence: a token updates the state with a matching key, or else the first free
/// state, and a learned rate frees states.
///
/// `usage` is the occupied share of a state, initially 0.
///
///     sₘ = k·Kₘ/D;  μₘ = rₘ aₘ e^{β sₘ}/Z;  ν = e^{βθ}/Z;  Z = Σ r a e^{βs} + e^{βθ}
///     φₘ = rₘ (1 − aₘ) Π_{j<m} (1 − rⱼ (1 − aⱼ));  uₘ = σ(e(x)) (μₘ + ν φₘ)
///     Kₘ ← Kₘ + uₘ (k − Kₘ);  Vₘ ← Vₘ + uₘ (v − Vₘ);  aₘ ← (aₘ + uₘ (1 − aₘ)) (1 − rₘ σ(f(x)))
///
/// The routing weight r determines which states are reached; with the policy `all` only the content decides. Matching and usage
/// are shared by the heads. The weights depend on the states, so the rule is not token-driven, but it has its own scan for
/// `ContentReadout`. The allocation is a differentiable form of that of the DNC (Graves et al., 2016): in the order of the states
/// instead of sorted by usage.
public final class ContentSlotsRule: StateUpdateRule {
    private let strength: Linear
    private let forget: Linear
    /// log β and θ, [1] each.
    private let logInverseTemperature: Parameter
    private let threshold: Parameter

    public init(_ parameters: ParameterBuilder, width: Int) {
        strength = Linear(parameters.child("strength"), in: width, out: 1, biasInitializer: .constant(2))
        // σ(−5) = 0.007: a state that is not written again is half free after 100 tokens.
        forget = Linear(parameters.child("forget"), in: width, out: 1, biasInitializer: .constant(-5))
        logInverseTemperature = parameters("logInverseTemperature", [1], .constant(2))
        threshold = parameters("threshold", [1], .constant(0.5))
    }
    public var initialUsage: Double? { 0 }

    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        guard let a = states.usage else { fatalError("ContentSlotsRule: states without usage") }
        let r = token.weights, beta = context[logInverseTemperature].exp(), key = token.key.unsqueezed(axis: 1)
        let scores = (states.keys * key).sum(axes: [2]) / Double(states.keys.shape[2]) * beta, none = beta * context[threshold]
        // Subtracting the same number from all scores does not change the softmax; the maximum avoids overflow.
        let top = Tensor.maximum(scores.value.maximum(axes: [1], keepDims: true), none.value)
        let known = r * a * (scores - Variable(top)).exp(), new = (none - Variable(top)).exp()
        let free = r * (1 - a), ones = context.constant(Tensor.ones([a.shape[0], 1], dtype: a.dtype))
        let before = Variable.concatenate(
            [ones, (1 - free).cumulativeProduct(axis: 1).slice(axis: 1, 0..<states.count - 1)], axis: 1)
        let mass = known.sum(axes: [1], keepDims: true) + new
        let u = strength(token.features, context).sigmoid() * (known + new * free * before) / mass
        var next = states
        next.keys = states.keys + u.unsqueezed(axis: 2) * (key - states.keys)
        next.values = states.values + u.unsqueezed(axis: 2) * (token.value.unsqueezed(axis: 1) - states.values)
        next.usage = (a + u * (1 - a)) * (1 - r * forget(token.features, context).sigmoid())
        return next
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        guard readout is ContentReadout, let usage = states.usage else { return nil }
        func gate(_ map: Linear) -> Variable { map(tokens.features, context).sigmoid().squeezed(axis: 2) }
        let found = tokens.split(heads: states.heads).keys.contentSlotScan(
            routing: tokens.weights, strength: gate(strength), forget: gate(forget), keys: states.keys, usage: usage,
            inverseTemperature: context[logInverseTemperature].exp(), threshold: context[threshold])
        var (reads, next) = ConvexUpdate(write: found.write).scan(tokens, states, readout, context)
        next.usage = found.usage
        return (reads, next)
    }
}

// MARK: Configuration

extension ContentSlotsRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "content-slots"
        public static let summary = "states allocated by the content of tokens"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            ContentSlotsRule(parameters, width: layer.width)
        }
    }
}

extension UpdateRuleConfiguration where Self == ContentSlotsRule.Configuration {
    public static var contentSlots: Self { Self() }
}

// MARK: Cost

extension ContentSlotsRule: UpdateCost {
    /// Multiply-adds, counted as if every reached state were written.
    ///
    /// A wholly free state with weight exactly 1 leaves no allocation for later states: with a router that gives such weights
    /// this is an upper bound.
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        guard let read = readout as? any StrategyCost else { return nil }
        // Strength and forgetting; the match, and the keys again if the scan writes them.
        let found = readout is ContentReadout ? 4 * pass.width * pass.reached : 0
        return pass.rows * (2 * pass.width + found) + read.multiplyAdds(pass)
    }
}
