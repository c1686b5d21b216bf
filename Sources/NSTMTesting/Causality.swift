import NSTMAutograd
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that no output depends on a later token or on another sequence: perturbed inputs must give bit-identical outputs,
    /// and the derivatives must be exactly 0.
    func checkCausality(_ report: inout ConformanceReport) {
        for harness in harnesses {
            perturb(harness, &report)
            differentiate(harness, &report)
        }
    }

    private func perturb(_ harness: Harness, _ report: inout ConformanceReport) {
        let fixture = harness.fixture(Subject.dimensions, .float32), n = 11
        let x = fixture.tokens(n), other = fixture.tokens(n, "other")
        for mode in [ForwardContext.Mode.evaluate, .train] {
            func run(_ x: Tensor) -> Tensor {
                let context = ForwardContext(mode, key: RandomKey(5))
                return fixture.whole(context.constant(x), context).value
            }
            let y = run(x)
            for j in fixture.mixer.isCausal ? [1, 4, 5, 10] : [] {
                let perturbed = run(.concatenate([x.slice(axis: 1, 0..<j), other.slice(axis: 1, j..<n)], axis: 1))
                let c = changes(y.slice(axis: 1, 0..<j), perturbed.slice(axis: 1, 0..<j))
                report.note(
                    .causality, "outputs changed by later tokens", c.count, bound: 0,
                    at:
                        "at output \(indices(of: c.element, in: [2, j, fixture.width])), tokens from \(j) on changed, \(harness.name)"
                )
            }
            let perturbed = run(.concatenate([x.slice(axis: 0, 0..<1), other.slice(axis: 0, 1..<2)], axis: 0))
            let c = changes(y.slice(axis: 0, 0..<1), perturbed.slice(axis: 0, 0..<1))
            report.note(
                .causality, "outputs changed by another sequence", c.count, bound: 0,
                at: "at output \(indices(of: c.element, in: [1, n, fixture.width])), \(mode) mode, \(harness.name)")
        }
    }

    private func differentiate(_ harness: Harness, _ report: inout ConformanceReport) {
        let fixture = harness.fixture(Subject.dimensions, .float64), n = 9
        for i in [0, 3, 4, 7] {
            let context = ForwardContext(.train, key: RandomKey(5)), x = context.input(fixture.tokens(n))
            let y = fixture.whole(x, context).slice(axis: 0, 0..<1).slice(axis: 1, i..<i + 1)
            guard let g = weighted(y, "y").gradients(of: [x])[0] else { continue }
            for (b, j) in (0..<2).flatMap({ b in (0..<n).map { (b, $0) } }) where b == 1 || j > i && fixture.mixer.isCausal {
                let size = difference(g.select(axis: 0, b).select(axis: 0, j), .zeros([fixture.width], dtype: .float64))
                report.note(
                    .causality, "derivatives by later tokens, other sequences", size.value, bound: 0,
                    at: "of output \(i) of sequence 0 by token \(j) of sequence \(b), \(harness.name)")
            }
        }
    }
}
