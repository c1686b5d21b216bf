import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

@Suite struct PointerRoutingTests {
    private func layer(_ states: Int, moves: PointerRouting.Moves = .hard, seed: UInt64 = 1) -> Built {
        let builder = ParameterBuilder(seed: seed, dtype: .float64)
        let layer = NSTMLayer(
            builder, width: 8, heads: 2, states: states, router: .pointer(moves: moves), update: .gatedSlots, read: .routed,
            convolution: 1)
        shake(builder.store, seed: seed)
        return Built(layer: layer, store: builder.store)
    }
    private func route(_ m: Built, _ x: Tensor, _ mode: ForwardContext.Mode) -> (weights: [Double], reads: [Double]) {
        let context = ForwardContext(mode), activity = m.layer.manager.activity(batch: x.shape[0], context)
        let routing = m.layer.router.route(context.constant(x), activity, position: 0, carried: nil, context)
        return (routing.weights.value.doubles(), routing.reads!.value.doubles())
    }

    /// In evaluation a token writes to one state at most and reads one at most, in training it is spread.
    @Test func evaluationMakesOneMove() {
        let m = layer(6), x = random([2, 40, 8], "x"), (w, r) = route(m, x, .evaluate), soft = route(m, x, .train)
        for i in stride(from: 0, to: w.count, by: 6) {
            #expect(w[i..<i + 6].count { $0 != 0 } <= 1)
            #expect(r[i..<i + 6].allSatisfy { $0 == 0 || $0 == 1 } && r[i..<i + 6].count { $0 == 1 } <= 1)
        }
        #expect(stride(from: 0, to: w.count, by: 6).contains { i in soft.weights[i..<i + 6].count { $0 > 0 } > 1 })
        let spread = layer(6, moves: .soft)
        #expect(route(spread, x, .evaluate) == route(spread, x, .train))
    }
    /// The default readout of a configuration is the one that reads where the policy says.
    @Test func readsWhereThePolicySays() throws {
        let reader = ConfigurationReader(.map(["states": 4, "router": ["type": "pointer"]]))
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        #expect(plan.layer(ParameterBuilder(seed: 1), residual: .fanIn).attention.readout is RoutedReadout)
        #expect(reader.resolved[path: "read.type"] == "routed")
    }
    /// More states change nothing for a sequence that fits into the trained ones, and longer sequences fit into the additional
    /// states.
    @Test func moreStates() throws {
        let small = layer(5), large = layer(12, seed: 2)
        let resizing = try StateResizing([small.layer], to: 12)
        try resizing.move(small.store, [small.layer], to: large.store, [large.layer])
        let context = ForwardContext(.evaluate), x = random([3, 5, 8], "x")
        #expect(
            difference(small.whole(context.constant(x), context).value, large.whole(context.constant(x), context).value)
                < 1e-12)
        #expect(large.layer.manager.identities == Array(0..<12) && large.layer.manager.nextIdentity.value.item() == 12)
    }
    /// Heads step over inactive states: they write and read as if these were not there (the kit has the layer; this is the
    /// policy).
    @Test func inactiveStatesAreSteppedOver() throws {
        let m = layer(5), other = layer(3), x = random([1, 30, 8], "x")
        for p in other.store.all where p.path.hasPrefix("router.") { p.value = m.store[p.path]!.value }
        m.layer.manager.active = [true, false, true, false, true]
        let (w, r) = route(m, x, .train), (v, q) = route(other, x, .train)
        for t in 0..<30 {
            for (i, n) in [0, 2, 4].enumerated() {
                #expect(w[t * 5 + n] == v[t * 3 + i] && r[t * 5 + n] == q[t * 3 + i])
            }
            #expect([1, 3].allSatisfy { w[t * 5 + $0] == 0 && r[t * 5 + $0] == 0 })
        }
    }
}
