import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// Activation of states within a sequence.
@Suite struct ActivationTests {
    private static let strategies = [
        ("top-k", "gated-slots", "none"), ("sinkhorn", "gated-slots", "attention"), ("softmax", "gru", "none"),
        ("balanced-top-k", "gated-slots", "low-rank"), ("round-robin", "gated-slots", "none"), ("random", "lstm", "relational"),
        ("content", "slot-attention", "sparse-attention"), ("gumbel", "gated-slots", "none"),
        ("hash", "independent-mechanisms", "none"),
    ]
    private func built(
        _ strategy: (String, String, String), above: Double = 0.6, budget: Int = 5, dtype: DType = .float64, states: Int = 6
    ) throws -> Built {
        let interaction: ConfigurationValue =
            strategy.2 == "none" ? ["type": "none"] : ["type": .string(strategy.2), "interval": 4]
        let reader = ConfigurationReader([
            "states": .int(states), "router": ["type": .string(strategy.0)], "update": ["type": .string(strategy.1)],
            "interaction": interaction,
            "lifecycle": [
                "activation": [
                    "type": "novelty", "interval": 3, "initial-active": 2, "above": .double(above), "max-active": .int(budget),
                ]
            ],
        ])
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        let builder = ParameterBuilder(seed: 1, dtype: dtype), layer = plan.layer(builder, residual: .fanIn)
        shake(builder.store, seed: 1)
        return Built(layer: layer, store: builder.store)
    }
    private func activity(_ m: Built, _ x: Tensor) -> [[Double]] {
        let context = ForwardContext(.evaluate)
        return rows(m.split(context.constant(x), [x.shape[1]], context).state["activity"]!.value)
    }
    private func joined(_ parts: [Tensor]) -> Tensor { .concatenate(parts, axis: 0) }

    @Test func sequencesUseAsManyStatesAsTheyNeed() throws {
        let one = random([1, 1, 8], "one").broadcast(to: [1, 13, 8]).contiguous(), many = random([1, 13, 8], "many")
        let counts = activity(try built(Self.strategies[0]), joined([one, many])).map { $0.reduce(0, +) }
        #expect(counts[0] < counts[1], "\(counts)")
        #expect(counts[0] >= 2 && counts[1] <= 5)
        // Nothing is novel enough, everything is, and the budget.
        #expect(activity(try built(Self.strategies[0], above: 2), many)[0] == [1, 1, 0, 0, 0, 0])
        #expect(activity(try built(Self.strategies[0], above: 0, budget: 3), many)[0].reduce(0, +) == 3)
        // Boundaries are before tokens 3, 6, 9 and 12.
        #expect(activity(try built(Self.strategies[0], above: 0, budget: 6), many)[0].reduce(0, +) == 6)
        #expect(activity(try built(Self.strategies[0], above: 0, budget: 6), many.slice(axis: 1, 0..<4))[0].reduce(0, +) == 3)
    }
    @Test(arguments: strategies) func neighborsDoNotMatter(_ strategy: (String, String, String)) throws {
        let m = try built(strategy), parts = (0..<3).map { random([1, 11, 8], "x\($0)") }
        let context = ForwardContext(.evaluate), all = m.whole(context.constant(joined(parts)), context).value
        for (b, x) in parts.enumerated() {
            let alone = ForwardContext(.evaluate)
            #expect(difference(all.slice(axis: 0, b..<b + 1), m.whole(alone.constant(x), alone).value) < 1e-12)
        }
        #expect(Set(activity(m, joined(parts))).count > 1, "all sequences use the same states")
    }
    @Test(arguments: strategies) func anySplitGivesTheSame(_ strategy: (String, String, String)) throws {
        let m = try built(strategy), x = random([2, 11, 8], "x")
        let context = ForwardContext(.evaluate), whole = m.whole(context.constant(x), context).value
        for seed in 0..<4 {
            let c = ForwardContext(.evaluate), lengths = parts(of: 11, RandomKey(UInt64(seed)))
            #expect(difference(m.split(c.constant(x), lengths, c).y.value, whole) < 1e-12)
        }
    }
    /// The content of a state that a sequence never activates has no effect and no gradient.
    @Test(arguments: strategies) func inactiveStatesContributeNothing(_ strategy: (String, String, String)) throws {
        let m = try built(strategy, budget: 3), x = random([2, 11, 8], "x"), used = activity(m, x)
        let unused = (0..<6).filter { n in used.allSatisfy { $0[n] == 0 } }
        #expect(!unused.isEmpty)
        // In evaluation, so that a random policy makes the same choices as above.
        let context = ForwardContext(.evaluate, recording: true), y = m.whole(context.constant(x), context)
        let gradient = weighted(y, "y").backward()[m.layer.manager.initialValues]!
        for n in unused { #expect(gradient.select(axis: 0, n).doubles().allSatisfy { $0 == 0 }) }
        for n in unused {
            m.layer.manager.initialValues.value.write(Tensor(repeating: Double.nan, [8], dtype: .float64), at: [.at(n)])
        }
        let again = ForwardContext(.evaluate, recording: true)
        #expect(same(m.whole(again.constant(x), again).value, y.value))
    }
    /// Without further activations the result equals that with the same states inactive for all sequences.
    @Test func equalsTheLayerWithFewerStates() throws {
        let m = try built(Self.strategies[0], above: 2)
        let x = random([2, 9, 8], "x"), context = ForwardContext(.evaluate)
        let y = m.whole(context.constant(x), context).value
        m.layer.manager.active = [true, true, false, false, false, false]
        let c = ForwardContext(.evaluate)
        #expect(difference(m.whole(c.constant(x), c).value, y) < 1e-12)
    }
    /// An output depends on no later token, though later tokens switch states on.
    @Test func isCausal() throws {
        let m = try built(Self.strategies[0], above: 0.5), x = random([1, 12, 8], "x"), other = random([1, 12, 8], "other")
        let context = ForwardContext(.evaluate), y = m.whole(context.constant(x), context).value
        for t in [2, 3, 5, 6, 9] {
            let mixed = Tensor.concatenate([x.slice(axis: 1, 0..<t), other.slice(axis: 1, t..<12)], axis: 1),
                c = ForwardContext(.evaluate)
            #expect(
                same(m.whole(c.constant(mixed), c).value.slice(axis: 1, 0..<t).contiguous(), y.slice(axis: 1, 0..<t).contiguous())
            )
        }
    }
}
