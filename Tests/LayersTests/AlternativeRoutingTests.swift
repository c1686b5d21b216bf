import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// The routing policies beside top-k, sigmoid and softmax, against their formulas.
@Suite struct AlternativeRoutingTests {
    private let everyone = StateActivity(heads: 2)
    private let evaluation = ForwardContext(.evaluate)

    /// A policy of 6 states for tokens of width 8, with parameters shifted away from their initial values.
    private func built<P: RoutingPolicy>(_ make: (ParameterBuilder) -> P) -> (P, ParameterStore) {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), policy = make(builder)
        shake(builder.store, seed: 1)
        return (policy, builder.store)
    }
    private func logits(_ projection: Linear, _ x: Tensor) -> [Row] {
        rows(x).map { added(map($0, rows(projection.weight.value)), projection.bias!.value.doubles()) }
    }

    // MARK: Gumbel

    @Test(arguments: [1, 2, 6, 9]) func gumbelEvaluatesToTheLargest(_ k: Int) {
        let (policy, _) = built { GumbelRouting($0, width: 8, states: 6, k: k) }
        let x = random([2, 7, 8], "x"), weights = policy(Variable(x), everyone, position: 0, evaluation).value
        #expect(rows(weights) == logits(policy.projection, x).map { largest($0, k) })
    }
    /// The first of k draws selects a state with the probability of the softmax (the Gumbel-max trick).
    @Test func gumbelDrawsFollowTheSoftmax() {
        let (policy, _) = built { GumbelRouting($0, width: 8, states: 4, k: 1) }
        let x = random([1, 1, 8], "x").affine(0.3), n = 20_000
        let weights = policy(
            Variable(x.broadcast(to: [2, n / 2, 8])), everyone, position: 0, ForwardContext(.train, key: RandomKey(4)))
        let counts = weights.value.sum(axes: [0, 1]).doubles()
        for (count, p) in zip(counts, softmax(logits(policy.projection, x)[0])) { #expect(abs(count / Double(n) - p) < 0.015) }
    }
    /// Any split of the tokens draws the same; other positions, sequences and keys draw otherwise.
    @Test func gumbelDrawsByPosition() {
        let (policy, _) = built { GumbelRouting($0, width: 8, states: 6, k: 2) }
        let x = random([1, 1, 8], "x").broadcast(to: [2, 40, 8])
        func draw(_ range: Range<Int>, _ key: UInt64 = 4) -> Tensor {
            policy(
                Variable(x.slice(axis: 1, range)), everyone, position: range.lowerBound,
                ForwardContext(.train, key: RandomKey(key))
            )
            .value
        }
        let whole = draw(0..<40)
        #expect(same(.concatenate([draw(0..<7), draw(7..<8), draw(8..<40)], axis: 1), whole))
        #expect(!same(draw(0..<40, 5), whole) && !same(whole.select(axis: 0, 0), whole.select(axis: 0, 1)))
        #expect(!same(whole.slice(axis: 1, 0..<20), whole.slice(axis: 1, 20..<40)))
    }
    /// The gradient is that of the softmax, independent of the selection.
    @Test func gumbelGradientIsThatOfTheSoftmax() throws {
        let (policy, store) = built { GumbelRouting($0, width: 8, states: 6, k: 2, temperature: 0.7) }
        let x = random([2, 3, 8], "x"), context = ForwardContext(.evaluate, recording: true), other = ForwardContext(.train)
        let straight = weighted(policy(context.constant(x), everyone, position: 0, context), "w").backward()
        let soft = weighted((policy.projection(other.constant(x), other) / 0.7).softmax(), "w").backward()
        for p in store.all { #expect(difference(try #require(straight[p]), try #require(soft[p])) < 1e-14) }
    }

    // MARK: Balanced top-k

    @Test func theSelectionBiasSelectsAndDoesNotWeigh() {
        let (policy, _) = built { BalancedTopKRouting($0, width: 8, states: 6, k: 2) }
        policy.selectionBias.value = random([6], "bias").affine(2)
        let x = random([2, 30, 8], "x"), z = logits(policy.projection, x), s = policy.selectionBias.value.doubles()
        let expected = z.map { z in zip(z, largest(added(z, s), 2)).map { sigmoid($0) * $1 } }
        #expect(near(rows(policy(Variable(x), everyone, position: 0, evaluation).value), expected))
        #expect(z.contains { largest($0, 2) != largest(added($0, s), 2) })
    }
    /// s ← s + rate · sign(mean − load), once for a backward pass and never otherwise; inactive states have no part in it.
    @Test(arguments: [false, true]) func theSelectionBiasMovesAgainstTheLoad(_ recompute: Bool) {
        let (policy, _) = built { BalancedTopKRouting($0, width: 8, states: 6, k: 2, rate: 0.25) }
        let activity = StateActivity(mask: Tensor([1.0, 1, 1, 0, 1, 1]), heads: 2), x = random([2, 30, 8], "x")
        let z = logits(policy.projection, x).map { z in z.enumerated().map { $0.offset == 3 ? -.infinity : $0.element } }
        let load = z.reduce(Row(repeating: 0, count: 6)) { added($0, largest($1, 2)) }
        let expected: Row = load.enumerated().map { $0 == 3 ? 0 : $1 < 24 ? 0.25 : $1 > 24 ? -0.25 : 0 }
        func weights(_ context: ForwardContext) -> Variable {
            let input = context.input(x)
            return recompute
                ? context.checkpointed(input) { policy($1, activity, position: 0, $0) }
                : policy(input, activity, position: 0, context)
        }
        _ = weights(ForwardContext(.evaluate, recording: true)).sum().backward()
        let y = weights(ForwardContext(.train))
        #expect(policy.selectionBias.value.doubles() == Row(repeating: 0, count: 6))
        let g = y.sum().backward()
        #expect(policy.selectionBias.value.doubles() == expected && expected.contains(0.25) && expected.contains(-0.25))
        #expect(g.paths == ["weight", "bias"] && !policy.selectionBias.isTrainable)
    }
    @Test func loadsEvenOut() {
        let (policy, _) = built { BalancedTopKRouting($0, width: 8, states: 6, k: 1, rate: 0.05) }
        func spread() -> Double {
            let load = policy(Variable(random([1, 600, 8], "x")), everyone, position: 0, evaluation).value
            let counts = rows(load).reduce(Row(repeating: 0, count: 6)) { added($0, $1.map { $0 > 0 ? 1 : 0 }) }
            return counts.max()! - counts.min()!
        }
        let before = spread()
        for i in 0..<100 {
            let context = ForwardContext(.train)
            _ = policy(context.constant(random([1, 200, 8], "step \(i)")), everyone, position: 0, context).sum().backward()
        }
        #expect(before > 80 && spread() < before / 2)
    }
    @Test func balanceAndEntropyLossesFollowTheirFormulas() throws {
        let (policy, _) = built { BalancedTopKRouting($0, width: 8, states: 6, k: 2, balanceLoss: 0.5, entropyLoss: 0.25) }
        let activity = StateActivity(mask: Tensor([1.0, 1, 1, 0, 1, 1]), heads: 2), x = random([2, 30, 8], "x")
        let context = ForwardContext(.train)
        _ = policy(context.constant(x), activity, position: 0, context)
        let z = logits(policy.projection, x).map { z in z.enumerated().map { $0.offset == 3 ? -.infinity : $0.element } }
        let p = z.map { softmax($0) }, choices = z.map { largest($0, 2) }
        var balance = 0.0, entropy = 0.0
        for n in [0, 1, 2, 4, 5] {
            let share = choices.reduce(0.0) { $0 + $1[n] } / 120
            balance += share * p.reduce(0.0) { $0 + $1[n] } / 60
            entropy -= p.reduce(0.0) { $0 + $1[n] * log($1[n]) } / 60
        }
        #expect(context.auxiliaryLosses.map(\.name) == ["balance", "entropy"])
        #expect(abs(context.auxiliaryLosses[0].value.value.item() - 0.5 * 5 * balance) < 1e-12)
        #expect(abs(context.auxiliaryLosses[1].value.value.item() - 0.25 * entropy) < 1e-12)
        for (_, loss) in context.auxiliaryLosses.suffix(1) { #expect(loss.backward().firstNonFinite == nil) }
        // Not in evaluation.
        _ = policy(Variable(x), activity, position: 0, evaluation)
        #expect(evaluation.auxiliaryLosses.isEmpty)
    }

    // MARK: Sinkhorn

    @Test(arguments: [1, 3]) func sinkhornFollowsItsFormula(_ iterations: Int) {
        let (policy, _) = built { SinkhornRouting($0, width: 8, states: 6, iterations: iterations, memory: 5) }
        let x = random([1, 12, 8], "x")
        var m = Array(repeating: Row(repeating: 0, count: 6), count: iterations), expected: [Row] = []
        for z in logits(policy.projection, x) {
            var w = softmax(z)
            for i in 0..<iterations {
                m[i] = zip(m[i], w).map { 0.8 * $0 + $1 }
                let raw = zip(w, m[i]).map { $0 / (1 + $1) }, sum = raw.reduce(0, +)
                w = raw.map { $0 / sum }
            }
            expected.append(w)
        }
        #expect(near(rows(policy(Variable(x), everyone, position: 0, evaluation).value), expected))
    }
    /// A state that the softmax prefers throughout gets less than there, and no token waits for a later one.
    @Test func sinkhornEvensTheLoad() {
        let (policy, _) = built { SinkhornRouting($0, width: 8, states: 6, memory: 200) }
        policy.projection.bias!.value = Tensor([3.0, 0, 0, 0, 0, -2])
        let x = random([1, 400, 8], "x")
        let load = policy(Variable(x), everyone, position: 0, evaluation).value.slice(axis: 1, 200..<400).mean(axes: [0, 1])
            .doubles()
        let plain = policy.projection(Variable(x), evaluation).softmax().value.mean(axes: [0, 1]).doubles()
        #expect(plain.max()! > 0.5 && plain.min()! < 0.02)
        #expect(load.max()! < 0.25 && load.min()! > 0.1)
    }

    // MARK: Content

    @Test(arguments: [2, nil]) func contentIsAddressedByCosines(_ k: Int?) throws {
        let (policy, store) = built { ContentRouting($0, width: 8, states: 6, k: k) }
        let x = random([1, 12, 8], "x"), identities = rows(policy.identities.value)
        let beta = exp(try #require(store["logInverseTemperature"]).value.item())
        func unit(_ a: Row) -> Row { a.map { $0 / (dot(a, a) + 1e-6).squareRoot() } }
        let expected = rows(x).map { x -> Row in
            let q = unit(map(x, rows(policy.query.weight.value))), z = identities.map { beta * dot(q, unit($0)) }
            return softmax(zip(z, largest(z, k ?? 6)).map { $1 > 0 ? $0 : -.infinity })
        }
        let got = rows(policy(Variable(x), everyone, position: 0, evaluation).value)
        #expect(near(got, expected))
        for row in got { #expect(row.count { $0 != 0 } == k ?? 6) }
    }

    // MARK: Fixed

    @Test func roundRobinTakesOneActiveStateAfterTheOther() {
        let policy = RoundRobinRouting(states: 4, strength: 0.5), x = Variable(random([2, 5, 8], "x", .float32))
        let all = rows(policy(x, everyone, position: 6, evaluation).value)
        for t in 0..<10 { #expect(all[t] == (0..<4).map { $0 == (6 + t % 5) % 4 ? 0.5 : 0 }) }
        let mask = StateActivity(mask: Tensor([0.0, 1, 0, 1]), heads: 2)
        let masked = rows(policy(x, mask, position: 0, evaluation).value)
        for t in 0..<5 { #expect(masked[t] == (t % 2 == 0 ? [0, 0.5, 0, 0] : [0, 0, 0, 0.5])) }
    }
    @Test func randomDrawsEvenlyByPositionOnly() {
        let (policy, store) = built { RandomRouting($0.child("router"), states: 6, k: 2, strength: 0.75) }
        let x = Variable(random([2, 6000, 8], "x", .float32)), y = policy(x, everyone, position: 0, evaluation).value
        #expect(store.all.isEmpty && same(y.select(axis: 0, 0), y.select(axis: 0, 1)))
        for row in rows(y) { #expect(row.count { $0 == 0.75 } == 2 && row.count { $0 == 0 } == 4) }
        for n in y.select(axis: 0, 0).sum(axes: [0]).doubles() { #expect(abs(n / 0.75 - 2000) < 150) }
        let training = policy(x, everyone, position: 0, ForwardContext(.train, key: RandomKey(9))).value
        #expect(same(training, y))
        let part = Variable(random([1, 5, 8], "part", .float32))
        #expect(same(policy(part, everyone, position: 11, evaluation).value, y.slice(axis: 0, 0..<1).slice(axis: 1, 11..<16)))
        let (elsewhere, _) = built { RandomRouting($0.child("other"), states: 6, k: 2, strength: 0.75) }
        #expect(!same(elsewhere(x, everyone, position: 0, evaluation).value, y))
    }
    @Test func hashSendsAlikeTokensToTheSameStates() {
        let (policy, store) = built { HashRouting($0, width: 8, states: 6, k: 2, strength: 0.5) }
        #expect(store.trainableCount == 0 && store.all.map(\.path) == ["directions"])
        let x = random([1, 50, 8], "x"), directions = rows(policy.directions.value)
        let weights = rows(policy(Variable(x), everyone, position: 0, evaluation).value)
        #expect(weights == rows(x).map { largest(map($0, directions), 2).map { 0.5 * $0 } })
        // Neither the length nor the position of a token matters.
        #expect(rows(policy(Variable(x.affine(3)), everyone, position: 17, evaluation).value) == weights)
        #expect(Set(weights).count > 6)
    }
    /// All policies give inactive states weight 0, also if fewer than k or no states are active.
    @Test(arguments: Strategies.standard.routings.names) func inactiveStatesGetNothing(_ name: String) throws {
        for flags in [[1.0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]] {
            let reader = ConfigurationReader(["type": .string(name)]),
                dimensions = LayerDimensions(width: 8, heads: 2, states: 6)
            let policy = reader.value(in: Strategies.standard.routings, default: .softmax, dimensions)
            try reader.throwIfInvalid()
            let router = TokenToStateRouter(policy.make(ParameterBuilder(seed: 1, dtype: .float64), dimensions))
            let context = ForwardContext(.train), x = context.input(random([2, 9, 8], "x"))
            let y = router(x, StateActivity(mask: Tensor(flags), heads: 2), context)
            for row in rows(y.value) {
                #expect(row.allSatisfy { $0 >= 0 && $0 <= 1 })
                for n in 0..<6 where flags[n] == 0 { #expect(row[n] == 0) }
                #expect(row.contains { $0 > 0 } == flags.contains(1))
            }
            if y.isRecorded { #expect(weighted(y, "y").backward().firstNonFinite == nil) }
        }
    }

    // MARK: Content of states

    /// Token by token: the softmax of cosines with the keys that the states held before the last multiple of the interval.
    @Test(arguments: [nil, 2]) func contentOfStatesByHand(_ k: Int?) throws {
        let recipe = Recipe(rule: .slow), builder = ParameterBuilder(seed: 1, dtype: .float64), interval = 3
        let policy = { (p: ParameterBuilder) in StateContentRouting(p, width: 8, states: 5, k: k, interval: interval) }
        let layer = NSTMLayer(
            builder, width: 8, heads: 2, states: 5,
            parts: .init(routing: policy, update: { try! recipe.rule.built($0, width: 8, heads: 2, states: 5) }))
        shake(builder.store, seed: 1)
        let router = try #require(layer.router.policy as? StateContentRouting), x = random([1, 10, 8], "x")
        let beta = exp(router.logInverseTemperature.value.item()), context = ForwardContext(.evaluate)
        func unit(_ v: Row) -> Row { v.map { $0 / sqrt(v.reduce(0) { $0 + $1 * $1 }) } }
        /// Write weights of the tokens, [N] each.
        final class Watcher: ForwardContext.Observer {
            var writes: [Row] = []
            func wants(_ name: String, at path: String) -> Bool { name == "write" }
            func observe(_ name: String, _ value: Tensor, at path: String) { writes += rows(value) }
        }
        let observer = Watcher()
        var none: MixerCache?
        let watched = ForwardContext(.evaluate)
        watched.observer = observer
        _ = layer(Variable(x), &none, watched)
        var state: MixerCache? = layer.initialState(batch: 1, context), keys: [Row] = []
        for t in 0..<10 {
            if t % interval == 0 { keys = rows(state!["keys"]!.value) }
            let q = unit(map(rows(x)[t], rows(router.query.weight.value)))
            var scores = keys.map { key in beta * zip(q, unit(key)).reduce(0) { $0 + $1.0 * $1.1 } }
            if let k {
                let kept = largest(scores, k)
                scores = zip(scores, kept).map { $1 > 0 ? $0 : -.infinity }
            }
            for (got, expected) in zip(observer.writes[t], softmax(scores)) { #expect(abs(got - expected) < 1e-6) }
            _ = layer(Variable(x.slice(axis: 1, t..<t + 1)), &state, context)
        }
        // They do depend on what was written.
        #expect(difference(state!["keys"]!.value, layer.initialState(batch: 1, context)["keys"]!.value) > 0.1)
    }
}
