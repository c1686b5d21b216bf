import NSTMConfiguration
import NSTMTensor

/// Allocates a state when tokens are novel: the mean of 1 − max cos(key, Kₙ) over tokens is above a threshold.
public struct NoveltyAllocation: AllocationPolicy {
    public static let type = "novelty"
    public static let summary = "a new state when tokens are novel"
    /// The threshold, in 0 … 2.
    public var above = 0.5
    public init() {}
    public init(above: Double) { self.above = above }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        above = reader.double("above", default: above, in: 0...2)
    }
    public var needs: Set<StateView.Observation> { [.write, .novelty] }
    public func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)? {
        guard let novelty = view.novelty, novelty > above else { return nil }
        return (count: 1, score: novelty, reason: "novelty above \(short(above))")
    }
}
