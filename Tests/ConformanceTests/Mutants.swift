import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

// Strategies with one issue each.

/// A rule that the framework scans, with write weights from a closure.
final class Scanned: TokenDrivenUpdateRule {
    private let change: (_ tokens: Variable, _ write: Variable) -> Variable
    init(_ change: @escaping (Variable, Variable) -> Variable) { self.change = change }
    func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> ConvexUpdate {
        ConvexUpdate(write: change(tokens, routing))
    }
}

/// A rule that moves states by closures: the values go to tanh(scale ⊙ v) plus what a closure adds.
class Moving: StateUpdateRule {
    private let scale: Parameter
    init(_ parameters: ParameterBuilder, width: Int) { scale = parameters("scale", [width], .ones) }

    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)
        var next = states
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        next.values = states.values + w * (new(token.value * factor(scale, context), context).unsqueezed(axis: 1) - states.values)
        return next
    }
    func factor(_ scale: Parameter, _ context: ForwardContext) -> Variable { context[scale] }
    func new(_ value: Variable, _ context: ForwardContext) -> Variable { value.tanh() }
}

/// Its parameter gets no gradient.
final class Unlearned: Moving {
    override func factor(_ scale: Parameter, _ context: ForwardContext) -> Variable { context.constant(scale.value) }
}
/// Its parameter gets a gradient that is a thousandth too large.
final class Mislearned: Moving {
    override func factor(_ scale: Parameter, _ context: ForwardContext) -> Variable {
        let s = context[scale]
        return record("mislearned", [s], s.value, .pullback { g, to in to.add(0, g.affine(1.001)) })
    }
}
/// Its random numbers depend on how often it was called.
final class Gambling: Moving {
    private var calls = 0
    override func new(_ value: Variable, _ context: ForwardContext) -> Variable {
        calls += 1
        return value.tanh() * (0.5 + RandomKey(1).uniform(calls))
    }
}
/// Its stated cost is correct: it has no products.
class Honest: Moving, StrategyCost {
    func multiplyAdds(_ pass: StatePass) -> Int { 0 }
}
/// Its stated cost is one product too high.
final class Overstating: Honest {
    override func multiplyAdds(_ pass: StatePass) -> Int { pass.size.tokens == 20 ? 1 : 0 }
}
/// Its stated number of reached states is too high.
final class Overreaching: RoutingPolicy, RoutingCost {
    private let policy: TopKRouting
    init(_ parameters: ParameterBuilder, _ dimensions: LayerDimensions) {
        policy = TopKRouting(parameters, width: dimensions.width, states: dimensions.states, k: 2)
    }
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable {
        policy(tokens, activity, position: position, context)
    }
    func multiplyAdds(_ pass: StatePass) -> Int { policy.multiplyAdds(pass) }
    func reached(of active: Int) -> Int { min(3, active) }
}
/// It stores the last token in itself instead of in the states.
final class Remembering: Moving {
    private var last: Tensor?
    override func new(_ value: Variable, _ context: ForwardContext) -> Variable {
        let before = last?.shape == value.shape ? context.constant(last!) : value
        last = value.value
        return (value + before).tanh()
    }
}
/// It stores data of every token.
final class Collecting: Moving {
    private var all: [Tensor] = []
    override func new(_ value: Variable, _ context: ForwardContext) -> Variable {
        all.append(value.value.affine(2))
        return value.tanh()
    }
}
/// Its results depend on the initial value of its parameter.
final class Nostalgic: Moving {
    private let began: Tensor
    override init(_ parameters: ParameterBuilder, width: Int) {
        let start = parameters("start", [width], .normal(standardDeviation: 1), trainable: false)
        began = start.value
        super.init(parameters, width: width)
    }
    override func new(_ value: Variable, _ context: ForwardContext) -> Variable { (value + context.constant(began)).tanh() }
}
/// It adds without decay.
final class Adding: StateUpdateRule {
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        var next = states
        next.values = states.values + token.weights.unsqueezed(axis: 2) * token.value.unsqueezed(axis: 1)
        return next
    }
}
/// All states fade, also those that a token does not reach.
final class Fading: StateUpdateRule {
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)
        var next = states
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        next.values = states.values * 0.9 + w * (token.value.unsqueezed(axis: 1) - states.values) * 0.1
        return next
    }
}

