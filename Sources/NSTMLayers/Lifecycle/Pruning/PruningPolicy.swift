import NSTMTensor

/// Says which states of a layer should die. A value: what it has to remember between decisions is its `memory`, which is saved with
/// the run; whatever is random it draws from the key.
///
/// When a decision is made, how many may die at once, who is spared: that is `LifecycleLimits`, the same for all policies.
public protocol PruningPolicy: Sendable {
    associatedtype Memory: Codable = NoMemory
    var memory: Memory { get set }
    /// What has to be observed or measured.
    var needs: Set<StateObservation> { get }
    /// How much each of the view's states is worth; all finite.
    func scores(_ view: StateView, _ key: RandomKey) -> [Double]
    /// Who should die, by index into the view's states, those that are worth least first.
    mutating func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)]
}

extension PruningPolicy where Memory == NoMemory {
    public var memory: NoMemory {
        get { NoMemory() }
        set {}
    }
}

extension PruningPolicy { public var needs: Set<StateObservation> { [.write, .read] } }

/// Indices of all scores but the largest `count`, smallest first; of equal ones the later goes first.
func beyond(_ count: Int, _ scores: [Double]) -> [Int] {
    let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] < scores[$1] : $0 > $1 }
    return Array(order.prefix(max(0, scores.count - count)))
}
