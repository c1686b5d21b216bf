import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Recurrent independent mechanisms (Goyal et al., 2019): every state is a module with its own gated recurrent weights.
///
/// Modules attend to the token or to a null input, and the k with the largest attention to the token are updated by it:
///
///     aₙ = softmax over {token, null} of qₙ·{k, null}/√D, the token's part;   C = the k largest aₙ of active states
///     Vₙ ← Vₙ + wₙ (GRUₙ(Vₙ, aₙ v) − Vₙ)  and  Kₙ ← Kₙ + wₙ (k − Kₙ)  n ∈ C
///
/// with q = norm(V) Q shared by the modules. No gradient flows through the selection. The weights of all modules have 6 N D²
/// elements, and a token costs as many multiply-adds, because the results of modules that are not selected are computed and
/// discarded. Communication among modules is a `StateInteraction`. The update depends on the states, so it runs step by step.
public final class IndependentMechanismsRule: StateUpdateRule {
    public let k: Int
    private let norm: RMSNorm
    private let query: Linear
    private let null: Parameter
    private let inputWeight: Parameter
    private let inputBias: Parameter
    private let recurrentWeight: Parameter
    private let recurrentBias: Parameter

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, k: Int) {
        self.k = k
        norm = RMSNorm(parameters.child("norm"), width: width)
        query = Linear(parameters.child("query"), in: width, out: width, bias: false)
        null = parameters("null", [width], .normal(standardDeviation: 0.02))
        inputWeight = parameters("input.weight", [states, 3 * width, width], .fanIn, stateAxis: 0)
        inputBias = parameters("input.bias", [states, 3 * width], .zeros, decays: false, stateAxis: 0)
        recurrentWeight = parameters("recurrent.weight", [states, 3 * width, width], .fanIn, stateAxis: 0)
        recurrentBias = parameters("recurrent.bias", [states, 3 * width], .zeros, decays: false, stateAxis: 0)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let v = states.values, key = token.key.unsqueezed(axis: 1)
        let preference =
            (query(norm(v, context), context) * (key - context[null])).sum(axes: [2]) / Double(v.shape[2]).squareRoot()
        let chosen = states.activity.hidingInactive(preference).value.largest(k)
        let taken = preference.sigmoid().unsqueezed(axis: 2) * token.value.unsqueezed(axis: 1)
        let input = einsum("bni,noi->bno", taken, context[inputWeight]) + context[inputBias]
        let recurrent = einsum("bni,noi->bno", v, context[recurrentWeight]) + context[recurrentBias]
        let w = (token.weights * context.constant(chosen)).unsqueezed(axis: 2)
        var next = states
        next.values = v + w * gatedRecurrentChange(v, input: input, recurrent: recurrent)
        next.keys = states.keys + w * (key - states.keys)
        return next
    }
}

// MARK: Configuration

extension IndependentMechanismsRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "independent-mechanisms"
        public static let summary = "independent recurrent units, of which a token updates k"
        /// Number of states that a token updates; nil: 4, or all if there are fewer.
        public var k: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k ?? layer.fewStates, in: layer.choices)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            IndependentMechanismsRule(parameters, width: layer.width, states: layer.states, k: k ?? layer.fewStates)
        }
    }
}

extension UpdateRuleConfiguration where Self == IndependentMechanismsRule.Configuration {
    public static func independentMechanisms(_ k: Int) -> Self {
        var settings = Self()
        settings.k = k
        return settings
    }
}

// MARK: Cost

extension IndependentMechanismsRule: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 7 * pass.states * pass.width * pass.width }
}
