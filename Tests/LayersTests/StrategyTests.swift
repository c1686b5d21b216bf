import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

private var everyone: StateActivity { StateActivity(heads: 2) }

@Suite struct RoutingTests {
    private func logits(_ store: ParameterStore, _ x: Tensor, states: Int) throws -> [[Double]] {
        let w = rows(try #require(store["weight"]).value), b = try #require(store["bias"]).value.doubles()
        return rows(x).map { row in
            (0..<states).map { n in zip(w[n], row).reduce(b[n]) { (sum: Double, pair) in sum + pair.0 * pair.1 } }
        }
    }

    /// One nonlinearity only: σ of a linear map, by hand.
    @Test(arguments: [1, 2, 4, 6, nil]) func topKKeepsTheLargestGates(_ k: Int?) throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), policy = TopKRouting(builder, width: 8, states: 6, k: k)
        shake(builder.store, seed: 1)
        let x = random([2, 7, 8], "x")
        let weights = rows(TokenToStateRouter(policy)(Variable(x), everyone, ForwardContext(.evaluate)).value)
        for (got, z) in zip(weights, try logits(builder.store, x, states: 6)) {
            #expect(got.count { $0 != 0 } == k ?? 6)
            let threshold = z.sorted(by: >)[(k ?? 6) - 1]
            for (g, l) in zip(got, z) {
                if l >= threshold { #expect(abs(g - 1 / (1 + exp(-l))) < 1e-12) } else { #expect(g == 0) }
            }
        }
    }
    @Test func softmaxRowsAddUpToOne() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), policy = SoftmaxRouting(builder, width: 8, states: 6)
        shake(builder.store, seed: 1)
        let x = random([2, 7, 8], "x")
        let weights = rows(TokenToStateRouter(policy)(Variable(x), everyone, ForwardContext(.evaluate)).value)
        for (got, z) in zip(weights, try logits(builder.store, x, states: 6)) {
            #expect(abs(got.reduce(0, +) - 1) < 1e-14)
            let sum = z.reduce(0) { $0 + exp($1) }
            for (g, l) in zip(got, z) { #expect(abs(g - exp(l) / sum) < 1e-12) }
        }
    }
    /// Inactive states are not among the k and have no weight in a softmax.
    @Test(arguments: [DType.float32, .float64]) func inactiveStatesDoNotCompete(_ dtype: DType) {
        let activity = StateActivity(mask: Tensor([1, 0, 0, 1, 0, 1.0]).cast(to: dtype), heads: 2)
        let x = Variable(random([2, 9, 8], "x", dtype)), context = ForwardContext(.evaluate)
        func run(_ policy: (ParameterBuilder) -> any RoutingPolicy) -> [[Double]] {
            let builder = ParameterBuilder(seed: 1, dtype: dtype), router = TokenToStateRouter(policy(builder))
            shake(builder.store, seed: 1)
            return rows(router(x, activity, context).value)
        }
        for row in run({ TopKRouting($0, width: 8, states: 6, k: 2) }) {
            #expect(row.count { $0 != 0 } == 2)
            #expect(row[1] == 0 && row[2] == 0 && row[4] == 0)
        }
        // k is above the number of active states.
        for row in run({ TopKRouting($0, width: 8, states: 6, k: 4) }) {
            #expect(row.map { $0 != 0 } == [true, false, false, true, false, true])
        }
        for row in run({ SoftmaxRouting($0, width: 8, states: 6) }) {
            #expect(abs(row.reduce(0, +) - 1) < 1e-6)
            #expect(row[1] == 0 && row[2] == 0 && row[4] == 0)
        }
    }
    @Test(arguments: Recipe.Rule.allCases) func unroutedStatesStayAsTheyAre(_ rule: Recipe.Rule) throws {
        let m = try Recipe(rule: rule).built(dtype: .float32), start = m.layer.initialState(batch: 1, ForwardContext(.evaluate))
        for i in 0..<10 {
            let context = ForwardContext(.evaluate), x = context.constant(random([1, 1, 8], "x\(i)", .float32))
            let routed = rows(m.layer.router(x, everyone, context).value)[0]
            var state: MixerCache? = start
            _ = m.layer(x, &state, context)
            for n in 0..<5 {
                for part in ["keys", "values"] {
                    let unchanged = same(state![part]!.value.select(axis: 1, n), start[part]!.value.select(axis: 1, n))
                    if rule.isLinear && part == "keys" {
                        #expect(unchanged)
                    } else if routed[n] == 0 || rule != .mechanisms {
                        // Independent mechanisms choose among the routed states once more.
                        #expect(unchanged == (routed[n] == 0))
                    }
                }
            }
        }
    }
}

