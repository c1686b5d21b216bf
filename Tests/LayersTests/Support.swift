import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
@_exported import TestSupport
import Testing

/// One way to put a layer together, as a configuration would say it.
struct Recipe: Sendable, CustomTestStringConvertible {
    enum Rule: String, Sendable, CaseIterable { case plain, slow, secondGate, gru }
    var rule = Rule.plain
    var routing = "top-k"
    var talks = false
    var window: Int?
    var keep = false
    /// States 1 and 3 are switched off.
    var masked = false

    static let off: Set<Int> = [1, 3]
    static let interval = 4

    static let all: [Recipe] = Rule.allCases.flatMap { rule in
        ["top-k", "sigmoid", "softmax"].flatMap { routing in
            [false, true].flatMap { talks in
                [nil, 3].flatMap { window in
                    [false, true].flatMap { keep in
                        [false, true].map {
                            Recipe(rule: rule, routing: routing, talks: talks, window: window, keep: keep, masked: $0)
                        }
                    }
                }
            }
        }
    }
    /// Every 7th: 7 shares no factor with the number of choices, so that all choices and most pairs of them occur.
    static let some = all.enumerated().filter { $0.offset % 7 == 3 }.map(\.element)

    var testDescription: String {
        [
            rule.rawValue, routing, talks ? "interaction" : nil, window.map { "window \($0)" }, keep ? "keep" : nil,
            masked ? "masked" : nil,
        ].compactMap { $0 }.joined(separator: ", ")
    }
    var config: ConfigValue {
        var update: ConfigMap = ["rule": .string(rule == .gru ? "gru" : "gated-slots")]
        if rule == .slow { update["slowness"] = 8.0 }
        if rule == .secondGate { update["second-gate"] = true }
        var router: ConfigMap = ["policy": .string(routing)]
        if routing == "top-k" { router["k"] = 2 }
        var map: ConfigMap = ["convolution": 3, "router": .map(router), "update": .map(update)]
        if talks { map["interaction"] = ["kind": "attention", "interval": .int(Recipe.interval)] }
        if let window { map["read"] = ["window": .int(window)] }
        if keep { map["keep-penalty"] = 0.1 }
        return .map(map)
    }
    func built(
        width: Int = 8, heads: Int = 2, states: Int = 5, dtype: DType = .float64, seed: UInt64 = 1
    ) throws -> Built {
        guard case .map(var map) = config else { fatalError() }
        map["states"] = .int(states)
        let reader = ConfigReader(.map(map))
        let plan = NSTMLayerPlan(reader, width: width, heads: heads, strategies: .standard)
        reader.finish()
        try reader.throwIfFaulty()
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
    func split(_ x: Variable, _ lengths: [Int], _ context: ForwardContext) -> (y: Variable, state: MixerState) {
        var state: MixerState? = layer.initialState(batch: x.shape[0], context)
        let ys = x.split(1, lengths).map { layer($0, &state, context) }
        return (Variable.concatenate(ys, axis: 1), state!)
    }
    func whole(_ x: Variable, _ context: ForwardContext) -> Variable {
        var none: MixerState?
        return layer(x, &none, context)
    }
}

/// A scalar that depends on every element with an unequal weight.
func weighted(_ y: Variable, _ name: String) -> Variable {
    (y * Variable(Tensor.uniform(y.shape, low: 0.5, high: 1.5, key: RandomKey(17).fold(name), dtype: y.dtype))).sum()
}
func total(_ y: Variable, _ state: MixerState?, _ context: ForwardContext) -> Variable {
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
