import NSTMConfiguration
import NSTMTensor

/// Allocates a state when all states are in use: even the smallest load is above a share of the mean load (1: all loads are
/// equal).
public struct SaturationAllocation: AllocationPolicy {
    public static let type = "saturation"
    public static let summary = "a new state when none is idle"
    /// The threshold, as a share of the mean load.
    public var above = 0.5
    public init() {}
    public init(above: Double) { self.above = above }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        above = reader.double("above", default: above, in: 0...1)
    }
    public func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)? {
        guard let least = view.load.min(), least > above else { return nil }
        return (count: 1, score: least, reason: "every state has more than \(short(above)) of the mean load")
    }
}
