import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// A rule without a scan: the propagator has to run it step by step.
private final class Unfused: StateUpdateRule {
    let rule: any StateUpdateRule
    init(_ rule: any StateUpdateRule) { self.rule = rule }
    var initialUsage: Double? { rule.initialUsage }
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        rule.step(states, token, context)
    }
    func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        rule.view(before: before, after: after, token, context)
    }
}
/// An interaction that counts its calls and adds 1 to the states in each.
private final class Counter: StateInteraction {
    var calls = 0
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        calls += 1
        var next = states
        next.values = states.values + 1000
        return next
    }
}

@Suite struct PropagatorTests {
    /// B = 2, N = 4, D = 6 in 2 heads; some weights are exactly 0, those of state 3 all, and state 2 may be inactive.
    private struct Input {
        let tokens: Tensor, qkv: Tensor, weights: Tensor, keys: Tensor, values: Tensor, bias: Tensor?, mask: Tensor?
        init(_ length: Int, masked: Bool, _ dtype: DType = .float64) {
            tokens = random([2, length, 6], "tokens", dtype)
            qkv = random([2, length, 18], "qkv", dtype)
            let u = Tensor.uniform([2, length, 4], key: RandomKey(5), dtype: .float64).doubles()
            mask = masked ? Tensor([1.0, 1, 0, 1]).cast(to: dtype) : nil
            let routed = u.enumerated().map { $1 < 0.4 || $0 % 4 == 3 || (masked && $0 % 4 == 2) ? 0 : $1 }
            weights = Tensor(routed, [2, length, 4]).cast(to: dtype)
            keys = random([2, 4, 6], "keys", dtype)
            values = random([2, 4, 6], "values", dtype)
            bias = masked ? Tensor([-0.3, 0, -.infinity, -1, 0, -0.1, -.infinity, 0], [2, 4]).cast(to: dtype) : nil
        }
        var all: [Tensor] { [tokens, qkv, weights, keys, values] + (bias.map { [$0] } ?? []) }

        /// - Parameter lengths: of the parts in which the tokens come; nil: all at once.
        func run(
            _ rule: any StateUpdateRule, _ read: any StateReadout, _ context: ForwardContext, lengths: [Int]? = nil
        ) -> (reads: Variable, inputs: [Variable], end: StateBank) {
            let v = all.map { context.input($0) }, lengths = lengths ?? [tokens.shape[1]]
            let activity = StateActivity(readBias: v.count > 5 ? v[5] : nil, mask: mask, heads: 2)
            var states = StateBank(keys: v[3], values: v[4], activity: activity), reads: [Variable] = []
            states.usage = rule.initialUsage.map { context.constant(Tensor(repeating: $0, [2, 4], dtype: keys.dtype)) }
            let parts = v[..<3].map { $0.split(axis: 1, lengths) }
            for i in lengths.indices {
                let (y, next) = StatePropagator(rule, interaction: nil, interval: 64)(
                    tokens: parts[0][i], qkv: parts[1][i], routing: Routing(weights: parts[2][i]), states: states, readout: read,
                    position: 0,
                    context)
                reads.append(y)
                states = next
            }
            return (Variable.concatenate(reads, axis: 1), v, states)
        }
    }
    /// A rule with a readout that it is fused with, tokens, and whether a state is inactive.
    struct Fusion: Sendable, CustomTestStringConvertible {
        let rule: Recipe.Rule, read: String, length: Int, masked: Bool
        var testDescription: String { "\(rule) with \(read) read, \(length) tokens\(masked ? ", masked" : "")" }
        func readout() throws -> any StateReadout {
            let dimensions = LayerDimensions(width: 6, heads: 2, states: 4)
            return try Strategies.standard.readouts.value(read).make(ParameterBuilder(seed: 1), dimensions)
        }
        static let all: [Fusion] = [false, true].flatMap { masked in
            let slots =
                [Recipe.Rule.plain, .slow, .secondGate].flatMap { rule in
                    [1, 2, 63, 64, 65, 70].map { Fusion(rule: rule, read: "content", length: $0, masked: masked) }
                }
                + [Recipe.Rule.minGRU, .minLSTM, .contentSlots].flatMap { rule in
                    [1, 70].map { Fusion(rule: rule, read: "content", length: $0, masked: masked) }
                }
            let linear = Recipe.Rule.linear.flatMap { rule in
                [(1, "linear"), (16, "linear"), (35, "linear"), (1, "content"), (17, "content"), (17, "routed")].map {
                    Fusion(rule: rule, read: $0.1, length: $0.0, masked: masked)
                }
            }
            return slots + linear
        }
    }

