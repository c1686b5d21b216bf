import Foundation
import NSTMAutograd
import NSTMModules
import NSTMOptim
import NSTMTensor
import TestSupport
import Testing

@Suite struct OptimizerTests {
    /// A matrix and a vector, float64.
    private struct Model {
        let store: ParameterStore
        let weight: Parameter, bias: Parameter
        init(_ dtype: DType = .float64) {
            let b = ParameterBuilder(seed: 1, dtype: dtype)
            weight = b("layer.weight", [4, 3], .normal(standardDeviation: 1))
            bias = b("layer.bias", [5], .normal(standardDeviation: 1))
            store = b.store
        }
        /// Gradients that are these tensors: of a loss linear in the parameters.
        func gradients(_ step: Int) -> Gradients {
            let context = ForwardContext(.train)
            let terms = store.all.map { (context[$0] * Variable(gradient($0, step))).sum() }
            return (terms[0] + terms[1]).backward()
        }
        func gradient(_ p: Parameter, _ step: Int) -> Tensor { random(p.value.shape, "\(p.path) \(step)", p.value.dtype) }
    }
    /// Runs a method for some steps, beside loops over numbers: `reference` gets the step from 1, the parameter, its gradient and
    /// three moments, and gives the new parameter.
    private func check(
        _ optimizer: Optimizer, steps: Int = 7, rate: (Int) -> Double = { 0.05 / Double($0) }, scale: Double = 1,
        _ reference: (Int, Parameter, Double, Double, inout [Double]) -> Double
    ) {
        let m = Model()
        var values = m.store.all.map { $0.value.doubles() }
        var moments = values.map { $0.map { _ in [0.0, 0, 0] } }
        for step in 1...steps {
            let g = m.gradients(step)
            optimizer.update(g, rate: rate(step), scale: scale)
            for (i, p) in m.store.all.enumerated() {
                let gradient = m.gradient(p, step).doubles()
                for e in values[i].indices {
                    values[i][e] = reference(step, p, values[i][e], gradient[e] * scale, &moments[i][e])
                }
                #expect(difference(p.value, Tensor(values[i], p.value.shape)) <= 1e-12, "step \(step), \(p.path)")
            }
        }
        #expect(optimizer.step == steps)
    }
    private func rate(_ step: Int) -> Double { 0.05 / Double(step) }

    /// Loshchilov & Hutter 2019, algorithm 2; the schedule multiplies the decay too, as in PyTorch.
    @Test(arguments: [0, 0.1]) func adamW(_ decay: Double) {
        check(Optimizer(.adamW(beta1: 0.9, beta2: 0.99, epsilon: 1e-8), decay: decay), scale: 0.7) { t, p, x, g, m in
            m[0] = 0.9 * m[0] + 0.1 * g
            m[1] = 0.99 * m[1] + (1 - 0.99) * g * g
            let a = m[0] / (1 - pow(0.9, Double(t))), b = m[1] / (1 - pow(0.99, Double(t)))
            return x - rate(t) * (a / (b.squareRoot() + 1e-8) + (p.path == "layer.weight" ? decay : 0) * x)
        }
    }
    @Test(arguments: [0, 0.9], [false, true]) func sgd(_ momentum: Double, _ nesterov: Bool) {
        check(Optimizer(.sgd(momentum: momentum, nesterov: nesterov), decay: 0.1), scale: 2) { t, p, x, g, m in
            let g = g + (p.path == "layer.weight" ? 0.1 : 0) * x
            m[0] = momentum * m[0] + g
            return x - rate(t) * (nesterov ? g + momentum * m[0] : m[0])
        }
    }
    /// Graves 2013, equations 38–41.
    @Test func rmsProp() {
        check(Optimizer(.rmsProp(rho: 0.95, momentum: 0.9, epsilon: 1e-4)), scale: 0.5) { t, _, x, g, m in
            m[0] = 0.95 * m[0] + 0.05 * g * g
            m[1] = 0.95 * m[1] + 0.05 * g
            m[2] = 0.9 * m[2] - rate(t) * g / (m[0] - m[1] * m[1] + 1e-4).squareRoot()
            return x + m[2]
        }
    }

