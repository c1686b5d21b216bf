import NSTMConfiguration
import NSTMTensor

/// Keeps K random states: a baseline for all other policies.
public struct RandomPruning: PruningPolicy {
    public static let type = "random"
    public static let summary = "all but K random states"
    /// K; nil: all.
    public var keep: Int?
    /// Seed of the random numbers.
    public var seed = 0
    public init() {}
    public init(keep: Int, seed: Int = Self().seed) {
        self.keep = keep
        self.seed = seed
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        keep = reader.int("keep", default: keep, in: layer.choices)
        seed = reader.int("seed", default: seed, in: 0...Int.max)
    }
    /// One random number per identity, the same at every decision.
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] {
        let own = RandomKey(UInt64(seed)).fold("random pruning").fold(view.layer)
        return view.states.map { own.uniform($0.identity) }
    }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(keep ?? scores.count, scores).map { ($0, "drawn") }
    }
}