@Suite struct StateAttentionTests {
    private func bank() -> StateBank {
        StateBank(keys: Variable(random([2, 5, 8], "keys")), values: Variable(random([2, 5, 8], "values")), activity: everyone)
    }

    @Test func isUsedFromTheFirstMultipleOfTheIntervalOn() throws {
        let with = try Recipe(interacts: true).built(), without = try Recipe().built()
        for p in without.store.all { #expect(same(p.value, try #require(with.store[p.path]).value)) }
        let context = ForwardContext(.evaluate), x = context.constant(random([1, 9, 8], "x"))
        let a = with.whole(x, context).value, b = without.whole(x, context).value
        #expect(same(a.slice(axis: 1, 0..<4), b.slice(axis: 1, 0..<4)))
        for t in 4..<9 { #expect(difference(a.select(axis: 1, t), b.select(axis: 1, t)) > 1e-3) }
    }
    /// States with equal contents diverge, because their learned identities differ.
    @Test func identitiesTellStatesApart() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let attention = StateAttentionInteraction(builder, width: 8, states: 5, heads: 2)
        var states = bank()
        states.values = Variable(random([1, 1, 8], "v").broadcast(to: [2, 5, 8]))
        let after = attention(states, ForwardContext(.evaluate)).values.value
        for n in 1..<5 { #expect(difference(after.select(axis: 1, 0), after.select(axis: 1, n)) > 1e-8) }
        #expect(same(after.select(axis: 0, 0), after.select(axis: 0, 1)))
    }
    @Test func doesNotDependOnTheOrderOfStates() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let attention = StateAttentionInteraction(builder, width: 8, states: 5, heads: 2)
        let order = [3, 0, 4, 1, 2], context = ForwardContext(.evaluate), states = bank()
        let after = attention(states, context).values.value
        let identity = try #require(builder.store["identity"])
        identity.value = .stack(order.map { identity.value.select(axis: 0, $0) }, axis: 0)
        var shuffled = states
        shuffled.values = Variable(.stack(order.map { states.values.value.select(axis: 1, $0) }, axis: 1))
        let expected = Tensor.stack(order.map { after.select(axis: 1, $0) }, axis: 1)
        #expect(difference(attention(shuffled, context).values.value, expected) < 1e-12)
    }
}

@Suite struct HardConcreteTests {
    /// By Louizos et al., 2018 with β = 2/3 and the interval −0.1 … 1.1.
    @Test(arguments: [(0.0, 0.8318221840, 0.5), (2, 0.9733666553, 0.9569564936), (-2, 0.4009752644, 0.0430435065)])
    func goldenValues(_ logit: Double, _ open: Double, _ gate: Double) {
        let x = Variable(Tensor([logit]))
        #expect(abs(HardConcrete.expectedOpen(x).value.item() - open) < 1e-10)
        #expect(abs(HardConcrete.gate(x, ForwardContext(.evaluate)).value.item() - gate) < 1e-10)
        let manager = StateManager(ParameterBuilder(seed: 1, dtype: .float64), width: 2, states: 1, heads: 1, l0Penalty: 0)
        manager.gateLogits!.value = Tensor([logit])
        #expect(abs(manager.l0Gates[0] - gate) < 1e-10)
    }
    /// Draws are nonzero with the frequency P(z ≠ 0), and exactly 0 or 1 with finite probability.
    @Test func drawsFollowTheDistribution() {
        let n = 40_000
        for (logit, open) in [(0.0, 0.8318221840), (-2, 0.4009752644)] {
            let z = HardConcrete.gate(
                Variable(Tensor(repeating: logit, [n], dtype: .float64)), ForwardContext(.train, key: RandomKey(4))
            ).value.doubles()
            #expect(abs(Double(z.count { $0 > 0 }) / Double(n) - open) < 0.01)
            // P(z = 1) = 1 − P(s < 1/1.1·…): by symmetry P(open) of −logit is 1 − P(z = 1) of logit.
            let mirrored = HardConcrete.expectedOpen(Variable(Tensor([-logit]))).value.item()
            #expect(abs(Double(z.count { $0 == 1 }) / Double(n) - (1 - mirrored)) < 0.01)
            #expect(z.allSatisfy { $0 >= 0 && $0 <= 1 })
        }
    }
    @Test func taskAndPenaltyBothMoveTheGates() throws {
        let m = try Recipe(keep: true).built()
        let context = ForwardContext(.train, key: RandomKey(1)), y = m.whole(context.constant(random([2, 9, 8], "x")), context)
        let penalty = try #require(context.auxiliaryLosses.first)
        #expect(context.auxiliaryLosses.count == 1 && penalty.name == "keep")
        let logits = try #require(m.layer.manager.gateLogits)
        let expected = 0.1 * logits.value.doubles().reduce(0) { $0 + 1 / (1 + exp(-($1 - 2.0 / 3 * log(0.1 / 1.1)))) }
        #expect(abs(penalty.value.value.item() - expected) < 1e-12)
        let task = weighted(y, "y").backward()
        #expect(largest(try #require(task[logits])) > 0)
        let again = ForwardContext(.train, key: RandomKey(1))
        _ = m.whole(again.constant(random([2, 9, 8], "x")), again)
        let g = try #require(again.auxiliaryLosses[0].value.backward()[logits]).doubles()
        #expect(g.allSatisfy { $0 > 0 })
    }
    @Test func evaluationIsDeterministicAndTrainingIsDrawnFromTheKey() throws {
        let m = try Recipe(keep: true).built(), x = random([2, 9, 8], "x")
        func run(_ mode: ForwardContext.Mode, _ key: UInt64) -> Tensor {
            let context = ForwardContext(mode, key: RandomKey(key))
            return m.whole(context.constant(x), context).value
        }
        #expect(same(run(.evaluate, 1), run(.evaluate, 2)))
        #expect(same(run(.train, 1), run(.train, 1)))
        #expect(!same(run(.train, 1), run(.train, 2)))
        let context = ForwardContext(.evaluate)
        _ = m.whole(context.constant(x), context)
        #expect(context.auxiliaryLosses.isEmpty)
    }
    @Test func atLeastOneStateStaysActive() async {
        await #expect(processExitsWith: .failure) {
            StateManager(ParameterBuilder(seed: 1), width: 2, states: 2, heads: 1).active = [false, false]
        }
    }
}