    private struct Golden: Decodable {
        let start: GoldenTensor, gradients: [GoldenTensor], results: [String: [GoldenTensor]]
    }
    @Test func agreesWithPyTorch() throws {
        let g = try golden("optimizers.json", in: .module, as: Golden.self)
        let methods: [(String, Optimizer.Method, Double)] = [
            ("adamw", .adamW(beta1: 0.9, beta2: 0.99, epsilon: 1e-8), 0.01), ("sgd", .sgd(momentum: 0), 0.05),
            ("momentum", .sgd(momentum: 0.9), 0.05), ("nesterov", .sgd(momentum: 0.9, nesterov: true), 0.05),
        ]
        for (name, method, rate) in methods {
            let optimizer = Optimizer(method, decay: 0.1)
            let p = ParameterBuilder(seed: 1, dtype: .float64)("w", [3, 2], .values(g.start.tensor))
            for (gradient, expected) in zip(g.gradients, try #require(g.results[name])) {
                let context = ForwardContext(.train)
                optimizer.update((context[p] * Variable(gradient.tensor)).sum().backward(), rate: rate)
                #expect(difference(p.value, expected.tensor) <= 1e-12, "\(name)")
            }
        }
    }

    // MARK: Groups

    @Test func decayAppliesToMatricesAndToGroupsThatAsk() {
        func change(_ groups: [ParameterGroup]) -> (weight: Double, bias: Double) {
            let m = Model(), before = (m.weight.value.doubles()[0], m.bias.value.doubles()[0])
            // Zero gradients: all that moves is decay.
            Optimizer(.adamW(), decay: 0.1, groups: groups).update(m.gradients(1).scaled(by: 0), rate: 0.5)
            return (m.weight.value.doubles()[0] / before.0, m.bias.value.doubles()[0] / before.1)
        }
        func near(_ a: (weight: Double, bias: Double), _ w: Double, _ b: Double) -> Bool {
            abs(a.weight - w) < 1e-12 && abs(a.bias - b) < 1e-12
        }
        #expect(near(change([]), 1 - 0.5 * 0.1, 1))
        #expect(near(change([ParameterGroup(decay: 0.2) { $0.hasSuffix("bias") }]), 0.95, 0.9))
        #expect(near(change([ParameterGroup(decay: 0) { _ in true }]), 1, 1))
        // The first group that matches counts, and a rate factor scales the decay with the rate.
        let first = ParameterGroup(learningRateScale: 0.1) { $0.hasSuffix("weight") }
        let second = ParameterGroup(learningRateScale: 7, decay: 3) { _ in true }
        #expect(near(change([first, second]), 1 - 0.05 * 0.1, 1 - 3.5 * 3))
    }
    @Test func rateFactorsScaleTheRate() {
        for method in [Optimizer.Method.adamW(), .sgd(), .rmsProp()] {
            let a = Model(), b = Model(), c = Model()
            let grouped = Optimizer(method, groups: [ParameterGroup(learningRateScale: 0.25) { $0 == "layer.weight" }])
            let full = Optimizer(method), quarter = Optimizer(method)
            for step in 1...3 {
                grouped.update(a.gradients(step), rate: 0.1)
                full.update(b.gradients(step), rate: 0.1)
                quarter.update(c.gradients(step), rate: 0.025)
            }
            #expect(same(a.bias.value, b.bias.value) && same(a.weight.value, c.weight.value))
            #expect(!same(a.weight.value, b.weight.value))
        }
    }
    /// What a model says of its parameters counts for whoever trains it; groups come on top.
    @Test func parametersBringTheirRates() {
        func change(_ factor: Double, _ limit: Double, _ groups: [ParameterGroup] = []) -> Double {
            let p = ParameterBuilder(seed: 1, dtype: .float64)(
                "w", [1], .zeros, learningRateScale: factor, maxLearningRate: limit)
            let context = ForwardContext(.train)
            Optimizer(.sgd(momentum: 0), groups: groups).update(context[p].sum().backward(), rate: 0.5)
            return -p.value.item()
        }
        #expect(change(1, .infinity) == 0.5 && change(0.5, .infinity) == 0.25 && change(3, .infinity) == 1.5)
        #expect(change(1, 0.125) == 0.125 && change(0.5, 0.125) == 0.125 && change(0.125, 0.125) == 0.0625)
        #expect(change(1, 0.125, [ParameterGroup(learningRateScale: 2) { _ in true }]) == 0.25)
    }
    @Test func parametersWithoutGradientsStay() {
        let m = Model(), optimizer = Optimizer(.adamW(), decay: 0.1), before = m.bias.value
        let context = ForwardContext(.train)
        optimizer.update(context[m.weight].sum().backward(), rate: 0.1)
        #expect(same(m.bias.value, before))
        #expect(optimizer.state(order: m.store.all.map(\.path)).map(\.path) == ["m/layer.weight", "v/layer.weight"])
    }

