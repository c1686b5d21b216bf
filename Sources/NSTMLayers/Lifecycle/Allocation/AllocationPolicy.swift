import NSTMConfiguration
import NSTMTensor

/// A policy that decides when a layer gets new states.
///
/// A value that holds its settings.
public protocol AllocationPolicy: Configurable where Scope == LayerDimensions {
    /// The type of the information that the policy keeps between decisions.
    associatedtype Memory: Codable = StateLifecycleConfiguration.NoMemory
    /// Information that is kept between decisions and saved with the run.
    var memory: Memory { get set }
    /// The observations and measurements that the policy needs.
    var needs: Set<StateView.Observation> { get }
    /// The number of new states, with the score and the reason; nil: none. Called at every decision.
    mutating func propose(_ view: StateView, _ key: RandomKey) -> (count: Int, score: Double, reason: String)?
}

extension AllocationPolicy where Memory == StateLifecycleConfiguration.NoMemory {
    public var memory: StateLifecycleConfiguration.NoMemory {
        get { StateLifecycleConfiguration.NoMemory() }
        set {}
    }
}

extension AllocationPolicy { public var needs: Set<StateView.Observation> { [.write] } }

extension Registry where Value == any AllocationPolicy, Scope == LayerDimensions {
    public init() { self.init("allocation policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds an allocation policy under the name of its type.
    public mutating func register<Policy: AllocationPolicy>(_ type: Policy.Type) { register(type.init()) }
}
