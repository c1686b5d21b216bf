import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// The state interactions.
@Suite struct InteractionTests {
    private func bank(_ activity: StateActivity = StateActivity(heads: 2)) -> StateBank {
        StateBank(keys: Variable(random([2, 5, 8], "keys")), values: Variable(random([2, 5, 8], "values")), activity: activity)
    }
    private func built(_ name: String, shaken: Bool = false) throws -> (any StateInteraction, ParameterStore) {
        let reader = ConfigurationReader(["type": .string(name)]), dimensions = LayerDimensions(width: 8, heads: 2, states: 5)
        let settings = reader.value(in: Strategies.standard.interactions, default: .attention(), dimensions)
        try reader.throwIfInvalid()
        let builder = ParameterBuilder(seed: 1, dtype: .float64), interaction = settings.make(builder, dimensions)
        if shaken { shake(builder.store, seed: 1) }
        return (interaction, builder.store)
    }

    @Test(arguments: Strategies.standard.interactions.names) func startsNearTheIdentityAndKeepsKeys(_ name: String) throws {
        let before = bank(), after = try built(name).0(before, ForwardContext(.evaluate))
        #expect(same(before.keys.value, after.keys.value))
        let change = (after.values.value - before.values.value).sumOfSquares().squareRoot()
        #expect(change > 0 && change / before.values.value.sumOfSquares().squareRoot() < 0.25)
    }
    @Test(arguments: Strategies.standard.interactions.names) func everyPartGetsAGradient(_ name: String) throws {
        let (interaction, store) = try built(name)
        let gradients = weighted(interaction(bank(), ForwardContext(.train)).values, "v").backward()
        #expect(gradients.paths == store.all.map(\.path))
        gradients.forEach { p, gradient in #expect(largest(gradient) > 0, "\(p.path)") }
    }
    /// A mean of what was there and something of length √D.
    @Test(arguments: Strategies.standard.interactions.names) func statesStayBoundedUnderRepetition(_ name: String) throws {
        let (interaction, store) = try built(name, shaken: true)
        var states = bank()
        states.values = states.values * 100
        for _ in 0..<500 { states = interaction(states, ForwardContext(.evaluate)) }
        let gain = largest(try #require(store["outputNorm.gain"]).value)
        #expect(largest(states.values.value) <= gain * 8.0.squareRoot() + 1e-9)
    }
    /// Inactive states have no influence and do not change; without active states nothing changes.
    @Test(arguments: Strategies.standard.interactions.names) func inactiveStatesHaveNoInfluence(_ name: String) throws {
        let (interaction, _) = try built(name, shaken: true), hidden = -Double.infinity
        let activity = StateActivity(
            readBias: Variable(Tensor([0, hidden, -0.5, 0, hidden, 0, hidden, -0.5, 0, hidden], [2, 5])),
            mask: Tensor([1.0, 0, 1, 1, 0]), heads: 2)
        let one = bank(activity)
        var other = one
        let noise = random([2, 5, 8], "noise")
        other.values = Variable(
            .stack((0..<5).map { ([1, 4].contains($0) ? noise : one.values.value).select(axis: 1, $0) }, axis: 1))
        let a = interaction(one, ForwardContext(.evaluate)).values.value
        let b = interaction(other, ForwardContext(.evaluate)).values.value
        for n in 0..<5 {
            if [1, 4].contains(n) {
                #expect(
                    same(a.select(axis: 1, n), one.values.value.select(axis: 1, n))
                        && same(b.select(axis: 1, n), noise.select(axis: 1, n)))
            } else {
                #expect(
                    same(a.select(axis: 1, n), b.select(axis: 1, n))
                        && !same(a.select(axis: 1, n), one.values.value.select(axis: 1, n)))
            }
        }
        let nobody = bank(
            StateActivity(
                readBias: Variable(Tensor(repeating: hidden, [2, 5], dtype: .float64)), mask: .zeros([5], dtype: .float64),
                heads: 2))
        #expect(same(interaction(nobody, ForwardContext(.evaluate)).values.value, nobody.values.value))
    }

