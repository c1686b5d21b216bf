import NSTMConfiguration
import NSTMAutograd
import NSTMModules

/// Sizes of the layer a strategy is built for.
public struct LayerDimensions: Sendable {
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
/// strategies.updates.register("my-rule") { config, dimensions in
///     let rate = config.double("rate", default: 0.5, in: 0...1)
///     return { parameters in MyRule(parameters, width: dimensions.width, rate: rate) }
/// }
/// ```
///
/// A factory first reads its settings, so that all issues of a configuration are known before anything is built, and returns what
/// builds the strategy once for each layer.
public struct Strategies: Sendable {
    public typealias Factory<Product> = @Sendable (ConfigurationReader, LayerDimensions) -> (ParameterBuilder) -> Product

    public var routings = Registry<Factory<any RoutingPolicy>>("routing policy")
    public var updates = Registry<Factory<any StateUpdateRule>>("update rule")
    public var interactions = Registry<Factory<any StateInteraction>>("state interaction")
    public var readouts = Registry<Factory<any StateReadout>>("readout")
    /// Policies on life and death are values, made while the configuration is read.
    public typealias PolicyFactory<Policy> = @Sendable (ConfigurationReader, LayerDimensions) -> Policy
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
        s.registerLifecycle()
        s.registerLinearUpdates()
        s.readouts.register("content") { _, _ in { _ in ContentReadout() } }
        s.readouts.register("linear") { _, _ in { _ in LinearReadout() } }
        s.readouts.register("routed") { _, _ in { _ in RoutedReadout() } }
        return s
    }

    private mutating func registerRoutings() {
        routings.register("top-k") { config, dimensions in
            let k = config.int("k", default: min(4, dimensions.states), in: dimensions.choices)
            return { TopKRouting($0, width: dimensions.width, states: dimensions.states, k: k) }
        }
        routings.register("sigmoid") { _, dimensions in
            { TopKRouting($0, width: dimensions.width, states: dimensions.states, k: nil) }
        }
        routings.register("softmax") { _, dimensions in { SoftmaxRouting($0, width: dimensions.width, states: dimensions.states) }
        }
        routings.register("balanced-top-k") { config, dimensions in
            let k = config.int("k", default: min(4, dimensions.states), in: dimensions.choices)
            let rate = config.double("rate", default: 0.001, in: 0...1)
            let balance = config.double("balance-loss", default: 0, in: 0...1e6)
            let entropy = config.double("entropy-loss", default: 0, in: 0...1e6)
            return {
                BalancedTopKRouting(
                    $0, width: dimensions.width, states: dimensions.states, k: k, rate: rate, balanceLoss: balance,
                    entropyLoss: entropy)
            }
        }
        routings.register("gumbel") { config, dimensions in
            let k = config.int("k", default: 1, in: dimensions.choices)
            let temperature = config.double("temperature", default: 1, in: 1e-3...1e3)
            return { GumbelRouting($0, width: dimensions.width, states: dimensions.states, k: k, temperature: temperature) }
        }
        routings.register("sinkhorn") { config, dimensions in
            let iterations = config.int("iterations", default: 3, in: 1...100)
            let memory = config.double("memory", default: 64, in: 1...1e6)
            return {
                SinkhornRouting($0, width: dimensions.width, states: dimensions.states, iterations: iterations, memory: memory)
            }
        }
        routings.register("content") { config, dimensions in
            let k = config.optionalInt("k", in: dimensions.choices)
            guard config.choice("against", default: RoutingContent.identities) == .states else {
                return { ContentRouting($0, width: dimensions.width, states: dimensions.states, k: k) }
            }
            let interval = config.int("interval", default: 64, in: 1...1_000_000)
            return { StateContentRouting($0, width: dimensions.width, states: dimensions.states, k: k, interval: interval) }
        }
        routings.register("hash") { config, dimensions in
            let k = config.int("k", default: 1, in: dimensions.choices),
                strength = config.double("strength", default: 1, in: 0...1)
            return { HashRouting($0, width: dimensions.width, states: dimensions.states, k: k, strength: strength) }
        }
        routings.register("all") { config, dimensions in
            let strength = config.double("strength", default: 1, in: 0...1)
            return { _ in AllRouting(states: dimensions.states, strength: strength) }
        }
        routings.register("random") { config, dimensions in
            let k = config.int("k", default: 1, in: dimensions.choices),
                strength = config.double("strength", default: 1, in: 0...1)
            return { RandomRouting($0, states: dimensions.states, k: k, strength: strength) }
        }
        routings.register("pointer") { config, dimensions in
            let forward = config.double("forward-bias", default: 1, in: -20...20)
            let gate = config.double("gate-bias", default: 3, in: -20...20)
            let moves = config.choice("moves", default: PointerRouting.Moves.hard)
            return {
                PointerRouting(
                    $0, width: dimensions.width, states: dimensions.states, forwardBias: forward, gateBias: gate, moves: moves)
            }
        }
        routingReadouts["pointer"] = "routed"
        routings.register("round-robin") { config, dimensions in
            let strength = config.double("strength", default: 1, in: 0...1)
            return { _ in RoundRobinRouting(states: dimensions.states, strength: strength) }
        }
    }

