import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// Lifecycle of states with the policies.
@Suite struct StateLifecycleTests {
    private func layer(_ change: (inout StateLifecycleConfiguration) -> Void, states: Int = 6, rule: String = "gated-slots")
        throws -> Built
    {
        var plan = StateLifecycleConfiguration()
        (plan.limits.interval, plan.limits.warmup, plan.limits.consecutiveVotes, plan.limits.gracePeriod) = (2, 0, 1, 0)
        (plan.limits.cooldown, plan.smoothing) = (0, 0.5)
        change(&plan)
        let builder = ParameterBuilder(seed: 1, dtype: .float64), dimensions = LayerDimensions(width: 8, heads: 2, states: states)
        let update = try Strategies.standard.updates.value(rule)
        let layer = NSTMLayer(
            builder.child("l"), width: 8, heads: 2, states: states,
            parts: .init(
                routing: { TopKRouting($0, width: 8, states: states, k: 2) }, update: { update.make($0, dimensions) }),
            lifecycle: plan)
        shake(builder.store, seed: 1)
        return Built(layer: layer, store: builder.store)
    }
    /// One training pass, observed; the gradient pass too.
    private func pass(_ m: Built, _ lifecycle: StateLifecycle, step: Int, batch: Int = 2) -> Tensor {
        let context = ForwardContext(.train, key: RandomKey(UInt64(step)))
        context.observer = lifecycle
        let y = context.scope("l") { m.whole(context.constant(random([batch, 7, 8], "x\(step)")), context) }
        _ = weighted(y, "y").backward()
        return y.value
    }

    /// The averaged values are the write and read weights of the router and the scan.
    @Test(arguments: ["gated-slots", "gru"]) func observesWhatTheLayerDoes(_ rule: String) throws {
        let m = try layer({ $0.pruning = TaylorPruning(keep: 6) }, rule: rule),
            lifecycle = try #require(StateLifecycle([m.layer]))
        _ = pass(m, lifecycle, step: 1)
        _ = lifecycle.finish(step: 1, loss: 1, key: RandomKey(0)) { 0 }
        let view = lifecycle.layers[0].statistics.view(of: m.layer, step: 1)
        let context = ForwardContext(.evaluate), x = context.constant(random([2, 7, 8], "x1"))
        let routed = m.layer.router(x, m.layer.manager.activity(batch: 2, context), context).value.mean(axes: [0, 1]).doubles()
        for (state, w) in zip(view.states, routed) { #expect(abs(state.write - w) < 1e-12) }
        #expect(abs(view.states.reduce(0) { $0 + $1.read! } - 1) < 1e-12)
    }
    /// The saliency is the derivative of the loss by the logarithm of a state's activity, here its L0 gate, by finite
    /// differences.
    @Test func saliencyIsADerivative() throws {
        let recipe = Recipe(keep: true), m = try recipe.built(), x = random([1, 7, 8], "x")
        let watcher = Watcher(), logits = try #require(m.layer.manager.gateLogits)
        logits.value = Tensor([0, 0.5, -0.5, 1, -1.0])
        func loss() -> Double {
            let context = ForwardContext(.evaluate)
            return weighted(m.whole(context.constant(x), context), "y").value.item()
        }
        let context = ForwardContext(.evaluate, recording: true)
        context.observer = watcher
        _ = weighted(m.whole(context.constant(x), context), "y").backward()
        let derivatives = try #require(watcher.seen["saliency"]).doubles(), gates = m.layer.manager.l0Gates
        #expect(gates.allSatisfy { $0 > 0 && $0 < 1 })
        let before = logits.value.doubles()
        for n in 0..<5 {
            let h = 1e-5
            func at(_ shift: Double) -> (loss: Double, log: Double) {
                var l = before
                l[n] += shift
                logits.value = Tensor(l)
                return (loss(), log(m.layer.manager.l0Gates[n]))
            }
            let high = at(h), low = at(-h)
            logits.value = Tensor(before)
            #expect(abs(derivatives[n] - (high.loss - low.loss) / (high.log - low.log)) < 1e-6)
        }
    }
    private final class Watcher: ForwardContext.Observer {
        var seen: [String: Tensor] = [:]
        func wants(_ name: String, at path: String) -> Bool { true }
        func observe(_ name: String, _ value: Tensor, at path: String) { seen[name] = value }
    }

    @Test func nobodyWatchesWhatNobodyNeeds() throws {
        let m = try layer({ $0.pruning = TopKPruning(keep: 3) }), lifecycle = try #require(StateLifecycle([m.layer]))
        #expect(lifecycle.wants("write", at: "l") && lifecycle.wants("read", at: "l"))
        #expect(
            !lifecycle.wants("saliency", at: "l") && !lifecycle.wants("novelty", at: "l")
                && !lifecycle.wants("write", at: "other"))
        #expect(StateLifecycle([try layer({ _ in }).layer]) == nil)
        // Observation does not change a bit.
        let seen = pass(m, lifecycle, step: 1), context = ForwardContext(.train, key: RandomKey(1))
        #expect(same(seen, context.scope("l") { m.whole(context.constant(random([2, 7, 8], "x1")), context) }.value))
    }

