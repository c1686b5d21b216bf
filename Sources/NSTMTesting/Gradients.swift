import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that every trainable parameter has a gradient and that it equals central differences in float64, along random
    /// directions over all its elements and for single elements.
    func checkGradients(_ report: inout ConformanceReport) {
        for harness in harnesses {
            let fixture = harness.fixture(Subject.smallDimensions, .float64), x = fixture.tokens(9)
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
                    report.note("3 gradients: that of \(p.path) is declared as an estimate and was not compared")
                    continue
                }
                for (label, direction) in directions(p) {
                    let expected = zip(direction, analytic).reduce(0.0) { (sum: Double, pair) in sum + pair.0 * pair.1 }
                    let original = p.value, step = 1e-5, bound = 1e-6
                    func at(_ delta: Double) -> Double {
                        p.value = original + Tensor(direction.map { $0 * delta }, original.shape)
                        return loss(false).value.item()
                    }
                    func difference(_ step: Double) -> Double { (at(step) - at(-step)) / (2 * step) }
                    func error(_ numeric: Double) -> Double {
                        abs(expected - numeric) / max(1, abs(expected), abs(numeric))
                    }
                    var numeric = difference(step)
                    // The error of a central difference is ∝ step², and above the bound where the loss is strongly curved.
                    // Richardson's extrapolation removes it; a wrong gradient remains wrong.
                    if error(numeric) > bound { numeric = (4 * difference(step / 2) - numeric) / 3 }
                    p.value = original
                    report.note(
                        .gradients, "analytic minus numeric gradients", error(numeric), bound: bound,
                        at: "\(p.path)\(label): analytic \(expected), numeric \(numeric), \(harness.name)")
                }
            }
        }
    }

    /// Unit vectors for the directional derivatives of a parameter: single elements (all of a small parameter, 16 of a large
    /// one), and two vectors of random signs.
    private func directions(_ p: Parameter) -> [(label: String, direction: [Double])] {
        let n = p.value.count, key = RandomKey(23).fold(p.path)
        let chosen = n <= 32 ? Array(0..<n) : Array(key.permutation(n).prefix(16))
        let single = chosen.map { e in (indices(of: e, in: p.value.shape), (0..<n).map { $0 == e ? 1.0 : 0 }) }
        let size = 1 / Double(max(1, n)).squareRoot()
        let mixed = (0..<2).map { i in
            (" along direction \(i)", (0..<n).map { key.fold(i).uniform($0) < 0.5 ? -size : size })
        }
        return single + mixed
    }
}

extension Fixture {
    /// Whether the gradient of a parameter passes through an operation that declares to estimate it.
    func isEstimated(_ p: Parameter) -> Bool {
        if mixer is any EstimatesGradient { return true }
        guard let layer else { return false }
        let inside: [Any?] = [layer.propagator.rule, layer.propagator.interaction, layer.attention.readout]
        if inside.contains(where: { $0 is any EstimatesGradient }) { return true }
        // Routing depends only on the layer's input, so that no other parameter gets a gradient through it.
        return layer.router.policy is any EstimatesGradient && p.path.hasPrefix("router.")
    }
}
