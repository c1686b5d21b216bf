import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// Whole parts against loops over single numbers, written from the formulas of the design.
@Suite struct EquationTests {
    /// The default layer: 2 of 4 independent gates, convex update, content read; with a local window of 3 as well.
    @Test(arguments: [nil, 3]) func layer(_ window: Int?) throws {
        let m = try Recipe(window: window).built(width: 6, states: 4), length = 9, x = rows(random([1, length, 6], "x"))
        func p(_ path: String) throws -> [Row] { rows(try #require(m.store[path]).value) }
        let projection = try p("projection.weight"), filter = try p("convolution.weight")
        // Two rows of zeros before the first token.
        let projected = Array(repeating: Row(repeating: 0, count: 18), count: 2) + x.map { map($0, projection) }
        let qkv = (0..<length).map { t in
            (0..<18).map { c in silu((0..<3).reduce(0.0) { $0 + filter[$1][c] * projected[t + $1][c] }) }
        }
        var keys = try p("states.initialKeys"), values = try p("states.initialValues")
        let router = try p("router.weight"), bias = try p("router.bias")[0], gate = try p("gate.weight")
        let gain = try p("norm.gain")[0], output = try p("output.weight")
        let share = try window == nil ? nil : p("read.balance")[0].map { sigmoid($0) }
        let d = 3, root = 3.0.squareRoot()
        var expected: [Row] = []
        for t in 0..<length {
            let logits = zip(map(x[t], router), bias).map { $0 + $1 }, least = logits.sorted()[2]
            let w = logits.map { $0 >= least ? sigmoid($0) : 0 }
            var o = Row(repeating: 0, count: 6)
            for h in 0..<2 {
                let at = h * d..<(h + 1) * d
                func part(_ t: Int, _ i: Int) -> Row { Array(qkv[t][i * 6 + h * d..<i * 6 + (h + 1) * d]) }
                let k = part(t, 1), size = (dot(k, k) + 1e-6).squareRoot(), v = part(t, 2), q = part(t, 0)
                for n in 0..<4 {
                    for i in 0..<d {
                        keys[n][h * d + i] = (1 - w[n]) * keys[n][h * d + i] + w[n] * k[i] / size * root
                        values[n][h * d + i] = (1 - w[n]) * values[n][h * d + i] + w[n] * v[i]
                    }
                }
                let read = softmax((0..<4).map { dot(q, Array(keys[$0][at])) / root })
                let seen = Array(max(0, t - (window ?? 1) + 1)...t)
                let local = softmax(seen.map { dot(q, part($0, 1)) / root })
                for i in 0..<d {
                    let fromStates = (0..<4).reduce(0.0) { $0 + read[$1] * values[$1][h * d + i] }
                    let fromTokens = zip(seen, local).reduce(0.0) { $0 + $1.1 * part($1.0, 2)[i] }
                    o[h * d + i] = share.map { $0[h] * fromStates + (1 - $0[h]) * fromTokens } ?? fromStates
                }
            }
            expected.append(map(zip(rms(o, gain), map(x[t], gate)).map { $0 * silu($1) }, output))
        }
        let (y, end) = m.split(Variable(Tensor(x.flatMap { $0 }, [1, length, 6])), [length], ForwardContext(.evaluate))
        #expect(near(rows(y.value), expected))
        #expect(near(rows(end["keys"]!.value), keys) && near(rows(end["values"]!.value), values))
    }

    /// V ← γ V + (1 − γ) RMSNorm(MHA(RMSNorm(V + identity))).
    @Test func stateAttention() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let attention = StateAttentionInteraction(builder, width: 6, states: 4, heads: 2)
        shake(builder.store, seed: 1)
        func p(_ path: String) throws -> [Row] { rows(try #require(builder.store[path]).value) }
        let bank = StateBank(
            keys: Variable(random([1, 4, 6], "keys")), values: Variable(random([1, 4, 6], "values")),
            activity: StateActivity(heads: 2))
        let v = rows(bank.values.value), identity = try p("identity"), gain = try p("norm.gain")[0], d = 3
        let projection = try p("attention.projection.weight"), output = try p("attention.output.weight")
        let outer = try p("outputNorm.gain")[0], keep = try p("balance")[0].map { sigmoid($0) }
        let qkv = zip(v, identity).map { a, b in map(rms(zip(a, b).map { $0 + $1 }, gain), projection) }
        let expected = (0..<4).map { n -> Row in
            var o = Row(repeating: 0, count: 6)
            for h in 0..<2 {
                func part(_ n: Int, _ i: Int) -> Row { Array(qkv[n][i * 6 + h * d..<i * 6 + (h + 1) * d]) }
                let weights = softmax((0..<4).map { dot(part(n, 0), part($0, 1)) / 3.0.squareRoot() })
                for i in 0..<d { o[h * d + i] = (0..<4).reduce(0.0) { $0 + weights[$1] * part($1, 2)[i] } }
            }
            let attended = rms(map(o, output), outer)
            return (0..<6).map { keep[$0] * v[n][$0] + (1 - keep[$0]) * attended[$0] }
        }
        #expect(near(rows(attention(bank, ForwardContext(.evaluate)).values.value), expected))
    }
}
