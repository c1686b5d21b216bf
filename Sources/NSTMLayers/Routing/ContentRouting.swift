import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension ContentRouting {
    /// The vectors that content routing compares tokens with.
    public enum Content: String, Sendable, CaseIterable {
        /// Learned identities of the states.
        case identities
        /// The keys stored in the states of the sequence.
        case states
    }
}

/// Routing by similarity with learned identities eₙ of the states: softmax over states of β cos(x·Q, eₙ).
///
/// This is the content addressing of Graves, Wayne & Danihelka 2014 ("Neural Turing machines", equations 5 and 6), with
/// identities instead of contents, so that it depends on tokens only. With k the softmax is over the k most similar states, and
/// all other weights are exactly 0.
public final class ContentRouting: RoutingPolicy {
    public let query: Linear
    /// Identities e, [N, D].
    public let identities: Parameter
    /// log β, [1].
    public let logInverseTemperature: Parameter
    /// Number of states that a token reaches; nil: all.
    public let k: Int?

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, k: Int? = nil) {
        query = Linear(parameters.child("query"), in: width, out: width, bias: false)
        identities = parameters("identities", [states, width], .normal(standardDeviation: 1), decays: false, stateAxis: 0)
        // β = e² ≈ 7: the cosines of a random token and random identities are small.
        logInverseTemperature = parameters("logInverseTemperature", [1], .constant(2))
        self.k = k
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let cosines = query(tokens, context).l2Normalized().linear(context[identities].l2Normalized())
        return shares(cosines * context[logInverseTemperature].exp(), k, activity)
    }
}

/// Routing by similarity with the contents of the states of a sequence: softmax over states of β cos(x·Q, Kₙ(τ)).
///
/// Kₙ(τ) is the key part of state n before token τ, the last multiple of the interval C; so the tokens of a segment are routed at
/// once, and their writes are visible from the next multiple on. This is the addressing of Graves, Wayne & Danihelka 2014
/// ("Neural Turing machines", equations 5 and 6), by contents that are up to C tokens old. With k the softmax is over the k most
/// similar states, and all other weights are exactly 0. For rules that do not write keys (matrix and selective rules) the keys
/// are learned identities.
public final class StateContentRouting: StateRoutingPolicy {
    public let query: Linear
    /// log β, [1].
    public let logInverseTemperature: Parameter
    /// Number of states that a token reaches; nil: all.
    public let k: Int?
    /// Interval C, in tokens, at which the keys are refreshed.
    public let interval: Int
    private let states: Int

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, k: Int? = nil,
        interval: Int = ContentRouting.Configuration().interval
    ) {
        query = Linear(parameters.child("query"), in: width, out: width, bias: false)
        logInverseTemperature = parameters("logInverseTemperature", [1], .constant(2))
        self.k = k
        self.interval = interval
        self.states = states
    }
    public func initialState(batch: Int, _ dtype: DType) -> Tensor {
        .zeros([batch, states, query.weight.value.shape[0]], dtype: dtype)
    }
    public func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing {
        let cosines = query(tokens, context).l2Normalized().matmul(carried.l2Normalized(), transposeOther: true)
        return Routing(weights: shares(cosines * context[logInverseTemperature].exp(), k, activity), carried: carried)
    }
}

/// A softmax over the k largest scores of active states; nil: over all.
private func shares(_ scores: Variable, _ k: Int?, _ activity: StateActivity) -> Variable {
    let scores = activity.hidingInactive(scores)
    guard let k, k < scores.shape[-1] else { return scores.softmax() }
    return scores.keeping(scores.value.largest(k)).softmax()
}

// MARK: Configuration

extension ContentRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "content"
        public static let summary = "a softmax over the similarity of a token with each state"
        /// Number of states that a token reaches; nil: all.
        public var k: Int?
        /// The vectors that tokens are compared with.
        public var against = Content.identities
        /// Tokens between two reads of the keys of the states, if tokens are compared with these.
        public var interval = 64
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.optionalInt("k", default: k, in: layer.choices)
            against = reader.choice("against", default: against)
            if against == .states { interval = reader.int("interval", default: interval, in: 1...1_000_000) }
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            switch against {
            case .identities: ContentRouting(parameters, width: layer.width, states: layer.states, k: k)
            case .states: StateContentRouting(parameters, width: layer.width, states: layer.states, k: k, interval: interval)
            }
        }
    }
}

extension RoutingConfiguration where Self == ContentRouting.Configuration {
    /// Compares tokens with learned identities of the states.
    public static func content(_ k: Int? = nil) -> Self {
        var settings = Self()
        settings.k = k
        return settings
    }
    /// Compares tokens with the keys of the states, as they were at the last multiple of the interval.
    public static func stateContent(_ k: Int? = nil, interval: Int = Self().interval) -> Self {
        var settings = Self()
        settings.k = k
        settings.against = .states
        settings.interval = interval
        return settings
    }
}

// MARK: Cost

extension ContentRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (pass.width + pass.states) }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}

extension StateContentRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (pass.width + pass.states) }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
