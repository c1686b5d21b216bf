import NSTMAutograd
import NSTMTensor
import TestSupport
import Testing

@Suite struct TapeTests {
    private func parameter(_ path: String, _ index: Int, _ values: [Double]) -> Parameter {
        Parameter(path: path, index: index, value: Tensor(values), decays: false)
    }

    @Test func usesOfAVariableAddUp() {
        let c = ForwardContext(.train), x = c.input(Tensor([3, -2] as [Double]))
        // d/dx (x³ + 2x + x·c) = 3x² + 2 + c, with c = x as a constant.
        let y = x * x * x + x + x + x * x.detached
        let g = y.gradients(of: [x])[0]!.doubles()
        #expect(g == [32, 12])
    }

    /// The same gradient given to two inputs must not be one storage that both write to.
    @Test func gradientsDoNotShareWrites() {
        let c = ForwardContext(.train), a = c.input(Tensor([1, 2] as [Double])), b = c.input(Tensor([5, 7] as [Double]))
        let s = a + b
        let y = (s + a) + (b * 3 + s)
        let g = y.gradients(of: [a, b])
        #expect(g[0]!.doubles() == [3, 3] && g[1]!.doubles() == [5, 5])
    }

    /// A broadcast gradient (of a sum) that more is added to.
    @Test func broadcastGradientsAccumulate() {
        let c = ForwardContext(.train), x = c.input(Tensor([1, 2, 3] as [Double]))
        let g = (x.sum() + x.sum() * 2 + (x * x).sum()).gradients(of: [x])[0]!
        #expect(g.doubles() == [5, 7, 9])
    }

    @Test func parametersAreFoundAndOrdered() {
        let w = parameter("b.weight", 1, [2, 3]), v = parameter("a.weight", 0, [5, 7]), frozen = parameter("c", 2, [1, 1])
        let unused = parameter("d", 3, [0, 0])
        frozen.isTrainable = false
        let c = ForwardContext(.train)
        let loss = (c[w] * c[v] * c[w] + c[frozen]).sum() + c[unused].sum() * 0
        let g = loss.backward()
        #expect(g.paths == ["a.weight", "b.weight", "d"])
        #expect(g["b.weight"]!.doubles() == [2 * 2 * 5, 2 * 3 * 7] && g[v]!.doubles() == [4, 9])
        #expect(g["c"] == nil && g["nothing"] == nil)
        #expect(g[unused]!.doubles() == [0, 0])
        var visited: [String] = []
        g.forEach { p, _ in visited.append(p.path) }
        #expect(visited == g.paths)
    }

    @Test func evaluationRecordsNothing() {
        let w = parameter("w", 0, [2, 3])
        let c = ForwardContext(.evaluate)
        let y = (c[w] * c[w]).sum()
        #expect(c.tape.count == 0 && !y.isRecorded)
        #expect(y.backward().paths.isEmpty)
        let recorded = ForwardContext(.evaluate, recording: true)
        #expect((recorded[w] * recorded[w]).sum().backward()["w"]!.doubles() == [4, 6])
    }

    @Test func unusedOutputsHaveNoGradient() {
        let c = ForwardContext(.train), x = c.input(Tensor([1, 2, 3] as [Double]))
        let outputs = record("three", [x], [x.value, x.value.affine(2), x.value.affine(3)]) { g, to in
            #expect(g[0] == nil && g[2] == nil)
            to.add(0, g[1]!.affine(2))
        }
        #expect(outputs.count == 3)
        #expect((outputs[1] * outputs[1].detached).gradients(of: [x])[0]!.doubles() == [4, 8, 12])
    }

    /// Backward from each of several outputs directly, and from none of them.
    @Test(arguments: [0, 1, 2]) func backwardFromAnOutput(_ which: Int) {
        let c = ForwardContext(.train), x = c.input(Tensor([1, 2, 3, 4, 5, 6] as [Double]))
        let p = x.split(axis: 0, [1, 2, 3])
        var expected = [0, 0, 0, 0, 0, 0] as [Double]
        for i in [0..<1, 1..<3, 3..<6][which] { expected[i] = 1 }
        #expect(p[which].gradients(of: [x])[0]!.doubles() == expected)
    }
    @Test func unreachedOperationsAreSkipped() {
        let c = ForwardContext(.train), x = c.input(Tensor([1, 2] as [Double]))
        let outputs = record("never", [x], [x.value, x.value]) { _, _ in Issue.record("pullback of an unused operation ran") }
        let dead = record("dead", [outputs[0]], x.value, .undefined("nothing reaches it"))
        #expect(!dead.shape.isEmpty)
        #expect((x * 2).gradients(of: [x])[0]!.doubles() == [2, 2])
    }

