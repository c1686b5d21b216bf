import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that a whole sequence gives the same values and gradients as any split with a cache and as a loop of steps, and
    /// that a repeated pass is bit-identical.
    func checkSplits(_ report: inout ConformanceReport) {
        for harness in harnesses {
            for (dtype, bound) in [(DType.float32, 1e-4), (.float64, 1e-10)] {
                let fixture = harness.fixture(Subject.dimensions, dtype)
                // 131 is longer than two chunks of a scan, and no multiple of the chunk size or of the interval.
                for length in [1, 13, 131] {
                    compareValues(fixture, length, bound, harness.name, &report)
                }
                for length in [13, 70] { compareGradients(fixture, length, bound, harness.name, &report) }
                if let stepwise = harness.stepwise, let layer = fixture.layer,
                    layer.propagator.rule is any TokenDrivenUpdateRule
                {
                    let steps = Fixture(stepwise, Subject.dimensions, dtype, masked: harness.masked)
                    for length in [1, 13, 131] { compareScan(fixture, steps, length, bound, harness.name, &report) }
                }
            }
        }
    }

    private func splits(of length: Int) -> [[Int]] {
        guard length > 1 else { return [[1]] }
        let random = [parts(of: length, 1, upTo: 7), parts(of: length, 2, upTo: 90)]
        return [[length], Array(repeating: 1, count: length), length > 64 ? [64, length - 64] : [length - 1, 1]] + random
    }

    private func compareValues(
        _ fixture: Fixture, _ length: Int, _ bound: Double, _ name: String, _ report: inout ConformanceReport
    ) {
        let context = ForwardContext(.evaluate), x = context.constant(fixture.tokens(length))
        let whole = fixture.whole(x, context).value, again = changes(whole, fixture.whole(x, context).value)
        report.note(
            .splits, "elements that differ when a pass is repeated", again.count, bound: 0,
            at: "at output \(indices(of: again.element, in: whole.shape)) of \(length) tokens, \(name)")
        let (_, end) = fixture.split(x, [length], context)
        for lengths in splits(of: length) {
            let (y, state) = fixture.split(x, lengths, context), split = "\(length) tokens in segments \(brief(lengths)), \(name)"
            let d = difference(whole, y.value)
            report.note(
                .splits, "outputs, \(fixture.dtype)", d.value, bound: bound,
                at: "at output \(indices(of: d.element, in: whole.shape)), \(split)")
            report.note(
                .splits, "cached states, \(fixture.dtype)",
                state.names == end.names && state.position == length ? 0 : .infinity, bound: bound,
                at: "in names or position: \(state.names) at \(state.position) after \(split)")
            for part in end.names {
                guard let cached = state[part] else { continue }
                let d = difference(end[part]!.value, cached.value)
                report.note(
                    .splits, "cached states, \(fixture.dtype)", d.value, bound: bound,
                    at: "at \(part)\(indices(of: d.element, in: cached.shape)) after \(split)")
            }
        }
    }

    private func compareGradients(
        _ fixture: Fixture, _ length: Int, _ bound: Double, _ name: String, _ report: inout ConformanceReport
    ) {
        let x = fixture.tokens(length), whole = gradients(fixture, x, nil)
        for lengths in splits(of: length) {
            compare(
                whole, gradients(fixture, x, lengths), "gradients, \(fixture.dtype)", bound,
                "\(length) tokens in segments \(brief(lengths)), \(name)", &report)
        }
    }
    private func compareScan(
        _ scan: Fixture, _ steps: Fixture, _ length: Int, _ bound: Double, _ name: String, _ report: inout ConformanceReport
    ) {
        let x = scan.tokens(length), a = gradients(scan, x, [length]), b = gradients(steps, x, [length])
        for (name, pair) in zip(a.values.map(\.name), zip(a.values, b.values)) {
            let d = difference(pair.0.value, pair.1.value)
            report.note(
                .splits, "scan and steps, \(scan.dtype)", d.value, bound: bound,
                at: "at \(name)\(indices(of: d.element, in: pair.0.value.shape)) of \(length) tokens")
        }
        compare(a, b, "gradients of scan and steps, \(scan.dtype)", bound, "\(length) tokens, \(name)", &report)
    }

    private typealias Pass = (values: [(name: String, value: Tensor)], gradients: [(name: String, value: Tensor?)])
    /// Outputs and cache of a training pass, and the gradients of the tokens and all parameters.
    private func gradients(_ fixture: Fixture, _ x: Tensor, _ lengths: [Int]?) -> Pass {
        let context = ForwardContext(.train, key: RandomKey(5)), input = context.input(x)
        let y: Variable, state: MixerCache?
        if let lengths {
            (y, state) = fixture.split(input, lengths, context)
        } else {
            y = fixture.whole(input, context)
            state = nil
        }
        let values = [("output", y.value)] + (state?.names ?? []).map { ($0, state![$0]!.value) }
        let trained = fixture.store.all.filter(\.isTrainable)
        // A loss of the outputs only, because a pass over a whole sequence has no cache.
        let loss = fixture.loss(y, nil, context), all = loss.gradients(of: [input] + trained.map { context[$0] })
        return (values, Array(zip(["tokens"] + trained.map(\.path), all)))
    }
    private func compare(
        _ a: Pass, _ b: Pass, _ subject: String, _ bound: Double, _ location: String, _ report: inout ConformanceReport
    ) {
        for ((name, one), (_, other)) in zip(a.gradients, b.gradients) {
            // A missing gradient counts as zeros: a scan can have an operand that a step does not use.
            guard let shape = (one ?? other)?.shape, let type = (one ?? other)?.dtype else { continue }
            let one = one ?? .zeros(shape, dtype: type), other = other ?? .zeros(shape, dtype: type)
            let d = difference(one, other)
            report.note(
                .splits, subject, d.value, bound: bound, at: "at \(name)\(indices(of: d.element, in: one.shape)), \(location)")
        }
    }
    private func brief(_ lengths: [Int]) -> String {
        lengths.count <= 8 ? "\(lengths)" : Set(lengths).count == 1 ? "of \(lengths[0])" : "\(lengths.prefix(8)) …"
    }
}
