import NSTMConfiguration
import NSTMTensor

/// Prunes states that were not written to for a number of steps; with `keep`, all but the K last used.
///
/// Of states last used in the same step, the one with the smaller load is pruned first. This is the replacement rule of caches;
/// for memories of networks see Rae et al., 2016, "Scaling memory-augmented neural networks with sparse reads and writes".
public struct LeastRecentlyUsedPruning: PruningPolicy {
    public static let type = "least-recently-used"
    public static let summary = "states that were not written to for many steps"
    /// Steps without a write after which a state is pruned; nil: no bound.
    public var after: Int?
    /// K; nil: all.
    public var keep: Int?
    public init() {}
    public init(after: Int?, keep: Int? = nil) {
        self.after = after
        self.keep = keep
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        keep = reader.optionalInt("keep", default: keep, in: layer.choices)
        after = reader.optionalInt("after", default: after ?? (keep == nil ? 1000 : nil), in: 1...1_000_000_000)
    }
    /// Minus the number of idle steps, plus less than one step for the load.
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] {
        zip(view.states, view.load).map { state, load in -Double(state.idle) + load / (1 + load) }
    }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let late = Set(keep.map { beyond($0, scores) } ?? [])
        return beyond(0, scores).compactMap { i in
            if let after, view.states[i].idle > after { return (i, "not written to for \(view.states[i].idle) steps") }
            return late.contains(i) ? (i, "not among the \(keep!) last used") : nil
        }
    }
}
