import NSTMAutograd
import NSTMTensor

/// o = Σ aₘ (q·Kₘ/√d) Vₘ by heads: the read of linear attention and its relatives. a is the activity of a state.
public final class LinearReadout: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        states.activity.weighing(queries.scores(against: states.keys, heads: states.heads))
    }
}

// MARK: Cost

extension LinearReadout: ReadWeightCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.states }
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
}
