/// Sizes of the layer for which a strategy is created.
public struct LayerDimensions: Sendable {
    public let width: Int
    public let heads: Int
    public let states: Int
    /// Allowed numbers of states of a setting (`k`).
    ///
    /// After pruning a layer may have fewer states than its settings select; the settings are then clamped to all states.
    public let choices: ClosedRange<Int>
    public init(width: Int, heads: Int, states: Int, choices: ClosedRange<Int>? = nil) {
        self.width = width
        self.heads = heads
        self.states = states
        self.choices = choices ?? 1...states
    }
    /// Default of settings that select a few states: 4, or all if there are fewer.
    var fewStates: Int { min(4, states) }
}
