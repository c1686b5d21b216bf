import Foundation
import NSTM

/// States with liquid time constants (Hasani et al., 2021, "Liquid time-constant networks", Algorithm 1).
///
///     V ← (V + w f ⊙ A) / (1 + w (1/τ + f)),   f = σ(v W + V ⊙ u + b)
///
/// A state follows dV/dt = −(1/τ + f) V + f A for the time w, the routing weight of the token, in one implicit step. With w = 0 the
/// division is by exactly 1, so the state does not change. Every element of V stays between 0, A and its initial value.
public final class LiquidStates: StateUpdateRule {
    private let input: Linear
    /// u, A and log τ, [D] each.
    private let recurrent: Parameter, target: Parameter, logTimeConstant: Parameter

    /// - Parameter timeConstant: the initial τ, in tokens.
    public init(_ parameters: ParameterBuilder, width: Int, timeConstant: Double) {
        input = Linear(parameters.child("input"), in: width, out: width)
        recurrent = parameters("recurrent", [width], .zeros)
        target = parameters("target", [width], .normal(standardDeviation: 1))
        logTimeConstant = parameters("logTimeConstant", [width], .constant(log(timeConstant)))
    }
    /// A state is updated from itself and the token alone.
    public var stepsStatesAlone: Bool { true }

    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)  // [B, N, 1]
        let f = (input(token.value, context).unsqueezed(axis: 1) + states.values * context[recurrent]).sigmoid()
        let rate = (-context[logTimeConstant]).exp() + f
        var next = states
        next.values = (states.values + w * f * context[target]) / (w * rate + 1)
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        return next
    }
}

extension LiquidStates {
    /// The settings of `liquid-states`.
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "liquid-states"
        public static let summary = "states with liquid time constants"
        /// The initial τ, in tokens.
        public var timeConstant = 10.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            timeConstant = reader.double("time-constant", default: timeConstant, in: 0.1...1e6)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            LiquidStates(parameters, width: layer.width, timeConstant: timeConstant)
        }
    }
}
