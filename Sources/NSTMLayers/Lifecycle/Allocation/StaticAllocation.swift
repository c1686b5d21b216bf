import NSTMConfiguration
import NSTMTensor

/// No allocation: the number of states does not grow.
public struct StaticAllocation: AllocationPolicy {
    public static let type = "static"
    public static let summary = "no new states"
    public init() {}
    public var needs: Set<StateView.Observation> { [] }
    public func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)? { nil }
}
