extension StateLifecycleConfiguration {
    /// Limits on pruning and allocation that apply to all policies: when decisions are made and how much each may change.
    ///
    /// They keep policies from undoing each other's changes.
    public struct Limits: Sendable, Equatable {
        /// Steps between two decisions.
        public var interval = 100
        /// Steps before the first decision.
        public var warmup = 500
        /// Consecutive decisions in which a state must be a candidate before it is pruned.
        public var consecutiveVotes = 2
        /// Largest number of states that one decision prunes or allocates.
        public var maxChanges = 1
        /// Steps during which a new state is not pruned.
        public var gracePeriod = 500
        /// Smallest number of active states.
        public var minActive = 1
        /// Number of decisions without an allocation after a change.
        ///
        /// It is doubled whenever a state that was allocated during the run is pruned, so that allocations become rare where
        /// every new state is pruned again.
        public var cooldown = 2

        public init() {}

        /// The candidates that are pruned now.
        /// - Parameters:
        ///   - candidates: indices into the view's states, lowest score first.
        ///   - pruneVotes: number of consecutive decisions in which each identity was a candidate; updated.
        package func selectPruned(
            _ candidates: [(index: Int, reason: String)], _ view: StateView, _ pruneVotes: inout [Int: Int]
        ) -> [(index: Int, reason: String)] {
            let wanted = candidates.filter { view.states[$0.index].age >= gracePeriod }
            let before = pruneVotes
            pruneVotes = [:]
            for (index, _) in wanted {
                let identity = view.states[index].identity
                pruneVotes[identity] = before[identity, default: 0] + 1
            }
            let ripe = wanted.filter { pruneVotes[view.states[$0.index].identity]! >= consecutiveVotes }
            let pruned = Array(ripe.prefix(max(0, min(maxChanges, view.states.count - minActive))))
            for (index, _) in pruned { pruneVotes[view.states[index].identity] = nil }
            return pruned
        }
    }
}
