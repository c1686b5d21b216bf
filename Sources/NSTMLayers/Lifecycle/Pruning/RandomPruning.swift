import NSTMTensor

/// Keeps K states drawn at random: what every other policy must beat.
public struct RandomPruning: PruningPolicy {
    public let keep: Int
    private let seed: Int
    public init(keep: Int, seed: Int = 0) {
        self.keep = keep
        self.seed = seed
    }
    /// One draw for each identity, the same at every decision.
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] {
        let own = RandomKey(UInt64(seed)).fold("random pruning").fold(view.layer)
        return view.states.map { own.uniform($0.identity) }
    }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(keep, scores).map { ($0, "drawn") }
    }
}
