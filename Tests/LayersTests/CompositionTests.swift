import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// A composition in Swift is the same as one in a configuration: the same parameters, the same bits, the same summary.
@Suite struct CompositionTests {
    private static let routers: [(StrategyChoice<any RoutingPolicy>, ConfigurationMap)] = [
        (.topK(2), ["policy": "top-k", "k": 2]), (.sigmoid, ["policy": "sigmoid"]), (.softmax, ["policy": "softmax"]),
        (
            .balancedTopK(2, rate: 0.01, balanceLoss: 0.5, entropyLoss: 0.25),
            ["policy": "balanced-top-k", "k": 2, "rate": 0.01, "balance-loss": 0.5, "entropy-loss": 0.25]
        ),
        (.gumbel(2, temperature: 0.5), ["policy": "gumbel", "k": 2, "temperature": 0.5]),
        (.sinkhorn(iterations: 2, memory: 8), ["policy": "sinkhorn", "iterations": 2, "memory": 8]),
        (.content(2), ["policy": "content", "k": 2]), (.content(), ["policy": "content"]),
        (.stateContent(2, interval: 3), ["policy": "content", "k": 2, "against": "states", "interval": 3]),
        (.hash(2, strength: 0.5), ["policy": "hash", "k": 2, "strength": 0.5]),
        (.random(2, strength: 0.5), ["policy": "random", "k": 2, "strength": 0.5]),
        (.pointer, ["policy": "pointer"]),
        (
            .pointer(forwardBias: 2, gateBias: 1, moves: .soft),
            ["policy": "pointer", "forward-bias": 2, "gate-bias": 1, "moves": "soft"]
        ),
        (.roundRobin(strength: 0.5), ["policy": "round-robin", "strength": 0.5]),
        (.all(strength: 0.5), ["policy": "all", "strength": 0.5]),
    ]
    private static let updates: [(StrategyChoice<any StateUpdateRule>, ConfigurationMap)] = [
        (.gatedSlots, ["rule": "gated-slots"]),
        (.gatedSlots(slowness: 2, secondGate: true), ["rule": "gated-slots", "slowness": 2, "second-gate": true]),
        (.contentSlots, ["rule": "content-slots"]), (.minGRU, ["rule": "min-gru"]), (.minLSTM, ["rule": "min-lstm"]),
        (.gru, ["rule": "gru"]), (.lstm, ["rule": "lstm"]), (.slotAttention, ["rule": "slot-attention"]),
        (.slotAttention(hidden: 12), ["rule": "slot-attention", "hidden": 12]),
        (.independentMechanisms(2), ["rule": "independent-mechanisms", "k": 2]),
        (.gatedLinear, ["rule": "gated-linear"]), (.gatedLinear(slowness: 4), ["rule": "gated-linear", "slowness": 4]),
        (.scalarDecay(), ["rule": "scalar-decay"]), (.scalarDecay(gate: false), ["rule": "scalar-decay", "gate": false]),
        (.linearAttention, ["rule": "linear-attention"]),
        (.linearAttention(horizon: 3), ["rule": "linear-attention", "horizon": 3]),
        (.delta, ["rule": "delta"]), (.gatedDelta, ["rule": "gated-delta"]), (.wkv, ["rule": "wkv"]),
        (.selectiveDiagonal, ["rule": "selective-diagonal"]),
        (.selectiveDiagonal(rank: 3), ["rule": "selective-diagonal", "rank": 3]), (.diagonalSSM, ["rule": "diagonal-ssm"]),
    ]
    private static let interactions: [(StrategyChoice<any StateInteraction>, ConfigurationMap)] = [
        (.none, ["kind": "none"]), (.attention(heads: 4, interval: 3), ["kind": "attention", "heads": 4, "interval": 3]),
        (
            .relational(heads: 2, hidden: 12, interval: 3),
            ["kind": "relational", "heads": 2, "hidden": 12, "interval": 3]
        ),
        (
            .sparseAttention(2, heads: 2, interval: 3),
            ["kind": "sparse-attention", "k": 2, "heads": 2, "interval": 3]
        ),
        (.lowRank(2, interval: 3), ["kind": "low-rank", "rank": 2, "interval": 3]),
    ]
    private static let reads: [(StrategyChoice<any StateReadout>, ConfigurationMap)] = [
        (.content, ["kind": "content"]), (.linear, ["kind": "linear"]), (.routed, ["kind": "routed"]),
        (.hybrid(window: 3), ["window": 3]), (.hybrid(window: 3, .linear), ["kind": "linear", "window": 3]),
    ]

