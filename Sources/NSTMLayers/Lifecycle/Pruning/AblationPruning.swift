import NSTMTensor

/// Goes by what every score stands for: how much the loss grows when the state is masked, measured on a batch for one state after the
/// other. Dear: a pass of the model for each state at each decision. Those whose loss grows by less than a bound die; with `keep`, all
/// but the K whose loss grows most.
public struct AblationPruning: PruningPolicy {
    public let keep: Int?
    /// In nats.
    public let below: Double?
    public init(keep: Int? = nil, below: Double? = nil) {
        self.keep = keep
        self.below = below
    }
    public var needs: Set<StateObservation> { [.write, .read, .ablation] }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { view.states.map { $0.ablation ?? 0 } }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let few = Set(keep.map { beyond($0, scores) } ?? [])
        return beyond(0, scores).compactMap { i in
            if let below, scores[i] < below { return (i, "the loss grows by less than \(short(below)) without it") }
            return few.contains(i) ? (i, "not among the \(keep!) that are missed most") : nil
        }
    }
}
