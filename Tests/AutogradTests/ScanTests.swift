import Foundation
import NSTMAutograd
import NSTMTensor
import Testing

/// Recurrences token by token, of primitive operations, from their formulas.
enum NaiveScan {
    static func stacked(_ outputs: [Variable], _ B: Int, _ D: Int) -> Variable {
        outputs.isEmpty ? Variable(.zeros([B, 0, D], dtype: .float64)) : Variable.stack(outputs, axis: 1)
    }

    /// Outputs [B, T, H · dv] and S [B, H, dk, dv].
    ///
    /// `decay` has a number for each head or each key channel.
    static func matrix(
        _ q: Variable, _ k: Variable, _ v: Variable, decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil,
        state: Variable, heads H: Int
    ) -> (Variable, Variable) {
        let B = q.shape[0], T = q.shape[1], dk = q.shape[2] / H, dv = v.shape[2] / H
        func column(_ x: Variable, _ t: Int, _ d: Int) -> Variable { x.select(axis: 1, t).reshaped([B, H, d, 1]) }
        func row(_ x: Variable, _ t: Int) -> Variable { x.select(axis: 1, t).reshaped([B, H, 1, dv]) }
        var S = state, outputs: [Variable] = []
        for t in 0..<T {
            let kt = column(k, t, dk), qt = column(q, t, dk)
            func read(_ S: Variable) { outputs.append((qt * S).sum(axes: [2]).reshaped([B, H * dv])) }
            if let u = bonus { read(S + u.reshaped([1, H, dk, 1]) * kt * row(v, t)) }
            if let a = decay { S = column(a, t, a.shape[2] / H) * S }
            var w = row(v, t)
            if let b = beta { w = column(b, t, 1) * (w - (kt * S).sum(axes: [2], keepDims: true)) }
            S = S + kt * w
            if bonus == nil { read(S) }
        }
        return (stacked(outputs, B, H * dv), S)
    }
    static func diagonal(_ b: Variable, _ a: Variable, _ state: Variable) -> (Variable, Variable) {
        var h = state, outputs: [Variable] = []
        for t in 0..<b.shape[1] {
            h = (a.shape.rank == 1 ? a : a.select(axis: 1, t)) * h + b.select(axis: 1, t)
            outputs.append(h)
        }
        return (stacked(outputs, b.shape[0], b.shape[2]), h)
    }
    static func complexDiagonal(_ b: [Variable], _ a: [Variable], _ state: [Variable]) -> ([Variable], [Variable]) {
        var h = state, outputs: [[Variable]] = [[], []]
        for t in 0..<b[0].shape[1] {
            let x = a.map { $0.shape.rank == 1 ? $0 : $0.select(axis: 1, t) }
            h = [x[0] * h[0] - x[1] * h[1] + b[0].select(axis: 1, t), x[0] * h[1] + x[1] * h[0] + b[1].select(axis: 1, t)]
            for p in 0..<2 { outputs[p].append(h[p]) }
        }
        return (outputs.map { stacked($0, b[0].shape[0], b[0].shape[2]) }, h)
    }
    static func selective(_ x: [Variable]) -> (Variable, Variable) {
        var h = x[6], outputs: [Variable] = []
        for t in 0..<x[0].shape[1] {
            let delta = x[1].select(axis: 1, t).unsqueezed(axis: -1), u = x[0].select(axis: 1, t)
            h = (delta * x[2]).exp() * h + delta * u.unsqueezed(axis: -1) * x[3].select(axis: 1, t).unsqueezed(axis: 1)
            outputs.append((h * x[4].select(axis: 1, t).unsqueezed(axis: 1)).sum(axes: [2]) + x[5] * u)
        }
        return (stacked(outputs, x[0].shape[0], x[0].shape[2]), h)
    }
    /// Numerator and denominator themselves, from nothing seen.
    static func wkv(_ k: Variable, _ v: Variable, _ w: Variable, _ u: Variable) -> Variable {
        var p = Variable(.zeros([k.shape[0], k.shape[2]], dtype: .float64)), q = p, outputs: [Variable] = []
        for t in 0..<k.shape[1] {
            let now = (u + k.select(axis: 1, t)).exp(), key = k.select(axis: 1, t).exp(), value = v.select(axis: 1, t)
            outputs.append((p + now * value) / (q + now))
            p = w.exp() * p + key * value
            q = w.exp() * q + key
        }
        return stacked(outputs, k.shape[0], k.shape[2])
    }
}

