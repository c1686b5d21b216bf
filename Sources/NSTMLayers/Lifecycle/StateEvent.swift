/// The allocation or pruning of a state.
public struct StateEvent: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable { case allocated, pruned }
    /// Number of training steps done.
    public let step: Int
    /// Path of the layer.
    public let layer: String
    /// Identity of the state, which does not change when others are removed.
    public let state: Int
    /// Allocation or pruning.
    public let kind: Kind
    /// The score on which the policy based its decision.
    public let score: Double
    /// The reason of the decision, for the log.
    public let reason: String

    public init(step: Int, layer: String, state: Int, kind: Kind, score: Double, reason: String) {
        self.step = step
        self.layer = layer
        self.state = state
        self.kind = kind
        self.score = score
        self.reason = reason
    }
}