    @Test func theLeastImportantDieOneAtATime() throws {
        let m = try layer({ $0.pruning = TopKPruning(keep: 3) }), lifecycle = try #require(StateLifecycle([m.layer]))
        var events: [StateEvent] = []
        for step in 1...12 {
            _ = pass(m, lifecycle, step: step)
            let view = lifecycle.layers[0].statistics.view(of: m.layer, step: step)
            let changes = lifecycle.finish(step: step, loss: 1, key: RandomKey(0)) { 0 }
            events += changes.map(\.change.event)
            _ = view
        }
        #expect(events.count == 3 && events.allSatisfy { $0.kind == .pruned && $0.layer == "l" })
        #expect(events.map(\.step) == [2, 4, 6])
        #expect(m.layer.manager.active.count { $0 } == 3)
        #expect(Set(events.map(\.state)).count == 3)
        #expect(events.allSatisfy { !m.layer.manager.active[$0.state] })
    }

    /// A copy of the most important state: the same parameters but for the noise, in every parameter that has a row for it.
    @Test func newStatesAreCopies() throws {
        let m = try layer({
            $0.allocation = SaturationAllocation(above: 0)
            ($0.initialActive, $0.noise) = (4, 0)
        })
        let lifecycle = try #require(StateLifecycle([m.layer])), manager = m.layer.manager
        #expect(manager.active == [true, true, true, true, false, false])
        var allocations: [(step: Int, state: Int, index: Int)] = []
        for step in 1...8 {
            _ = pass(m, lifecycle, step: step)
            let before = lifecycle.layers[0].statistics
            for (layer, change) in lifecycle.finish(step: step, loss: 1, key: RandomKey(0), measure: { 0 }) {
                allocations.append((step, change.event.state, change.index))
                _ = before
                let rows = layer.stateParameters.filter { $0 !== manager.mask && $0 !== manager.identityNumbers }
                #expect(rows.count == 4)
                let models = (0..<6).filter { index in
                    index != change.index
                        && rows.allSatisfy {
                            same(
                                $0.value.select(axis: $0.stateAxis!, index).contiguous(),
                                $0.value.select(axis: $0.stateAxis!, change.index).contiguous())
                        }
                }
                #expect(!models.isEmpty)
            }
        }
        #expect(allocations.map(\.step) == [2, 4] && allocations.map(\.index) == [4, 5])
        // New identifiers continue the sequence, and those of other states do not change.
        #expect(allocations.map(\.state) == [6, 7])
        #expect(manager.identities == [0, 1, 2, 3, 6, 7] && manager.nextIdentity.value.item() == 8)
    }