    private mutating func registerUpdates() {
        updates.register("gated-slots") { config, dimensions in
            let slowness = config.double("slowness", default: 1, in: 1...1e6), gate = config.bool("second-gate", default: false)
            return {
                GatedSlotsRule($0, width: dimensions.width, states: dimensions.states, slowness: slowness, secondGate: gate)
            }
        }
        updates.register("min-gru") { _, dimensions in { MinGRURule($0, width: dimensions.width) } }
        updates.register("min-lstm") { _, dimensions in { MinLSTMRule($0, width: dimensions.width) } }
        updates.register("content-slots") { _, dimensions in { ContentSlotsRule($0, width: dimensions.width) } }
        updates.register("gru") { _, dimensions in { GRURule($0, width: dimensions.width) } }
        updates.register("lstm") { config, dimensions in
            if dimensions.width % 2 != 0 { config.addIssue("rule", "lstm needs an even width, not \(dimensions.width)") }
            return { LSTMRule($0, width: dimensions.width) }
        }
        updates.register("slot-attention") { config, dimensions in
            let hidden = config.int("hidden", default: dimensions.width, in: 1...1_000_000)
            return { SlotAttentionRule($0, width: dimensions.width, hidden: hidden) }
        }
        updates.register("independent-mechanisms") { config, dimensions in
            let k = config.int("k", default: min(4, dimensions.states), in: dimensions.choices)
            return { IndependentMechanismsRule($0, width: dimensions.width, states: dimensions.states, k: k) }
        }
    }

    /// Rules that write no keys; their scans are fused with every readout.
    private mutating func registerLinearUpdates() {
        func register(_ name: String, _ factory: @escaping Factory<any StateUpdateRule>) {
            updates.register(name, factory)
            usualReadouts[name] = "linear"
        }
        register("gated-linear") { config, dimensions in
            let slowness = config.double("slowness", default: 16, in: 1...1e6)
            return { GatedLinearRule($0, width: dimensions.width, states: dimensions.states, slowness: slowness) }
        }
        register("scalar-decay") { config, dimensions in
            let gate = config.bool("gate", default: true)
            return { ScalarDecayRule($0, width: dimensions.width, states: dimensions.states, gate: gate) }
        }
        register("linear-attention") { config, _ in
            let horizon = config.double("horizon", default: 256, in: 1...1e9)
            return { _ in LinearAttentionRule(horizon: horizon) }
        }
        register("delta") { _, dimensions in
            { DeltaRule($0, width: dimensions.width, states: dimensions.states, heads: dimensions.heads) }
        }
        register("gated-delta") { _, dimensions in
            { DeltaRule($0, width: dimensions.width, states: dimensions.states, heads: dimensions.heads, gate: true) }
        }
        register("wkv") { _, dimensions in { WKVRule($0, width: dimensions.width, states: dimensions.states) } }
        register("selective-diagonal") { config, dimensions in
            let rank = config.int("rank", default: max(1, dimensions.width / 16), in: 1...dimensions.width)
            return { SelectiveDiagonalRule($0, width: dimensions.width, states: dimensions.states, rank: rank) }
        }
        register("diagonal-ssm") { _, dimensions in { DiagonalSSM($0, width: dimensions.width, states: dimensions.states) } }
    }

    private mutating func registerInteractions() {
        /// Heads of an attention among states.
        @Sendable func heads(_ config: ConfigurationReader, _ dimensions: LayerDimensions) -> Int {
            let heads = config.int("heads", default: dimensions.heads, in: 1...dimensions.width)
            if dimensions.width % heads != 0 {
                config.addIssue("heads", "\(heads) does not divide the width \(dimensions.width)")
            }
            return heads
        }
        interactions.register("attention") { config, dimensions in
            let heads = heads(config, dimensions)
            return { StateAttentionInteraction($0, width: dimensions.width, states: dimensions.states, heads: heads) }
        }
        interactions.register("relational") { config, dimensions in
            let heads = heads(config, dimensions), hidden = config.int("hidden", default: dimensions.width, in: 1...1_000_000)
            return { RelationalInteraction($0, width: dimensions.width, states: dimensions.states, heads: heads, hidden: hidden) }
        }
        interactions.register("sparse-attention") { config, dimensions in
            let heads = heads(config, dimensions), k = config.int("k", default: min(4, dimensions.states), in: dimensions.choices)
            return { SparseAttentionInteraction($0, width: dimensions.width, states: dimensions.states, heads: heads, k: k) }
        }
        interactions.register("low-rank") { config, dimensions in
            let rank = config.int("rank", default: min(8, dimensions.states), in: dimensions.choices)
            return { LowRankInteraction($0, width: dimensions.width, states: dimensions.states, rank: rank) }
        }
    }
}
