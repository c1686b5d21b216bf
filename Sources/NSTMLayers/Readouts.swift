import NSTMAutograd
import NSTMTensor

/// A token reads the states.
public protocol StateReadout: AnyObject {
    /// What is read, [B, D].
    func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable
}

/// A readout that mixes the values of states, o = Σ rₘ Vₘ, with weights that do not depend on the values. That is all that the scans
/// of rules that write no keys need to know of it.
public protocol WeightedReadout: StateReadout {
    /// r for queries [B, T, D] of tokens that the routing policy lets read states by weights [B, T, N] (`RoutedTokens.readWeights`):
    /// [B, H, T, N], or [B, 1, T, N] for all heads; 0 for inactive states.
    func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable
}
extension WeightedReadout {
    public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let r = weights(token.query.expanded(1), routing: token.readWeights.expanded(1), states)
        return r.matmul(states.values.byHeads(states.heads)).joiningHeads().squeezed(1)
    }
}

/// softmax over active states of q·Kₘ/√d by heads, then the mix of their values: what tokens read by default. It is fused with the
/// scan of token-driven rules.
public final class ContentRead: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        var scores = queries.matched(to: states.keys, heads: states.heads)
        if let bias = states.activity.readBias { scores = scores + bias.expanded(1).expanded(1) }
        // With no active state there is nothing to choose from.
        if states.activity.active(of: states.count).isEmpty { return Variable(Tensor.zeros(scores.shape, dtype: scores.dtype)) }
        return scores.softmax()
    }
    public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let read = token.query.expanded(1).slotRead(
            keys: states.keys, values: states.values, bias: states.activity.readBias, heads: states.heads)
        context.observe(StateObservation.read.rawValue) { read.weights }
        return read.output.squeezed(1)
    }
}

/// o = Σ aₘ (q·Kₘ/√d) Vₘ by heads: the read of linear attention and its relatives. a is the activity of a state.
public final class LinearRead: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        states.activity.weighing(queries.matched(to: states.keys, heads: states.heads))
    }
}

/// o = Σ aₘ rₘ Vₘ: a token reads where it was routed, in all heads alike. r are the read weights of the routing policy, and where it
/// has none of its own its weights w; a is the activity of a state. It is fused with the scan of convex updates without a channel gate.
public final class RoutedRead: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        states.activity.weighing(routing.expanded(1))
    }
}

extension StateActivity {
    /// Weights of states [B, ..., N] times their activities; exactly 0 for inactive ones.
    func weighing(_ weights: Variable) -> Variable {
        readBias.map { weights * $0.exp().expanded(1).expanded(1) } ?? weights
    }
}
