import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor
import Testing

/// A layer computes the same with masked states as without them.
@Suite struct CompactionTests {
    private static let length = 9
    /// One training pass: output, and gradients by path.
    private func pass(_ m: Built, _ x: Tensor) -> (y: Tensor, gradients: Gradients) {
        let context = ForwardContext(.train, key: RandomKey(5))
        let y = m.whole(context.constant(x), context)
        return (y.value, total(y, nil, context).backward())
    }
    private func compacted(_ recipe: Recipe, _ large: Built, _ dtype: DType) throws -> (StateResizing, Built) {
        let compaction = StateResizing(removingInactive: [large.layer])
        var plain = recipe
        plain.masked = false
        let small = try plain.built(states: compaction.counts[0], dtype: dtype, seed: 2)
        try compaction.move(large.store, [large.layer], to: small.store, [small.layer])
        return (compaction, small)
    }

    /// Outputs, gradients and the next two steps of an optimizer that has moments from before.
    @Test(arguments: Recipe.all.filter(\.masked)) func equalsTheMaskedLayer(_ recipe: Recipe) throws {
        try check(recipe, .float64, 1e-11)
    }
    @Test(arguments: Recipe.some.filter(\.masked)) func equalsTheMaskedLayerInFloat32(_ recipe: Recipe) throws {
        try check(recipe, .float32, 1e-5)
    }
    private func check(_ recipe: Recipe, _ dtype: DType, _ tolerance: Double) throws {
        let large = try recipe.built(dtype: dtype), paths = large.store.all.map(\.path)
        let old = ParameterUpdater(AdamW(), weightDecay: 0.1), x = random([2, Self.length, 8], "x", dtype)
        for _ in 0..<2 { old.update(pass(large, x).gradients, learningRate: 0.01) }
        let (compaction, small) = try compacted(recipe, large, dtype)
        #expect(compaction.layers.map(\.kept) == [[0, 2, 4]] && compaction.layers[0].count == 5)
        let new = ParameterUpdater(AdamW(), weightDecay: 0.1)
        new.restore(step: old.step, try compaction.resize(old.state(order: paths), of: large.store))
        for _ in 0..<2 {
            let a = pass(large, x), b = pass(small, x)
            #expect(difference(a.y, b.y) <= tolerance)
            for p in large.store.all {
                let q = try #require(small.store[p.path])
                switch (a.gradients[p], b.gradients[q]) {
                case (let g?, let h?): #expect(difference(try compaction.resize(g, of: p), h) <= tolerance * 10, "\(p.path)")
                case (nil, nil): break
                default: Issue.record("\(p.path) has a gradient in one of the two only")
                }
            }
            old.update(a.gradients, learningRate: 0.01)
            new.update(b.gradients, learningRate: 0.01)
            for p in large.store.all {
                let left = try compaction.resize(p.value, of: p)
                // Adam amplifies gradients that are only rounding errors.
                if dtype == .float64 { #expect(difference(left, small.store[p.path]!.value) <= 1e-6, "\(p.path)") }
            }
        }
    }
    @Test func identitiesStay() throws {
        let large = try Recipe(masked: true).built(), (_, small) = try compacted(Recipe(masked: true), large, .float64)
        #expect(small.layer.manager.identities == [0, 2, 4])
        #expect(small.layer.manager.nextIdentity.value.item() == 5)
        #expect(small.layer.manager.active == [true, true, true])
        // A second time, because indices then differ from identifiers.
        small.layer.manager.active = [true, false, true]
        let again = StateResizing(removingInactive: [small.layer]), smallest = try Recipe().built(states: 2)
        try again.move(small.store, [small.layer], to: smallest.store, [smallest.layer])
        #expect(smallest.layer.manager.identities == [0, 4])
    }
    /// A selection bias moves alike in both.
    @Test func balancingContinues() throws {
        func layer(_ states: Int) -> (ParameterBuilder, BalancedTopKRouting) {
            let builder = ParameterBuilder(seed: 1, dtype: .float64)
            return (builder, BalancedTopKRouting(builder, width: 8, states: states, k: 2, rate: 0.25))
        }
        let x = Variable(random([2, 9, 8], "x")), (large, routing) = layer(5), (small, routing3) = layer(3)
        shake(large.store, seed: 1)
        let kept = [0, 2, 4], mask = Tensor([1, 0, 1, 0, 1.0])
        for p in small.store.all {
            p.value = large.store[p.path]!.value.indexSelect(axis: 0, Tensor(kept.map { Int32($0) })).contiguous()
        }
        for _ in 0..<3 {
            for (policy, activity) in [
                (routing, StateActivity(mask: mask, heads: 2)), (routing3, StateActivity(heads: 2)),
            ] {
                let context = ForwardContext(.train)
                _ = (policy(x, activity, position: 0, context) * 1).sum().backward()
            }
        }
        let bias = routing.selectionBias.value.doubles()
        #expect(kept.map { bias[$0] } == routing3.selectionBias.value.doubles())
        #expect(routing3.selectionBias.value.doubles().contains { $0 != 0 })
    }

    /// A third-party rule with a table per state: with a declared state axis it is resized, otherwise the error names it.
    private final class Table: TokenDrivenUpdateRule {
        let gain: Parameter
        init(_ parameters: ParameterBuilder, states: Int, annotated: Bool) {
            gain = parameters("gain", [1, states], .constant(0.5), stateAxis: annotated ? 1 : nil)
        }
        func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> ConvexUpdate {
            ConvexUpdate(write: routing * context[gain].sigmoid())
        }
    }
    private func stranger(_ states: Int, annotated: Bool) -> Built {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let layer = NSTMLayer(
            builder.child("mine"), width: 8, heads: 2, states: states,
            parts: .init(
                routing: { TopKRouting($0, width: 8, states: states, k: 2) },
                update: { Table($0, states: states, annotated: annotated) }))
        return Built(layer: layer, store: builder.store)
    }
    @Test func aStrangersParametersAreCutWhenTheySayWhere() throws {
        let large = stranger(4, annotated: true), small = stranger(2, annotated: true)
        shake(large.store, seed: 1)
        large.layer.manager.active = [false, true, true, false]
        try StateResizing(removingInactive: [large.layer]).move(
            large.store, [large.layer], to: small.store, [small.layer])
        let x = random([1, 6, 8], "x")
        #expect(difference(pass(large, x).y, pass(small, x).y) < 1e-12)
    }
    @Test func aStrangersParametersWithoutAnAxisAreNamed() {
        let large = stranger(4, annotated: false), small = stranger(2, annotated: false)
        large.layer.manager.active = [false, true, true, false]
        let before = small.store.all.map(\.value)
        let error = #expect(throws: StateResizing.Error.self) {
            try StateResizing(removingInactive: [large.layer]).move(
                large.store, [large.layer], to: small.store, [small.layer])
        }
        #expect(
            error?.issues == [
                "mine.update.gain: [1, 4] becomes [1, 4], the new model has [1, 2]; its strategy gives it no stateAxis"
            ])
        for (p, value) in zip(small.store.all, before) { #expect(same(p.value, value)) }
    }
}
