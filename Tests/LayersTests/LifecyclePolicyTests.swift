import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// Every policy against a case computed by hand.
@Suite struct LifecyclePolicyTests {
    private typealias State = StateView.State
    private let key = RandomKey(1)

    /// Four states at indices 0, 2, 3, 5 with read weights 0.1, 0.4, 0.3, 0.2.
    private func view() -> StateView {
        StateView(
            step: 100, layer: "l",
            states: [
                State(index: 0, identity: 10, age: 100, idle: 0, write: 0.3, read: 0.1, saliency: 4, ablation: 0.02),
                State(index: 2, identity: 12, age: 100, idle: 7, write: 0.1, read: 0.4, saliency: 1, ablation: -0.01),
                State(
                    index: 3, identity: 13, age: 100, idle: 0, write: 0.2, read: 0.3, saliency: 2, l0Gate: 0.5, ablation: 0.05),
                State(index: 5, identity: 15, age: 20, idle: 3, write: 0.2, read: 0.2, saliency: 3, l0Gate: 0, ablation: 0.01),
            ], free: 2)
    }
    private func candidates(_ policy: some PruningPolicy, _ view: StateView) -> [Int] {
        var policy = policy
        return policy.candidates(policy.scores(view, key), view).map { view.states[$0.index].identity }
    }