    /// The captures of a derivative must have no cost in a pass that is not recorded.
    @Test func unusedDerivativesAreNotCreated() {
        var made = 0
        func derivative() -> Derivative {
            made += 1
            return .pullback { g, to in to.add(0, g) }
        }
        let x = Tensor([1, 2] as [Double])
        _ = record("identity", [ForwardContext(.evaluate).constant(x)], x, derivative())
        _ = record("identity", [Variable(x)], x, derivative())
        #expect(made == 0)
        let c = ForwardContext(.train), input = c.input(x)
        #expect(record("identity", [input], x, derivative()).gradients(of: [input])[0]?.doubles() == [1, 1])
        #expect(made == 1)
    }

    @Test(arguments: [7, 8, 9, 20]) func manyInputs(_ count: Int) {
        let c = ForwardContext(.train), x = (0..<count).map { c.input(Tensor([Double($0)])) }
        let parts = x.enumerated().map { $0 % 2 == 0 ? $1 : Variable($1.value) }
        let y = Variable.concatenate(parts, axis: 0) * Variable(Tensor((1...count).map(Double.init)))
        let g = y.gradients(of: x)
        for (i, gi) in g.enumerated() { #expect(gi?.doubles() == (i % 2 == 0 ? [Double(i + 1)] : nil)) }
    }

    /// Backward and teardown of a long chain are loops.
    @Test func longChains() {
        for backward in [true, false] {
            let c = ForwardContext(.train), x = c.input(Tensor.ones([2], dtype: .float64))
            var y = x
            for _ in 0..<100_000 { y = y.affine(1, 1e-5) }
            #expect(c.tape.count == 100_001)
            #expect(abs(y.value.doubles()[0] - 2) < 1e-9)
            if backward { #expect(y.gradients(of: [x])[0]!.doubles() == [1, 1]) }
        }
    }

    /// Parameters of two models on one tape may have one index, and one path.
    @Test func parametersOfTwoModels() {
        let a = parameter("a", 0, [2]), b = parameter("b", 0, [3]), again = parameter("a", 0, [5]), last = parameter("z", 1, [7])
        let c = ForwardContext(.train)
        // d/da (a·b + b·a′ + a′·a + z) = b + a′, and so on.
        let loss = (c[a] * c[b] + c[b] * c[again] + c[again] * c[a] + c[last]).sum(), g = loss.backward()
        var seen: [String] = []
        g.forEach { p, g in seen.append("\(p.path) \(p.value.item()) \(g.item())") }
        #expect(seen == ["a 2.0 8.0", "b 3.0 7.0", "a 5.0 5.0", "z 7.0 1.0"])
        #expect(g[b]?.item() == 7 && g["b"]?.item() == 7 && g[last]?.item() == 1 && g[a]?.item() == 8)
    }

    /// Operations that save tensors on the tape; a tape that checks every value uses another code path for them.
    private func keepingOperations(_ c: ForwardContext) -> (inputs: [Variable], loss: Variable) {
        var random = TestRandom(3)
        let x = c.input(random.tensor([2, 5, 12])), w = c.input(random.tensor([12, 12])), b = c.input(random.tensor([12]))
        let gain = c.input(random.tensor([12], 0.5..<1.5)), taps = c.input(random.tensor([3, 12]))
        let write = c.input(random.tensor([2, 5, 3], 0.1..<0.9)), keys = c.input(random.tensor([3, 4])),
            shift = c.input(random.tensor([2, 3]))
        let gate = c.input(random.tensor([2, 5, 4], 0.1..<0.9)), table = c.input(random.tensor([7, 12]))
        let rows = table.rows(Tensor([0, 3, 3, 6, 1, 2, 2, 5, 4, 0] as [Int32], [2, 5]))
        let h = (x * rows + b).linear(w, bias: b, activation: .gelu).layerNorm(gain: gain, bias: b)
            .causalConvolution(taps, bias: b, silu: true).gatedRMSNorm(gain: gain, gate: x)
        let scan = h.gatedSlotScan(
            write: write.topKGates(2), gate: gate, keys: keys, values: keys.broadcast(to: [2, 3, 4]), bias: shift, heads: 2,
            chunk: 2)
        let all = Variable.concatenate([scan.output, h.attention(heads: 1, mask: .causal), scan.values], axis: 1)
        let loss = all.sigmoid().crossEntropy(Tensor((0..<26).map { Int32($0 % 5 - 1) }, [2, 13]))
        return ([x, w, b, gain, taps, write, keys, shift, gate, table], loss)
    }
    @Test func keepingIsCapturing() {
        var results: [[[Double]?]] = []
        for checks in [false, true] {
            let c = ForwardContext(.train)
            c.tape.checksFinite = checks
            let (inputs, loss) = keepingOperations(c)
            results.append(loss.gradients(of: inputs).map { $0?.doubles() })
        }
        #expect(results[0] == results[1] && results[0].allSatisfy { $0 != nil })
    }
    /// A tape frees saved values, whether the backward pass has visited all operations, some, or none.
    @Test func tapesFreeSavedValues() async {
        await #expect(processExitsWith: .success) {
            let tests = TapeTests(), before = MemoryUse.current.live
            for form in 0..<3 {
                let c = ForwardContext(.train), (inputs, loss) = tests.keepingOperations(c)
                let other = loss * loss
                if form == 1 { _ = loss.gradients(of: inputs) }
                if form == 2 { _ = other.gradients(of: inputs) }
                if MemoryUse.current.live <= before { Issue.record("nothing is kept") }
            }
            #expect(MemoryUse.current.live == before)
        }
    }

    /// Saved values are freed during the backward pass, not with the tape.
    @Test func savedTensorsAreFreedOnTheWay() {
        final class Token {}
        weak var saved: Token?
        let c = ForwardContext(.train), x = c.input(Tensor([1.0]))
        var seenLater = false
        var y = record(
            "first", [x], x.value,
            .pullback { g, to in
                seenLater = saved == nil
                to.add(0, g)
            })
        do {
            let token = Token()
            saved = token
            y = record(
                "second", [y], y.value,
                .pullback { g, to in
                    withExtendedLifetime(token) {}
                    to.add(0, g)
                })
        }
        #expect(saved != nil)
        #expect(y.gradients(of: [x])[0] != nil)
        #expect(seenLater)
    }

    @Test func scopesNameThePath() {
        struct Stop: Error {}
        let c = ForwardContext(.train)
        #expect(c.path == "")
        c.scope("blocks") {
            c.scope("3") { #expect(c.path == "blocks.3") }
            #expect(c.path == "blocks")
            c.addLoss("balance", Variable(Tensor.scalar(1)))
            c.log("entropy", 2)
        }
        #expect(throws: Stop.self) { try c.scope("a") { throw Stop() } }
        #expect(c.path == "")
        #expect(c.auxiliaryLosses.map(\.name) == ["blocks.balance"] && c.metrics.map(\.name) == ["blocks.entropy"])
    }

    /// Constants and detached values of an earlier pass may be used in the next one; recorded ones may not.
    @Test func carriedValuesAreConstants() async {
        let first = ForwardContext(.train), x = first.input(Tensor([2.0]))
        let carried = (x * x).detached
        let second = ForwardContext(.train), y = second.input(Tensor([3.0]))
        #expect((carried * y).gradients(of: [y])[0]!.doubles() == [4])
        #expect((y * carried).shape == [1])
        let again = second.input(Tensor([5.0]))
        #expect((again * first.constant(Tensor([7.0]))).tape === second.tape)
        await #expect(processExitsWith: .failure) {
            let a = ForwardContext(.train), b = ForwardContext(.train)
            _ = a.input(Tensor([1.0])) + b.input(Tensor([1.0]))
        }
    }

    @Test func gradientCheckFindsErrors() {
        func wrong(_ factor: Double) -> GradientCheck {
            gradientCheck([Tensor([0.5, 1, 2] as [Double])]) { _, x in
                let v = x[0].value
                return record("cube", x, v * v * v, .pullback { g, to in to.add(0, g * (v * v).affine(factor)) })
            }
        }
        #expect(wrong(3).error < 1e-8 && wrong(3).elements == 3)
        #expect(wrong(3.001).error > 1e-4)
        #expect(!(wrong(.nan).error < 1))
        // A NaN in the first element only.
        let nan = gradientCheck([Tensor([0.5, 1, 2] as [Double])]) { _, x in
            record("id", x, x[0].value, .pullback { g, to in to.add(0, g * Tensor([.nan, 1, 1] as [Double])) })
        }
        #expect(!(nan.error < 1))
    }

    // MARK: Errors

    private func message(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }
    @Test func undefinedDerivativesStopByName() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.scope("head") {
                let x = c.input(Tensor([1.0]))
                _ = record("round", [x], x.value, .undefined("it is flat")).gradients(of: [x])
            }
        }
        #expect(message(r).contains("round in 'head' has no derivative: it is flat"))
    }
    @Test func nonFiniteValuesAreNamed() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.tape.checksFinite = true
            c.scope("blocks") { c.scope("3") { _ = c.input(Tensor([1, 2, 0, 0] as [Double], [2, 2])).log() } }
        }
        #expect(message(r).contains("log in 'blocks.3': first non-finite value at index 2 of shape [2, 2]"))
    }
    /// The error names the operation that caused the issue and its path, not the one that receives the gradient.
    @Test func nonFiniteGradientsAreNamed() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.tape.checksFinite = true
            let x = c.input(Tensor([4, 0] as [Double]))
            let y = c.scope("first") { x.affine(2) }
            let z = c.scope("second") { y.sqrt() }
            _ = z.sum().gradients(of: [x])
        }
        #expect(message(r).contains("sqrt in 'second': first non-finite gradient at index 1 of shape [2]"))
    }
    /// Also for gradients of parameters.
    @Test func nonFiniteLeafGradientsAreNamed() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.tape.checksFinite = true
            let w = Parameter(path: "w", index: 0, value: Tensor([4, 0] as [Double]), decays: false)
            _ = c[w].sqrt().sum().backward()
        }
        #expect(message(r).contains("sqrt in '': first non-finite gradient at index 1"))
    }
    @Test func shapeErrorsNameThePath() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.scope("mlp") { _ = c.input(.zeros([2, 3])).linear(c.constant(.zeros([4, 5]))) }
        }
        #expect(message(r).contains("in 'mlp': linear: inner sizes differ: lhs [2, 3] has 3, rhs [4, 5] has 5"))
    }
    @Test func mixedTypesStop() async {
        await #expect(processExitsWith: .failure) {
            _ = Variable(.zeros([2, 3])).linear(Variable(.zeros([4, 3], dtype: .float64)))
        }
        await #expect(processExitsWith: .failure) {
            _ = Variable(.zeros([2, 3])).layerNorm(gain: Variable(.zeros([3], dtype: .float64)))
        }
    }
    @Test func backwardNeedsAScalar() async {
        await #expect(processExitsWith: .failure) { _ = ForwardContext(.train).input(.zeros([2])).backward() }
    }
    @Test func targetsOutsideTheClassesStop() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Variable(.zeros([2, 3])).crossEntropy(Tensor([0, 3] as [Int32]))
        }
        #expect(message(r).contains("crossEntropy: target 3 is outside 0..<3"))
    }
    @Test func squaredErrorDoesNotBroadcast() async {
        await #expect(processExitsWith: .failure) { _ = Variable(.zeros([4, 1])).meanSquaredError(.zeros([4])) }
    }
}

