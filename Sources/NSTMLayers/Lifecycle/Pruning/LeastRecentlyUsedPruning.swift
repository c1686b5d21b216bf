import NSTMTensor

/// A state that nothing has been written to for so many steps dies; with `keep`, the K last used live. Of those used in the same step
/// the one written to less goes first. The rule of caches; for memories of networks Rae et al. 2016 ("Scaling memory-augmented neural
/// networks with sparse reads and writes").
public struct LeastRecentlyUsedPruning: PruningPolicy {
    /// Steps without a write after which a state dies; nil: never for that.
    public let after: Int?
    public let keep: Int?
    public init(after: Int?, keep: Int? = nil) {
        self.after = after
        self.keep = keep
    }
    /// −idle steps, and less than one step for the load.
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
