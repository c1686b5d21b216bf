import NSTMAutograd
import NSTMModules

/// Sizes of the layer a strategy is built for.
public struct StrategySite: Sendable {
    public let width: Int
    public let heads: Int
    public let states: Int
    /// How many states a setting may name (`k`). A layer that has lost states may have fewer than its settings name: those mean all.
    public let choices: ClosedRange<Int>
    public init(width: Int, heads: Int, states: Int, choices: ClosedRange<Int>? = nil) {
        self.width = width
        self.heads = heads
        self.states = states
        self.choices = choices ?? 1...states
    }
}

/// The strategies that configurations can name. Start from `.standard` and register your own:
///
/// ```swift
/// var strategies = Strategies.standard
/// strategies.updates.register("my-rule") { config, site in
///     let rate = config.double("rate", default: 0.5, in: 0...1)
///     return { parameters in MyRule(parameters, width: site.width, rate: rate) }
/// }
/// ```
///
/// A factory first reads its settings, so that all faults of a configuration are known before anything is built, and returns what
/// builds the strategy once for each layer.
public struct Strategies: Sendable {
    public typealias Factory<Product> = @Sendable (ConfigReader, StrategySite) -> (ParameterBuilder) -> Product

    public var routings = Registry<Factory<any RoutingPolicy>>("routing policy")
    public var updates = Registry<Factory<any StateUpdateRule>>("update rule")
    public var interactions = Registry<Factory<any StateInteraction>>("state interaction")
    public var readouts = Registry<Factory<any StateReadout>>("readout")
    /// Policies on life and death are values, made while the configuration is read.
    public typealias PolicyFactory<Policy> = @Sendable (ConfigReader, StrategySite) -> Policy
    public var prunings = Registry<PolicyFactory<any PruningPolicy>>("pruning policy")
    public var activations = Registry<PolicyFactory<any ActivationPolicy>>("activation policy")
    public var allocations = Registry<PolicyFactory<any AllocationPolicy>>("allocation policy")
    public var embedders = EmbedderRegistries()
    /// The readouts that update rules are used with when a configuration names none; `content` for all others.
    public var usualReadouts: [String: String] = [:]
    /// The readouts that go with routing policies which say where tokens read, whatever the update rule.
    public var routingReadouts: [String: String] = [:]
    /// The readout that is used when a configuration names none.
    public func usualReadout(routing: String?, update: String?) -> String {
        routing.flatMap { routingReadouts[$0] } ?? update.flatMap { usualReadouts[$0] } ?? "content"
    }

    public static var standard: Strategies {
        var s = Strategies()
        s.registerRoutings()
        s.registerUpdates()
        s.registerInteractions()
        s.registerLife()
        s.registerLinearUpdates()
        s.readouts.register("content") { _, _ in { _ in ContentRead() } }
        s.readouts.register("linear") { _, _ in { _ in LinearRead() } }
        s.readouts.register("routed") { _, _ in { _ in RoutedRead() } }
        return s
    }

    private mutating func registerRoutings() {
        routings.register("top-k") { config, site in
            let k = config.int("k", default: min(4, site.states), in: site.choices)
            return { TopKRouting($0, width: site.width, states: site.states, k: k) }
        }
        routings.register("sigmoid") { _, site in { TopKRouting($0, width: site.width, states: site.states, k: nil) } }
        routings.register("softmax") { _, site in { SoftmaxRouting($0, width: site.width, states: site.states) } }
        routings.register("balanced-top-k") { config, site in
            let k = config.int("k", default: min(4, site.states), in: site.choices)
            let rate = config.double("rate", default: 0.001, in: 0...1)
            let balance = config.double("balance-loss", default: 0, in: 0...1e6)
            let entropy = config.double("entropy-loss", default: 0, in: 0...1e6)
            return {
                BalancedTopKRouting(
                    $0, width: site.width, states: site.states, k: k, rate: rate, balanceLoss: balance, entropyLoss: entropy)
            }
        }
        routings.register("gumbel") { config, site in
            let k = config.int("k", default: 1, in: site.choices)
            let temperature = config.double("temperature", default: 1, in: 1e-3...1e3)
            return { GumbelRouting($0, width: site.width, states: site.states, k: k, temperature: temperature) }
        }
        routings.register("sinkhorn") { config, site in
            let iterations = config.int("iterations", default: 3, in: 1...100)
            let memory = config.double("memory", default: 64, in: 1...1e6)
            return { SinkhornRouting($0, width: site.width, states: site.states, iterations: iterations, memory: memory) }
        }
        routings.register("content") { config, site in
            let k = config.optionalInt("k", in: site.choices)
            guard config.choice("against", default: RoutingContent.identities) == .states else {
                return { ContentRouting($0, width: site.width, states: site.states, k: k) }
            }
            let interval = config.int("interval", default: 64, in: 1...1_000_000)
            return { StateContentRouting($0, width: site.width, states: site.states, k: k, interval: interval) }
        }
        routings.register("hash") { config, site in
            let k = config.int("k", default: 1, in: site.choices), strength = config.double("strength", default: 1, in: 0...1)
            return { HashRouting($0, width: site.width, states: site.states, k: k, strength: strength) }
        }
        routings.register("all") { config, site in
            let strength = config.double("strength", default: 1, in: 0...1)
            return { _ in AllRouting(states: site.states, strength: strength) }
        }
        routings.register("random") { config, site in
            let k = config.int("k", default: 1, in: site.choices), strength = config.double("strength", default: 1, in: 0...1)
            return { RandomRouting($0, states: site.states, k: k, strength: strength) }
        }
        routings.register("pointer") { config, site in
            let forward = config.double("forward-bias", default: 1, in: -20...20)
            let gate = config.double("gate-bias", default: 3, in: -20...20)
            let moves = config.choice("moves", default: PointerRouting.Moves.hard)
            return {
                PointerRouting(
                    $0, width: site.width, states: site.states, forwardBias: forward, gateBias: gate, moves: moves)
            }
        }
        routingReadouts["pointer"] = "routed"
        routings.register("round-robin") { config, site in
            let strength = config.double("strength", default: 1, in: 0...1)
            return { _ in RoundRobinRouting(states: site.states, strength: strength) }
        }
    }

