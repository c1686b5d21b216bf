import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Applies a routing policy and sets the weights of inactive states to exactly 0.
public final class TokenToStateRouter {
    public let policy: any RoutingPolicy
    public init(_ policy: any RoutingPolicy) { self.policy = policy }

    /// Tokens between two updates of the keys that the policy depends on; nil if it does not depend on states.
    var interval: Int? { (policy as? any StateRoutingPolicy)?.interval }
    /// The carried value of the policy before the first token; nil if it carries nothing.
    func initialState(batch: Int, _ dtype: DType) -> Tensor? {
        (policy as? any CarryingRoutingPolicy)?.initialState(batch: batch, dtype)
    }
    /// The write and read weights of tokens [B, T, D].
    /// - Parameters:
    ///   - position: position of the first token.
    ///   - carried: the value carried from the previous segment; nil at the start of a sequence.
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
