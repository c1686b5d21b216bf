import NSTMConfiguration
import NSTMTensor

/// Prunes states whose measure falls below τ.
///
/// It has hysteresis: a state that was below τ remains a candidate until it is above a second, higher bound, so that a score that
/// oscillates about τ does not restart the count of votes (`StateLifecycleConfiguration.Limits.consecutiveVotes`).
public struct ThresholdPruning: PruningPolicy {
    public static let type = "threshold"
    public static let summary = "states whose measure is below a bound"
    public var measure = StateView.Measure.importance
    /// τ.
    public var below = 0.1
    /// The bound above which a state ceases to be a candidate, at least τ; nil: 1.5 τ.
    public var above: Double?
    private var upper: Double { max(below, above ?? 1.5 * below) }
    public init() {}
    public init(measure: StateView.Measure = Self().measure, below: Double, above: Double? = nil) {
        self.measure = measure
        self.below = below
        self.above = above
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        measure = reader.choice("measure", default: measure)
        below = reader.double("below", default: below, in: -1e9...1e9)
        above = reader.double("above", default: upper, in: below...1e9)
    }
    public var needs: Set<StateView.Observation> { measure.needs }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { measure(view) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(0, scores).filter { scores[$0] < (view.states[$0].pruneVotes > 0 ? upper : below) }
            .map { ($0, "\(measure.rawValue) below \(short(scores[$0] < below ? below : upper))") }
    }
}