    /// Importance is gate × read share over its mean: 0.1, 0.4, 0.15, 0 over 0.1625.
    @Test func importance() {
        for (got, expected) in zip(view().importance, [0.1, 0.4, 0.15, 0].map { $0 / 0.1625 }) {
            #expect(abs(got - expected) < 1e-14)
        }
        var blind = view()
        for i in blind.states.indices {
            blind.states[i].read = nil
            blind.states[i].l0Gate = 1
        }
        // Without reads by the writes, 0.3, 0.1, 0.2, 0.2 over 0.2.
        for (got, expected) in zip(blind.importance, [1.5, 0.5, 1, 1]) { #expect(abs(got - expected) < 1e-14) }
    }
    @Test func threshold() {
        #expect(candidates(ThresholdPruning(below: 0.7, above: 1), view()) == [15, 10])
        // 13 has 0.15/0.1625 = 0.92: below the upper bound, which applies only to candidates.
        var v = view()
        v.states[2].pruneVotes = 1
        #expect(candidates(ThresholdPruning(below: 0.7, above: 1), v) == [15, 10, 13])
        v.states[2].pruneVotes = 0
        #expect(candidates(ThresholdPruning(measure: .write, below: 0.6), v) == [12])
    }
    @Test func topK() {
        #expect(candidates(TopKPruning(keep: 3), view()) == [15])
        #expect(candidates(TopKPruning(measure: .saliency, keep: 2), view()) == [12, 13])
        #expect(candidates(TopKPruning(keep: 9), view()).isEmpty)
        // Of equal scores, the later index is first.
        #expect(candidates(TopKPruning(measure: .write, keep: 2), view()) == [12, 15])
    }
    /// ln α = −2.5 gives 1.2 σ − 0.1 = −0.009 < 0: closed.
    ///
    /// ln α = −2 gives 0.043.
    @Test func hardConcrete() {
        #expect(candidates(HardConcretePruning(), view()) == [15])
        #expect(candidates(HardConcretePruning(atMost: 0.5), view()) == [15, 13])
        let manager = StateManager(ParameterBuilder(seed: 1, dtype: .float64), width: 2, states: 2, heads: 1, l0Penalty: 0)
        manager.gateLogits!.value = Tensor([-2.5, -2])
        #expect(manager.l0Gates[0] == 0 && abs(manager.l0Gates[1] - 0.0430435065) < 1e-9)
    }
    @Test func leastRecentlyUsed() {
        #expect(candidates(LeastRecentlyUsedPruning(after: 3), view()) == [12])
        #expect(candidates(LeastRecentlyUsedPruning(after: 2), view()) == [12, 15])
        // 10 and 13 were used in the same step; 13 got less.
        #expect(candidates(LeastRecentlyUsedPruning(after: nil, keep: 1), view()) == [12, 15, 13])
    }
    /// The mean saliency is 2.5.
    @Test func taylor() {
        #expect(candidates(TaylorPruning(keep: 3), view()) == [12])
        #expect(candidates(TaylorPruning(below: 0.9), view()) == [12, 13])
    }
    @Test func random() {
        let gone = candidates(RandomPruning(keep: 2, seed: 3), view())
        #expect(gone.count == 2 && gone == candidates(RandomPruning(keep: 2, seed: 3), view()))
        // The draw of a state does not depend on other states.
        var v = view()
        v.states.removeAll { $0.identity == gone[1] }
        #expect(candidates(RandomPruning(keep: 2, seed: 3), v) == [gone[0]])
        let all = Set((0..<20).map { candidates(RandomPruning(keep: 3, seed: $0), view())[0] })
        #expect(all == [10, 12, 13, 15])
    }
    @Test func ablation() {
        #expect(candidates(AblationPruning(keep: 2), view()) == [12, 15])
        #expect(candidates(AblationPruning(below: 0), view()) == [12])
        #expect(AblationPruning(keep: 2).needs.contains(.ablation))
    }
    @Test func allocations() {
        var v = view()
        func count(_ policy: some AllocationPolicy) -> Int {
            var policy = policy
            return policy.propose(v, key)?.count ?? 0
        }
        #expect(count(StaticAllocation()) == 0)
        #expect(count(NoveltyAllocation(above: 0.4)) == 0)
        v.novelty = 0.45
        #expect(count(NoveltyAllocation(above: 0.4)) == 1 && count(NoveltyAllocation(above: 0.45)) == 0)
        (v.loss, v.usualLoss, v.lossDeviation) = (2.2, 2, 0.1)
        #expect(count(SurpriseAllocation(above: 1.9)) == 1 && count(SurpriseAllocation(above: 2.1)) == 0)
        v.lossDeviation = 0
        #expect(count(SurpriseAllocation(above: 1.9)) == 0)
        // Loads 1.5, 0.5, 1, 1.
        #expect(count(SaturationAllocation(above: 0.4)) == 1 && count(SaturationAllocation(above: 0.5)) == 0)
    }
    @Test func plateau() {
        var policy = PlateauAllocation(decisions: 2, margin: 0.1)
        let proposals = [3.0, 2.8, 2.75, 2.72, 2.6, 2.6, 2.6, 2.6].map { loss -> Double? in
            policy.propose(StateView(step: 1, states: [], loss: loss), key)?.score
        }
        // Best 3, 2.8; 2.75 and 2.72 are no better by 0.1; 2.6 is; then two and again two that are not.
        #expect(proposals.map { $0 != nil } == [false, false, false, true, false, false, true, false])
        #expect(policy.memory == .init(best: 2.6, stale: 1))
    }

    // MARK: Limits

    @Test func patienceBudgetMinimumAndGrace() {
        var limits = StateLifecycleConfiguration.Limits(), pruneVotes: [Int: Int] = [:]
        (limits.consecutiveVotes, limits.maxChanges, limits.minActive, limits.gracePeriod) = (2, 1, 2, 50)
        var v = view()
        func prune(_ indices: [Int]) -> [Int] {
            limits.selectPruned(indices.map { ($0, "") }, v, &pruneVotes).map { v.states[$0.index].identity }
        }
        #expect(prune([0, 1, 3]) == [])
        // 15 is too young; 10 came first; 12 has to wait.
        #expect(pruneVotes == [10: 1, 12: 1])
        #expect(prune([0, 1, 3]) == [10])
        #expect(pruneVotes == [12: 2])
        // A decision in which the state is no candidate resets its votes.
        v.states.remove(at: 0)
        #expect(prune([]) == [] && pruneVotes == [:])
        #expect(prune([0]) == [] && prune([0]) == [12])
        v.states.remove(at: 0)
        // Two are left, and that many must stay.
        #expect(prune([0]) == [] && prune([0]) == [] && prune([0]) == [])
    }
}
