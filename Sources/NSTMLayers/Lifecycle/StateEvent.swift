/// A state was born or has died.
public struct StateEvent: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable { case allocated, pruned }
    /// Training steps done.
    public let step: Int
    /// Path of the layer.
    public let layer: String
    /// Who: an identity that stays when others are removed.
    public let state: Int
    public let kind: Kind
    /// What the policy went by.
    public let score: Double
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
