import NSTMConfiguration
import NSTMTensor

/// A policy that decides when a layer gets new states.
///
/// A value that holds its settings.
public protocol AllocationPolicy: Configurable where Scope == LayerDimensions {
    /// The type of the information that the policy keeps between decisions.
    associatedtype Memory: Codable = NoMemory
    /// Information that is kept between decisions and saved with the run.
    var memory: Memory { get set }
    /// The observations and measurements that the policy needs.
    var needs: Set<StateObservation> { get }
    /// The number of new states, with the score and the reason; nil: none. Called at every decision.
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

extension Registry where Value == any AllocationPolicy, Scope == LayerDimensions {
    public init() { self.init("allocation policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds an allocation policy under the name of its type.
    public mutating func register<Policy: AllocationPolicy>(_ type: Policy.Type) { register(type.init()) }
}
