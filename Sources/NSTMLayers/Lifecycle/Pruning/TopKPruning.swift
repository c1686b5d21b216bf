import NSTMTensor

/// The K states of the largest measure live.
public struct TopKPruning: PruningPolicy {
    public let measure: StateMeasure
    public let keep: Int
    public init(measure: StateMeasure = .importance, keep: Int) {
        self.measure = measure
        self.keep = keep
    }
    public var needs: Set<StateObservation> { measure.needs }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { measure(view) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(keep, scores).map { ($0, "\(measure.rawValue) not among the \(keep) largest") }
    }
}
