import NSTM

/// The write of a neural Turing machine (Graves, Wayne & Danihelka 2014, equations 3 and 4): a token erases channels and adds to
/// them.
///
///     V ← V ⊙ (1 − w e) + w e ⊙ a,   e = σ(x E + b),  a = tanh(v A + c)
///
/// The key part is a moving average of the keys that were routed to the state. The paper adds w a, without a bound; here it is w
/// e ⊙ a, so that a channel that is never erased is never added to, and states stay between ±1 and where they began.
public final class EraseAdd: StateUpdateRule {
    private let erase: Linear
    private let add: Linear

    public init(_ parameters: ParameterBuilder, width: Int) {
        erase = Linear(parameters.child("erase"), in: width, out: width)
        add = Linear(parameters.child("add"), in: width, out: width)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)
        let e = w * erase(token.features, context).sigmoid().unsqueezed(axis: 1),
            a = add(token.value, context).tanh().unsqueezed(axis: 1)
        var next = states
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        next.values = states.values * (1 - e) + e * a
        return next
    }
}

extension EraseAdd {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "erase-add"
        public static let summary = "the erase and add of a neural Turing machine"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            EraseAdd(parameters, width: layer.width)
        }
    }
}
