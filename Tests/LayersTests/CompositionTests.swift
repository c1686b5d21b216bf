import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// A composition in Swift is the same as one in a configuration: the same parameters, the same bits, the same summary.
@Suite struct CompositionTests {
    private static let routers: [(any RoutingConfiguration, ConfigurationValue.Map)] = [
        (.topK(2), ["type": "top-k", "k": 2]), (.sigmoid, ["type": "sigmoid"]), (.softmax, ["type": "softmax"]),
        (
            .balancedTopK(2, rate: 0.01, balanceLoss: 0.5, entropyLoss: 0.25),
            ["type": "balanced-top-k", "k": 2, "rate": 0.01, "balance-loss": 0.5, "entropy-loss": 0.25]
        ),
        (.gumbel(2, temperature: 0.5), ["type": "gumbel", "k": 2, "temperature": 0.5]),
        (.sinkhorn(iterations: 2, memory: 8), ["type": "sinkhorn", "iterations": 2, "memory": 8]),
        (.content(2), ["type": "content", "k": 2]), (.content(), ["type": "content"]),
        (.stateContent(2, interval: 3), ["type": "content", "k": 2, "against": "states", "interval": 3]),
        (.hash(2, strength: 0.5), ["type": "hash", "k": 2, "strength": 0.5]),
        (.random(2, strength: 0.5), ["type": "random", "k": 2, "strength": 0.5]),
        (.pointer, ["type": "pointer"]),
        (
            .pointer(forwardBias: 2, gateBias: 1, moves: .soft),
            ["type": "pointer", "forward-bias": 2, "gate-bias": 1, "moves": "soft"]
        ),
        (
            .pointer(
                writeMoves: [.forward, .home], readMoves: [.stay, .cycle, .find], heads: 2, findWidth: 5, findConvolution: 2,
                annealing: PointerRouting.Annealing(start: 0.25, end: 0.5, temperature: 0.2)),
            [
                "type": "pointer", "write-moves": ["forward", "home"], "read-moves": ["stay", "cycle", "find"], "heads": 2,
                "find-width": 5, "find-convolution": 2, "anneal": ["start": 0.25, "end": 0.5, "temperature": 0.2],
            ]
        ),
        (.roundRobin(strength: 0.5), ["type": "round-robin", "strength": 0.5]),
        (.all(strength: 0.5), ["type": "all", "strength": 0.5]),
    ]
    private static let updates: [(any UpdateRuleConfiguration, ConfigurationValue.Map)] = [
        (.gatedSlots, ["type": "gated-slots"]),
        (.gatedSlots(timescale: 2, secondGate: true), ["type": "gated-slots", "timescale": 2, "second-gate": true]),
        (.contentSlots, ["type": "content-slots"]), (.minGRU, ["type": "min-gru"]), (.minLSTM, ["type": "min-lstm"]),
        (.gru, ["type": "gru"]), (.lstm, ["type": "lstm"]), (.slotAttention, ["type": "slot-attention"]),
        (.slotAttention(hidden: 12), ["type": "slot-attention", "hidden": 12]),
        (.independentMechanisms(2), ["type": "independent-mechanisms", "k": 2]),
        (.gatedLinear, ["type": "gated-linear"]),
        (.gatedLinear(gateLogitNormalizer: 4), ["type": "gated-linear", "gate-logit-normalizer": 4]),
        (.scalarDecay(), ["type": "scalar-decay"]), (.scalarDecay(gate: false), ["type": "scalar-decay", "gate": false]),
        (.linearAttention, ["type": "linear-attention"]),
        (.linearAttention(window: 3), ["type": "linear-attention", "window": 3]),
        (.delta, ["type": "delta"]), (.gatedDelta, ["type": "gated-delta"]), (.wkv, ["type": "wkv"]),
        (.selectiveDiagonal, ["type": "selective-diagonal"]),
        (.selectiveDiagonal(rank: 3), ["type": "selective-diagonal", "rank": 3]), (.diagonalSSM, ["type": "diagonal-ssm"]),
    ]
    /// Each with an interval of 3.
    private static let interactions: [(any InteractionConfiguration, ConfigurationValue.Map)] = [
        (.attention(heads: 4), ["type": "attention", "heads": 4, "interval": 3]),
        (
            .relational(heads: 2, hidden: 12),
            ["type": "relational", "heads": 2, "hidden": 12, "interval": 3]
        ),
        (
            .sparseAttention(2, heads: 2),
            ["type": "sparse-attention", "k": 2, "heads": 2, "interval": 3]
        ),
        (.lowRank(2), ["type": "low-rank", "rank": 2, "interval": 3]),
    ]
    private static let reads: [(any ReadoutConfiguration, ConfigurationValue.Map)] = [
        (.content, ["type": "content"]), (.linear, ["type": "linear"]), (.routed, ["type": "routed"]),
    ]

