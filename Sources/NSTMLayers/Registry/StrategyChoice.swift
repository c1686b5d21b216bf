import NSTMConfiguration
import NSTMModules

/// A strategy by name, with its settings: what a configuration says in a section such as `router`, as a value of Swift. Both are
/// resolved by the same registry, so that unknown names and settings give the same errors.
///
///     .topK(4)                               router: {policy: top-k, k: 4}
///     .gatedSlots(slowness: 8)               update: {rule: gated-slots, slowness: 8}
///     .init("my-rule", ["rate": 0.5])        update: {rule: my-rule, rate: 0.5}
public struct StrategyChoice<Product>: Sendable, Equatable {
    /// Nil: what is used when a configuration names none.
    public let name: String?
    public var settings: ConfigurationMap

    public init(_ name: String?, _ settings: ConfigurationMap = [:]) {
        self.name = name
        self.settings = settings
    }
    /// What is used where a configuration names none; of readouts, what is usual for the update rule.
    public static var usual: Self { Self(nil) }
    /// The section of a configuration, in which the name is under a key of its own.
    func section(_ key: String) -> ConfigurationValue {
        var map: ConfigurationMap = [:]
        if let name { map[key] = .string(name) }
        for (key, value) in settings.pairs { map[key] = value }
        return .map(map)
    }
}

extension StrategyChoice where Product == any RoutingPolicy {
    public static func topK(_ k: Int) -> Self { Self("top-k", ["k": .int(k)]) }
    public static var sigmoid: Self { Self("sigmoid") }
    public static var softmax: Self { Self("softmax") }
    public static func balancedTopK(_ k: Int, rate: Double = 0.001, balanceLoss: Double = 0, entropyLoss: Double = 0) -> Self {
        Self(
            "balanced-top-k",
            [
                "k": .int(k), "rate": .double(rate), "balance-loss": .double(balanceLoss), "entropy-loss": .double(entropyLoss),
            ])
    }
    public static func gumbel(_ k: Int, temperature: Double = 1) -> Self {
        Self("gumbel", ["k": .int(k), "temperature": .double(temperature)])
    }
    public static func sinkhorn(iterations: Int = 3, memory: Double = 64) -> Self {
        Self("sinkhorn", ["iterations": .int(iterations), "memory": .double(memory)])
    }
    public static func content(_ k: Int? = nil) -> Self { Self("content", ["k": k.map { .int($0) } ?? .null]) }
    /// Against what the states hold, looked at every so many tokens.
    public static func stateContent(_ k: Int? = nil, interval: Int = 64) -> Self {
        Self("content", ["k": k.map { .int($0) } ?? .null, "against": "states", "interval": .int(interval)])
    }
    public static func hash(_ k: Int, strength: Double = 1) -> Self {
        Self("hash", ["k": .int(k), "strength": .double(strength)])
    }
    public static func random(_ k: Int, strength: Double = 1) -> Self {
        Self("random", ["k": .int(k), "strength": .double(strength)])
    }
    public static var pointer: Self { Self("pointer") }
    /// - Parameter moves: of evaluation.
    public static func pointer(forwardBias: Double = 1, gateBias: Double = 3, moves: PointerRouting.Moves = .hard) -> Self {
        Self(
            "pointer",
            ["forward-bias": .double(forwardBias), "gate-bias": .double(gateBias), "moves": .string(moves.rawValue)])
    }
    public static func roundRobin(strength: Double = 1) -> Self { Self("round-robin", ["strength": .double(strength)]) }
    public static func all(strength: Double = 1) -> Self { Self("all", ["strength": .double(strength)]) }
}

extension StrategyChoice where Product == any StateUpdateRule {
    public static var gatedSlots: Self { Self("gated-slots") }
    public static func gatedSlots(slowness: Double, secondGate: Bool = false) -> Self {
        Self("gated-slots", ["slowness": .double(slowness), "second-gate": .bool(secondGate)])
    }
    public static var contentSlots: Self { Self("content-slots") }
    public static var minGRU: Self { Self("min-gru") }
    public static var minLSTM: Self { Self("min-lstm") }
    public static var gru: Self { Self("gru") }
    public static var lstm: Self { Self("lstm") }
    public static var slotAttention: Self { Self("slot-attention") }
    public static func slotAttention(hidden: Int) -> Self { Self("slot-attention", ["hidden": .int(hidden)]) }
    public static func independentMechanisms(_ k: Int) -> Self { Self("independent-mechanisms", ["k": .int(k)]) }
    public static var gatedLinear: Self { Self("gated-linear") }
    public static func gatedLinear(slowness: Double) -> Self { Self("gated-linear", ["slowness": .double(slowness)]) }
    public static func scalarDecay(gate: Bool = true) -> Self { Self("scalar-decay", ["gate": .bool(gate)]) }
    public static var linearAttention: Self { Self("linear-attention") }
    public static func linearAttention(horizon: Double) -> Self { Self("linear-attention", ["horizon": .double(horizon)]) }
    public static var delta: Self { Self("delta") }
    public static var gatedDelta: Self { Self("gated-delta") }
    public static var wkv: Self { Self("wkv") }
    public static var selectiveDiagonal: Self { Self("selective-diagonal") }
    public static func selectiveDiagonal(rank: Int) -> Self { Self("selective-diagonal", ["rank": .int(rank)]) }
    public static var diagonalSSM: Self { Self("diagonal-ssm") }
}

extension StrategyChoice where Product == any StateInteraction {
    /// States do not talk.
    public static var none: Self { Self("none") }
    public static func attention(heads: Int, interval: Int = 64) -> Self {
        Self("attention", ["heads": .int(heads), "interval": .int(interval)])
    }
    /// - Parameter hidden: nil: the width.
    public static func relational(heads: Int, hidden: Int? = nil, interval: Int = 64) -> Self {
        var settings: ConfigurationMap = ["heads": .int(heads), "interval": .int(interval)]
        if let hidden { settings["hidden"] = .int(hidden) }
        return Self("relational", settings)
    }
    public static func sparseAttention(_ k: Int, heads: Int, interval: Int = 64) -> Self {
        Self("sparse-attention", ["k": .int(k), "heads": .int(heads), "interval": .int(interval)])
    }
    public static func lowRank(_ rank: Int, interval: Int = 64) -> Self {
        Self("low-rank", ["rank": .int(rank), "interval": .int(interval)])
    }
}

extension StrategyChoice where Product == any StateReadout {
    public static var content: Self { Self("content") }
    public static var linear: Self { Self("linear") }
    public static var routed: Self { Self("routed") }
    /// Together with causal attention over the last tokens.
    public static func hybrid(window: Int, _ read: Self = .usual) -> Self {
        var both = read
        both.settings["window"] = .int(window)
        return both
    }
}
