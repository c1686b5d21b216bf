import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct GatedSlotTests {
    /// The recurrence token by token, of primitive operations.
    ///
    /// `active` [B, N] (1 or 0) hides states from reading and writing.
    private func naive(_ x: [Variable], heads: Int, active: Tensor? = nil, gated: Bool = false) -> (
        o: Variable, keys: Variable, values: Variable
    ) {
        let qkv = x[0], B = qkv.shape[0], T = qkv.shape[1], D = qkv.shape[2] / 3, d = D / heads, N = x[1].shape[2]
        var K = x[2].shape.rank == 2 ? x[2].broadcast(to: [B, N, D]) : x[2]
        var V = x[3].shape.rank == 2 ? x[3].broadcast(to: [B, N, D]) : x[3]
        var outputs: [Variable] = []
        for t in 0..<T {
            let token = qkv.select(axis: 1, t)
            func part(_ p: Int) -> Variable { token.slice(axis: 1, p * D..<(p + 1) * D).unsqueezed(axis: 1) }
            var u = x[1].select(axis: 1, t)
            if let active { u = u * Variable(active) }
            u = u.unsqueezed(axis: -1)
            K = K + u * (part(1) - K)
            V = V + (gated ? u * x[x.count - 1].select(axis: 1, t).unsqueezed(axis: 1) : u) * (part(2) - V)
            var reads: [Variable] = []
            for h in 0..<heads {
                func head(_ v: Variable) -> Variable { v.slice(axis: 2, h * d..<(h + 1) * d) }
                var s = (head(part(0)) * head(K)).sum(axes: [-1]) / Double(d).squareRoot()
                if x.count > (gated ? 5 : 4) { s = s + x[4] }
                reads.append((s.softmax().unsqueezed(axis: -1) * head(V)).sum(axes: [1]))
            }
            outputs.append(Variable.concatenate(reads, axis: -1))
        }
        return (outputs.isEmpty ? Variable(.zeros([B, 0, D], dtype: .float64)) : Variable.stack(outputs, axis: 1), K, V)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var B = 2, T = 7, heads = 2, d = 4, N = 3, chunk = 64
        var bias = true, shared = false, gated = false
        var testDescription: String {
            "B \(B) T \(T) H \(heads) d \(d) N \(N) chunk \(chunk) bias \(bias) shared \(shared) gated \(gated)"
        }
    }
    static let cases: [Case] = [
        Case(), Case(bias: false), Case(shared: true), Case(T: 1), Case(T: 0), Case(N: 1), Case(T: 10, chunk: 3),
        Case(T: 9, chunk: 3), Case(T: 5, chunk: 1), Case(T: 7, chunk: 7), Case(B: 1, T: 70, heads: 1, d: 8),
        Case(B: 1, heads: 1, d: 8), Case(heads: 1, d: 16), Case(B: 1, heads: 2, d: 32, chunk: 4),
        Case(B: 1, T: 4, heads: 1, d: 64), Case(heads: 3, d: 5, N: 6, chunk: 2), Case(heads: 1, d: 1),
        Case(gated: true), Case(bias: false, gated: true), Case(B: 1, T: 5, heads: 2, d: 32, chunk: 2, gated: true),
        Case(heads: 3, d: 5, N: 6, chunk: 2, gated: true), Case(T: 0, gated: true),
    ]
    /// qkv, write, keys, values and optionally bias and gate.
    ///
    /// A third of the write weights are exactly 0, some are 1.
    private func inputs(_ c: Case) -> [Tensor] {
        var random = TestRandom(UInt64(c.T * 100 + c.d * 10 + c.N))
        let D = c.heads * c.d, states = c.shared ? [c.N, D] : [c.B, c.N, D]
        let qkv = random.tensor([c.B, c.T, 3 * D], -2..<2)
        var write = random.tensor([c.B, c.T, c.N], 0..<1)
        write.withMutableElements(of: Double.self) { p in
            for i in 0..<p.count { p[i] = [p[i], p[i], 0, p[i], 0, 1][random.int(0..<6)] }
        }
        return [qkv, write, random.tensor(states), random.tensor(states)] + (c.bias ? [random.tensor([c.B, c.N])] : [])
            + (c.gated ? [random.tensor([c.B, c.T, D], 0..<1)] : [])
    }
    private func scan(_ x: [Variable], _ c: Case) -> (output: Variable, keys: Variable, values: Variable, readWeights: Tensor) {
        x[0].gatedSlotScan(
            write: x[1], gate: c.gated ? x[x.count - 1] : nil, keys: x[2], values: x[3],
            bias: x.count > (c.gated ? 5 : 4) ? x[4] : nil, heads: c.heads, chunk: c.chunk)
    }
    /// By definition a weight that is exactly 0 has no gradient, so that it can be skipped.
    private func routed(_ write: Tensor, _ gradient: Tensor) -> Tensor {
        Tensor(zip(write.doubles(), gradient.doubles()).map { $0 == 0 ? 0 : $1 }, gradient.shape)
    }

    @Test(arguments: cases) func againstTheTokenLoop(_ c: Case) {
        let x = inputs(c)
        func together(_ o: Variable, _ k: Variable, _ v: Variable) -> Variable { Variable.concatenate([o, k, v], axis: 1) }
        let fused = evaluate(x) {
            let s = scan($1, c)
            return together(s.output, s.keys, s.values)
        }
        let loop = evaluate(x) {
            let s = naive($1, heads: c.heads, gated: c.gated)
            return together(s.o, s.keys, s.values)
        }
        #expect(difference(fused.value, loop.value) < 1e-12)
        for i in x.indices {
            let expected = i == 1 ? routed(x[1], loop.gradients[1]) : loop.gradients[i]
            #expect(difference(fused.gradients[i], expected) < 1e-11, "input \(i)")
        }
        #expect(bits(routed(x[1], fused.gradients[1])) == bits(fused.gradients[1]))

        let single = evaluate(x.map { $0.cast(to: .float32) }) {
            let s = scan($1, c)
            return together(s.output, s.keys, s.values)
        }
        #expect(difference(single, fused) < 2e-5)
    }

    /// Each output alone: the others have no gradient.
    @Test(arguments: [0, 1, 2]) func oneOutputUsed(_ which: Int) {
        let c = Case(T: 5, chunk: 2), x = inputs(c)
        let fused = evaluate(x) {
            let s = scan($1, c)
            return [s.output, s.keys, s.values][which]
        }
        let loop = evaluate(x) {
            let s = naive($1, heads: c.heads)
            return [s.o, s.keys, s.values][which]
        }
        for i in x.indices {
            let expected = i == 1 ? routed(x[1], loop.gradients[1]) : loop.gradients[i]
            #expect(difference(fused.gradients[i], expected) < 1e-11, "input \(i)")
        }
    }

    @Test func readWeightsAreAProbability() {
        let c = Case(T: 20, N: 5), x = inputs(c), s = scan(x.map { Variable($0) }, c)
        #expect(s.readWeights.shape == [2, 2, 20, 5])
        #expect(s.readWeights.doubles().allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(s.readWeights.sum(axes: [-1]).doubles().allSatisfy { abs($0 - 1) < 1e-14 })
    }

    /// A weight of 0 leaves a state bit for bit; a weight of 1 replaces it up to rounding.
    @Test func zeroWritesLeaveStatesAlone() {
        for type in [DType.float32, .float64] {
            let c = Case(T: 9, N: 4, chunk: 4)
            var x = inputs(c).map { $0.cast(to: type) }
            x[1] = Tensor.zeros([2, 9, 4], dtype: type)
            let s = scan(x.map { Variable($0) }, c)
            #expect(bits(s.keys.value) == bits(x[2]) && bits(s.values.value) == bits(x[3]))
            x[1] = Tensor.ones([2, 9, 4], dtype: type)
            let r = scan(x.map { Variable($0) }, c), D = c.heads * c.d
            let last = x[0].slice(axis: 1, 8..<9)
            #expect(difference(r.keys.value, last.slice(axis: 2, D..<2 * D).broadcast(to: [2, 4, D]).contiguous()) < 1e-6)
        }
    }

    /// States with a bias of −∞ are neither read nor written, whatever they contain, bit for bit.
    @Test(arguments: [DType.float32, .float64]) func inactiveStates(_ type: DType) {
        for c in [Case(T: 9, N: 4, chunk: 4), Case(T: 6, heads: 1, d: 16, N: 4)] {
            let D = c.heads * c.d, hidden = [1, 3]
            var x = inputs(c)
            x[4].withMutableElements(of: Double.self) { p in
                for b in 0..<c.B { for m in hidden { p[b * c.N + m] = -.infinity } }
            }
            func filled(_ t: Tensor, _ value: Double) -> Tensor {
                var t = t
                t.withMutableElements(of: Double.self) { p in
                    for b in 0..<c.B { for m in hidden { for i in 0..<D { p[(b * c.N + m) * D + i] = value } } }
                }
                return t
            }
            func run(_ value: Double) -> ((output: Variable, keys: Variable, values: Variable, readWeights: Tensor), Evaluation) {
                let y = [x[0], x[1], filled(x[2], value), filled(x[3], value), x[4]].map { $0.cast(to: type) }
                return (scan(y.map { Variable($0) }, c), evaluate(y) { scan($1, c).output })
            }
            let (a, ga) = run(0.5)
            for value in [-3, 1e30, .infinity, .nan] {
                let (b, gb) = run(value)
                #expect(bits(a.output.value) == bits(b.output.value) && bits(a.readWeights) == bits(b.readWeights))
                for (p, q) in zip(ga.gradients, gb.gradients) { #expect(bits(p) == bits(q)) }
                for state in [b.keys.value, b.values.value] {
                    for m in hidden {
                        let expected = Tensor(repeating: value, [c.B, D], dtype: type)
                        #expect(bits(state.select(axis: 1, m)) == bits(expected))
                    }
                }
            }
            // The others do not depend on the inactive ones.
            let rest = [0, 2].map { Int32($0) }
            func picked(_ t: Tensor, _ axis: Int) -> Tensor {
                Tensor.stack(rest.map { t.select(axis: axis, Int($0)) }, axis: axis)
            }
            let fewer = [x[0], picked(x[1], 2), picked(x[2], 1), picked(x[3], 1), picked(x[4], 1)].map { $0.cast(to: type) }
            let f = evaluate(fewer) { scan($1, c).output }
            #expect(difference(f.value, a.output.value) < (type == .float32 ? 1e-6 : 1e-14))
            for (i, axis) in [(1, 2), (2, 1), (3, 1), (4, 1)] {
                #expect(difference(picked(ga.gradients[i], axis), f.gradients[i]) < (type == .float32 ? 1e-5 : 1e-13))
                for m in hidden { #expect(ga.gradients[i].select(axis: axis, m).doubles().allSatisfy { $0 == 0 }) }
            }
        }
    }

    /// Without active states reads are 0 and states are unchanged.
    @Test func noActiveState() {
        let c = Case(T: 4)
        var x = inputs(c)
        x[4] = Tensor(repeating: -.infinity, [c.B, c.N], dtype: .float64)
        let y = evaluate(x) { scan($1, c).output }
        #expect(y.value.doubles().allSatisfy { $0 == 0 })
        for g in y.gradients { #expect(g.doubles().allSatisfy { $0 == 0 }) }
    }

    @Test func showsNaN() {
        var x = inputs(Case(bias: false))
        x[0].withMutableElements(of: Double.self) { $0[0] = .nan }
        let y = scan(x.map { Variable($0) }, Case(bias: false)).output.value
        #expect(y.select(axis: 1, 0).select(axis: 0, 0).slice(axis: 0, 0..<4).doubles().allSatisfy { $0.isNaN })
        #expect(y.select(axis: 1, 1).doubles().allSatisfy { $0.isFinite })
    }

    /// Two pieces with the state carried over are the whole: values bit for bit, gradients through the state too.
    @Test(arguments: [1, 3, 4, 8]) func piecesWithCarriedState(at: Int) {
        let c = Case(T: 9, d: 8, chunk: 4), x = inputs(c)
        func pieces(_ v: [Variable]) -> (Variable, (output: Variable, keys: Variable, values: Variable, readWeights: Tensor)) {
            func piece(_ r: Range<Int>, _ k: Variable, _ values: Variable) -> (
                output: Variable, keys: Variable, values: Variable, readWeights: Tensor
            ) {
                scan([v[0].slice(axis: 1, r), v[1].slice(axis: 1, r), k, values, v[4]], c)
            }
            let a = piece(0..<at, v[2], v[3]), b = piece(at..<9, a.keys, a.values)
            return (Variable.concatenate([a.output, b.output], axis: 1), b)
        }
        for type in [DType.float32, .float64] {
            let y = x.map { Variable($0.cast(to: type)) }
            let whole = scan(y, c), (o, last) = pieces(y)
            #expect(bits(o.value) == bits(whole.output.value))
            #expect(bits(last.keys.value) == bits(whole.keys.value) && bits(last.values.value) == bits(whole.values.value))
        }
        let whole = evaluate(x) {
            let s = scan($1, c)
            return Variable.concatenate([s.output, s.keys, s.values], axis: 1)
        }
        let split = evaluate(x) {
            let (o, s) = pieces($1)
            return Variable.concatenate([o, s.keys, s.values], axis: 1)
        }
        #expect(difference(split, whole) < 1e-12)
    }

    /// The length of a chunk affects only memory.
    @Test func chunksDoNotMatter() {
        var c = Case(T: 23, d: 16)
        let x = inputs(c), first = evaluate(x) { scan($1, c).output }
        for chunk in [1, 2, 5, 22, 23, 24] {
            c.chunk = chunk
            let y = evaluate(x) { scan($1, c).output }
            #expect(bits(y.value) == bits(first.value))
            for (a, b) in zip(y.gradients, first.gradients) { #expect(bits(a) == bits(b)) }
        }
    }

    /// Only some inputs are recorded, the first one not on any tape.
    @Test(arguments: [1, 2, 3, 4]) func oneInputRecorded(_ which: Int) {
        let c = Case(T: 5, chunk: 2), x = inputs(c)
        let all = evaluate(x) { scan($1, c).output }.gradients[which]
        let context = ForwardContext(.train)
        let inputs = x.enumerated().map { $0 == which ? context.input($1) : Variable($1) }
        let y = scan(inputs, c).output
        let one = y.gradients(of: inputs, seed: seed(y.shape, .float64))
        #expect(one[which].map { bits($0) } == bits(all))
        #expect(one.enumerated().allSatisfy { $0 == which || $1 == nil })
    }
}