    // MARK: State

    @Test(arguments: [Optimizer.Method.adamW(), .sgd(), .sgd(momentum: 0), .rmsProp()], [DType.float32, .float64])
    func stateIsSavedExactly(_ method: Optimizer.Method, _ dtype: DType) {
        let a = Model(dtype), b = Model(dtype), first = Optimizer(method, decay: 0.1), paths = a.store.all.map(\.path)
        for step in 1...3 { first.update(a.gradients(step), rate: 0.1) }
        let saved = first.state(order: paths)
        #expect(saved.map(\.path) == first.slotNames.flatMap { slot in paths.map { "\(slot)/\($0)" } })
        let second = Optimizer(method, decay: 0.1)
        // The saved state is a value: steps that follow do not change it.
        let copies = saved.map { ($0.path, $0.tensor.doubles()) }
        for (p, q) in zip(a.store.all, b.store.all) { q.value = p.value }
        for step in 4...6 { first.update(a.gradients(step), rate: 0.1) }
        #expect(zip(saved, copies).allSatisfy { $0.tensor.doubles() == $1.1 })
        second.restore(step: 3, saved)
        for step in 4...6 { second.update(b.gradients(step), rate: 0.1) }
        #expect(second.step == 6)
        for (p, q) in zip(a.store.all, b.store.all) { #expect(same(p.value, q.value)) }
        for (x, y) in zip(first.state(order: paths), second.state(order: paths)) {
            #expect(x.path == y.path && same(x.tensor, y.tensor))
        }
    }
    /// The update of a long parameter is split over threads; the split changes nothing.
    @Test(arguments: [Optimizer.Method.adamW(), .sgd(), .rmsProp()])
    func longParametersAreUpdatedWhole(_ method: Optimizer.Method) {
        let n = 50_001, b = ParameterBuilder(seed: 1), g = random([n], "g", .float32)
        let long = b("long", [n], .normal(standardDeviation: 1))
        let starts = [0, 16_383, 16_384, 40_000, n - 1], all = long.value.doubles(), gradient = g.doubles()
        let short = b("short", [5], .values(Tensor(starts.map { Float(all[$0]) })))
        let few = Tensor(starts.map { Float(gradient[$0]) })
        let optimizer = Optimizer(method)
        for _ in 0..<3 {
            let context = ForwardContext(.train)
            optimizer.update(((context[long] * Variable(g)).sum() + (context[short] * Variable(few)).sum()).backward(), rate: 0.1)
        }
        let got = long.value.doubles()
        for (i, s) in starts.enumerated() { #expect(abs(got[s] - short.value.doubles()[i]) < 1e-6) }
    }
    /// Centered second moments can round below zero when gradients are constant.
    @Test func rmsPropSurvivesConstantGradients() {
        let p = ParameterBuilder(seed: 1)("w", [3], .ones), optimizer = Optimizer(.rmsProp())
        for _ in 0..<2000 {
            let context = ForwardContext(.train)
            optimizer.update((context[p] * 1000).sum().backward(), rate: 1e-4)
        }
        #expect(p.value.firstNonFinite() == nil)
    }

    // MARK: Clipping

    @Test func clippingByNormAndByValue() {
        let m = Model(), g = m.gradients(1)
        let all = m.store.all.flatMap { m.gradient($0, 1).doubles() }
        let norm = all.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(g.globalNorm - norm) < 1e-12)
        #expect(abs(g.scaled(by: 1 / norm).globalNorm - 1) < 1e-12)
        let clamped = g.clamped(to: 0.5)
        #expect(clamped.paths.flatMap { clamped[$0]!.doubles() } == all.map { min(0.5, max(-0.5, $0)) })
        // A scale of the update is a scale of the gradients.
        let a = Model(), b = Model()
        Optimizer(.sgd()).update(a.gradients(1), rate: 0.1, scale: 1 / norm)
        Optimizer(.sgd()).update(b.gradients(1).scaled(by: 1 / norm), rate: 0.1)
        for (p, q) in zip(a.store.all, b.store.all) { #expect(difference(p.value, q.value) < 1e-15) }
    }
}

@Suite struct ScheduleTests {
    @Test func closedForms() {
        for kind in Schedule.Kind.allCases {
            let s = Schedule(kind, peak: 1e-3, final: 1e-4, warmup: 100, steps: 2100)
            #expect(abs(s.rate(0) - 1e-3 / 101) < 1e-18)
            #expect(abs(s.rate(49) - 1e-3 * 50 / 101) < 1e-18)
            #expect(abs(s.rate(99) - 1e-3 * 100 / 101) < 1e-18)
            #expect(s.rate(100) == 1e-3)
        }
        let cosine = Schedule(.cosine, peak: 1e-3, final: 1e-4, warmup: 100, steps: 2100)
        #expect(abs(cosine.rate(1100) - 5.5e-4) < 1e-15)
        #expect(abs(cosine.rate(600) - (1e-4 + 9e-4 * 0.5 * (1 + 0.5.squareRoot()))) < 1e-15)
        #expect(abs(cosine.rate(2100) - 1e-4) < 1e-18 && abs(cosine.rate(9999) - 1e-4) < 1e-18)
        let linear = Schedule(.linear, peak: 1e-3, final: 1e-4, warmup: 100, steps: 2100)
        #expect(abs(linear.rate(1100) - 5.5e-4) < 1e-15)
        #expect(abs(linear.rate(2100) - 1e-4) < 1e-18 && abs(linear.rate(9999) - 1e-4) < 1e-18)
        #expect(Schedule(.constant, peak: 0.5, warmup: 0, steps: 10).rate(9999) == 0.5)
    }
    @Test func ratesRiseThenFall() {
        for kind in Schedule.Kind.allCases {
            let s = Schedule(kind, peak: 2, final: 1, warmup: 10, steps: 50), r = (0...60).map(s.rate)
            #expect((0..<10).allSatisfy { r[$0] < r[$0 + 1] } && (10..<60).allSatisfy { r[$0] >= r[$0 + 1] })
            #expect(r.allSatisfy { $0 > 0 && $0 <= 2 })
        }
    }
    @Test func fewerStepsThanWarmUp() {
        for kind in Schedule.Kind.allCases {
            let s = Schedule(kind, peak: 1, final: 0.1, warmup: 100, steps: 10)
            #expect((0..<100).allSatisfy { abs(s.rate($0) - Double($0 + 1) / 101) < 1e-15 })
            #expect(s.rate(100) == 1 && (0...300).allSatisfy { s.rate($0).isFinite })
        }
        #expect(Schedule(.cosine, peak: 1, steps: 0).rate(0) == 1)
    }
}
