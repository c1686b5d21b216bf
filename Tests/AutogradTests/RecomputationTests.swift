import NSTMAutograd
import NSTMTensor
import Testing

/// `checkpointed` does not change a bit of any result.
@Suite struct RecomputationTests {
    /// Everything a pass gives: values, gradients of inputs and parameters, losses and metrics by name.
    private struct Outcome: Equatable {
        var values: [[UInt64]] = []
        var gradients: [[UInt64]?] = []
        var parameters: [String: [UInt64]] = [:]
        var losses: [String] = []
        var metrics: [String: Double] = [:]
    }
    private typealias Wrap =
        @Sendable (
            ForwardContext, [Variable], @escaping (ForwardContext, [Variable]) -> [Variable]
        ) -> [Variable]
    private static let plain: Wrap = { $2($0, $1) }
    private static let once: Wrap = { $0.checkpointed($1, $2) }
    private static let nested: Wrap = { context, x, body in
        context.checkpointed(x) { context, x in context.checkpointed(x) { context, x in context.checkpointed(x, body) } }
    }

    private let weight = Parameter(path: "w", index: 0, value: random([6, 6], "w"), decays: true)
    private let gain = Parameter(path: "g", index: 1, value: random([6], "g"), decays: false)
    private let unused = Parameter(path: "u", index: 2, value: random([6], "u"), decays: false)

    /// A part in which variables are used several times, inside and outside.
    private func outcome(_ wrap: Wrap) -> Outcome {
        let c = ForwardContext(.train, key: RandomKey(5))
        let x = c.input(random([3, 6], "x")), z = c.input(random([3, 6], "z")), w = weight, g = gain, u = unused
        let fixed = c.constant(random([3, 6], "fixed"))
        // What is used before the part gets its share of the gradient after it.
        let before = (x * x).matmul(c[w]).tanh() + c[g]
        c.addLoss("first", (c[w] * c[w]).mean())
        let y = c.scope("block") {
            wrap(c, [x, before, fixed, x, before.detached]) { c, v in
                c.scope("inner") {
                    let h = (v[0].rmsNorm(gain: c[g]).matmul(c[w]) + v[1] * v[2]).silu().dropout(0.3, c)
                    let r = c.random("noise").uniform(0)
                    c.addLoss("balance", (h * h).mean() * 0.1)
                    c.addLoss("constant", c.constant(.scalar(2, dtype: .float64)))
                    c.log("noise", r)
                    let parts = (h + v[0] * r + v[3] * v[4]).split(axis: -1, [2, 3, 1])
                    let dead = (h * c[u]).exp()
                    return [h, parts[1].sin(), parts[2], dead, h, v[0], v[2], c[w]]
                }
            }
        }
        var loss = (y[0] * before + z * x).sum() + y[1].exp().sum() + (y[0] * x).tanh().sum()
        loss = loss + (y[4] * y[5]).sum() + (y[6] + y[7].sum()).mean() + (c[w] * c[g]).squared().sum()
        for (_, extra) in c.auxiliaryLosses { loss = loss + extra }
        var out = Outcome(values: (y + [loss] + c.auxiliaryLosses.map(\.value)).map { bits($0.value) })
        out.losses = c.auxiliaryLosses.map(\.name)
        for (name, value) in c.metrics { out.metrics[name, default: 0] += value }
        let wanted = [x, z, before, y[1], c[w], c[g], c[u]]
        out.gradients = loss.gradients(of: wanted).map { $0.map { bits($0) } }
        return out
    }

    @Test func everyBitIsTheSame() {
        let plain = outcome(Self.plain)
        #expect(plain.losses == ["first", "block.inner.balance", "block.inner.constant"])
        #expect(plain.gradients.map { $0 == nil } == [false, false, true, true, false, false, true])
        #expect(outcome(Self.once) == plain)
        #expect(outcome(Self.nested) == plain)
    }

