import NSTMTensor

/// A new state when tokens resemble no state: the mean of 1 − max cos(key, Kₙ) over tokens is above a threshold.
public struct NoveltyAllocation: AllocationPolicy {
    /// In 0 ... 2.
    public let above: Double
    public init(above: Double = 0.5) { self.above = above }
    public var needs: Set<StateObservation> { [.write, .novelty] }
    public func propose(_ view: StateView, _ key: RandomKey) -> AllocationProposal? {
        guard let novelty = view.novelty, novelty > above else { return nil }
        return AllocationProposal(score: novelty, reason: "novelty above \(short(above))")
    }
}
