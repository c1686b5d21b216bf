import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor
import Testing

/// Layers with added states; `CompactionTests` has the removal of states.
@Suite struct ResizingTests {
    private func expanded(_ m: Built, _ recipe: Recipe, to states: Int) throws -> (StateResizing, Built) {
        let resizing = try StateResizing([m.layer], to: states), large = try recipe.built(states: states, seed: 2)
        try resizing.move(m.store, [m.layer], to: large.store, [large.layer])
        return (resizing, large)
    }

    /// Rows of old states are unchanged, learned rows of new ones are the mean over active states, all others are the new
    /// model's.
    @Test(arguments: ["top-k", "hash", "balanced-top-k", "content"]) func rows(_ routing: String) throws {
        let recipe = Recipe(rule: .secondGate, routing: routing, keep: true, masked: true), m = try recipe.built()
        let (_, large) = try expanded(m, recipe, to: 8), plain = try recipe.built(states: 8, seed: 2)
        var resized = 0
        for p in m.store.all {
            let q = try #require(large.store[p.path])
            guard let axis = p.stateAxis else {
                #expect(same(p.value, q.value) || p === m.layer.manager.nextIdentity, "\(p.path)")
                continue
            }
            resized += 1
            #expect(same(q.value.slice(axis: axis, 0..<5).contiguous(), p.value), "\(p.path)")
            for n in 5..<8 where q !== large.layer.manager.identityNumbers {
                let row = q.value.select(axis: axis, n), active = [0, 2, 4].map { p.value.select(axis: axis, $0) }
                let expected =
                    p.isTrainable
                    ? (active[0] + active[1] + active[2]).affine(1 / 3.0) : plain.store[p.path]!.value.select(axis: axis, n)
                if q === large.layer.manager.mask { continue }
                #expect(difference(row, expected) < 1e-12, "\(p.path)")
            }
        }
        #expect(resized >= 5)
    }
    @Test func newStatesAreActiveAndNewOnes() throws {
        let m = try Recipe(masked: true).built(), (_, large) = try expanded(m, Recipe(), to: 7)
        #expect(large.layer.manager.active == [true, false, true, false, true, true, true])
        #expect(large.layer.manager.identities == Array(0..<7) && large.layer.manager.nextIdentity.value.item() == 7)
    }
    /// Moments of new states are zeros: an optimizer has seen no gradient of theirs.
    @Test func momentsOfNewStatesAreZero() throws {
        let m = try Recipe().built(), optimizer = ParameterUpdater(AdamW()), context = ForwardContext(.train)
        let y = m.whole(context.constant(random([2, 6, 8], "x")), context)
        optimizer.update((y * y).sum().backward(), learningRate: 0.01)
        let (resizing, large) = try expanded(m, Recipe(), to: 9)
        let moments = try resizing.resize(optimizer.state(order: m.store.all.map(\.path)), of: m.store)
        #expect(!moments.isEmpty)
        for (path, tensor) in moments {
            let p = try #require(large.store[String(path.split(separator: "/")[1])])
            #expect(tensor.shape == p.value.shape, "\(path)")
            guard let axis = p.stateAxis else { continue }
            #expect(tensor.slice(axis: axis, 5..<9).doubles().allSatisfy { $0 == 0 }, "\(path)")
        }
    }
    /// Fewer states are refused, because pruning must select the removed ones.
    @Test func fewerStatesAreRefused() throws {
        let m = try Recipe().built()
        let error = #expect(throws: StateResizing.Error.self) { try StateResizing([m.layer], to: 4) }
        #expect(error?.issues.count == 1 && "\(error!)".contains("has 5 states, more than 4"))
        let (_, equal) = try expanded(m, Recipe(), to: 5)
        for p in m.store.all { #expect(same(p.value, equal.store[p.path]!.value), "\(p.path)") }
    }
}