    /// The whole table of operations, in every layout, in parts that are nested.
    @Test(arguments: Operation.all) func everyOperationIsTheSame(_ operation: Operation) {
        for shapes in operation.shapes {
            for layout in Layout.allCases {
                let inputs = operation.inputs(shapes, layout)
                let plain = evaluate(inputs) { operation.body($0, $1) }
                let again = evaluate(inputs) { c, x in
                    c.checkpointed(x) { c, x in
                        c.checkpointed(x) { c, x in [operation.body(c, x)] }
                    }[0]
                }
                #expect(bits(again.value) == bits(plain.value), "\(shapes) \(layout)")
                #expect(again.gradients.map { bits($0) } == plain.gradients.map { bits($0) }, "\(shapes) \(layout)")
            }
        }
    }

    /// A parameter shared by parts and by what is outside of them: sums in the same order, one gradient.
    @Test func sharedParameters() {
        func run(_ wrap: Wrap) -> [[UInt64]] {
            let c = ForwardContext(.train), w = weight, g = gain
            var h = c.constant(random([4, 6], "x")).matmul(c[w])
            for _ in 0..<3 { h = wrap(c, [h]) { c, v in [v[0] + v[0].rmsNorm(gain: c[g]).matmul(c[w]).tanh()] }[0] }
            let gradients = (h.matmul(c[w]) * c[g]).sum().backward()
            #expect(gradients.paths == ["w", "g"])
            return [bits(h.value), bits(gradients["w"]!), bits(gradients["g"]!)]
        }
        #expect(run(Self.once) == run(Self.plain) && run(Self.nested) == run(Self.plain))
    }

    @Test func frozenParametersAreConstants() {
        let c = ForwardContext(.train), w = weight, g = gain, x = c.input(random([2, 6], "x"))
        w.isTrainable = false
        defer { w.isTrainable = true }
        let gradients = c.checkpointed(x) { c, x in x.matmul(c[w]) * c[g] }.sum().backward()
        #expect(gradients.paths == ["g"])
    }

    /// Without recorded inputs, parameters inside still have gradients; without parameters nothing is recorded.
    @Test func emptyAndConstantInputs() {
        let c = ForwardContext(.train), w = weight
        #expect(c.checkpointed([]) { _, _ in [] }.isEmpty)
        let alone = c.checkpointed([]) { c, _ in [(c[w] * c[w]).sum()] }[0]
        let constant = c.checkpointed([c.constant(random([2, 6], "x")), Variable(.scalar(3, dtype: .float64))]) { _, v in
            [v[0] * v[1], v[1]]
        }
        #expect(alone.isRecorded && !constant[0].isRecorded && !constant[1].isRecorded)
        let g = (alone + constant[0].sum()).backward()
        #expect(g.paths == ["w"])
        #expect(g["w"]!.doubles() == w.value.doubles().map { 2 * $0 })
        let empty = c.input(.zeros([0, 3], dtype: .float64))
        #expect(c.checkpointed(empty) { _, x in x.tanh() }.shape == [0, 3])
    }

    @Test func partsThatNobodyUsesDoNotRunAgain() {
        final class Counter { var runs = 0 }
        let c = ForwardContext(.train), x = c.input(random([3], "x")), counter = Counter()
        let dead = c.checkpointed(x) { _, x in
            counter.runs += 1
            return x.exp()
        }
        let used = c.checkpointed([x]) { _, x in
            counter.runs += 10
            return [x[0].sin(), x[0].cos()]
        }
        #expect(dead.isRecorded && counter.runs == 11)
        #expect(used[1].gradients(of: [x])[0]!.doubles() == Variable(x.value).sin().value.doubles().map { -$0 })
        #expect(counter.runs == 21)
    }

    /// Without a recording pass the body runs once, on the context itself.
    @Test func evaluationJustRuns() {
        let c = ForwardContext(.evaluate), x = c.input(random([3], "x"))
        let y = c.checkpointed(x) { inner, x in
            #expect(inner === c)
            return x.exp()
        }
        #expect(same(y.value, Variable(x.value).exp().value) && c.tape.count == 0)
    }