/// Independent gates of logits that a closure changes.
final class Gates: RoutingPolicy {
    private let projection: Linear
    private let change: (Variable, ForwardContext) -> Variable
    init(
        _ parameters: ParameterBuilder, _ dimensions: LayerDimensions, _ change: @escaping (Variable, ForwardContext) -> Variable
    ) {
        projection = Linear(parameters, in: dimensions.width, out: dimensions.states)
        self.change = change
    }
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable {
        change(projection(tokens, context), context).sigmoid()
    }
}
/// A softmax over all states, including inactive ones.
final class Crowded: RoutingPolicy {
    private let projection: Linear
    init(_ parameters: ParameterBuilder, _ dimensions: LayerDimensions) {
        projection = Linear(parameters, in: dimensions.width, out: dimensions.states)
    }
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable {
        projection(tokens, context).softmax()
    }
}

/// States move towards the mean of all states, including inactive ones.
final class Averaging: StateInteraction {
    private let rate: Parameter
    init(_ parameters: ParameterBuilder) { rate = parameters("rate", [1], .zeros) }
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        var next = states
        next.values = states.values + context[rate].sigmoid() * (states.values.mean(axes: [1], keepDims: true) - states.values)
        return next
    }
}
/// A content readout that ignores the activity.
final class Gullible: StateReadout {
    func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let scores = (token.query.unsqueezed(axis: 1) * states.keys).sum(axes: [2]) / 3
        return (scores.softmax().unsqueezed(axis: 2) * states.values).sum(axes: [1])
    }
}

/// A layer that changes its cache after each segment.
final class Tampered: SequenceMixer {
    private let layer: NSTMLayer
    private let tamper: (inout MixerCache, ForwardContext) -> Void
    init(
        _ parameters: ParameterBuilder, _ dimensions: LayerDimensions,
        _ tamper: @escaping (inout MixerCache, ForwardContext) -> Void
    ) {
        let parts = NSTMLayer.Parts(
            routing: { TopKRouting($0, width: dimensions.width, states: dimensions.states, k: 2) },
            update: { GatedSlotsRule($0, width: dimensions.width, states: dimensions.states, secondGate: true) })
        layer = NSTMLayer(parameters, width: dimensions.width, heads: dimensions.heads, states: dimensions.states, parts: parts)
        self.tamper = tamper
    }
    func initialState(batch: Int, _ context: ForwardContext) -> MixerCache { layer.initialState(batch: batch, context) }
    func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let y = layer(x, &state, context)
        if state != nil { tamper(&state!, context) }
        return y
    }
}

// MARK: Pruning

/// The states with the smallest importance, up to half of them, with one mistake.
struct MistakenPruning: PruningPolicy {
    enum Mistake: CaseIterable { case identitiesForIndices, missingScore, unbounded, descending, repeated, hiddenMemory }
    static let type = "mistaken"
    static let summary = "the less important half, with one mistake"
    var mistake: Mistake?
    private var decisions = 0
    init() {}
    init(_ mistake: Mistake?) { self.mistake = mistake }

    func scores(_ view: StateView, _ key: RandomKey) -> [Double] {
        switch mistake {
        case .missingScore: Array(view.importance.dropLast())
        case .unbounded: view.importance.map { -1 / $0 }
        default: view.importance
        }
    }
    mutating func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        decisions += 1
        var order = Array(scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }.prefix(scores.count / 2))
        switch mistake {
        case .identitiesForIndices: order = order.map { view.states[$0].identity }
        case .descending: order.reverse()
        case .repeated: order += order.suffix(1)
        case .hiddenMemory: order = Array(order.prefix(decisions))
        default: break
        }
        return order.map { ($0, "less important") }
    }
}
