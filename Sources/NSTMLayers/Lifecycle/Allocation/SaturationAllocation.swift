import NSTMTensor

/// A new state when none is idle: even the state written to least gets more than a share of the mean load (1: all alike).
public struct SaturationAllocation: AllocationPolicy {
    public let above: Double
    public init(above: Double = 0.5) { self.above = above }
    public func propose(_ view: StateView, _ key: RandomKey) -> AllocationProposal? {
        guard let least = view.load.min(), least > above else { return nil }
        return AllocationProposal(score: least, reason: "every state has more than \(short(above)) of the mean load")
    }
}