    /// Neither a pass without a backward pass nor a complete one leaks memory.
    @Test(arguments: [false, true]) func nothingIsLeftBehind(_ backward: Bool) {
        weak var tape: Tape?
        do {
            let c = ForwardContext(.train), w = weight
            c.addLoss("early", c[w].sum())
            let y = c.checkpointed(c.input(random([2, 6], "x"))) { c, x in
                c.addLoss("late", x.sum())
                return x.matmul(c[w])
            }
            if backward { #expect((y.sum() + c.auxiliaryLosses[1].value).backward().paths == ["w"]) }
            tape = c.tape
        }
        #expect(tape == nil)
    }

    /// Intermediate results of the part are freed after it, and recomputed in the backward pass.
    @Test func memoryDrops() async {
        await #expect(processExitsWith: .success) {
            func peak(_ recompute: Bool) -> Int {
                let start = MemoryUse.current.live
                MemoryUse.resetPeak()
                let c = ForwardContext(.train), x = c.input(Tensor(repeating: 0.1, [256, 256]))
                var h = x
                for _ in 0..<8 {
                    let body = { (_: ForwardContext, x: Variable) in (0..<8).reduce(x) { y, _ in y.tanh() } }
                    h = recompute ? c.checkpointed(h, body) : body(c, h)
                }
                _ = h.sum().gradients(of: [x])
                return MemoryUse.current.peak - start
            }
            _ = peak(false)
            // 64 arrays are kept without it; with it 8, those of one part, and a few gradients.
            let whole = peak(false), parts = peak(true)
            #expect(Double(parts) < 0.4 * Double(whole), "\(parts) bytes against \(whole)")
        }
    }

    // MARK: Errors

    private func message(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }
    @Test func errorsNameThePath() async {
        let shape = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            _ = c.scope("blocks") {
                c.checkpointed(c.input(.zeros([2, 3]))) { c, x in c.scope("mlp") { x.linear(c.constant(.zeros([4, 5]))) } }
            }
        }
        #expect(message(shape).contains("in 'blocks.mlp': linear"))
        let value = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train)
            c.tape.checksFinite = true
            _ = c.scope("blocks") { c.checkpointed(c.input(.zeros([2]))) { c, x in c.scope("3") { x.log() } } }
        }
        #expect(message(value).contains("log in 'blocks.3': first non-finite value at index 0 of shape [2]"))
        let gradient = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(Tensor([4, 0] as [Double]))
            c.tape.checksFinite = true
            let y = c.scope("blocks") {
                c.checkpointed(x) { c, x in c.checkpointed(x) { c, x in c.scope("3") { (x * 2).sqrt() } } }
            }
            _ = y.sum().gradients(of: [x])
        }
        #expect(message(gradient).contains("sqrt in 'blocks.3': first non-finite gradient at index 1 of shape [2]"))
        let undefined = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(Tensor([4, 0] as [Double]))
            let y = c.scope("head") {
                c.checkpointed(x) { _, x in record("round", [x], x.value, .undefined("it is flat")) }
            }
            _ = y.gradients(of: [x])
        }
        #expect(message(undefined).contains("round in 'head' has no derivative: it is flat"))
    }

    /// A body that computes with recorded variables from outside would lose their gradients.
    @Test func bodiesMustKeepToTheirArguments() async {
        let outside = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(Tensor([1.0])), y = c.input(Tensor([1.0]))
            _ = c.scope("part") { c.checkpointed([x]) { _, x in (y * 2).shape == [1] ? x : [] } }
        }
        #expect(message(outside).contains("in 'part': checkpointed: the body computes 'affine' outside"))
        let mixed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(Tensor([1.0])), y = c.input(Tensor([1.0]))
            _ = c.checkpointed(x) { _, x in x * y }
        }
        #expect(message(mixed).contains("the body of `checkpointed` may compute with its arguments only"))
        let returned = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(Tensor([1.0])), y = c.input(Tensor([1.0]))
            _ = c.checkpointed(x) { _, _ in y }
        }
        #expect(message(returned).contains("checkpointed: a result is recorded outside"))
        let foreign = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = ForwardContext(.train).input(Tensor([1.0]))
            _ = c.checkpointed(x) { _, x in x }
        }
        #expect(message(foreign).contains("checkpointed: an input is recorded on another tape"))
    }
    @Test func bodiesMustDoTheSameAgain() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            final class Counter { var runs = 0 }
            let c = ForwardContext(.train), x = c.input(Tensor([1.0])), counter = Counter()
            let y = c.checkpointed(x) { _, x in
                counter.runs += 1
                return counter.runs == 1 ? x.exp() : x.exp().exp()
            }
            _ = y.gradients(of: [x])
        }
        #expect(message(r).contains("checkpointed: the body did not do the same again"))
    }
}
