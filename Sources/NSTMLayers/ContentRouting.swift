import NSTMAutograd
import NSTMModules
import NSTMTensor

/// softmax over states of β cos(x·Q, eₙ): a token goes to the states whose learned identities eₙ it resembles. The
/// content addressing of Graves, Wayne & Danihelka 2014 ("Neural Turing machines", equations 5 and 6), of identities instead of
/// contents, so that it depends on tokens only. With k the softmax is over the k most alike, and all others are exactly 0.
public final class ContentRouting: RoutingPolicy {
    public let query: Linear
    /// e, [N, D].
    public let identities: Parameter
    /// log β, [1].
    public let sharpness: Parameter
    public let k: Int?

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, k: Int? = nil) {
        query = Linear(parameters.child("query"), in: width, out: width, bias: false)
        identities = parameters("identities", [states, width], .normal(deviation: 1), decays: false, stateAxis: 0)
        // β = e² ≈ 7: the cosines of a random token and random identities are small.
        sharpness = parameters("sharpness", [1], .constant(2))
        self.k = k
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let cosines = query(tokens, context).l2Normalized().linear(context[identities].l2Normalized())
        let scores = activity.hidingInactive(cosines * context[sharpness].exp())
        guard let k, k < scores.shape[-1] else { return scores.softmax() }
        return scores.keeping(scores.value.largest(k)).softmax()
    }
}
