import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// Rules whose states are rows of a matrix, or Mamba's, against loops over single numbers, written from the formulas.
@Suite struct LinearRuleTests {
    private static let width = 4, heads = 2, d = 2, states = 3, length = 19

    @Test(arguments: Recipe.Rule.linear) func rule(_ rule: Recipe.Rule) throws {
        let W = Self.width, H = Self.heads, d = Self.d, N = Self.states, length = Self.length
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let built = try rule.built(builder, width: W, heads: H, states: N)
        shake(builder.store, seed: 3)
        func p(_ path: String) throws -> [Row] { rows(try #require(builder.store[path]).value) }
        func affine(_ x: Row, _ path: String) throws -> Row { added(map(x, try p(path + ".weight")), try p(path + ".bias")[0]) }
        func softplus(_ x: Double) -> Double { log(1 + exp(x)) }
        let x = rows(random([1, length, W], "x")), qkv = rows(random([1, length, 3 * W], "qkv"))
        let drawn = Tensor.uniform([length, N], key: RandomKey(5), dtype: .float64).doubles().map { $0 < 0.3 ? 0 : $0 }
        let w = rows(Tensor(drawn, [length, N])), keys = rows(random([1, N, W], "keys")),
            initial = rows(random([1, N, W], "v"))

        var V = initial, expected: [Row] = [], mass = Row(repeating: 1, count: N)
        for t in 0..<length {
            // What the rule makes of the token: decays of states, or of channels of states, and strengths of writes.
            var decay = Array(repeating: Row(repeating: 1, count: W), count: N), write = w[t]
            var beta: Row?, bonus: Row?, time = Row(repeating: 1, count: W)
            switch rule {
            case .gatedLinear:
                let g = try affine(x[t], "gate")
                for n in 0..<N { decay[n] = Row(repeating: pow(sigmoid(g[n]), w[t][n] / 16), count: W) }
            case .scalarDecay:
                let step = softplus(try affine(x[t], "step")[0]), rate = exp(try p("rate")[0][0])
                for n in 0..<N { decay[n] = Row(repeating: exp(-w[t][n] * step * rate), count: W) }
                write = write.map { $0 * step }
            case .retention:
                let logs = try p("rate")[0]
                for n in 0..<N { decay[n] = Row(repeating: exp(w[t][n] * logs[n]), count: W) }
            case .linearAttention:
                for n in 0..<N {
                    let after = mass[n] + w[t][n]
                    decay[n] = Row(repeating: mass[n] / after, count: W)
                    write[n] /= after
                    mass[n] = after
                }
            case .delta: beta = try affine(x[t], "strength").map { sigmoid($0) }
            case .gatedDelta:
                beta = try affine(x[t], "strength").map { sigmoid($0) }
                let g = try affine(x[t], "gate"), rate = try p("rate")[0]
                for n in 0..<N { decay[n] = Row(repeating: exp(-w[t][n] * exp(rate[n]) * softplus(g[n])), count: W) }
            case .wkv:
                let g = try affine(x[t], "gate")
                bonus = try p("bonus")[0]
                for n in 0..<N { decay[n] = Row(repeating: exp(-w[t][n] * exp(g[n])), count: W) }
            default:
                let rates = try p("rates")
                time =
                    rule == .diagonal
                    ? try p("steps")[0].map { exp($0) }
                    : try affine(map(x[t], try p("down.weight")), "up").map { softplus($0) }
                for n in 0..<N { decay[n] = (0..<W).map { exp(-w[t][n] * time[$0] * exp(rates[n][$0])) } }
            }
            // One head after the other.
            var o = Row(repeating: 0, count: W)
            for h in 0..<H {
                let at = h * d..<(h + 1) * d, root = Double(d).squareRoot()
                func part(_ i: Int) -> Row { Array(qkv[t][i * W + h * d..<i * W + (h + 1) * d]) }
                let raw = part(1), size = (dot(raw, raw) + 1e-6).squareRoot(), k = raw.map { $0 / size * root }
                var c = (0..<N).map { write[$0] * dot(k, Array(keys[$0][at])) / root }
                if beta != nil {
                    let norm = (dot(c, c) + 1e-6).squareRoot()
                    c = c.map { $0 / norm }
                }
                let r = (0..<N).map { dot(part(0), Array(keys[$0][at])) / root }
                for i in 0..<d {
                    let e = h * d + i, v = part(2)[i] * time[e], old = (0..<N).map { V[$0][e] }
                    let faded = (0..<N).map { decay[$0][e] * old[$0] }
                    let correction = beta.map { $0[h] * (v - dot(c, faded)) } ?? v
                    for n in 0..<N { V[n][e] = faded[n] + c[n] * correction }
                    for n in 0..<N {
                        let seen: Double = bonus.map { old[n] + $0[n] * c[n] * v } ?? V[n][e]
                        o[e] += r[n] * seen
                    }
                }
            }
            expected.append(o)
        }

        func variable(_ rows: [Row]) -> Variable { Variable(Tensor(rows.flatMap { $0 }, [1, rows.count, rows[0].count])) }
        var bank = StateBank(keys: variable(keys), values: variable(initial), activity: StateActivity(heads: H))
        bank.usage = built.initialUsage.map { Variable(Tensor(repeating: $0, [1, N], dtype: .float64)) }
        let (y, end) = StatePropagator(built, interaction: nil, interval: 64)(
            tokens: variable(x), qkv: variable(qkv), routing: Routing(weights: variable(w)), states: bank,
            readout: LinearReadout(),
            position: 0,
            ForwardContext(.evaluate))
        #expect(near(rows(y.value), expected) && near(rows(end.values.value), V))
        #expect(same(end.keys.value, bank.keys.value))
        if rule == .linearAttention { #expect(near(rows(try #require(end.usage).value), [mass])) }
    }

    /// What a token reads where it was routed, and by linear scores, of active states only.
    @Test func readouts() {
        let activity = StateActivity(
            readBias: Variable(Tensor([0, -.infinity, log(0.5)], [1, 3])), mask: Tensor([1.0, 0, 1]), heads: 2)
        let bank = StateBank(
            keys: Variable(random([1, 3, 4], "k")), values: Variable(random([1, 3, 4], "v")), activity: activity)
        let token = RoutedToken(
            features: Variable(random([1, 4], "x")), query: Variable(random([1, 4], "q")), key: Variable(random([1, 4], "x")),
            value: Variable(random([1, 4], "x")), weights: Variable(Tensor([0.25, 0, 1], [1, 3])))
        let context = ForwardContext(.evaluate), v = rows(bank.values.value), k = rows(bank.keys.value)
        let q = rows(token.query.value)[0], root = 2.0.squareRoot()
        let routed = (0..<4).map { 0.25 * v[0][$0] + 0.5 * v[2][$0] }
        #expect(near(rows(RoutedReadout()(token, bank, context).value), [routed]))
        let linear = (0..<4).map { i -> Double in
            let at = i / 2 * 2..<i / 2 * 2 + 2
            func score(_ n: Int) -> Double { dot(Array(q[at]), Array(k[n][at])) / root }
            return score(0) * v[0][i] + 0.5 * score(2) * v[2][i]
        }
        #expect(near(rows(LinearReadout()(token, bank, context).value), [linear]))
        // The two ways to read by content, with a scan and with weights.
        let weights = rows(
            ContentReadout().weights(token.query.unsqueezed(axis: 1), routing: token.weights.unsqueezed(axis: 1), bank).value)
        let read = rows(ContentReadout()(token, bank, context).value)[0]
        for i in 0..<4 { #expect(abs(dot(weights[i / 2], (0..<3).map { v[$0][i] }) - read[i]) < 1e-12) }
    }
}
