import Foundation
import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct DiagonalScanTests {
    static let sizes = [(2, 9, 5), (1, 1, 3), (2, 0, 4), (1, 17, 150), (3, 5, 64), (1, 33, 81)]

    private func complex(_ x: [Variable], _ i: Int) -> ComplexVariable { ComplexVariable(real: x[i], imaginary: x[i + 1]) }
    /// Numbers in 0 ..< 1, a third of them exactly 0 or exactly 1.
    private func gates(_ random: inout TestRandom, _ dims: [Int]) -> Tensor {
        var t = random.tensor(dims, 0..<1)
        t.withMutableElements(of: Double.self) { p in
            for i in 0..<p.count { p[i] = [p[i], p[i], p[i], p[i], 0, 1][random.int(0..<6)] }
        }
        return t
    }

    @Test(arguments: [false, true]) func realAgainstTheFormula(fixed: Bool) {
        for (B, T, D) in DiagonalScanTests.sizes {
            var random = TestRandom(UInt64(T + D))
            let x = [random.tensor([B, T, D]), gates(&random, fixed ? [D] : [B, T, D]), random.tensor([B, D])]
            let fused = evaluate(x) {
                let s = $1[0].diagonalScan(decay: $1[1], state: $1[2])
                return Operation.everything(s.output, s.state)
            }
            let naive = evaluate(x) {
                let (o, h) = NaiveScan.diagonal($1[0], $1[1], $1[2])
                return Operation.everything(o, h)
            }
            #expect(difference(fused, naive) < 1e-12, "\((B, T, D))")
        }
    }

    @Test(arguments: [false, true]) func complexAgainstTheFormula(fixed: Bool) {
        for (B, T, D) in DiagonalScanTests.sizes {
            var random = TestRandom(UInt64(T + D))
            let decay = fixed ? [D] : [B, T, D]
            let x = [[B, T, D], [B, T, D], decay, decay, [B, D], [B, D]].map { random.tensor($0, -0.7..<0.7) }
            let fused = evaluate(x) {
                let s = complex($1, 0).diagonalScan(decay: complex($1, 2), state: complex($1, 4))
                return Operation.everything(s.output.real, s.output.imaginary, s.state.real, s.state.imaginary)
            }
            let naive = evaluate(x) {
                let (o, h) = NaiveScan.complexDiagonal(Array($1[0..<2]), Array($1[2..<4]), Array($1[4..<6]))
                return Operation.everything(o[0], o[1], h[0], h[1])
            }
            #expect(difference(fused, naive) < 1e-12, "\((B, T, D))")
        }
    }

    private func selectiveInputs(_ B: Int, _ T: Int, _ D: Int, _ N: Int) -> [Tensor] {
        var random = TestRandom(UInt64(T * 10 + N))
        return [
            random.tensor([B, T, D]), random.tensor([B, T, D], 0..<1), random.tensor([D, N], -3..<0), random.tensor([B, T, N]),
            random.tensor([B, T, N]), random.tensor([D]), random.tensor([B, D, N]),
        ]
    }
    private func selective(_ x: [Variable]) -> (output: Variable, state: Variable) {
        x[0].selectiveScan(delta: x[1], a: x[2], b: x[3], c: x[4], skip: x[5], state: x[6])
    }
    @Test func selectiveAgainstTheFormula() {
        for (B, T, D, N) in [(2, 9, 5, 3), (1, 1, 3, 1), (2, 0, 4, 2), (1, 17, 70, 4), (1, 40, 9, 16), (1, 16, 8, 20)] {
            let x = selectiveInputs(B, T, D, N)
            let fused = evaluate(x) {
                let s = selective($1)
                return Operation.everything(s.output, s.state)
            }
            let naive = evaluate(x) {
                let (o, h) = NaiveScan.selective($1)
                return Operation.everything(o, h)
            }
            #expect(difference(fused, naive) < 1e-12, "\((B, T, D, N))")
        }
    }

    @Test func wkvAgainstTheFormula() {
        for (B, T, D) in DiagonalScanTests.sizes {
            var random = TestRandom(UInt64(T + D))
            let x = [
                random.tensor([B, T, D], -2..<2), random.tensor([B, T, D]), random.tensor([D], -1..<0.1), random.tensor([D]),
            ]
            let fused = evaluate(x) { $1[0].wkvScan(value: $1[1], decay: $1[2], bonus: $1[3]).output }
            #expect(difference(fused, evaluate(x) { NaiveScan.wkv($1[0], $1[1], $1[2], $1[3]) }) < 1e-11, "\((B, T, D))")
        }
    }

    /// Keys far beyond what an exponential can hold: the largest one wins, nothing overflows.
    @Test(arguments: [DType.float32, .float64]) func wkvOfLargeExponents(_ type: DType) {
        let k = Tensor([1e4, -1e4, 5e4, 5e4, -1e5, 0] as [Double], [1, 6, 1]).cast(to: type)
        let v = Tensor([1, 2, 3, 4, 5, 6] as [Double], [1, 6, 1]).cast(to: type)
        let w = Tensor([-1] as [Double]).cast(to: type), u = Tensor([0.5] as [Double]).cast(to: type)
        let y = evaluate([k, v, w, u]) { $1[0].wkvScan(value: $1[1], decay: $1[2], bonus: $1[3]).output }
        // Token 3 sees 3 · e^{5e4} and 4 · e^{5e4 + ½}; tokens 4 and 5 see 3 · e⁻¹ and 4 with equal rest.
        let half: Double = exp(0.5), less: Double = exp(-1.0)
        let fourth = (3 + 4 * half) / (1 + half), after = (3 * less + 4) / (less + 1)
        for (got, wanted) in zip(y.value.doubles(), [1, 1, 3, fourth, after, after]) { #expect(abs(got - wanted) < 1e-5) }
        for g in y.gradients { #expect(g.firstNonFinite() == nil) }
    }

    /// Any split with the state carried over is the whole scan.
    @Test func piecesWithCarriedState() {
        let B = 2, T = 37, D = 5, N = 3
        var random = TestRandom(8)
        func check(_ x: [Tensor], sequences: Int, _ scan: @escaping ([Variable], [Variable]?) -> ([Variable], [Variable])) {
            func pieces(_ lengths: [Int]) -> Evaluation {
                evaluate(x) { _, v in
                    var state: [Variable]?, outputs: [[Variable]] = [], at = 0
                    for n in lengths {
                        let part = v.enumerated().map { $0 < sequences ? $1.slice(axis: 1, at..<at + n) : $1 }
                        let (o, s) = scan(part, state)
                        outputs.append(o)
                        state = s
                        at += n
                    }
                    let whole = outputs[0].indices.map { p in Variable.concatenate(outputs.map { $0[p] }, axis: 1) }
                    return Variable.concatenate((whole + state!).map { $0.reshaped([$0.shape.count]) }, axis: 0)
                }
            }
            let whole = pieces([T])
            for lengths in [[16, 21], [5, 0, 32], Array(repeating: 1, count: T)] {
                #expect(difference(pieces(lengths), whole) < 1e-11, "\(lengths)")
            }
        }
        let b = random.tensor([B, T, D]), a = gates(&random, [B, T, D]), small = random.tensor([B, T, D], -0.6..<0.6)
        check([b, a], sequences: 2) { x, s in
            let r = x[0].diagonalScan(decay: x[1], state: s?[0])
            return ([r.output], [r.state])
        }
        check([b, a, small, small], sequences: 4) { x, s in
            let r = complex(x, 0).diagonalScan(decay: complex(x, 2), state: s.map { complex($0, 0) })
            return ([r.output.real, r.output.imaginary], [r.state.real, r.state.imaginary])
        }
        let m = selectiveInputs(B, T, D, N)
        check([m[0], m[1], m[3], m[4], m[2], m[5]], sequences: 4) { x, s in
            let r = x[0].selectiveScan(delta: x[1], a: x[4], b: x[2], c: x[3], skip: x[5], state: s?[0])
            return ([r.output], [r.state])
        }
        check([b, a, random.tensor([D], -1..<0), random.tensor([D])], sequences: 2) { x, s in
            let r = x[0].wkvScan(value: x[1], decay: x[2], bonus: x[3], state: s?[0])
            return ([r.output], [r.state])
        }
    }

    /// float32 over 10⁵ tokens, against float64 from the same numbers.
    @Test func longSequences() {
        var random = TestRandom(9)
        let T = 100_000
        func check(_ x: [Tensor], within tolerance: Double, _ body: ([Variable]) -> Variable) {
            let y = x.map { $0.cast(to: .float32) }
            let single = evaluate(y) { body($1) }, double = evaluate(y.map { $0.cast(to: .float64) }) { body($1) }
            #expect(relative(single.value, double.value) < tolerance)
            for (a, b) in zip(single.gradients, double.gradients) { #expect(relative(a, b) < 10 * tolerance) }
        }
        let b = random.tensor([1, T, 3]), a = random.tensor([1, T, 3], 0.9..<1), w = random.tensor([3], -0.1..<0)
        check([b, a], within: 1e-6) { $0[0].diagonalScan(decay: $0[1]).output }
        check([b, b, random.tensor([3], 0.6..<0.7), random.tensor([3], 0.6..<0.7)], within: 1e-6) {
            complex($0, 0).diagonalScan(decay: complex($0, 2)).output.real
        }
        check([b, a, random.tensor([3, 4], -2 ..< -0.01), random.tensor([1, T, 4]), random.tensor([1, T, 4])], within: 1e-5) {
            $0[0].selectiveScan(delta: $0[1], a: $0[2], b: $0[3], c: $0[4]).output
        }
        check([b, a, w, random.tensor([3])], within: 2e-5) { $0[0].wkvScan(value: $0[1], decay: $0[2], bonus: $0[3]).output }
    }
}

extension DeterminismTests {
    /// Every scan at sizes that several threads share.
    static func scanResults(_ run: ([[Int]], (ForwardContext, [Variable]) -> Variable) -> [[UInt64]]) -> [[UInt64]] {
        let x = [3, 40, 200]
        return run([[3, 40, 24], [3, 40, 24], [3, 40, 300], [3, 40, 4], [3, 40, 4]]) {
            $1[0].matrixStateScan(
                key: $1[1].l2Normalized(), value: $1[2], decay: $1[3].sigmoid(), beta: $1[4].sigmoid(), heads: 4
            )
            .output
        }
            + run([[3, 40, 24], [3, 40, 24], [3, 40, 40], [3, 40, 24], [24]]) {
                $1[0].matrixStateScan(key: $1[1], value: $1[2], decay: $1[3].sigmoid(), bonus: $1[4], heads: 4).output
            } + run([x, x]) { $1[0].diagonalScan(decay: $1[1].sigmoid()).output }
            + run([x, x, [200], [200]]) {
                ComplexVariable(real: $1[0], imaginary: $1[1])
                    .diagonalScan(decay: ComplexVariable(real: $1[2].sigmoid(), imaginary: $1[3].sigmoid())).output.real
            }
            + run([x, x, [200, 6], [3, 40, 6], [3, 40, 6], [200]]) {
                $1[0].selectiveScan(delta: $1[1].sigmoid(), a: -$1[2].exp(), b: $1[3], c: $1[4], skip: $1[5]).output
            }
            + run([x, x, [200], [200]]) { $1[0].wkvScan(value: $1[1], decay: -$1[2].exp(), bonus: $1[3]).output }
    }
}
