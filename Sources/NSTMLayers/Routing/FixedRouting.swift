import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

// Policies without learned parameters: baselines for learned routers.

/// Weights of one value for states chosen by position, the same for all sequences with the same active states: [B, T, N].
/// - Parameter choose: indices of the chosen states, from the index of the token in this segment and the indices of the active
///   states.
private func chosen(
    _ tokens: Variable, states: Int, _ activity: StateActivity, strength: Double, _ context: ForwardContext,
    _ choose: (_ at: Int, _ active: [Int]) -> [Int]
) -> Variable {
    let length = tokens.shape[1], own = activity.mask?.rank == 2 ? tokens.shape[0] : 1
    var weights = Array(repeating: 0.0, count: own * length * states)
    for b in 0..<own {
        let active = activity.active(of: states, sequence: b)
        if active.isEmpty { continue }
        for t in 0..<length { for n in choose(t, active) { weights[(b * length + t) * states + n] = strength } }
    }
    let rows = Tensor(weights, [own, length, states]).cast(to: tokens.dtype)
    return context.constant(rows.broadcast(to: [tokens.shape[0], length, states]))
}

/// Routing of every token to every active state with the same weight, for rules that select states themselves.
public final class AllRouting: RoutingPolicy {
    /// Weight of the states, in 0 … 1.
    public let strength: Double
    private let states: Int

    public init(states: Int, strength: Double = Configuration().strength) {
        self.states = states
        self.strength = strength
    }

    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        chosen(tokens, states: states, activity, strength: strength, context) { _, active in active }
    }
}

/// Routing of the token at position t to the active state of index t mod N.
///
/// With weight 1, where writes replace, N states are a window over the last N tokens.
public final class RoundRobinRouting: RoutingPolicy {
    /// Weight of the chosen state, in 0 … 1.
    public let strength: Double
    private let states: Int

    public init(states: Int, strength: Double = Configuration().strength) {
        self.states = states
        self.strength = strength
    }

    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        chosen(tokens, states: states, activity, strength: strength, context) { at, active in
            [active[(position + at) % active.count]]
        }
    }
}

/// Routing to k random states per position, the same for all sequences, in training and in evaluation.
public final class RandomRouting: RoutingPolicy {
    public let k: Int
    /// Weight of the chosen states, in 0 … 1.
    public let strength: Double
    private let states: Int
    private let key: RandomKey

    public init(
        _ parameters: ParameterBuilder, states: Int, k: Int = Configuration().k, strength: Double = Configuration().strength
    ) {
        self.k = k
        self.strength = strength
        self.states = states
        key = RandomKey(0).fold("random routing").fold(parameters.path)
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        chosen(tokens, states: states, activity, strength: strength, context) { at, active in
            let draws = key.fold(position + at)
            var left = active
            return (0..<min(k, left.count)).map { left.remove(at: draws.integer($0, below: left.count)) }
        }
    }
}

/// Routing to the k states along whose fixed random directions the projection of a token is largest: a locality-sensitive hash
/// (Andoni et al., 2015; Kitaev, Kaiser & Levskaya 2020, "Reformer").
///
/// Similar tokens are routed to the same states.
public final class HashRouting: RoutingPolicy {
    /// Random directions [N, D], saved with the model, not learned.
    public let directions: Parameter
    /// Number of states that a token reaches.
    public let k: Int
    /// Weight of the chosen states, in 0 … 1.
    public let strength: Double

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, k: Int = Configuration().k,
        strength: Double = Configuration().strength
    ) {
        directions = parameters("directions", [states, width], .normal(standardDeviation: 1), trainable: false, stateAxis: 0)
        self.k = k
        self.strength = strength
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let scores = activity.hidingInactive(tokens.detached.linear(context.constant(directions.value)))
        return context.constant(scores.value.largest(k).affine(strength))
    }
}

// MARK: Configuration

extension AllRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "all"
        public static let summary = "all states with the same weight"
        /// Weight of the selected states.
        public var strength = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            strength = reader.double("strength", default: strength, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            AllRouting(states: layer.states, strength: strength)
        }
    }
}

extension RoundRobinRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "round-robin"
        public static let summary = "the states in cyclic order"
        /// Weight of the selected states.
        public var strength = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            strength = reader.double("strength", default: strength, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            RoundRobinRouting(states: layer.states, strength: strength)
        }
    }
}

extension RandomRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "random"
        public static let summary = "k random states for each position"
        /// Number of states that a token reaches.
        public var k = 1
        /// Weight of the selected states.
        public var strength = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k, in: layer.choices)
            strength = reader.double("strength", default: strength, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            RandomRouting(parameters, states: layer.states, k: k, strength: strength)
        }
    }
}

extension HashRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "hash"
        public static let summary = "the k states with the nearest fixed random directions"
        /// Number of states that a token reaches.
        public var k = 1
        /// Weight of the selected states.
        public var strength = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k, in: layer.choices)
            strength = reader.double("strength", default: strength, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            HashRouting(parameters, width: layer.width, states: layer.states, k: k, strength: strength)
        }
    }
}

extension RoutingConfiguration where Self == AllRouting.Configuration {
    public static func all(strength: Double = Self().strength) -> Self {
        var settings = Self()
        settings.strength = strength
        return settings
    }
}

extension RoutingConfiguration where Self == RoundRobinRouting.Configuration {
    public static func roundRobin(strength: Double = Self().strength) -> Self {
        var settings = Self()
        settings.strength = strength
        return settings
    }
}

extension RoutingConfiguration where Self == RandomRouting.Configuration {
    public static func random(_ k: Int, strength: Double = Self().strength) -> Self {
        var settings = Self()
        settings.k = k
        settings.strength = strength
        return settings
    }
}

extension RoutingConfiguration where Self == HashRouting.Configuration {
    public static func hash(_ k: Int, strength: Double = Self().strength) -> Self {
        var settings = Self()
        settings.k = k
        settings.strength = strength
        return settings
    }
}

// MARK: Cost

extension HashRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}

extension AllRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { active }
}

extension RandomRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { min(k, active) }
}

extension RoundRobinRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { min(1, active) }
}
