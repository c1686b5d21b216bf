import Foundation
import NSTMAutograd
import NSTMConfiguration
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
        _ optimizer: ParameterUpdater, steps: Int = 7, rate: (Int) -> Double = { 0.05 / Double($0) }, scale: Double = 1,
        _ reference: (Int, Parameter, Double, Double, inout [Double]) -> Double
    ) {
        let m = Model()
        var values = m.store.all.map { $0.value.doubles() }
        var moments = values.map { $0.map { _ in [0.0, 0, 0] } }
        for step in 1...steps {
            let g = m.gradients(step)
            optimizer.update(g, learningRate: rate(step), scale: scale)
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
        check(ParameterUpdater(AdamW(), weightDecay: decay), scale: 0.7) { t, p, x, g, m in
            m[0] = 0.9 * m[0] + 0.1 * g
            m[1] = 0.99 * m[1] + (1 - 0.99) * g * g
            let a = m[0] / (1 - pow(0.9, Double(t))), b = m[1] / (1 - pow(0.99, Double(t)))
            return x - rate(t) * (a / (b.squareRoot() + 1e-8) + (p.path == "layer.weight" ? decay : 0) * x)
        }
    }
    @Test(arguments: [0, 0.9], [false, true]) func sgd(_ momentum: Double, _ nesterov: Bool) {
        check(ParameterUpdater(SGD(momentum: momentum, nesterov: nesterov), weightDecay: 0.1), scale: 2) { t, p, x, g, m in
            let g = g + (p.path == "layer.weight" ? 0.1 : 0) * x
            m[0] = momentum * m[0] + g
            return x - rate(t) * (nesterov ? g + momentum * m[0] : m[0])
        }
    }
    /// Graves 2013, equations 38–41.
    @Test func rmsProp() {
        check(ParameterUpdater(RMSProp()), scale: 0.5) { t, _, x, g, m in
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
        let methods: [(String, any Optimizer, Double)] = [
            ("adamw", AdamW(), 0.01), ("sgd", SGD(momentum: 0), 0.05),
            ("momentum", SGD(momentum: 0.9), 0.05), ("nesterov", SGD(momentum: 0.9, nesterov: true), 0.05),
        ]
        for (name, method, rate) in methods {
            let optimizer = ParameterUpdater(method, weightDecay: 0.1)
            let p = ParameterBuilder(seed: 1, dtype: .float64)("w", [3, 2], .values(g.start.tensor))
            for (gradient, expected) in zip(g.gradients, try #require(g.results[name])) {
                let context = ForwardContext(.train)
                optimizer.update((context[p] * Variable(gradient.tensor)).sum().backward(), learningRate: rate)
                #expect(difference(p.value, expected.tensor) <= 1e-12, "\(name)")
            }
        }
    }

    // MARK: Groups

    @Test func decayAppliesToMatricesAndToGroupsThatAsk() {
        func change(_ groups: [ParameterUpdater.Group]) -> (weight: Double, bias: Double) {
            let m = Model(), before = (m.weight.value.doubles()[0], m.bias.value.doubles()[0])
            // Zero gradients: all that moves is decay.
            ParameterUpdater(AdamW(), weightDecay: 0.1, groups: groups).update(m.gradients(1).scaled(by: 0), learningRate: 0.5)
            return (m.weight.value.doubles()[0] / before.0, m.bias.value.doubles()[0] / before.1)
        }
        func near(_ a: (weight: Double, bias: Double), _ w: Double, _ b: Double) -> Bool {
            abs(a.weight - w) < 1e-12 && abs(a.bias - b) < 1e-12
        }
        #expect(near(change([]), 1 - 0.5 * 0.1, 1))
        #expect(near(change([ParameterUpdater.Group(weightDecay: 0.2) { $0.hasSuffix("bias") }]), 0.95, 0.9))
        #expect(near(change([ParameterUpdater.Group(weightDecay: 0) { _ in true }]), 1, 1))
        // The first group that matches counts, and a rate factor scales the decay with the rate.
        let first = ParameterUpdater.Group(learningRateScale: 0.1) { $0.hasSuffix("weight") }
        let second = ParameterUpdater.Group(learningRateScale: 7, weightDecay: 3) { _ in true }
        #expect(near(change([first, second]), 1 - 0.05 * 0.1, 1 - 3.5 * 3))
    }
    @Test func rateFactorsScaleTheRate() {
        for method in [AdamW(), SGD(), RMSProp()] as [any Optimizer] {
            let a = Model(), b = Model(), c = Model()
            let grouped = ParameterUpdater(
                method, groups: [ParameterUpdater.Group(learningRateScale: 0.25) { $0 == "layer.weight" }])
            let full = ParameterUpdater(method), quarter = ParameterUpdater(method)
            for step in 1...3 {
                grouped.update(a.gradients(step), learningRate: 0.1)
                full.update(b.gradients(step), learningRate: 0.1)
                quarter.update(c.gradients(step), learningRate: 0.025)
            }
            #expect(same(a.bias.value, b.bias.value) && same(a.weight.value, c.weight.value))
            #expect(!same(a.weight.value, b.weight.value))
        }
    }
    /// What a model says of its parameters counts for whoever trains it; groups come on top.
    @Test func parametersBringTheirRates() {
        func change(_ factor: Double, _ limit: Double, _ groups: [ParameterUpdater.Group] = []) -> Double {
            let p = ParameterBuilder(seed: 1, dtype: .float64)(
                "w", [1], .zeros, learningRateScale: factor, maxLearningRate: limit)
            let context = ForwardContext(.train)
            ParameterUpdater(SGD(momentum: 0), groups: groups).update(context[p].sum().backward(), learningRate: 0.5)
            return -p.value.item()
        }
        #expect(change(1, .infinity) == 0.5 && change(0.5, .infinity) == 0.25 && change(3, .infinity) == 1.5)
        #expect(change(1, 0.125) == 0.125 && change(0.5, 0.125) == 0.125 && change(0.125, 0.125) == 0.0625)
        #expect(change(1, 0.125, [ParameterUpdater.Group(learningRateScale: 2) { _ in true }]) == 0.25)
    }
    @Test func parametersWithoutGradientsStay() {
        let m = Model(), optimizer = ParameterUpdater(AdamW(), weightDecay: 0.1), before = m.bias.value
        let context = ForwardContext(.train)
        optimizer.update(context[m.weight].sum().backward(), learningRate: 0.1)
        #expect(same(m.bias.value, before))
        #expect(optimizer.state(order: m.store.all.map(\.path)).map(\.path) == ["m/layer.weight", "v/layer.weight"])
    }

    // MARK: State

    @Test(arguments: [AdamW(), SGD(), SGD(momentum: 0), RMSProp()] as [any Optimizer], [DType.float32, .float64])
    func stateIsSavedExactly(_ method: any Optimizer, _ dtype: DType) {
        let a = Model(dtype), b = Model(dtype), first = ParameterUpdater(method, weightDecay: 0.1),
            paths = a.store.all.map(\.path)
        for step in 1...3 { first.update(a.gradients(step), learningRate: 0.1) }
        let saved = first.state(order: paths)
        #expect(saved.map(\.path) == first.momentNames.flatMap { name in paths.map { "\(name)/\($0)" } })
        let second = ParameterUpdater(method, weightDecay: 0.1)
        // The saved state is a value: steps that follow do not change it.
        let copies = saved.map { ($0.path, $0.tensor.doubles()) }
        for (p, q) in zip(a.store.all, b.store.all) { q.value = p.value }
        for step in 4...6 { first.update(a.gradients(step), learningRate: 0.1) }
        #expect(zip(saved, copies).allSatisfy { $0.tensor.doubles() == $1.1 })
        second.restore(step: 3, saved)
        for step in 4...6 { second.update(b.gradients(step), learningRate: 0.1) }
        #expect(second.step == 6)
        for (p, q) in zip(a.store.all, b.store.all) { #expect(same(p.value, q.value)) }
        for (x, y) in zip(first.state(order: paths), second.state(order: paths)) {
            #expect(x.path == y.path && same(x.tensor, y.tensor))
        }
    }
    /// The update of a long parameter is split over threads; the split changes nothing.
    @Test(arguments: [AdamW(), SGD(), RMSProp()] as [any Optimizer])
    func longParametersAreUpdatedWhole(_ method: any Optimizer) {
        let n = 50_001, b = ParameterBuilder(seed: 1), g = random([n], "g", .float32)
        let long = b("long", [n], .normal(standardDeviation: 1))
        let starts = [0, 16_383, 16_384, 40_000, n - 1], all = long.value.doubles(), gradient = g.doubles()
        let short = b("short", [5], .values(Tensor(starts.map { Float(all[$0]) })))
        let few = Tensor(starts.map { Float(gradient[$0]) })
        let optimizer = ParameterUpdater(method)
        for _ in 0..<3 {
            let context = ForwardContext(.train)
            optimizer.update(
                ((context[long] * Variable(g)).sum() + (context[short] * Variable(few)).sum()).backward(), learningRate: 0.1)
        }
        let got = long.value.doubles()
        for (i, s) in starts.enumerated() { #expect(abs(got[s] - short.value.doubles()[i]) < 1e-6) }
    }
    /// Centered second moments can round below zero when gradients are constant.
    @Test func rmsPropSurvivesConstantGradients() {
        let p = ParameterBuilder(seed: 1)("w", [3], .ones), optimizer = ParameterUpdater(RMSProp())
        for _ in 0..<2000 {
            let context = ForwardContext(.train)
            optimizer.update((context[p] * 1000).sum().backward(), learningRate: 1e-4)
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
        ParameterUpdater(SGD()).update(a.gradients(1), learningRate: 0.1, scale: 1 / norm)
        ParameterUpdater(SGD()).update(b.gradients(1).scaled(by: 1 / norm), learningRate: 0.1)
        for (p, q) in zip(a.store.all, b.store.all) { #expect(difference(p.value, q.value) < 1e-15) }
    }
}

@Suite struct ScheduleTests {
    private func all(_ learningRate: Double, _ minimum: Double, warmup: Int, steps: Int) -> [any Schedule] {
        [
            .constant(learningRate: learningRate, warmup: warmup),
            .linear(learningRate: learningRate, minLearningRate: minimum, warmup: warmup, steps: steps),
            .cosine(learningRate: learningRate, minLearningRate: minimum, warmup: warmup, steps: steps),
        ]
    }
    @Test func closedForms() {
        for s in all(1e-3, 1e-4, warmup: 100, steps: 2100) {
            #expect(abs(s.learningRate(at: 0) - 1e-3 / 101) < 1e-18)
            #expect(abs(s.learningRate(at: 49) - 1e-3 * 50 / 101) < 1e-18)
            #expect(abs(s.learningRate(at: 99) - 1e-3 * 100 / 101) < 1e-18)
            #expect(s.learningRate(at: 100) == 1e-3)
        }
        let cosine = CosineSchedule.cosine(learningRate: 1e-3, minLearningRate: 1e-4, warmup: 100, steps: 2100)
        #expect(abs(cosine.learningRate(at: 1100) - 5.5e-4) < 1e-15)
        #expect(abs(cosine.learningRate(at: 600) - (1e-4 + 9e-4 * 0.5 * (1 + 0.5.squareRoot()))) < 1e-15)
        #expect(abs(cosine.learningRate(at: 2100) - 1e-4) < 1e-18 && abs(cosine.learningRate(at: 9999) - 1e-4) < 1e-18)
        let linear = LinearSchedule.linear(learningRate: 1e-3, minLearningRate: 1e-4, warmup: 100, steps: 2100)
        #expect(abs(linear.learningRate(at: 1100) - 5.5e-4) < 1e-15)
        #expect(abs(linear.learningRate(at: 2100) - 1e-4) < 1e-18 && abs(linear.learningRate(at: 9999) - 1e-4) < 1e-18)
        #expect(ConstantSchedule.constant(learningRate: 0.5).learningRate(at: 9999) == 0.5)
    }
    @Test func ratesRiseThenFall() {
        for s in all(2, 1, warmup: 10, steps: 50) {
            let r = (0...60).map(s.learningRate)
            #expect((0..<10).allSatisfy { r[$0] < r[$0 + 1] } && (10..<60).allSatisfy { r[$0] >= r[$0 + 1] })
            #expect(r.allSatisfy { $0 > 0 && $0 <= 2 })
        }
    }
    @Test func fewerStepsThanWarmUp() {
        for s in all(1, 0.1, warmup: 100, steps: 10) {
            #expect((0..<100).allSatisfy { abs(s.learningRate(at: $0) - Double($0 + 1) / 101) < 1e-15 })
            #expect(s.learningRate(at: 100) == 1 && (0...300).allSatisfy { s.learningRate(at: $0).isFinite })
        }
        #expect(CosineSchedule.cosine(learningRate: 1, minLearningRate: 0, steps: 0).learningRate(at: 0) == 1)
    }
    /// Absent settings depend on the length of the run, and a resolved configuration reads back.
    @Test(arguments: Registry<any Schedule, Int>.standard.names) func defaultsDependOnTheRun(_ name: String) throws {
        let registry = Registry<any Schedule, Int>.standard
        for (steps, warmup) in [(50, 5), (5000, 100)] {
            let reader = ConfigurationReader(["type": .string(name), "learning-rate": 0.5])
            let schedule = reader.value(in: registry, default: CosineSchedule(), steps)
            reader.finish()
            try reader.throwIfInvalid()
            #expect(reader.resolved[path: "warmup"] == .int(warmup) && schedule.learningRate(at: warmup) == 0.5)
            #expect(abs(schedule.learningRate(at: steps) - (name == "constant" ? 0.5 : 0.05)) < 1e-15)
            let again = ConfigurationReader(reader.resolved)
            #expect(
                again.value(in: registry, default: CosineSchedule(), steps).learningRate(at: 3) == schedule.learningRate(at: 3))
            #expect(again.issues.isEmpty && again.resolved == reader.resolved)
        }
    }
}

/// An optimizer of somebody else: one type, one `register` line, and its moments are saved.
private struct SignMomentum: Optimizer {
    static let type = "sign-momentum"
    static let summary = "steps of one size against the sign of a running mean"
    var beta = 0.5
    var momentNames: [String] { ["mean"] }
    mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        beta = reader.double("beta", default: beta, in: 0..<1)
    }
    func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
        moments[0] = moments[0].affine(beta) + gradient.affine((1 - beta) * step.gradientScale)
        let signs = moments[0].doubles().map { $0 > 0 ? 1.0 : $0 < 0 ? -1 : 0 }
        value = value - Tensor(signs, value.shape).cast(to: value.dtype).affine(step.learningRate)
    }
}

@Suite struct OpenOptimizerTests {
    @Test func anOptimizerOfOnesOwn() throws {
        var registry = Registry<any Optimizer, Int>.standard
        registry.register(SignMomentum.self)
        let reader = ConfigurationReader(["type": "sign-momentum", "beta": 0.25])
        let updater = ParameterUpdater(reader.value(in: registry, default: AdamW(), 10))
        reader.finish()
        try reader.throwIfInvalid()
        #expect(updater.type == "sign-momentum" && (updater.optimizer as? SignMomentum)?.beta == 0.25)
        let p = ParameterBuilder(seed: 1, dtype: .float64)("w", [3], .values(Tensor([1.0, 2, 3])))
        let g = Variable(Tensor([2.0, -4, 0])), context = ForwardContext(.train)
        updater.update((context[p] * g).sum().backward(), learningRate: 0.5)
        #expect(p.value.doubles() == [0.5, 2.5, 3])
        let state = updater.state(order: ["w"])
        #expect(state.map(\.path) == ["mean/w"] && state[0].tensor.doubles() == [1.5, -3, 0])
    }
    @Test func unknownOptimizersListTheKnownOnes() {
        let reader = ConfigurationReader(["type": "adam"])
        _ = reader.value(in: Registry<any Optimizer, Int>.standard, default: SGD(), 10)
        #expect(
            reader.issues.map(\.description) == [
                "type: unknown optimizer 'adam'; did you mean 'adamw'? known names: adamw, rmsprop, sgd"
            ])
    }
    @Test func resetMomentsForgetsOneRow() {
        let p = ParameterBuilder(seed: 1, dtype: .float64)("w", [2, 3], .ones), updater = ParameterUpdater(AdamW())
        let context = ForwardContext(.train)
        updater.update((context[p] * 2).sum().backward(), learningRate: 0.1)
        updater.resetMoments(at: 1, axis: 0, of: p)
        for (_, moment) in updater.state(order: ["w"]) {
            let m = moment.doubles()
            #expect(m[..<3].allSatisfy { $0 > 0 } && m[3...].allSatisfy { $0 == 0 })
        }
    }
}
