import NSTMConfiguration
import NSTMTensor

/// Prunes states by the growth of the loss when the state is masked, measured on a batch for one state after the other: those
/// whose growth is below a bound; with `keep`, all but the K with the largest growth.
///
/// Expensive: one forward pass of the model per state at each decision.
public struct AblationPruning: PruningPolicy {
    public static let type = "ablation"
    public static let summary = "states whose masking increases the loss least, measured"
    /// K; nil: all.
    public var keep: Int?
    /// In nats; nil: no bound.
    public var below: Double?
    public init() {}
    public init(keep: Int? = nil, below: Double? = nil) {
        self.keep = keep
        self.below = below
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        keep = reader.optionalInt("keep", default: keep, in: layer.choices)
        below = reader.optionalDouble("below", default: below ?? (keep == nil ? 0 : nil), in: -1e9...1e9)
    }
    public var needs: Set<StateView.Observation> { [.write, .read, .ablation] }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { view.states.map { $0.ablation ?? 0 } }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let few = Set(keep.map { beyond($0, scores) } ?? [])
        return beyond(0, scores).compactMap { i in
            if let below, scores[i] < below { return (i, "the loss grows by less than \(short(below)) without it") }
            return few.contains(i) ? (i, "not among the \(keep!) that are missed most") : nil
        }
    }
}