/// A form of the matrix state: which gates it has.
struct MatrixForm: Sendable, CustomTestStringConvertible {
    var decay: Int?  // 0: per head, 1: per key channel
    var beta = false, bonus = false
    var testDescription: String { "decay \(decay.map { ["heads", "channels"][$0] } ?? "none"), beta \(beta), bonus \(bonus)" }

    static let all: [MatrixForm] = [
        .init(), .init(decay: 0), .init(decay: 1), .init(beta: true), .init(decay: 0, beta: true), .init(decay: 1, beta: true),
        .init(decay: 1, bonus: true), .init(decay: 0, bonus: true), .init(bonus: true),
    ]
    /// Query, key, value, state and the gates; some decays and strengths are exactly 0 or 1, keys have length 1.
    func inputs(_ B: Int, _ T: Int, _ H: Int, _ dk: Int, _ dv: Int) -> [Tensor] {
        var random = TestRandom(UInt64(T * 1000 + dk * 10 + dv))
        func gate(_ width: Int) -> Tensor {
            var t = random.tensor([B, T, width], 0..<1)
            t.withMutableElements(of: Double.self) { p in
                for i in 0..<p.count { p[i] = [p[i], p[i], p[i], p[i], 0, 1][random.int(0..<6)] }
            }
            return t
        }
        let k = Variable(random.tensor([B, T, H, dk])).l2Normalized().value.reshaped([B, T, H * dk])
        var all = [random.tensor([B, T, H * dk]), k, random.tensor([B, T, H * dv]), random.tensor([B, H, dk, dv])]
        if let decay { all.append(gate(decay == 0 ? H : H * dk)) }
        if beta { all.append(gate(H)) }
        if bonus { all.append(random.tensor([H * dk])) }
        return all
    }
    func gates(_ x: [Variable]) -> (decay: Variable?, beta: Variable?, bonus: Variable?) {
        var rest = x[4...]
        return (decay == nil ? nil : rest.removeFirst(), beta ? rest.removeFirst() : nil, bonus ? rest.removeFirst() : nil)
    }
    func scan(_ x: [Variable], heads: Int) -> (output: Variable, state: Variable) {
        let g = gates(x)
        return x[0].matrixStateScan(
            key: x[1], value: x[2], decay: g.decay, beta: g.beta, bonus: g.bonus, state: x[3], heads: heads)
    }
}

@Suite struct MatrixStateTests {
    static let sizes = [
        (2, 7, 2, 4, 3), (1, 1, 2, 3, 5), (2, 0, 1, 2, 2), (1, 16, 1, 16, 16), (1, 17, 2, 5, 20), (1, 40, 1, 1, 1),
        (1, 18, 1, 8, 70), (2, 33, 1, 1, 2),
    ]

    @Test(arguments: MatrixForm.all) func againstTheFormula(_ form: MatrixForm) {
        for (B, T, H, dk, dv) in MatrixStateTests.sizes {
            let x = form.inputs(B, T, H, dk, dv)
            let fused = evaluate(x) {
                let s = form.scan($1, heads: H)
                return Operation.everything(s.output, s.state)
            }
            let naive = evaluate(x) {
                let g = form.gates($1)
                let (o, S) = NaiveScan.matrix(
                    $1[0], $1[1], $1[2], decay: g.decay, beta: g.beta, bonus: g.bonus, state: $1[3], heads: H)
                return Operation.everything(o, S)
            }
            #expect(difference(fused, naive) < 1e-11, "\((B, T, H, dk, dv))")
        }
    }

