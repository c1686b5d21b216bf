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
        let r = weights(token.query.unsqueezed(axis: 1), routing: token.readWeights.unsqueezed(axis: 1), states)
        return r.matmul(states.values.splitHeads(states.heads)).joinHeads().squeezed(axis: 1)
    }
}

extension StateActivity {
    /// Weights of states [B, ..., N] times their activities; exactly 0 for inactive ones.
    public func weighing(_ weights: Variable) -> Variable {
        readBias.map { weights * $0.exp().unsqueezed(axis: 1).unsqueezed(axis: 1) } ?? weights
    }
}