    private let shape: ModelConfiguration = {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 11), output: .pooled(classes: 3))
        (shape.width, shape.layers, shape.heads, shape.hidden) = (8, 2, 2, 12)
        return shape
    }()
    /// - Parameter sections: what a configuration says beside the number of states.
    private func expectSame(
        _ model: NSTMModel, _ sections: ConfigurationValue.Map, at location: SourceLocation = #_sourceLocation
    )
        throws
    {
        var map = sections
        map["states"] = 5
        let reader = ConfigurationReader(.map(map))
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, layers: 2, strategies: .standard)
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
        router: any RoutingConfiguration = .topK(2), update: any UpdateRuleConfiguration = .gatedSlots,
        interaction: (any InteractionConfiguration)? = nil, interval: Int = 64, read: (any ReadoutConfiguration)? = nil,
        window: Int? = nil, bidirectional: Bool = false, lifecycle: StateLifecycleConfiguration? = nil
    ) -> NSTMModel {
        NSTMModel(
            ParameterBuilder(seed: 1), shape, states: 5, router: router, update: update, interaction: interaction,
            interval: interval, read: read, window: window, bidirectional: bidirectional, lifecycle: lifecycle)
    }

    /// Every name has a value in Swift, so that what is new gets one.
    @Test func everyNameIsThere() {
        let s = Strategies.standard
        #expect(Set(CompositionTests.routers.map { s.routings.name(of: $0.0) }) == Set(s.routings.names))
        #expect(Set(CompositionTests.updates.map { s.updates.name(of: $0.0) }) == Set(s.updates.names))
        #expect(Set(CompositionTests.interactions.map { s.interactions.name(of: $0.0) }) == Set(s.interactions.names))
        #expect(Set(CompositionTests.reads.map { s.readouts.name(of: $0.0) }) == Set(s.readouts.names))
    }
    @Test(arguments: routers.indices) func router(_ i: Int) throws {
        let (choice, section) = CompositionTests.routers[i]
        try expectSame(model(router: choice), ["router": .map(section)])
    }
    @Test(arguments: updates.indices) func update(_ i: Int) throws {
        let (choice, section) = CompositionTests.updates[i]
        try expectSame(model(update: choice), ["router": ["type": "top-k", "k": 2], "update": .map(section)])
    }
    @Test(arguments: interactions.indices) func interaction(_ i: Int) throws {
        let (choice, section) = CompositionTests.interactions[i]
        try expectSame(
            model(interaction: choice, interval: 3), ["router": ["type": "top-k", "k": 2], "interaction": .map(section)])
    }
    @Test(arguments: reads.indices) func read(_ i: Int) throws {
        let (choice, section) = CompositionTests.reads[i]
        try expectSame(model(read: choice), ["router": ["type": "top-k", "k": 2], "read": .map(section)])
        var both = section
        both["window"] = 3
        try expectSame(model(read: choice, window: 3), ["router": ["type": "top-k", "k": 2], "read": .map(both)])
    }
    @Test func everythingAtOnce() throws {
        var lifecycle = StateLifecycleConfiguration()
        lifecycle.initialActive = 3
        try expectSame(
            model(
                router: .topK(2), update: .gatedDelta, interaction: .attention(heads: 2), interval: 4, window: 3,
                bidirectional: true, lifecycle: lifecycle),
            [
                "router": ["type": "top-k", "k": 2], "update": ["type": "gated-delta"],
                "interaction": ["type": "attention", "heads": 2, "interval": 4], "read": ["window": 3], "bidirectional": true,
                "lifecycle": ["initial-active": 3],
            ])
    }
    @Test func aLayerByItself() throws {
        let builder = ParameterBuilder(seed: 1)
        let layer = NSTMLayer(
            builder, width: 8, heads: 2, states: 5, router: .topK(2), update: .gatedDelta,
            interaction: .attention(heads: 4),
            interval: 3, window: 4)
        let reader = ConfigurationReader(
            .map([
                "states": 5, "router": ["type": "top-k", "k": 2], "update": ["type": "gated-delta"],
                "interaction": ["type": "attention", "heads": 4, "interval": 3], "read": ["window": 4],
            ]))
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard), other = ParameterBuilder(seed: 1)
        let twin = plan.layer(other, residual: .fanIn), x = Variable(random([2, 9, 8], "x", .float32))
        #expect(builder.store.all.map(\.path) == other.store.all.map(\.path))
        var none: MixerCache?
        let context = ForwardContext(.evaluate)
        #expect(same(layer(x, &none, context).value, twin(x, &none, context).value))
    }
    /// A value out of range is an issue of the program, with the message of a configuration.
    @Test func valuesOutOfRange() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = NSTMLayer(
                ParameterBuilder(seed: 1), width: 8, heads: 2, states: 4, router: .topK(9), update: .gatedSlots(timescale: 0))
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("router.k: 9 is outside 1...4") && text.contains("update.timescale: 0.0 is outside"))
    }
}
