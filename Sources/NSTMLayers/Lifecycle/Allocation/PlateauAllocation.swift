import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Allocates a state when the training loss has stopped falling: it was not lower than its best value by a margin in a number of
/// consecutive decisions.
///
/// The count restarts after a proposal.
public struct PlateauAllocation: AllocationPolicy {
    public static let type = "plateau"
    public static let summary = "a new state when the loss has stopped falling"
    public struct Memory: StoredValue, Sendable, Equatable {
        public var best: Double?
        public var stale = 0
        public init(best: Double? = nil, stale: Int = 0) {
            self.best = best
            self.stale = stale
        }
        public var issues: [String] {
            var issues = RangeIssues()
            issues.check("best", best, in: StoredRange.finite)
            issues.check("stale", stale, in: StoredRange.steps)
            return issues.list
        }
    }
    public var memory = Memory()
    /// Number of consecutive decisions without a lower loss.
    public var decisions = 5
    /// Smallest decrease of the loss that counts, in nats.
    public var margin = 0.005
    public init() {}
    public init(decisions: Int = Self().decisions, margin: Double = Self().margin) {
        self.decisions = decisions
        self.margin = margin
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        decisions = reader.int("decisions", default: decisions, in: 1...1_000_000)
        margin = reader.double("margin", default: margin, in: 0...1e6)
    }
    public mutating func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)? {
        guard let best = memory.best, view.loss >= best - margin else {
            memory = Memory(best: view.loss)
            return nil
        }
        memory.stale += 1
        guard memory.stale >= decisions else { return nil }
        memory.stale = 0
        return (count: 1, score: view.loss - best, reason: "the loss has not fallen for \(decisions) decisions")
    }
}