    @Test(arguments: Fusion.all, [DType.float64, .float32]) func scanEqualsSteps(_ fusion: Fusion, _ dtype: DType) throws {
        let input = Input(fusion.length, masked: fusion.masked, dtype), read = try fusion.readout()
        let builder = ParameterBuilder(seed: 1, dtype: dtype)
        let rule = try fusion.rule.built(builder, width: 6, heads: 2, states: 4)
        shake(builder.store, seed: 4)
        let routed = Tensor(input.weights.doubles().map { $0 == 0 ? 0.0 : 1 }, input.weights.shape).cast(to: dtype)
        func run(_ rule: any StateUpdateRule, _ lengths: [Int]? = nil) -> (values: [Tensor], gradients: [Tensor?]) {
            let context = ForwardContext(.train)
            let (y, v, end) = input.run(rule, read, context, lengths: lengths)
            // A state that no token reaches is left exactly as it was, and so is an inactive one.
            for n in fusion.masked ? [2, 3] : [3] {
                #expect(same(end.keys.value.select(axis: 1, n), input.keys.select(axis: 1, n)))
                #expect(same(end.values.value.select(axis: 1, n), input.values.select(axis: 1, n)))
            }
            let loss = weighted(y, "y") + weighted(end.keys, "keys") + weighted(end.values, "values")
            let wanted = v + builder.store.all.filter(\.isTrainable).map { context[$0] }
            var gradients = loss.gradients(of: wanted)
            // Scans may skip what is not routed: a weight of exactly 0 has no gradient from some.
            gradients[2] = gradients[2].map { $0 * routed }
            return ([y.value, end.keys.value, end.values.value] + (end.usage.map { [$0.value] } ?? []), gradients)
        }
        let context = ForwardContext(.evaluate), v = input.all.map { context.constant($0) }
        let start = StateBank(
            keys: v[3], values: v[4], usage: rule.initialUsage.map { Variable(Tensor(repeating: $0, [2, 4], dtype: dtype)) },
            activity: StateActivity(readBias: v.count > 5 ? v[5] : nil, mask: input.mask, heads: 2))
        let tokens = RoutedTokens(features: v[0], qkv: v[1], weights: v[2])
        #expect(rule.scan(tokens, start, read, context) != nil, "not fused")

        let bound = dtype == .float64 ? 1e-10 : 1e-4, scan = run(rule)
        func near(_ a: Tensor, _ b: Tensor) -> Bool { difference(a, b) <= bound * max(1, largest(b)) }
        for other in [run(Unfused(rule)), run(rule, parts(of: fusion.length, RandomKey(7), upTo: 30))] {
            for (a, b) in zip(scan.values, other.values) { #expect(near(a, b)) }
            for (i, (a, b)) in zip(scan.gradients, other.gradients).enumerated() {
                // Not every rule and readout makes use of every input.
                if a == nil && b == nil { continue }
                let like = try #require(a ?? b), zero = Tensor.zeros(like.shape, dtype: dtype)
                #expect(near(a ?? zero, b ?? zero), "input \(i)")
            }
        }
    }

    /// The scan against loops written from the formulas, in double.
    @Test(arguments: [false, true]) func scanFollowsTheFormulas(_ masked: Bool) {
        let length = 70, input = Input(length, masked: masked)
        let rule = GatedSlotsRule(ParameterBuilder(seed: 1, dtype: .float64), width: 6, states: 4)
        let (y, _, end) = input.run(rule, ContentReadout(), ForwardContext(.evaluate))
        let got = y.value.doubles(), gotKeys = end.keys.value.doubles(), gotValues = end.values.value.doubles()
        let qkv = input.qkv.doubles(), w = input.weights.doubles(), bias = input.bias?.doubles(), d = 3
        var worst = 0.0
        for b in 0..<2 {
            for h in 0..<2 {
                func row(_ x: [Double], _ n: Int) -> [Double] { (0..<d).map { x[(b * 4 + n) * 6 + h * d + $0] } }
                var keys = (0..<4).map { row(input.keys.doubles(), $0) }, values = (0..<4).map { row(input.values.doubles(), $0) }
                for t in 0..<length {
                    func part(_ p: Int) -> [Double] { (0..<d).map { qkv[(b * length + t) * 18 + p * 6 + h * d + $0] } }
                    let q = part(0), raw = part(1), v = part(2)
                    let norm = (raw.reduce(0) { $0 + $1 * $1 } + 1e-6).squareRoot()
                    let k = raw.map { $0 / norm * Double(d).squareRoot() }
                    for n in 0..<4 {
                        let u = w[(b * length + t) * 4 + n]
                        for i in 0..<d {
                            keys[n][i] = (1 - u) * keys[n][i] + u * k[i]
                            values[n][i] = (1 - u) * values[n][i] + u * v[i]
                        }
                    }
                    let p = (0..<4).map { n in
                        exp((0..<d).reduce(0) { $0 + q[$1] * keys[n][$1] } / Double(d).squareRoot() + (bias?[b * 4 + n] ?? 0))
                    }
                    let sum = p.reduce(0, +)
                    for i in 0..<d {
                        let o = (0..<4).reduce(0) { $0 + p[$1] * values[$1][i] } / sum
                        worst = max(worst, abs(o - got[(b * length + t) * 6 + h * d + i]))
                    }
                }
                for n in 0..<4 {
                    for (a, e) in zip(row(gotKeys, n) + row(gotValues, n), keys[n] + values[n]) { worst = max(worst, abs(a - e)) }
                }
            }
        }
        #expect(worst <= 1e-12)
    }

    @Test func timescaleFollowsItsFormula() {
        let rule = GatedSlotsRule(ParameterBuilder(seed: 1, dtype: .float64), width: 2, states: 3, timescale: 8)
        let w = [0, 0.25, 0.9]
        let token = Variable(.zeros([1, 1, 2], dtype: .float64)), routing = Variable(Tensor(w, [1, 1, 3]))
        let u = rule.update(token, routing, usage: nil, ForwardContext(.evaluate)).write.value.doubles()
        #expect(u[0] == 0)
        for i in 1..<3 { #expect(abs(u[i] - (1 - pow(1 - w[i], 0.125))) < 1e-14) }
    }

    /// Stepping only the reached states gives the same result as stepping all; `Unfused` does not set `stepsStatesAlone`.
    @Test(arguments: [false, true], [false, true]) func reachedStatesAreEnough(masked: Bool, lstm: Bool) throws {
        let input = Input(40, masked: masked), builder = ParameterBuilder(seed: 1, dtype: .float64)
        let rule: any StateUpdateRule = lstm ? LSTMRule(builder, width: 6) : GRURule(builder, width: 6)
        shake(builder.store, seed: 4)
        let reached = input.weights.doubles().map { $0 == 0 ? 0.0 : 1 }
        let counts = stride(from: 0, to: reached.count, by: 4).map { Int(reached[$0..<$0 + 4].reduce(0, +)) }
        #expect(Set(counts).isSuperset(of: [0, 1, 2]))
        func run(_ rule: any StateUpdateRule) -> [Tensor] {
            let context = ForwardContext(.train)
            let (y, v, end) = input.run(rule, ContentReadout(), context)
            let loss = weighted(y, "y") + weighted(end.keys, "keys") + weighted(end.values, "values")
            var gradients = loss.gradients(of: v + builder.store.all.map { context[$0] })
            gradients[2] = gradients[2].map { $0 * Tensor(reached, input.weights.shape) }
            return [y.value, end.keys.value, end.values.value] + gradients.compactMap { $0 }
        }
        let few = run(rule), all = run(Unfused(rule))
        #expect(rule.stepsStatesAlone && few.count == all.count && few.count >= 10)
        for (i, (a, b)) in zip(few, all).enumerated() { #expect(difference(a, b) <= 1e-12 * max(1, largest(b)), "result \(i)") }
    }

    /// One GRU step against the published equations.
    @Test func gruFollowsItsEquations() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), rule = GRURule(builder, width: 2)
        shake(builder.store, seed: 1)
        func p(_ path: String) throws -> [Double] { try #require(builder.store[path]).value.doubles() }
        let wi = try p("input.weight"), bi = try p("input.bias"), wh = try p("recurrent.weight"), bh = try p("recurrent.bias")
        let keys = random([1, 3, 2], "keys"), values = random([1, 3, 2], "values")
        let key = random([1, 2], "key"), value = random([1, 2], "value")
        let weights = [0.0, 0.3, 1.0]
        let next = rule.step(
            StateBank(keys: Variable(keys), values: Variable(values), activity: StateActivity(heads: 1)),
            RoutedToken(
                features: Variable(value), query: Variable(key), key: Variable(key), value: Variable(value),
                weights: Variable(Tensor(weights, [1, 3]))),
            ForwardContext(.evaluate))
        let x = value.doubles(), h = values.doubles(), got = next.values.value.doubles(), gotKeys = next.keys.value.doubles()
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        for n in 0..<3 {
            for i in 0..<2 {
                func a(_ g: Int) -> Double {
                    let row = g * 2 + i
                    return bi[row] + wi[row * 2] * x[0] + wi[row * 2 + 1] * x[1]
                }
                func b(_ g: Int) -> Double {
                    let row = g * 2 + i
                    return bh[row] + wh[row * 2] * h[n * 2] + wh[row * 2 + 1] * h[n * 2 + 1]
                }
                let r = sigmoid(a(0) + b(0)), z = sigmoid(a(1) + b(1)), c = tanh(a(2) + r * b(2))
                let old = h[n * 2 + i], oldKey = keys.doubles()[n * 2 + i]
                let expected = old + weights[n] * z * (c - old), expectedKey = oldKey + weights[n] * (key.doubles()[i] - oldKey)
                #expect(abs(got[n * 2 + i] - expected) < 1e-14)
                #expect(abs(gotKeys[n * 2 + i] - expectedKey) < 1e-14)
            }
        }
    }

    @Test(arguments: [(0, 4, 0), (0, 5, 1), (4, 1, 1), (3, 10, 3), (1, 3, 0), (8, 4, 1), (7, 1, 0)])
    func statesTalkAtMultiplesOfTheInterval(_ position: Int, _ length: Int, _ calls: Int) {
        let input = Input(length, masked: false), counter = Counter()
        let rule = GatedSlotsRule(ParameterBuilder(seed: 1, dtype: .float64), width: 6, states: 4)
        let bank = StateBank(keys: Variable(input.keys), values: Variable(input.values), activity: StateActivity(heads: 2))
        let (y, end) = StatePropagator(rule, interaction: counter, interval: 4)(
            tokens: Variable(input.tokens), qkv: Variable(input.qkv),
            routing: Routing(weights: Variable(.zeros([2, length, 4], dtype: .float64))),
            states: bank, readout: ContentReadout(), position: position, ForwardContext(.evaluate))
        #expect(counter.calls == calls)
        // Nothing is written, so that a token reads the number of interactions before it.
        for t in 0..<length {
            let before = (position + t) / 4 - (position == 0 ? 0 : (position - 1) / 4)
            let read = y.value.slice(axis: 1, t..<t + 1).doubles()
            #expect(read.allSatisfy { abs($0 - 1000 * Double(before)) < 50 }, "token \(position + t)")
        }
        #expect(difference(end.values.value, input.values.affine(1, 1000 * Double(calls))) < 1e-12)
    }
}
