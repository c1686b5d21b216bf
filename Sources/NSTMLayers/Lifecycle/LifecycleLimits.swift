/// When decisions on life and death are made, and how far one may go: the same for all policies, and what keeps them from
/// undoing each other's work.
public struct LifecycleLimits: Sendable, Equatable {
    /// Steps between two decisions.
    public var interval = 100
    /// Steps before the first decision.
    public var warmup = 500
    /// Decisions in a row in which a policy must want a state gone.
    public var patience = 2
    /// Deaths and births in one decision.
    public var budget = 1
    /// Steps during which a newborn state is spared.
    public var grace = 500
    /// Active states that must be left.
    public var minimum = 1
    /// Decisions without a birth after a birth or a death. Doubled whenever a state dies that was born during the run: where every
    /// new state dies again, births become rare.
    public var pause = 2

    public init() {}

    /// Decides who of the candidates dies now.
    /// - Parameters:
    ///   - candidates: indices into the view's states, those that are worth least first.
    ///   - pruneVotes: decisions in a row in which each identity was candidates; brought up to date.
    package func selectPruned(
        _ candidates: [(index: Int, reason: String)], _ view: StateView, _ pruneVotes: inout [Int: Int]
    ) -> [(index: Int, reason: String)] {
        let wanted = candidates.filter { view.states[$0.index].age >= grace }
        let before = pruneVotes
        pruneVotes = [:]
        for (index, _) in wanted {
            let identity = view.states[index].identity
            pruneVotes[identity] = before[identity, default: 0] + 1
        }
        let ripe = wanted.filter { pruneVotes[view.states[$0.index].identity]! >= patience }
        let pruned = Array(ripe.prefix(max(0, min(budget, view.states.count - minimum))))
        for (index, _) in pruned { pruneVotes[view.states[index].identity] = nil }
        return pruned
    }
}
