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
        projection = Linear(parameters, in: width, out: states, initializer: .normal(deviation: 0.02), stateAxis: 0)
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

/// softmax(x·R + b): states compete for a token; its weights add up to 1.
public final class SoftmaxRouting: RoutingPolicy {
    public let projection: Linear
    public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(deviation: 0.02), stateAxis: 0)
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        activity.hidingInactive(projection(tokens, context)).softmax()
    }
}

/// Asks the policy where tokens go, and keeps inactive states out: their weights become exactly 0.
public final class TokenToStateRouter {
    public let policy: any RoutingPolicy
    public init(_ policy: any RoutingPolicy) { self.policy = policy }

    /// Tokens between two looks of the policy at the states; nil when it does not look.
    var interval: Int? { (policy as? any StateRoutingPolicy)?.interval }
    /// What the policy carries before the first token; nil when it carries nothing.
    func beginning(batch: Int, _ dtype: DType) -> Tensor? {
        (policy as? any CarryingRoutingPolicy)?.beginning(batch: batch, dtype)
    }
    /// Where tokens [B, T, D] write and read.
    /// - Parameters:
    ///   - position: of the first of them.
    ///   - carried: what the policy carried from the segment before; nil: the sequence begins here.
    package func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable?, _ context: ForwardContext
    ) -> Routing {
        var routing: Routing
        if let policy = policy as? any CarryingRoutingPolicy {
            let start = carried ?? context.constant(policy.beginning(batch: tokens.shape[0], tokens.dtype))
            routing = policy.route(tokens, activity, position: position, carried: start, context)
        } else {
            routing = Routing(weights: policy(tokens, activity, position: position, context))
        }
        routing.weights = activity.masking(routing.weights, context)
        routing.reads = routing.reads.map { activity.masking($0, context) }
        return routing
    }
}
