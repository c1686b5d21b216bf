import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// Every trainable parameter gets a gradient, and it is the derivative: against central differences in float64, along random
    /// directions over all its elements and for single elements.
    func checkGradients(_ report: inout ConformanceReport) {
        for harness in surroundings {
            let fixture = harness.fixture(Subject.smallSite, .float64), x = fixture.tokens(9)
            func loss(_ recording: Bool) -> Variable {
                let context = ForwardContext(.train, key: RandomKey(9), recording: recording)
                var state = fixture.mixer.isCausal ? fixture.mixer.initialState(batch: 2, context) : nil
                let y = fixture.run(context.constant(x), [9], &state, context)
                return fixture.loss(y, state, context)
            }
            fixture.reset()
            let gradients = loss(true).backward()
            fixture.reset()
            for p in fixture.store.all where p.isTrainable {
                let analytic = gradients[p]?.doubles() ?? []
                report.note(
                    .gradients, "parameters without a gradient", analytic.contains { $0 != 0 } ? 0 : 1, bound: 0,
                    at: "\(p.path), \(harness.name)")
                guard !analytic.isEmpty else { continue }
                if fixture.isEstimated(p) {
                    report.note("3 gradients: those of \(p.path) are declared to be estimates and were not compared")
                    continue
                }
                for (label, direction) in directions(p) {
                    let moved = zip(direction, analytic).reduce(0.0) { (sum: Double, pair) in sum + pair.0 * pair.1 }
                    let original = p.value, step = 1e-5
                    func at(_ delta: Double) -> Double {
                        p.value = original + Tensor(direction.map { $0 * delta }, original.shape)
                        return loss(false).value.item()
                    }
                    let numeric = (at(step) - at(-step)) / (2 * step)
                    p.value = original
                    report.note(
                        .gradients, "analytic and numeric", abs(moved - numeric) / max(1, abs(moved), abs(numeric)), bound: 1e-6,
                        at: "\(p.path)\(label): \(moved) against \(numeric), \(harness.name)")
                }
            }
        }
    }

    /// Unit vectors along which a parameter is moved: every element of a small one, a choice of a large one, and signs at random.
    private func directions(_ p: Parameter) -> [(label: String, direction: [Double])] {
        let n = p.value.count, key = RandomKey(23).fold(p.path)
        let chosen = n <= 32 ? Array(0..<n) : Array(key.permutation(n).prefix(16))
        let single = chosen.map { e in (place(e, in: p.value.shape), (0..<n).map { $0 == e ? 1.0 : 0 }) }
        let size = 1 / Double(max(1, n)).squareRoot()
        let mixed = (0..<2).map { i in
            (" along direction \(i)", (0..<n).map { key.fold(i).uniform($0) < 0.5 ? -size : size })
        }
        return single + mixed
    }
}

extension Fixture {
    /// Whether a declared estimate lies on the way back to a parameter.
    func isEstimated(_ p: Parameter) -> Bool {
        if mixer is any EstimatesGradient { return true }
        guard let layer else { return false }
        let inside: [Any?] = [layer.propagator.rule, layer.propagator.interaction, layer.attention.readout]
        if inside.contains(where: { $0 is any EstimatesGradient }) { return true }
        // Routing depends on tokens only, and nothing that is learned lies in front of it.
        return layer.router.policy is any EstimatesGradient && p.path.hasPrefix("router.")
    }
}
