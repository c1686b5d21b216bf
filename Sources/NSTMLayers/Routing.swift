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
        projection = Linear(parameters, in: width, out: states, initializer: .normal(deviation: 0.02))
        self.k = k
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, _ context: ForwardContext) -> Variable {
        let logits = activity.hidingInactive(projection(tokens, context))
        guard let k, k < logits.shape[-1] else { return logits.sigmoid() }
        return logits.topKGates(k)
    }
}

/// softmax(x·R + b): states compete for a token; its weights add up to 1.
public final class SoftmaxRouting: RoutingPolicy {
    public let projection: Linear
    public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(deviation: 0.02))
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, _ context: ForwardContext) -> Variable {
        activity.hidingInactive(projection(tokens, context)).softmax()
    }
}

/// Asks the policy where tokens go, and keeps inactive states out: their weights become exactly 0.
public final class TokenToStateRouter {
    public let policy: any RoutingPolicy
    public init(_ policy: any RoutingPolicy) { self.policy = policy }

    /// tokens [B, T, D] → weights [B, T, N].
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, _ context: ForwardContext) -> Variable {
        let weights = policy(tokens, activity, context)
        guard let mask = activity.mask else { return weights }
        return weights * context.constant(mask)
    }
}
