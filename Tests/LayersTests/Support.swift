import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
@_exported import TestSupport
import Testing

/// The configuration of a layer.
struct Recipe: Sendable, CustomTestStringConvertible {
    enum Rule: String, Sendable, CaseIterable {
        case plain, slow, secondGate, gru, lstm
        case slotAttention = "slot-attention"
        case mechanisms = "independent-mechanisms"
        case minGRU = "min-gru"
        case minLSTM = "min-lstm"
        case contentSlots = "content-slots"
        case gatedLinear = "gated-linear"
        case scalarDecay = "scalar-decay"
        case retention
        case linearAttention = "linear-attention"
        case delta
        case gatedDelta = "gated-delta"
        case wkv
        case selective = "selective-diagonal"
        case diagonal = "diagonal-ssm"

        /// Not driven by tokens alone.
        var isStepwise: Bool { [.gru, .lstm, .slotAttention, .mechanisms].contains(self) }
        /// Keys stay what they are, and the usual read is linear.
        var isLinear: Bool { Rule.linear.contains(self) }
        static let linear: [Rule] = [
            .gatedLinear, .scalarDecay, .retention, .linearAttention, .delta, .gatedDelta, .wkv, .selective, .diagonal,
        ]
        var settings: ConfigurationValue.Map {
            switch self {
            case .plain: ["type": "gated-slots"]
            case .slow: ["type": "gated-slots", "timescale": 8.0]
            case .secondGate: ["type": "gated-slots", "second-gate": true]
            case .mechanisms: ["type": "independent-mechanisms", "k": 2]
            case .retention: ["type": "scalar-decay", "gate": false]
            default: ["type": .string(rawValue)]
            }
        }
        /// The rule alone, as a configuration would build it.
        func built(_ parameters: ParameterBuilder, width: Int, heads: Int, states: Int) throws -> any StateUpdateRule {
            let reader = ConfigurationReader(.map(settings)),
                dimensions = LayerDimensions(width: width, heads: heads, states: states)
            let rule = reader.value(in: Strategies.standard.updates, default: .gatedSlots, dimensions)
            reader.finish()
            try reader.throwIfInvalid()
            return rule.make(parameters, dimensions)
        }
    }
    var rule = Rule.plain
    var routing = "top-k"
    var interacts = false
    /// The interaction of states.
    var interaction = "attention"
    /// Nil: what is usual for the rule.
    var read: String?
    var window: Int?
    var keep = false
    /// Whether states 1 and 3 are inactive.
    var masked = false

    static let off: Set<Int> = [1, 3]
    static let interval = 4

    static let all = combinations + alternatives
    /// All combinations of the most common parts.
    private static let combinations: [Recipe] = [Rule.plain, .slow, .secondGate, .gru].flatMap { rule in
        ["top-k", "sigmoid", "softmax"].flatMap { routing in
            [false, true].flatMap { interacts in
                [nil, 3].flatMap { window in
                    [false, true].flatMap { keep in
                        [false, true].map {
                            Recipe(rule: rule, routing: routing, interacts: interacts, window: window, keep: keep, masked: $0)
                        }
                    }
                }
            }
        }
    }
    /// The other strategies, each in a few surroundings.
    private static let alternatives: [Recipe] =
        ["all", "balanced-top-k", "content", "gumbel", "hash", "pointer", "random", "round-robin", "sinkhorn"].flatMap {
            routing in
            [
                Recipe(routing: routing), Recipe(routing: routing, window: 3, keep: true),
                Recipe(rule: .secondGate, routing: routing, interacts: true, masked: true),
                Recipe(rule: .gru, routing: routing, keep: true, masked: true),
            ]
        }
        + [Rule.lstm, .slotAttention, .mechanisms].flatMap { rule in
            [
                Recipe(rule: rule), Recipe(rule: rule, routing: "sigmoid", interacts: true, keep: true),
                Recipe(rule: rule, routing: "softmax", masked: true),
                Recipe(rule: rule, interacts: true, window: 3, keep: true, masked: true),
            ]
        }
        + (Rule.linear + [.minGRU, .minLSTM, .contentSlots]).flatMap { rule in
            [
                Recipe(rule: rule), Recipe(rule: rule, routing: "sigmoid", interacts: true, read: "content", keep: true),
                Recipe(rule: rule, routing: "softmax", read: "routed", masked: true),
                Recipe(rule: rule, interacts: true, window: 3, keep: true, masked: true),
            ]
        }
        + [
            Recipe(read: "linear", masked: true), Recipe(rule: .secondGate, interacts: true, read: "routed", keep: true),
            Recipe(rule: .gru, read: "linear", window: 3, keep: true, masked: true),
        ]
        + ["relational", "sparse-attention", "low-rank"].flatMap { interaction in
            [
                Recipe(interacts: true, interaction: interaction),
                Recipe(rule: .slow, interacts: true, interaction: interaction, masked: true),
                Recipe(routing: "sigmoid", interacts: true, interaction: interaction, window: 3, keep: true),
                Recipe(rule: .gru, interacts: true, interaction: interaction, keep: true, masked: true),
            ]
        }
    /// Every 7th combination, and all alternatives: 7 is coprime to the number of choices, so that all choices and most pairs
    /// occur.
    static let some = combinations.enumerated().filter { $0.offset % 7 == 3 }.map(\.element) + alternatives

