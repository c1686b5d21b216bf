import NSTMTensor

/// A state whose measure falls below τ should die. Hysteresis: one that has been below stays suspected until it is above a second,
/// higher bound, so that a score that wavers about τ does not start its time of grace (`LifecycleLimits.patience`) anew.
public struct ThresholdPruning: PruningPolicy {
    public let measure: StateMeasure
    /// τ and the bound above which pruneVotes ends.
    public let below: Double
    public let above: Double
    public init(measure: StateMeasure = .importance, below: Double = 0.1, above: Double? = nil) {
        self.measure = measure
        self.below = below
        self.above = max(below, above ?? 1.5 * below)
    }
    public var needs: Set<StateObservation> { measure.needs }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { measure(view) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(0, scores).filter { scores[$0] < (view.states[$0].pruneVotes > 0 ? above : below) }
            .map { ($0, "\(measure.rawValue) below \(short(scores[$0] < below ? below : above))") }
    }
}