    private mutating func registerUpdates() {
        updates.register("gated-slots") { config, site in
            let slowness = config.double("slowness", default: 1, in: 1...1e6), gate = config.bool("second-gate", default: false)
            return { GatedSlots($0, width: site.width, states: site.states, slowness: slowness, secondGate: gate) }
        }
        updates.register("min-gru") { _, site in { MinGRU($0, width: site.width) } }
        updates.register("min-lstm") { _, site in { MinLSTM($0, width: site.width) } }
        updates.register("content-slots") { _, site in { ContentSlots($0, width: site.width) } }
        updates.register("gru") { _, site in { GRUStates($0, width: site.width) } }
        updates.register("lstm") { config, site in
            if site.width % 2 != 0 { config.addFault("rule", "lstm needs an even width, not \(site.width)") }
            return { LSTMStates($0, width: site.width) }
        }
        updates.register("slot-attention") { config, site in
            let hidden = config.int("hidden", default: site.width, in: 1...1_000_000)
            return { SlotAttentionStates($0, width: site.width, hidden: hidden) }
        }
        updates.register("independent-mechanisms") { config, site in
            let k = config.int("k", default: min(4, site.states), in: site.choices)
            return { IndependentMechanisms($0, width: site.width, states: site.states, k: k) }
        }
    }

    /// Rules that write no keys; their scans are fused with every readout.
    private mutating func registerLinearUpdates() {
        func register(_ name: String, _ factory: @escaping Factory<any StateUpdateRule>) {
            updates.register(name, factory)
            usualReadouts[name] = "linear"
        }
        register("gated-linear") { config, site in
            let slowness = config.double("slowness", default: 16, in: 1...1e6)
            return { GatedLinear($0, width: site.width, states: site.states, slowness: slowness) }
        }
        register("scalar-decay") { config, site in
            let gate = config.bool("gate", default: true)
            return { ScalarDecay($0, width: site.width, states: site.states, gate: gate) }
        }
        register("linear-attention") { config, _ in
            let horizon = config.double("horizon", default: 256, in: 1...1e9)
            return { _ in LinearAttention(horizon: horizon) }
        }
        register("delta") { _, site in { Delta($0, width: site.width, states: site.states, heads: site.heads) } }
        register("gated-delta") { _, site in
            { Delta($0, width: site.width, states: site.states, heads: site.heads, gate: true) }
        }
        register("wkv") { _, site in { WKV($0, width: site.width, states: site.states) } }
        register("selective-diagonal") { config, site in
            let rank = config.int("rank", default: max(1, site.width / 16), in: 1...site.width)
            return { SelectiveDiagonal($0, width: site.width, states: site.states, rank: rank) }
        }
        register("diagonal-ssm") { _, site in { DiagonalSSM($0, width: site.width, states: site.states) } }
    }

    private mutating func registerInteractions() {
        /// Heads of an attention among states.
        @Sendable func heads(_ config: ConfigReader, _ site: StrategySite) -> Int {
            let heads = config.int("heads", default: site.heads, in: 1...site.width)
            if site.width % heads != 0 { config.addFault("heads", "\(heads) does not divide the width \(site.width)") }
            return heads
        }
        interactions.register("attention") { config, site in
            let heads = heads(config, site)
            return { GatedStateAttention($0, width: site.width, states: site.states, heads: heads) }
        }
        interactions.register("relational") { config, site in
            let heads = heads(config, site), hidden = config.int("hidden", default: site.width, in: 1...1_000_000)
            return { RelationalInteraction($0, width: site.width, states: site.states, heads: heads, hidden: hidden) }
        }
        interactions.register("sparse-attention") { config, site in
            let heads = heads(config, site), k = config.int("k", default: min(4, site.states), in: site.choices)
            return { SparseStateAttention($0, width: site.width, states: site.states, heads: heads, k: k) }
        }
        interactions.register("low-rank") { config, site in
            let rank = config.int("rank", default: min(8, site.states), in: site.choices)
            return { LowRankMixing($0, width: site.width, states: site.states, rank: rank) }
        }
    }
}
