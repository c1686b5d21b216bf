import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Pruning and allocation of the states of one layer in training.
///
/// It collects the statistics that the policies need, evaluates the policies at every interval, and activates and deactivates
/// states. It is deterministic: the same steps give the same events.
package final class LayerLifecycle {
    package let layer: NSTMLayer
    package let plan: StateLifecycleConfiguration
    package private(set) var statistics: StateStatistics
    private var pruning: (any PruningPolicy)?
    private var allocation: any AllocationPolicy
    private var history = DecisionHistory()

    /// The history that decisions depend on.
    struct DecisionHistory: StoredValue, Sendable {
        /// Number of consecutive decisions in which each identity was a candidate.
        var pruneVotes: [Int: Int] = [:]
        /// Identities allocated during the run.
        var allocated: [Int] = []
        /// Remaining decisions without an allocation, and how many follow the next change.
        var cooldownLeft = 0
        var nextCooldown: Int?
        /// Moving mean and mean square of the loss until the last decision, and the losses since then.
        var loss = StateStatistics.Average(), square = StateStatistics.Average()
        var recent = 0.0, count = 0

        /// Upper limit of the cooldown, which is doubled when a new state is pruned again.
        static let longestCooldown = 1_000_000

        var issues: [String] {
            var issues = RangeIssues()
            for (identity, times) in pruneVotes.sorted(by: { $0.key < $1.key }) {
                issues.check("identity", identity, in: StoredRange.identities)
                issues.check("pruneVotes.\(identity)", times, in: StoredRange.steps)
            }
            for identity in allocated { issues.check("allocated", identity, in: StoredRange.identities) }
            issues.check("cooldownLeft", cooldownLeft, in: 0...DecisionHistory.longestCooldown)
            issues.check("nextCooldown", nextCooldown, in: 0...DecisionHistory.longestCooldown)
            issues.add("loss", loss)
            issues.add("square", square)
            issues.check("recent", recent, in: StoredRange.finite)
            issues.check("count", count, in: StoredRange.steps)
            return issues.list
        }
    }
    /// The state of the lifecycle that a resumed run needs.
    struct Memory: StoredValue {
        let statistics: StateStatistics
        let history: DecisionHistory
        let pruning: String?
        let allocation: String

        var issues: [String] {
            var issues = RangeIssues()
            issues.add("statistics", statistics)
            issues.add("history", history)
            return issues.list
        }
    }

    package init(_ layer: NSTMLayer, _ plan: StateLifecycleConfiguration) {
        self.layer = layer
        self.plan = plan
        pruning = plan.pruning
        allocation = plan.allocation
        statistics = StateStatistics(smoothing: plan.smoothing)
    }
    var path: String { layer.path }
    var needs: Set<StateView.Observation> { (pruning?.needs ?? []).union(allocation.needs) }

    func observe(_ name: StateView.Observation, _ value: Tensor) { statistics.observe(name, value) }

    /// A change of one state, with its index.
    package struct Change: Sendable {
        package let event: StateEvent
        package let index: Int
    }

    /// Ends a training step; every `interval` steps policies decide.
    /// - Parameters:
    ///   - step: steps done, this one included.
    ///   - loss: the training loss of the step.
    ///   - measure: the model's loss on a fixed batch, for policies that mask states.
    func finish(step: Int, loss: Double, key: RandomKey, measure: () -> Double) -> [Change] {
        let manager = layer.manager
        statistics.finish(step: step, identities: manager.identities, active: manager.active)
        history.recent += loss
        history.count += 1
        guard step % plan.limits.interval == 0 else { return [] }
        let view = view(step: step, measure), own = key.fold("life").fold(path).fold(step)
        var changes: [Change] = []
        if step >= plan.limits.warmup {
            changes = prune(view, own)
            if !changes.isEmpty {
                history.cooldownLeft = max(history.cooldownLeft, history.nextCooldown ?? plan.limits.cooldown)
            } else if history.cooldownLeft > 0 {
                history.cooldownLeft -= 1
            } else {
                changes = allocate(view, own)
                if !changes.isEmpty { history.cooldownLeft = history.nextCooldown ?? plan.limits.cooldown }
            }
        }
        // The window of losses is restarted at every decision.
        let mean = history.recent / Double(history.count), weight = pow(plan.smoothing, Double(history.count))
        history.loss.add(mean, weight)
        history.square.add(mean * mean, weight)
        (history.recent, history.count) = (0, 0)
        return changes
    }

    /// What policies observe now.
    /// - Parameter measure: the model's loss on a fixed batch; called only if the pruning policy needs an ablation.
    func view(step: Int, _ measure: () -> Double) -> StateView {
        let ablations = pruning?.needs.contains(.ablation) ?? false ? LayerLifecycle.ablation(layer, measure) : [:]
        let mean = history.loss.value
        var view = statistics.view(of: layer, step: step, pruneVotes: history.pruneVotes, ablation: ablations)
        view.loss = history.recent / Double(max(1, history.count))
        view.usualLoss = mean
        view.lossDeviation = max(0, history.square.value - mean * mean).squareRoot()
        return view
    }
    /// Increase of the loss without each active state, by identity.
    package static func ablation(_ layer: NSTMLayer, _ measure: () -> Double) -> [Int: Double] {
        let manager = layer.manager, active = manager.active, identities = manager.identities
        guard active.count(where: { $0 }) > 1 else { return [:] }
        let base = measure()
        var growth: [Int: Double] = [:]
        for index in active.indices where active[index] {
            manager.active[index] = false
            growth[identities[index]] = measure() - base
            manager.active[index] = true
        }
        return growth
    }

    private func prune(_ view: StateView, _ key: RandomKey) -> [Change] {
        guard var policy = pruning else { return [] }
        let scores = policy.scores(view, key.fold("pruning"))
        let pruned = plan.limits.selectPruned(policy.candidates(scores, view), view, &history.pruneVotes)
        pruning = policy
        var active = layer.manager.active
        let changes = pruned.map { index, reason in
            let state = view.states[index]
            active[state.index] = false
            statistics.end(state.identity)
            if let i = history.allocated.firstIndex(of: state.identity) {
                history.allocated.remove(at: i)
                history.nextCooldown = min(
                    DecisionHistory.longestCooldown, 2 * max(1, history.nextCooldown ?? plan.limits.cooldown))
            }
            return Change(
                event: StateEvent(
                    step: view.step, layer: path, state: state.identity, kind: .pruned, score: scores[index], reason: reason),
                index: state.index)
        }
        layer.manager.active = active
        return changes
    }
    private func allocate(_ view: StateView, _ key: RandomKey) -> [Change] {
        guard let proposal = allocation.propose(view, key.fold("allocation")) else { return [] }
        let wanted = min(proposal.count, plan.limits.maxChanges, view.free), manager = layer.manager
        return (0..<max(0, wanted)).map { i in
            let index = manager.active.firstIndex(of: false)!, identity = manager.allocate(at: index)
            if plan.initialization == .copy, let model = zip(view.states, view.importance).max(by: { $0.1 < $1.1 })?.0 {
                layer.copyState(from: model.index, to: index, noise: plan.noise, key.fold("birth").fold(i))
            }
            statistics.begin(identity, step: view.step)
            history.allocated.append(identity)
            return Change(
                event: StateEvent(
                    step: view.step, layer: path, state: identity, kind: .allocated, score: proposal.score,
                    reason: proposal.reason),
                index: index)
        }
    }

    // MARK: Checkpoints

    var saved: Memory {
        func text<M: Encodable>(_ memory: M) -> String {
            String(decoding: try! LayerLifecycle.encoder.encode(memory), as: UTF8.self)
        }
        func text(of policy: some AllocationPolicy) -> String { text(policy.memory) }
        func text(of policy: some PruningPolicy) -> String { text(policy.memory) }
        return Memory(
            statistics: statistics, history: history, pruning: pruning.map { text(of: $0) }, allocation: text(of: allocation))
    }
    /// A closure that restores a saved memory.
    /// - Throws: `StoredValueError` if the memory is not that of this layer's policies; nothing is changed in this case.
    func restoration(of memory: Memory) throws -> () -> Void {
        func decoded<M: Codable>(_ type: M.Type, _ text: String, _ name: String) throws -> M {
            do {
                let memory = try JSONDecoder().decode(type, from: Data(text.utf8))
                let issues = (memory as? any StoredValue)?.issues ?? []
                guard issues.isEmpty else { throw StoredValueError(issues.joined(separator: "; ")) }
                return memory
            } catch { throw StoredValueError("layers.\(path).\(name): \(error)") }
        }
        func restored<P: PruningPolicy>(_ policy: P, _ text: String) throws -> any PruningPolicy {
            var policy = policy
            policy.memory = try decoded(P.Memory.self, text, "pruning")
            return policy
        }
        func restored<P: AllocationPolicy>(_ policy: P, _ text: String) throws -> any AllocationPolicy {
            var policy = policy
            policy.memory = try decoded(P.Memory.self, text, "allocation")
            return policy
        }
        let newPruning = try pruning.map { policy in try memory.pruning.map { try restored(policy, $0) } ?? policy }
        let newAllocation = try restored(allocation, memory.allocation)
        return { [self] in
            allocation = newAllocation
            pruning = newPruning
            statistics = memory.statistics
            history = memory.history
        }
    }
    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return encoder
    }()
}