    /// A policy that prunes rarely used states and one that allocates when all are used: on a constant stream changes cease.
    @Test func noOscillationOnAConstantStream() throws {
        let m = try layer({
            $0.pruning = ThresholdPruning(measure: .write, below: 0.6)
            $0.allocation = SaturationAllocation(above: 0.3)
            ($0.initialActive, $0.limits.cooldown, $0.limits.gracePeriod, $0.limits.consecutiveVotes) = (4, 1, 4, 2)
        })
        let lifecycle = try #require(StateLifecycle([m.layer]))
        var steps: [Int] = []
        // Writes come from the layer itself, on the same tokens again and again.
        for step in 1...600 {
            let context = ForwardContext(.train)
            context.observer = lifecycle
            _ = context.scope("l") { m.whole(context.constant(random([2, 7, 8], "x")), context) }
            steps += lifecycle.finish(step: step, loss: 1, key: RandomKey(0), measure: { 0 }).map(\.change.event.step)
        }
        let halves = [steps.count { $0 <= 300 }, steps.count { $0 > 300 }]
        #expect(!steps.isEmpty, "nothing happened, so nothing was tested")
        #expect(steps.count < 30 && halves[1] <= 4, "\(halves)")
    }

    /// A lifecycle restored from the text of a checkpoint continues as one that never stopped.
    @Test func memoryIsComplete() throws {
        func make() throws -> (Built, StateLifecycle) {
            let m = try layer({
                $0.pruning = ThresholdPruning(below: 0.97)
                $0.allocation = PlateauAllocation(decisions: 2, margin: 0)
                ($0.initialActive, $0.limits.consecutiveVotes, $0.limits.cooldown) = (5, 2, 1)
            })
            return (m, try #require(StateLifecycle([m.layer])))
        }
        func run(_ m: Built, _ lifecycle: StateLifecycle, _ steps: ClosedRange<Int>) -> [StateEvent] {
            steps.flatMap { step in
                _ = pass(m, lifecycle, step: step)
                return lifecycle.finish(step: step, loss: 1 + 0.1 * Double(step % 5), key: RandomKey(3)) { 0 }.map(\.change.event)
            }
        }
        let (whole, wholeLife) = try make(), all = run(whole, wholeLife, 1...40)
        #expect(all.contains { $0.kind == .allocated } && all.contains { $0.kind == .pruned })
        for cut in [7, 12, 19] {
            let (first, firstLife) = try make(), before = run(first, firstLife, 1...cut)
            let text = try JSONEncoder().encode(firstLife.memory)
            let (second, secondLife) = try make()
            for (p, q) in zip(first.store.all, second.store.all) { q.value = p.value }
            try secondLife.restoration(of: try JSONDecoder().decode(StateLifecycle.Memory.self, from: text))()
            #expect(before + run(second, secondLife, cut + 1...40) == all)
            for (p, q) in zip(whole.store.all, second.store.all) { #expect(same(p.value, q.value), "\(p.path)") }
        }
    }
    @Test func ablationMeasuresEachStateAlone() throws {
        let m = try layer({ $0.pruning = AblationPruning(keep: 4) }), lifecycle = try #require(StateLifecycle([m.layer]))
        let manager = m.layer.manager
        manager.active[5] = false
        // State n is worth n².
        func measure() -> Double { -manager.active.indices.filter { manager.active[$0] }.reduce(0) { $0 + Double($1 * $1) } }
        let growth = LayerLifecycle.ablation(m.layer, measure)
        #expect(growth == [0: 0, 1: 1, 2: 4, 3: 9, 4: 16])
        var events: [StateEvent] = []
        for step in 1...6 {
            events += lifecycle.finish(step: step, loss: 1, key: RandomKey(0), measure: measure).map(\.change.event)
        }
        #expect(events.map(\.state) == [0] && events.map(\.score) == [0])
        #expect(manager.active == [false, true, true, true, true, false])
    }
}
