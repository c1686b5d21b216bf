import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Asks the policy where tokens go, and keeps inactive states out: their weights become exactly 0.
public final class TokenToStateRouter {
    public let policy: any RoutingPolicy
    public init(_ policy: any RoutingPolicy) { self.policy = policy }

    /// Tokens between two looks of the policy at the states; nil when it does not look.
    var interval: Int? { (policy as? any StateRoutingPolicy)?.interval }
    /// What the policy carries before the first token; nil when it carries nothing.
    func initialState(batch: Int, _ dtype: DType) -> Tensor? {
        (policy as? any CarryingRoutingPolicy)?.initialState(batch: batch, dtype)
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
            let start = carried ?? context.constant(policy.initialState(batch: tokens.shape[0], tokens.dtype))
            routing = policy.route(tokens, activity, position: position, carried: start, context)
        } else {
            routing = Routing(weights: policy(tokens, activity, position: position, context))
        }
        routing.weights = activity.masking(routing.weights, context)
        routing.reads = routing.reads.map { activity.masking($0, context) }
        return routing
    }
}
