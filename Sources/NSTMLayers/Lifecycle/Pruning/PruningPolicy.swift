import NSTMConfiguration
import NSTMTensor

/// A policy that selects the candidates for pruning among the states of a layer.
///
/// A value that holds its settings. Information that it keeps between decisions is its `memory`, which is saved with the run;
/// random numbers are drawn from the key.
///
/// `StateLifecycleConfiguration.Limits` determines when decisions are made and how many states one decision may prune, for all
/// policies.
public protocol PruningPolicy: Configurable where Scope == LayerDimensions {
    /// The type of the information that the policy keeps between decisions.
    associatedtype Memory: Codable = StateLifecycleConfiguration.NoMemory
    /// Information that is kept between decisions and saved with the run.
    var memory: Memory { get set }
    /// The observations and measurements that the policy needs.
    var needs: Set<StateView.Observation> { get }
    /// A finite score of each state of the view.
    func scores(_ view: StateView, _ key: RandomKey) -> [Double]
    /// Candidates by index into the view's states, smallest score first.
    mutating func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)]
}

extension PruningPolicy where Memory == StateLifecycleConfiguration.NoMemory {
    public var memory: StateLifecycleConfiguration.NoMemory {
        get { StateLifecycleConfiguration.NoMemory() }
        set {}
    }
}

extension PruningPolicy { public var needs: Set<StateView.Observation> { [.write, .read] } }

/// Indices of all scores except the largest `count`, smallest first; of equal scores the later one comes first.
func beyond(_ count: Int, _ scores: [Double]) -> [Int] {
    let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] < scores[$1] : $0 > $1 }
    return Array(order.prefix(max(0, scores.count - count)))
}

extension Registry where Value == any PruningPolicy, Scope == LayerDimensions {
    public init() { self.init("pruning policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds a pruning policy under the name of its type.
    public mutating func register<Policy: PruningPolicy>(_ type: Policy.Type) { register(type.init()) }
}
