import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A gated recurrent unit (Cho et al. 2014) as the rule of every state: the value part moves towards GRU(V, v), by as much as the
/// token reaches it; the key part follows what was routed there. Not driven by tokens alone, so it runs step by step; the weights
/// are shared by the states, whose identities lie in their learned beginnings.
public final class GRUStates: StateUpdateRule {
    private let input: Linear
    private let recurrent: Linear
    private let width: Int

    public init(_ parameters: ParameterBuilder, width: Int) {
        input = Linear(parameters.child("input"), in: width, out: 3 * width)
        recurrent = Linear(parameters.child("recurrent"), in: width, out: 3 * width)
        self.width = width
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let a = input(token.value, context).expanded(1).split(2, [width, width, width])
        let h = recurrent(states.values, context).split(2, [width, width, width])
        let reset = (a[0] + h[0]).sigmoid(), update = (a[1] + h[1]).sigmoid()
        let candidate = (a[2] + reset * h[2]).tanh()
        let w = token.weights.expanded(2)
        var next = states
        next.values = states.values + w * update * (candidate - states.values)
        next.keys = states.keys + w * (token.key.expanded(1) - states.keys)
        return next
    }
}