@Suite struct GradientsTests {
    private func gradients(_ values: [(String, Int, [Double])]) -> Gradients {
        let c = ForwardContext(.train)
        var loss = Variable(Tensor.scalar(0, dtype: .float64))
        for (path, index, v) in values {
            let p = Parameter(path: path, index: index, value: .zeros([v.count], dtype: .float64), decays: false)
            loss = loss + (c[p] * Variable(Tensor(v))).sum()
        }
        return loss.backward()
    }

    @Test func sumsGoByPath() {
        let a = gradients([("x", 0, [1, 2]), ("z", 2, [5])]), b = gradients([("z", 2, [7]), ("y", 1, [3]), ("x", 0, [10, 20])])
        let before = a["x"]!.doubles()
        let s = a + b
        #expect(s.paths == ["x", "y", "z"])
        #expect(s["x"]!.doubles() == [11, 22] && s["y"]!.doubles() == [3] && s["z"]!.doubles() == [12])
        #expect(a["x"]!.doubles() == before)
    }

    @Test func scalingClippingAndNorm() {
        let g = gradients([("x", 0, [3, -4]), ("y", 1, [12])])
        #expect(g.globalNorm == 13)
        #expect(g.scaled(by: -2)["x"]!.doubles() == [-6, 8])
        #expect(g.clamped(to: 3.5)["x"]!.doubles() == [3, -3.5] && g.clamped(to: 3.5)["y"]!.doubles() == [3.5])
        #expect(g["x"]!.doubles() == [3, -4])
        #expect(gradients([]).globalNorm == 0)
        #expect(g.firstNonFinite == nil)
        let bad = gradients([("x", 0, [3, -4]), ("y", 1, [1, .infinity])]).firstNonFinite
        #expect(bad?.path == "y" && bad?.index == 1)
    }
}