    /// Any split with the state carried over, a loop of single tokens among them, is the whole scan, in values and gradients.
    @Test(arguments: MatrixForm.all) func piecesWithCarriedState(_ form: MatrixForm) {
        let B = 2, T = 21, H = 2, x = form.inputs(B, T, H, 3, 4)
        func pieces(_ lengths: [Int]) -> Evaluation {
            evaluate(x) { _, v in
                var state = v[3], outputs: [Variable] = [], at = 0
                for n in lengths {
                    let part = v.enumerated().map { i, y in i == 3 ? state : y.shape.rank == 3 ? y.slice(axis: 1, at..<at + n) : y
                    }
                    let s = form.scan(part, heads: H)
                    outputs.append(s.output)
                    state = s.state
                    at += n
                }
                return Operation.everything(Variable.concatenate(outputs, axis: 1), state)
            }
        }
        let whole = pieces([T])
        for lengths in [[16, 5], [5, 16], [1, 0, 19, 1], Array(repeating: 1, count: T)] {
            #expect(difference(pieces(lengths), whole) < 1e-11, "\(lengths)")
        }
    }

    /// Slices of one wide projection, and gates repeated over time, are read in place.
    @Test func stridedOperands() {
        var random = TestRandom(5)
        let wide = Variable(random.tensor([2, 20, 14])), fixed = Variable(random.tensor([2], 0..<1))
        func scan(_ dense: Bool) -> (output: Variable, state: Variable) {
            let parts = [wide.slice(axis: 2, 1..<5), wide.slice(axis: 2, 5..<9), wide.slice(axis: 2, 9..<13)]
            let x = dense ? parts.map { Variable($0.value.contiguous()) } : parts
            let decay = dense ? Variable(fixed.value.broadcast(to: [2, 20, 2]).contiguous()) : fixed
            return x[0].matrixStateScan(key: x[1], value: x[2], decay: decay, heads: 2)
        }
        #expect(bits(scan(true).output.value) == bits(scan(false).output.value))
        #expect(bits(scan(true).state.value) == bits(scan(false).state.value))
    }

    /// Linear attention with its normalizer is a column of ones appended to the values.
    @Test func normalizerIsAColumnOfOnes() {
        var random = TestRandom(6)
        let B = 2, T = 19, dk = 3, dv = 4
        let x = [random.tensor([B, T, dk], 0.1..<1), random.tensor([B, T, dk], 0.1..<1), random.tensor([B, T, dv])]
        let fused = evaluate(x) {
            let ones = Variable(.ones([B, T, 1], dtype: .float64))
            let o = $1[0].matrixStateScan(key: $1[1], value: Variable.concatenate([$1[2], ones], axis: -1), heads: 1).output
            return o.slice(axis: 2, 0..<dv) / o.slice(axis: 2, dv..<dv + 1)
        }
        let naive = evaluate(x) { _, x in
            var outputs: [Variable] = []
            for t in 0..<T {
                let q = x[0].select(axis: 1, t).unsqueezed(axis: 1), k = x[1].slice(axis: 1, 0..<t + 1),
                    v = x[2].slice(axis: 1, 0..<t + 1)
                let w = (q * k).sum(axes: [-1], keepDims: true)
                outputs.append((w * v).sum(axes: [1]) / w.sum(axes: [1]))
            }
            return Variable.stack(outputs, axis: 1)
        }
        #expect(difference(fused, naive) < 1e-11)
    }

    /// float32 over 10⁵ tokens, against float64 from the same numbers.
    @Test(arguments: [
        MatrixForm(decay: 0), .init(decay: 1), .init(beta: true), .init(decay: 0, beta: true), .init(decay: 1, bonus: true),
    ])
    func longSequences(_ form: MatrixForm) {
        let x = form.inputs(1, 100_000, 1, 4, 4).map { $0.cast(to: .float32) }
        func run(_ type: DType) -> Evaluation { evaluate(x.map { $0.cast(to: type) }) { form.scan($1, heads: 1).output } }
        let single = run(.float32), double = run(.float64)
        #expect(relative(single.value, double.value) < 1e-6)
        for (a, b) in zip(single.gradients, double.gradients) { #expect(relative(a, b) < 2e-5) }
    }
}

/// Largest |a − b| over the largest |b|; infinite for NaN.
func relative(_ a: Tensor, _ b: Tensor) -> Double {
    var worst = 0.0, scale = 1e-30
    for (x, y) in zip(a.doubles(), b.doubles()) {
        worst = abs(x - y) <= worst ? worst : abs(x - y)
        if x.isNaN { return .infinity }
        scale = max(scale, abs(y))
    }
    return worst / scale
}
