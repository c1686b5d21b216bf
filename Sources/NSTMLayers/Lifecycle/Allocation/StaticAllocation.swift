import NSTMTensor

/// No state is ever born: as many as there were at the start.
public struct StaticAllocation: AllocationPolicy {
    public init() {}
    public var needs: Set<StateObservation> { [] }
    public func propose(_ view: StateView, _ key: RandomKey) -> AllocationProposal? { nil }
}
