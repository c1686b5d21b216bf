import Foundation
import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct AttentionTests {
    /// Attention from matrix products and exponentials: p = visible·exp(q·k/√d + bias) over its sum.
    ///
    /// Scores are small here, so no maximum is subtracted; a row without visible keys is divided by 1.
    private func naive(
        _ qkv: Variable, heads: Int, mask: AttentionMask, queries: Int, bias: Variable?
    ) -> Variable {
        let B = qkv.shape[0], T = qkv.shape[1], D = qkv.shape[2] / 3, d = D / heads
        var visible = [Double](repeating: 0, count: queries * T)
        for r in 0..<queries {
            let t = T - queries + r
            for s in 0..<T {
                let seen = (!mask.causal || s <= t) && mask.window.map { s > t - $0 } ?? true
                visible[r * T + s] = seen ? 1 : 0
            }
        }
        let m = Variable(Tensor(visible, [queries, T]))
        func part(_ p: Int, _ h: Int) -> Variable { qkv.slice(axis: 2, p * D + h * d..<p * D + (h + 1) * d) }
        var outputs: [Variable] = []
        for h in 0..<heads {
            let q = part(0, h).slice(axis: 1, T - queries..<T)
            var s = q.matmul(part(1, h), transposeOther: true) / Double(d).squareRoot()
            if let bias { s = s + bias.reshaped([B, 1, T]) }
            let e = s.exp() * m
            let sum = e.sum(axes: [-1], keepDims: true)
            let empty = Tensor(sum.value.doubles().map { $0 == 0 ? 1 : 0 }, sum.shape)
            outputs.append((e / (sum + Variable(empty))).matmul(part(2, h)))
        }
        return Variable.concatenate(outputs, axis: -1)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var B = 2, T = 7, heads = 2, d = 3
        var mask = AttentionMask.causal
        var queries: Int?
        var bias = false
        var hidden: [Int] = []
        var testDescription: String {
            let window = mask.window.map { " window \($0)" } ?? ""
            return "T \(T), \(queries ?? T) queries, causal \(mask.causal)\(window), bias \(bias), \(hidden.count) hidden"
        }
    }
    private static func window(_ n: Int) -> AttentionMask { AttentionMask(causal: true, window: n) }
    static let cases: [Case] = [
        Case(), Case(mask: .full), Case(mask: window(3)), Case(mask: window(1)),
        Case(mask: window(100)), Case(mask: AttentionMask(causal: false, window: 3)),
        Case(queries: 3), Case(queries: 1), Case(mask: .full, queries: 2), Case(mask: window(3), queries: 4),
        Case(queries: 0), Case(bias: true), Case(mask: .full, bias: true), Case(bias: true, hidden: [0, 1]),
        Case(mask: .full, bias: true, hidden: [2, 6]), Case(mask: .full, bias: true, hidden: Array(0..<7)),
        Case(mask: window(2), queries: 5, bias: true, hidden: [0, 3, 4]),
        Case(T: 1, heads: 1, d: 5), Case(T: 1, bias: true, hidden: [0]),
        // More than one block of query rows, the last one not full.
        Case(B: 1, T: 300, heads: 2, d: 8), Case(B: 1, T: 257, heads: 1, d: 4, mask: .full),
        Case(B: 1, T: 300, heads: 1, d: 8, mask: window(20)),
        Case(B: 1, T: 300, heads: 1, d: 8, mask: window(150), queries: 200, bias: true, hidden: [0, 170]),
        Case(B: 1, T: 290, heads: 1, d: 4, bias: true, hidden: Array(0..<140)),
        // Keys in several segments, and heads that are split into parts.
        Case(B: 1, T: 700, heads: 1, d: 96), Case(B: 1, T: 700, heads: 1, d: 96, mask: window(300), queries: 650),
        Case(B: 1, T: 1100, heads: 2, d: 4), Case(B: 1, T: 1030, heads: 1, d: 3, mask: .full, bias: true, hidden: [5]),
        Case(B: 2, T: 1100, heads: 1, d: 4, mask: window(200), queries: 900, bias: true, hidden: [0, 170, 800]),
    ]

    private func inputs(_ c: Case, type: DType = .float64) -> [Tensor] {
        var random = TestRandom(UInt64(c.T * 31 + (c.queries ?? 0)))
        let qkv = random.tensor([c.B, c.T, 3 * c.heads * c.d])
        guard c.bias else { return [qkv.cast(to: type)] }
        var bias = random.tensor([c.B, c.T])
        bias.withMutableElements(of: Double.self) { p in
            for b in 0..<c.B { for t in c.hidden { p[b * c.T + t] = -.infinity } }
        }
        return [qkv.cast(to: type), bias.cast(to: type)]
    }
    private func fused(_ c: Case, _ x: [Variable]) -> Variable {
        x[0].attention(heads: c.heads, mask: c.mask, queries: c.queries, keyBias: c.bias ? x[1] : nil)
    }

    @Test(arguments: cases) func againstPrimitives(_ c: Case) {
        let x = inputs(c)
        let a = evaluate(x) { fused(c, $1) }
        let b = evaluate(x) {
            naive($1[0], heads: c.heads, mask: c.mask, queries: c.queries ?? c.T, bias: c.bias ? $1[1] : nil)
        }
        #expect(difference(a, b) < 1e-11)
        let single = evaluate(inputs(c, type: .float32)) { fused(c, $1) }
        #expect(difference(single, a) < 1e-5)
    }

    @Test func rowsThatSeeNothingAreZero() {
        let c = Case(bias: true, hidden: [0, 1, 2])
        for type in [DType.float32, .float64] {
            let y = evaluate(inputs(c, type: type)) { fused(c, $1) }
            #expect(y.value.slice(axis: 1, 0..<3).doubles().allSatisfy { $0 == 0 })
            #expect(y.value.slice(axis: 1, 3..<7).doubles().allSatisfy { $0 != 0 })
            // Neither these queries nor the hidden keys and values have a gradient.
            #expect(y.gradients[0].slice(axis: 1, 0..<3).doubles().allSatisfy { $0 == 0 })
            #expect(y.gradients[1].slice(axis: 1, 0..<3).doubles().allSatisfy { $0 == 0 })
        }
    }

    /// Later keys have no influence: results do not change with their keys and values, NaN values included.
    @Test func theFutureIsNotSeen() {
        var random = TestRandom(3)
        let x = random.tensor([1, 200, 24]), y = Variable(x).attention(heads: 2, mask: .causal).value
        var changed = x
        changed.withMutableElements(of: Double.self) { p in for i in 150 * 24..<200 * 24 { p[i] = 1e3 } }
        let z = Variable(changed).attention(heads: 2, mask: .causal).value
        #expect(difference(z.slice(axis: 1, 0..<150), y.slice(axis: 1, 0..<150)) < 1e-14)
    }

    @Test func largeScores() {
        for type in [DType.float32, .float64] {
            var random = TestRandom(4)
            let x = random.tensor([1, 6, 12], -300..<300).cast(to: type)
            let y = evaluate([x]) { $1[0].attention(heads: 1, mask: .causal) }
            #expect(y.value.doubles().allSatisfy { $0.isFinite })
            #expect(y.gradients[0].doubles().allSatisfy { $0.isFinite })
            // The first query attends to one key only.
            #expect(difference(y.value.slice(axis: 1, 0..<1), x.slice(axis: 1, 0..<1).slice(axis: 2, 8..<12)) < 1e-6)
        }
    }

    /// A NaN in a query makes its output NaN: a row of NaN scores is not a row without visible keys.
    @Test func showsNaN() {
        for type in [DType.float32, .float64] {
            var x = Tensor.ones([1, 3, 6], dtype: .float64)
            x.withMutableElements(of: Double.self) { $0[6] = .nan }
            let y = Variable(x.cast(to: type)).attention(heads: 1, mask: .causal).value
            #expect(y.select(axis: 1, 1).doubles().allSatisfy { $0.isNaN })
            #expect(y.select(axis: 1, 0).doubles().allSatisfy { $0 == 1 })
        }
    }

    /// Many sequences and heads together are bit-identical to single ones.
    @Test func sequencesDoNotMix() {
        var random = TestRandom(5)
        let x = random.tensor([5, 9, 18]).cast(to: .float32)
        let y = Variable(x).attention(heads: 3, mask: .causal).value
        for b in 0..<5 {
            #expect(
                bits(Variable(x.slice(axis: 0, b..<b + 1)).attention(heads: 3, mask: .causal).value)
                    == bits(y.slice(axis: 0, b..<b + 1)))
        }
    }

    @Test func badArgumentsStop() async {
        await #expect(processExitsWith: .failure) { _ = Variable(.zeros([2, 3, 10])).attention(heads: 2, mask: .causal) }
        await #expect(processExitsWith: .failure) {
            _ = Variable(.zeros([2, 3, 12])).attention(heads: 2, mask: .causal, queries: 4)
        }
        await #expect(processExitsWith: .failure) {
            _ = Variable(.zeros([2, 3, 12])).attention(heads: 2, mask: AttentionMask(causal: true, window: 0))
        }
        await #expect(processExitsWith: .failure) {
            let bias = Variable(.zeros([2, 3], dtype: .float64))
            _ = Variable(.zeros([2, 3, 12])).attention(heads: 2, mask: .causal, keyBias: bias)
        }
    }
}