    var testDescription: String {
        [
            rule.rawValue, routing, interacts ? interaction : nil, read, window.map { "window \($0)" }, keep ? "keep" : nil,
            masked ? "masked" : nil,
        ].compactMap { $0 }.joined(separator: ", ")
    }
    var config: ConfigurationValue {
        var router: ConfigurationValue.Map = ["type": .string(routing)]
        if ["top-k", "balanced-top-k", "content", "hash", "random"].contains(routing) { router["k"] = 2 }
        // Most tests make several passes and compare them; a selection bias would move in between.
        if routing == "balanced-top-k" { router["rate"] = 0 }
        // A weight of 1 would overwrite the initial state at once, so that it could not be tested.
        if ["all", "hash", "random", "round-robin"].contains(routing) { router["strength"] = 0.75 }
        var map: ConfigurationValue.Map = ["convolution": 3, "router": .map(router), "update": .map(rule.settings)]
        if interacts {
            var settings: ConfigurationValue.Map = ["type": .string(interaction), "interval": .int(Recipe.interval)]
            if interaction == "sparse-attention" { settings["k"] = 2 }
            if interaction == "low-rank" { settings["rank"] = 2 }
            map["interaction"] = .map(settings)
        }
        var reading: ConfigurationValue.Map = [:]
        if let window { reading["window"] = .int(window) }
        if let read { reading["type"] = .string(read) }
        map["read"] = .map(reading)
        if keep { map["l0-penalty"] = 0.1 }
        return .map(map)
    }
    func built(
        width: Int = 8, heads: Int = 2, states: Int = 5, dtype: DType = .float64, seed: UInt64 = 1
    ) throws -> Built {
        guard case .map(var map) = config else { fatalError() }
        map["states"] = .int(states)
        let reader = ConfigurationReader(.map(map))
        let plan = NSTMLayer.Configuration(reader, width: width, heads: heads, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        let builder = ParameterBuilder(seed: seed, dtype: dtype)
        let layer = plan.layer(builder, residual: .fanIn)
        shake(builder.store, seed: seed)
        if masked { layer.manager.active = (0..<states).map { !Recipe.off.contains($0) } }
        return Built(layer: layer, store: builder.store)
    }
}

struct Built {
    let layer: NSTMLayer
    let store: ParameterStore

    /// Runs x [B, T, D] in parts of given lengths with a carried state.
    func split(_ x: Variable, _ lengths: [Int], _ context: ForwardContext) -> (y: Variable, state: MixerCache) {
        var state: MixerCache? = layer.initialState(batch: x.shape[0], context)
        let ys = x.split(axis: 1, lengths).map { layer($0, &state, context) }
        return (Variable.concatenate(ys, axis: 1), state!)
    }
    func whole(_ x: Variable, _ context: ForwardContext) -> Variable {
        var none: MixerCache?
        return layer(x, &none, context)
    }
}

/// A scalar that depends on every element with an unequal weight.
func weighted(_ y: Variable, _ name: String) -> Variable {
    (y * Variable(Tensor.uniform(y.shape, low: 0.5, high: 1.5, key: RandomKey(17).fold(name), dtype: y.dtype))).sum()
}
func total(_ y: Variable, _ state: MixerCache?, _ context: ForwardContext) -> Variable {
    var loss = weighted(y, "y")
    if let state { loss = loss + weighted(state["keys"]!, "keys") + weighted(state["values"]!, "values") }
    return context.auxiliaryLosses.reduce(loss) { $0 + $1.value }
}

/// Lengths ≥ 1 that add up to a total.
func parts(of total: Int, _ key: RandomKey, upTo bound: Int = 7) -> [Int] {
    var lengths: [Int] = [], left = total, i = 0
    while left > 0 {
        let n = min(left, 1 + key.integer(i, below: bound))
        lengths.append(n)
        left -= n
        i += 1
    }
    return lengths
}

extension TokenToStateRouter {
    /// tokens [B, T, D] from the start of a sequence, or from a position, → weights [B, T, N].
    func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int = 0, _ context: ForwardContext
    ) -> Variable {
        route(tokens, activity, position: position, carried: nil, context).weights
    }
}
