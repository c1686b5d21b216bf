/// Sizes of the layer that a strategy is made for.
public struct LayerDimensions: Sendable {
    public let width: Int
    public let heads: Int
    public let states: Int
    /// Numbers of states that a setting may name (`k`).
    ///
    /// A layer that has lost states may have fewer than its settings name; those then mean all.
    public let choices: ClosedRange<Int>
    public init(width: Int, heads: Int, states: Int, choices: ClosedRange<Int>? = nil) {
        self.width = width
        self.heads = heads
        self.states = states
        self.choices = choices ?? 1...states
    }
    /// Default of settings that choose a few states: 4, or all where there are fewer.
    var fewStates: Int { min(4, states) }
}
