import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// One step of the rules that depend on the states, against loops over scalars.
@Suite struct AlternativeRuleTests {
    private let keys = random([1, 3, 4], "keys"), values = random([1, 3, 4], "values")
    private let key = random([1, 4], "key"), value = random([1, 4], "value"), weights = [0.0, 0.3, 1.0]

    private func step(_ rule: any StateUpdateRule, mask: Tensor? = nil) -> (keys: [Row], values: [Row]) {
        let next = rule.step(
            StateBank(keys: Variable(keys), values: Variable(values), activity: StateActivity(mask: mask, heads: 1)),
            RoutedToken(
                features: Variable(value), query: Variable(key), key: Variable(key), value: Variable(value),
                weights: Variable(Tensor(weights, [1, 3]))),
            ForwardContext(.evaluate))
        return (rows(next.keys.value), rows(next.values.value))
    }
    private func built<R: StateUpdateRule>(_ make: (ParameterBuilder) -> R) -> (R, (String) throws -> [Row]) {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), rule = make(builder)
        shake(builder.store, seed: 1)
        return (rule, { path in rows(try #require(builder.store[path]).value) })
    }
    private func mixed(_ old: Row, _ new: Row, _ w: Double) -> Row { zip(old, new).map { $0 + w * ($1 - $0) } }
    /// GRU(h, x) with rows of weights in the order reset, update, candidate.
    private func gru(_ h: Row, _ a: Row, _ b: Row) -> Row {
        h.indices.map { i in
            let n = h.count, r = sigmoid(a[i] + b[i]), z = sigmoid(a[n + i] + b[n + i])
            return h[i] + z * (tanh(a[2 * n + i] + r * b[2 * n + i]) - h[i])
        }
    }

    @Test func lstm() throws {
        let (rule, p) = built { LSTMRule($0, width: 4) }, (k, v) = step(rule), old = rows(values)
        let a = added(map(rows(value)[0], try p("input.weight")), try p("input.bias")[0]), u = try p("recurrent.weight")
        for n in 0..<3 {
            let g = added(a, map(Array(old[n][2...]), u))
            let c = (0..<2).map { i in
                let f = sigmoid(g[i] + 1)
                return f * old[n][i] + (1 - f) * tanh(g[4 + i])
            }
            let h = (0..<2).map { sigmoid(g[2 + $0]) * tanh(c[$0]) }
            #expect(near([v[n]], [mixed(old[n], c + h, weights[n])]))
            #expect(near([k[n]], [mixed(rows(keys)[n], rows(key)[0], weights[n])]))
        }
        #expect(v[0] == old[0] && k[0] == rows(keys)[0])
    }

    /// Normalized, minLSTM is f/(f + i) c + i/(f + i) v.
    @Test func minimalUnits() throws {
        let x = rows(value)[0], old = rows(values)
        let (gru, p) = built { MinGRURule($0, width: 4) }, a = step(gru)
        let z = added(map(x, try p("gate.weight")), try p("gate.bias")[0]).map { sigmoid($0) }
        let (lstm, q) = built { MinLSTMRule($0, width: 4) }, b = step(lstm)
        let g = added(map(x, try q("gates.weight")), try q("gates.bias")[0]).map { sigmoid($0) }
        for n in 0..<3 {
            var gated = old[n], new = old[n]
            for i in 0..<4 {
                gated[i] += weights[n] * z[i] * (x[i] - old[n][i])
                let f = g[i], input = g[4 + i]
                new[i] = (f * old[n][i] + input * x[i]) / (f + input)
            }
            #expect(near([a.values[n]], [gated]))
            #expect(near([b.values[n]], [mixed(old[n], new, weights[n])]))
            for keys in [a.keys, b.keys] { #expect(near([keys[n]], [mixed(rows(self.keys)[n], rows(key)[0], weights[n])])) }
        }
    }

    /// The first token finds no match and allocates the first reached state; the same key then matches that state.
    @Test func contentSlots() throws {
        let (rule, p) = built { ContentSlotsRule($0, width: 4) }, x = rows(value)[0], k = rows(key)[0]
        let e = sigmoid(dot(x, try p("strength.weight")[0]) + (try p("strength.bias")[0][0]))
        let f = sigmoid(dot(x, try p("forget.weight")[0]) + (try p("forget.bias")[0][0]))
        let beta = exp(try p("logInverseTemperature")[0][0]), theta = try p("threshold")[0][0]
        var K = rows(keys), V = rows(values), a = Row(repeating: 0, count: 3), all: [Row] = []
        var bank = StateBank(
            keys: Variable(keys), values: Variable(values), usage: Variable(Tensor(a, [1, 3])), activity: StateActivity(heads: 1))
        let token = RoutedToken(
            features: Variable(value), query: Variable(key), key: Variable(key), value: Variable(value),
            weights: Variable(Tensor(weights, [1, 3])))
        for _ in 0..<4 {
            let new = exp(beta * theta)
            var mass = Row(repeating: 0, count: 3), u = mass, left = 1.0
            for m in 0..<3 { mass[m] = weights[m] * a[m] * exp(beta * dot(k, K[m]) / 4) }
            for m in 0..<3 {
                let free = weights[m] * (1 - a[m])
                u[m] = e * (mass[m] + new * free * left) / mass.reduce(new, +)
                left *= 1 - free
            }
            for m in 0..<3 {
                K[m] = mixed(K[m], k, u[m])
                V[m] = mixed(V[m], x, u[m])
                a[m] = (a[m] + u[m] * (1 - a[m])) * (1 - weights[m] * f)
            }
            all.append(u)
            bank = rule.step(bank, token, ForwardContext(.evaluate))
            #expect(near(rows(bank.keys.value), K) && near(rows(bank.values.value), V))
            #expect(near(rows(try #require(bank.usage).value), [a]))
        }
        #expect(all[0][0] == 0 && K[0] == rows(keys)[0])
    }

    @Test(arguments: [false, true]) func slotAttention(_ masked: Bool) throws {
        let (rule, p) = built { SlotAttentionRule($0, width: 4, hidden: 5) },
            (k, v) = step(rule, mask: masked ? Tensor([1.0, 0, 1]) : nil),
            old = rows(values)
        let query = try p("query.weight"), gain = try p("norm.gain")[0], x = rows(value)[0], token = rows(key)[0]
        let a = added(map(x, try p("input.weight")), try p("input.bias")[0])
        let scores = old.map { dot(map(rms($0, gain), query), token) / 2 }
        let share = softmax(scores.enumerated().map { masked && $0 == 1 ? -.infinity : $1 })
        for n in 0..<3 {
            let b = added(map(old[n], try p("recurrent.weight")), try p("recurrent.bias")[0]), h = gru(old[n], a, b)
            let up = map(rms(h, try p("feedNorm.gain")[0]), try p("feedForward.up.weight"))
            let fed = map(up.map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }, try p("feedForward.down.weight"))
            let new = added(h, fed).map { tanh($0) }
            #expect(near([v[n]], [mixed(old[n], new, weights[n] * share[n])]))
            #expect(near([k[n]], [mixed(rows(keys)[n], token, weights[n] * share[n])]))
        }
        #expect(v[0] == old[0] && masked == (v[1] == old[1]))
    }

    @Test(arguments: [1, 2, 3]) func independentMechanisms(_ count: Int) throws {
        let (rule, p) = built { IndependentMechanismsRule($0, width: 4, states: 3, k: count) }, (k, v) = step(rule)
        let old = rows(values), query = try p("query.weight"), gain = try p("norm.gain")[0], null = try p("null")[0]
        let x = rows(value)[0], token = rows(key)[0], difference = zip(token, null).map { $0 - $1 }
        let preference = old.map { dot(map(rms($0, gain), query), difference) / 2 }, chosen = largest(preference, count)
        let w = try p("input.weight"), u = try p("recurrent.weight"), c = try p("input.bias"), d = try p("recurrent.bias")
        for n in 0..<3 {
            let taken = x.map { sigmoid(preference[n]) * $0 }
            let a = added(map(taken, Array(w[n * 12..<n * 12 + 12])), c[n])
            let b = added(map(old[n], Array(u[n * 12..<n * 12 + 12])), d[n])
            #expect(near([v[n]], [mixed(old[n], gru(old[n], a, b), weights[n] * chosen[n])]))
            #expect(near([k[n]], [mixed(rows(keys)[n], token, weights[n] * chosen[n])]))
            if chosen[n] == 0 { #expect(v[n] == old[n] && k[n] == rows(keys)[n]) }
        }
    }
    @Test func inactiveMechanismsTakeNoPlace() {
        let (rule, _) = built { IndependentMechanismsRule($0, width: 4, states: 3, k: 1) }
        // The first has weight 0, so that if it is chosen no state changes, and otherwise one of the others.
        let all = step(rule).values, last = step(rule, mask: Tensor([0.0, 0, 1])).values
        #expect(last[2] != rows(values)[2] && last[1] == rows(values)[1])
        #expect(all.indices.count { all[$0] != rows(values)[$0] } <= 1)
    }
}
