import NSTMConfiguration
import NSTMTensor

/// Prunes states by the first-order change of the loss when a state fades, Σ over sequences of |∂ℓ/∂log a| = |g · a| at activity
/// a = 1, averaged over steps.
///
/// States below a share of the layer's mean are pruned; with `keep`, all but the K largest. Source: Molchanov et al., 2019,
/// "Importance estimation for neural network pruning", equation 8, with a gate on the state.
public struct TaylorPruning: PruningPolicy {
    public static let type = "taylor"
    public static let summary = "states whose removal changes the loss least, to first order"
    /// K; nil: all.
    public var keep: Int?
    /// A share of the layer's mean; nil: 0.
    public var below: Double?
    public init() {}
    public init(keep: Int? = nil, below: Double? = nil) {
        self.keep = keep
        self.below = below
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        keep = reader.optionalInt("keep", default: keep, in: layer.choices)
        below = reader.double("below", default: below ?? (keep == nil ? 0.1 : 0), in: 0...1e9)
    }
    public var needs: Set<StateView.Observation> { StateView.Measure.saliency.needs }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { StateView.Measure.saliency(view) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let below = below ?? 0, mean = scores.reduce(0, +) / Double(max(1, scores.count))
        let few = Set(keep.map { beyond($0, scores) } ?? [])
        return beyond(0, scores).compactMap { i in
            if scores[i] < below * mean { return (i, "saliency below \(short(below)) of the mean") }
            return few.contains(i) ? (i, "saliency not among the \(keep!) largest") : nil
        }
    }
}