    /// With k = N it is plain attention.
    @Test func sparseAttentionToAllIsAttention() throws {
        let (dense, store) = try built("attention", shaken: true)
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let sparse = SparseAttentionInteraction(builder, width: 8, states: 5, heads: 2, k: 5)
        for p in builder.store.all { p.value = try #require(store[p.path]).value }
        #expect(store.all.map(\.path) == builder.store.all.map(\.path))
        let activity = StateActivity(readBias: Variable(random([2, 5], "bias")), heads: 2)
        let a = dense(bank(activity), ForwardContext(.evaluate)), b = sparse(bank(activity), ForwardContext(.evaluate))
        #expect(difference(a.values.value, b.values.value) < 1e-12)
    }

    private func change(_ old: Row, _ attended: Row, _ p: (String) throws -> [Row]) rethrows -> Row {
        let keep = try p("balance")[0].map { sigmoid($0) }, new = rms(attended, try p("outputNorm.gain")[0])
        return old.indices.map { keep[$0] * old[$0] + (1 - keep[$0]) * new[$0] }
    }

    /// Each head of a state attends to its 2 best of 5.
    @Test func sparseAttentionFollowsItsFormula() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let interaction = SparseAttentionInteraction(builder, width: 8, states: 5, heads: 2, k: 2)
        shake(builder.store, seed: 1)
        func p(_ path: String) throws -> [Row] { rows(try #require(builder.store[path]).value) }
        let states = bank(), v = rows(states.values.value.select(axis: 0, 0)), gain = try p("norm.gain")[0]
        let projection = try p("attention.projection.weight"), output = try p("attention.output.weight")
        let qkv = zip(v, try p("identity")).map { map(rms(added($0, $1), gain), projection) }
        let expected = try (0..<5).map { n -> Row in
            var o = Row(repeating: 0, count: 8)
            for h in 0..<2 {
                func part(_ n: Int, _ i: Int) -> Row { Array(qkv[n][i * 8 + h * 4..<i * 8 + (h + 1) * 4]) }
                let z = (0..<5).map { dot(part(n, 0), part($0, 1)) / 2 }
                let w = softmax(zip(z, largest(z, 2)).map { $1 > 0 ? $0 : -.infinity })
                for i in 0..<4 { o[h * 4 + i] = (0..<5).reduce(0.0) { $0 + w[$1] * part($1, 2)[i] } }
            }
            return try change(v[n], map(o, output), p)
        }
        #expect(near(rows(interaction(states, ForwardContext(.evaluate)).values.value.select(axis: 0, 0)), expected))
    }

    @Test func relationalFollowsItsFormula() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let interaction = RelationalInteraction(builder, width: 8, states: 5, heads: 1, hidden: 3)
        shake(builder.store, seed: 1)
        func p(_ path: String) throws -> [Row] { rows(try #require(builder.store[path]).value) }
        let states = bank(), v = rows(states.values.value.select(axis: 0, 0)), gain = try p("norm.gain")[0]
        let projection = try p("attention.projection.weight"), output = try p("attention.output.weight")
        let m = zip(v, try p("identity")).map { rms(added($0, $1), gain) }, qkv = m.map { map($0, projection) }
        let expected = try (0..<5).map { n -> Row in
            func part(_ n: Int, _ i: Int) -> Row { Array(qkv[n][i * 8..<(i + 1) * 8]) }
            let w = softmax((0..<5).map { dot(part(n, 0), part($0, 1)) / 8.0.squareRoot() })
            let o = (0..<8).map { i in (0..<5).reduce(0.0) { $0 + w[$1] * part($1, 2)[i] } }
            let attended = rms(added(m[n], map(o, output)), try p("attended.gain")[0])
            let up = map(attended, try p("feedForward.up.weight")).map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
            return try change(v[n], added(attended, map(up, try p("feedForward.down.weight"))), p)
        }
        #expect(near(rows(interaction(states, ForwardContext(.evaluate)).values.value.select(axis: 0, 0)), expected))
    }

    @Test func lowRankFollowsItsFormula() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let interaction = LowRankInteraction(builder, width: 8, states: 5, rank: 2)
        shake(builder.store, seed: 1)
        func p(_ path: String) throws -> [Row] { rows(try #require(builder.store[path]).value) }
        let strength = [1.0, 0.5, 1, 0.25, 1]
        let activity = StateActivity(readBias: Variable(Tensor((strength + strength).map { log($0) }, [2, 5])), heads: 2)
        let states = bank(activity), v = rows(states.values.value.select(axis: 0, 0)), gain = try p("norm.gain")[0]
        let seen = zip(v, strength).map { v, s in rms(v, gain).map { s * $0 } }, collect = try p("collect"),
            spread = try p("spread")
        let shared = (0..<2).map { r in (0..<8).map { i in (0..<5).reduce(0.0) { $0 + collect[$1][r] * seen[$1][i] } } }
        let expected = try (0..<5).map { n in
            try change(v[n], (0..<8).map { i in spread[n][0] * shared[0][i] + spread[n][1] * shared[1][i] }, p)
        }
        #expect(near(rows(interaction(states, ForwardContext(.evaluate)).values.value.select(axis: 0, 0)), expected))
    }
}
