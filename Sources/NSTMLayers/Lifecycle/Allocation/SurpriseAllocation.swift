import NSTMTensor

/// A new state when the loss is higher than usual: (mean since the last decision − moving mean)/moving deviation is above z.
public struct SurpriseAllocation: AllocationPolicy {
    public let above: Double
    public init(above: Double = 3) { self.above = above }
    public func propose(_ view: StateView, _ key: RandomKey) -> AllocationProposal? {
        guard view.lossDeviation > 0, case let z = (view.loss - view.usualLoss) / view.lossDeviation, z > above else {
            return nil
        }
        return AllocationProposal(score: z, reason: "loss \(short(above)) deviations above the usual")
    }
}