    private let shape: ModelConfiguration = {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 11), output: .pooled(classes: 3))
        (shape.width, shape.layers, shape.heads, shape.hidden) = (8, 2, 2, 12)
        return shape
    }()
    /// - Parameter sections: what a configuration says beside the number of states.
    private func expectSame(_ model: NSTMModel, _ sections: ConfigurationMap, at location: SourceLocation = #_sourceLocation)
        throws
    {
        var map = sections
        map["states"] = 5
        let reader = ConfigurationReader(.map(map))
        let plan = NSTMLayerConfiguration(reader, width: 8, heads: 2, layers: 2, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        let other = NSTMModel(ParameterBuilder(seed: 1), shape) { plan.mixer($0, block: $1, residual: $2) }
        #expect(model.summary("nstm") == other.summary("nstm"), sourceLocation: location)
        #expect(model.parameters.all.map(\.path) == other.parameters.all.map(\.path), sourceLocation: location)
        for m in [model, other] { shake(m.parameters, seed: 1) }
        let x = Tensor((0..<18).map { Int32($0 * 7 % 11) }, [2, 9])
        for mode in [ForwardContext.Mode.evaluate, .train] {
            func run(_ m: NSTMModel) -> Tensor { m(x, ForwardContext(mode, key: RandomKey(3))).value }
            #expect(same(run(model), run(other)), sourceLocation: location)
        }
    }
    private func model(
        router: StrategyChoice<any RoutingPolicy> = .topK(2), update: StrategyChoice<any StateUpdateRule> = .gatedSlots,
        interaction: StrategyChoice<any StateInteraction> = .none, read: StrategyChoice<any StateReadout> = .usual,
        bidirectional: Bool = false, life: StateLifecycleConfiguration? = nil
    ) -> NSTMModel {
        NSTMModel(
            ParameterBuilder(seed: 1), shape, states: 5, router: router, update: update, interaction: interaction, read: read,
            bidirectional: bidirectional, life: life)
    }

    /// Every name has a value in Swift, so that what is new gets one.
    @Test func everyNameIsThere() {
        func names<P>(_ all: [(StrategyChoice<P>, ConfigurationMap)]) -> Set<String> { Set(all.compactMap(\.0.name)) }
        let standard = Strategies.standard
        #expect(names(CompositionTests.routers) == Set(standard.routings.names))
        #expect(names(CompositionTests.updates) == Set(standard.updates.names))
        #expect(names(CompositionTests.interactions) == Set(standard.interactions.names + ["none"]))
        #expect(names(CompositionTests.reads) == Set(standard.readouts.names))
    }
    @Test(arguments: routers.indices) func router(_ i: Int) throws {
        let (choice, section) = CompositionTests.routers[i]
        try expectSame(model(router: choice), ["router": .map(section)])
    }
    @Test(arguments: updates.indices) func update(_ i: Int) throws {
        let (choice, section) = CompositionTests.updates[i]
        try expectSame(model(update: choice), ["router": ["policy": "top-k", "k": 2], "update": .map(section)])
    }
    @Test(arguments: interactions.indices) func interaction(_ i: Int) throws {
        let (choice, section) = CompositionTests.interactions[i]
        try expectSame(model(interaction: choice), ["router": ["policy": "top-k", "k": 2], "interaction": .map(section)])
    }
    @Test(arguments: reads.indices) func read(_ i: Int) throws {
        let (choice, section) = CompositionTests.reads[i]
        try expectSame(model(read: choice), ["router": ["policy": "top-k", "k": 2], "read": .map(section)])
    }
    @Test func everythingAtOnce() throws {
        var life = StateLifecycleConfiguration()
        life.start = 3
        try expectSame(
            model(
                router: .topK(2), update: .gatedDelta, interaction: .attention(heads: 2, interval: 4), read: .hybrid(window: 3),
                bidirectional: true, life: life),
            [
                "router": ["policy": "top-k", "k": 2], "update": ["rule": "gated-delta"],
                "interaction": ["kind": "attention", "heads": 2, "interval": 4], "read": ["window": 3], "bidirectional": true,
                "life": ["start": 3],
            ])
    }
    @Test func aLayerByItself() throws {
        let builder = ParameterBuilder(seed: 1)
        let layer = NSTMLayer(
            builder, width: 8, heads: 2, states: 5, router: .topK(2), update: .gatedDelta,
            interaction: .attention(heads: 4, interval: 3), read: .hybrid(window: 4))
        let reader = ConfigurationReader(
            .map([
                "states": 5, "router": ["policy": "top-k", "k": 2], "update": ["rule": "gated-delta"],
                "interaction": ["kind": "attention", "heads": 4, "interval": 3], "read": ["window": 4],
            ]))
        let plan = NSTMLayerConfiguration(reader, width: 8, heads: 2, strategies: .standard), other = ParameterBuilder(seed: 1)
        let twin = plan.layer(other, residual: .fanIn), x = Variable(random([2, 9, 8], "x", .float32))
        #expect(builder.store.all.map(\.path) == other.store.all.map(\.path))
        var none: MixerCache?
        let context = ForwardContext(.evaluate)
        #expect(same(layer(x, &none, context).value, twin(x, &none, context).value))
    }
    /// A name that nobody knows is an issue of the program, in the words of a configuration.
    @Test func unknownNames() async {
        await #expect(processExitsWith: .failure) {
            _ = NSTMLayer(
                ParameterBuilder(seed: 1), width: 8, heads: 2, states: 4, router: .topK(9), update: .init("no-such-rule"))
        }
    }
}
