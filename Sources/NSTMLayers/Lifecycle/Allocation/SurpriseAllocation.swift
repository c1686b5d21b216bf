import NSTMConfiguration
import NSTMTensor

/// Allocates a state when the loss is unusually high: (mean since the last decision − moving mean) / moving standard deviation is
/// above z.
public struct SurpriseAllocation: AllocationPolicy {
    public static let type = "surprise"
    public static let summary = "a new state when the loss is higher than usual"
    /// The threshold z, in standard deviations.
    public var above = 3.0
    public init() {}
    public init(above: Double) { self.above = above }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        above = reader.double("above", default: above, in: 0...1e6)
    }
    public func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)? {
        guard view.lossDeviation > 0, case let z = (view.loss - view.usualLoss) / view.lossDeviation, z > above else {
            return nil
        }
        return (count: 1, score: z, reason: "loss \(short(above)) deviations above the usual")
    }
}
