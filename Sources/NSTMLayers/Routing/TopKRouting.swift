import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Independent gates σ(x·R + b), of which the k largest of a token are kept and all others are exactly 0. The states that a token
/// does not reach keep what they hold: sparse writes are what makes states remember.
public final class TopKRouting: RoutingPolicy {
    public let projection: Linear
    /// Gates kept for a token; nil keeps all (dense independent gates).
    public let k: Int?
    public init(_ parameters: ParameterBuilder, width: Int, states: Int, k: Int?) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
        self.k = k
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let logits = activity.hidingInactive(projection(tokens, context))
        guard let k, k < logits.shape[-1] else { return logits.sigmoid() }
        return logits.topKGates(k)
    }
}

// MARK: Cost

// MARK: Routing policies

extension TopKRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