/// A third-party rule: states decay at a fixed rate.
private final class Leaky: TokenDrivenUpdateRule {
    let rate: Double
    init(rate: Double) { self.rate = rate }
    func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> ConvexUpdate {
        ConvexUpdate(write: routing * rate)
    }
    struct Configuration: UpdateRuleConfiguration {
        static let type = "leaky"
        static let summary = "states that forget at a fixed rate"
        var rate = 0.5
        mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            rate = reader.double("rate", default: rate, in: 0...1)
        }
        func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule { Leaky(rate: rate) }
    }
}

@Suite struct RegistryTests {
    private func issues(_ config: ConfigurationValue, _ strategies: Strategies = .standard) -> [String] {
        let reader = ConfigurationReader(config)
        _ = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: strategies)
        reader.finish()
        return reader.issues.map(\.description)
    }
    @Test func unknownNamesListTheKnownOnes() {
        let found = issues([
            "router": ["type": "top_k"], "update": ["type": "elman"], "interaction": ["type": "atention"],
            "read": ["type": "x"],
        ])
        #expect(found.count == 4)
        for (start, end) in [
            (
                "router.type: unknown routing policy 'top_k'; did you mean 'top-k'?",
                "known names: all, balanced-top-k, content, gumbel, hash, pointer, random, round-robin, sigmoid, sinkhorn, softmax, top-k"
            ),
            (
                "update.type: unknown update rule 'elman'",
                "known names: content-slots, delta, diagonal-ssm, gated-delta, gated-linear, gated-slots, gru, independent-mechanisms, "
                    + "linear-attention, lstm, min-gru, min-lstm, scalar-decay, selective-diagonal, slot-attention, wkv"
            ),
            (
                "interaction.type: 'atention' is not a choice; did you mean 'attention'?",
                "known choices: none, attention, low-rank, relational, sparse-attention"
            ),
            ("read.type: unknown readout 'x'", "known names: content, linear, routed"),
        ] { #expect(found.count { $0.hasPrefix(start) && $0.hasSuffix(end) } == 1, "\(start) in \(found)") }
    }
    @Test func allFaultsComeAtOnce() {
        let found = issues([
            "states": 0, "convolution": "four", "l0-penalty": -1, "widht": 3, "router": ["type": "top-k", "k": 99],
            "update": ["timescale": 0.5, "gate": true], "interaction": ["type": "attention", "heads": 3, "interval": 0],
            "read": ["window": 0],
        ])
        for path in [
            "states", "convolution", "l0-penalty", "widht", "router.k", "update.timescale", "update.gate", "interaction.heads",
            "interaction.interval", "read.window",
        ] { #expect(found.count { $0.hasPrefix(path + ":") } == 1, "\(path) in \(found)") }
        #expect(found.count == 10)
    }
    @Test func defaultsAreTheFlagship() throws {
        let reader = ConfigurationReader([:])
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        try reader.throwIfInvalid()
        let layer = plan.layer(ParameterBuilder(seed: 1), residual: .zeros)
        #expect(layer.manager.count == 32 && layer.attention.window == nil && layer.propagator.interaction == nil)
        #expect((layer.router.policy as? TopKRouting)?.k == 4)
        #expect((layer.propagator.rule as? GatedSlotsRule)?.timescale == 1)
        // What was read, written down, reads the same.
        let again = ConfigurationReader(reader.resolved)
        _ = NSTMLayer.Configuration(again, width: 8, heads: 2, strategies: .standard)
        again.finish()
        #expect(again.issues.isEmpty && again.resolved == reader.resolved)
    }
    @Test func everyRecipeReadsBack() throws {
        for recipe in Recipe.all {
            let reader = ConfigurationReader(recipe.config)
            _ = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
            reader.finish()
            try reader.throwIfInvalid()
            let again = ConfigurationReader(reader.resolved)
            _ = NSTMLayer.Configuration(again, width: 8, heads: 2, strategies: .standard)
            again.finish()
            #expect(again.issues.isEmpty && again.resolved == reader.resolved)
        }
    }
    @Test func aRuleOfOnesOwnIsBuilt() throws {
        var strategies = Strategies.standard
        strategies.updates.register(Leaky.Configuration.self)
        #expect(issues(["update": ["type": "leaky", "rate": 2]], strategies) == ["update.rate: 2.0 is outside 0.0...1.0"])
        #expect(issues(["update": ["type": "leaky"]])[0].contains("unknown update rule 'leaky'"))
        let reader = ConfigurationReader(["update": ["type": "leaky", "rate": 0.25]])
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: strategies)
        try reader.throwIfInvalid()
        let layer = plan.layer(ParameterBuilder(seed: 1), residual: .fanIn)
        #expect((layer.propagator.rule as? Leaky)?.rate == 0.25)
        var none: MixerCache?
        let y = layer(Variable(random([1, 3, 8], "x", .float32)), &none, ForwardContext(.evaluate))
        #expect(y.value.firstNonFinite() == nil)
    }
}
