import NSTMConfiguration
import NSTMTensor

/// Keeps the K states with the largest measure and prunes the others.
public struct TopKPruning: PruningPolicy {
    public static let type = "top-k"
    public static let summary = "all but the K states of the largest measure"
    public var measure = StateView.Measure.importance
    /// K; nil: all.
    public var keep: Int?
    public init() {}
    public init(measure: StateView.Measure = Self().measure, keep: Int) {
        self.measure = measure
        self.keep = keep
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        measure = reader.choice("measure", default: measure)
        keep = reader.int("keep", default: keep, in: layer.choices)
    }
    public var needs: Set<StateView.Observation> { measure.needs }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { measure(view) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let keep = keep ?? scores.count
        return beyond(keep, scores).map { ($0, "\(measure.rawValue) not among the \(keep) largest") }
    }
}
