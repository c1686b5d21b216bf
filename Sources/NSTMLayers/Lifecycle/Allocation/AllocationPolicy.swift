import NSTMTensor

/// Says when a layer should get new states.
public protocol AllocationPolicy: Sendable {
    associatedtype Memory: Codable = NoMemory
    var memory: Memory { get set }
    var needs: Set<StateObservation> { get }
    /// How many new states are wanted, by what number and why; nil: none. Called at every decision.
    mutating func propose(_ view: StateView, _ key: RandomKey) -> AllocationProposal?
}

public struct AllocationProposal: Sendable, Equatable {
    public let count: Int
    public let score: Double
    public let reason: String
    public init(count: Int = 1, score: Double, reason: String) {
        self.count = count
        self.score = score
        self.reason = reason
    }
}

extension AllocationPolicy where Memory == NoMemory {
    public var memory: NoMemory {
        get { NoMemory() }
        set {}
    }
}

extension AllocationPolicy { public var needs: Set<StateObservation> { [.write] } }
