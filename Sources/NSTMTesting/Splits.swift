import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// The whole = any split with carried state, in values and gradients; a scan = the loop of steps; and a pass run twice is the
    /// same to the bit.
    func checkSplits(_ report: inout ConformanceReport) {
        for harness in surroundings {
            for (dtype, bound) in [(DType.float32, 1e-4), (.float64, 1e-10)] {
                let fixture = harness.fixture(Subject.dimensions, dtype)
                // Longer than two chunks of a scan, and no multiple of one or of the interval.
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
            at: "at output \(place(again.element, in: whole.shape)) of \(length) tokens, \(name)")
        let (_, end) = fixture.split(x, [length], context)
        for lengths in splits(of: length) {
            let (y, state) = fixture.split(x, lengths, context), where_ = "\(length) tokens in parts \(brief(lengths)), \(name)"
            let d = deviation(whole, y.value)
            report.note(
                .splits, "outputs, \(fixture.dtype)", d.value, bound: bound,
                at: "at output \(place(d.element, in: whole.shape)), \(where_)")
            report.note(
                .splits, "carried states, \(fixture.dtype)",
                state.names == end.names && state.position == length ? 0 : .infinity, bound: bound,
                at: "in names or position: \(state.names) at \(state.position) after \(where_)")
            for part in end.names {
                guard let got = state[part] else { continue }
                let d = deviation(end[part]!.value, got.value)
                report.note(
                    .splits, "carried states, \(fixture.dtype)", d.value, bound: bound,
                    at: "at \(part)\(place(d.element, in: got.shape)) after \(where_)")
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
                "\(length) tokens in parts \(brief(lengths)), \(name)", &report)
        }
    }
    private func compareScan(
        _ scan: Fixture, _ steps: Fixture, _ length: Int, _ bound: Double, _ name: String, _ report: inout ConformanceReport
    ) {
        let x = scan.tokens(length), a = gradients(scan, x, [length]), b = gradients(steps, x, [length])
        for (name, pair) in zip(a.values.map(\.name), zip(a.values, b.values)) {
            let d = deviation(pair.0.value, pair.1.value)
            report.note(
                .splits, "scan and steps, \(scan.dtype)", d.value, bound: bound,
                at: "at \(name)\(place(d.element, in: pair.0.value.shape)) of \(length) tokens")
        }
        compare(a, b, "gradients of scan and steps, \(scan.dtype)", bound, "\(length) tokens, \(name)", &report)
    }

    private typealias Pass = (values: [(name: String, value: Tensor)], gradients: [(name: String, value: Tensor?)])
    /// What a training pass leaves, and the gradients of the tokens and of every parameter.
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
        // Of the outputs only: without a state there is nothing else.
        let loss = fixture.loss(y, nil, context), all = loss.gradients(of: [input] + trained.map { context[$0] })
        return (values, Array(zip(["tokens"] + trained.map(\.path), all)))
    }
    private func compare(
        _ a: Pass, _ b: Pass, _ subject: String, _ bound: Double, _ place_: String, _ report: inout ConformanceReport
    ) {
        for ((name, one), (_, other)) in zip(a.gradients, b.gradients) {
            // No gradient is one of zeros: a scan has an operand for what a step does not even ask for.
            guard let shape = (one ?? other)?.shape, let type = (one ?? other)?.dtype else { continue }
            let one = one ?? .zeros(shape, dtype: type), other = other ?? .zeros(shape, dtype: type)
            let d = deviation(one, other)
            report.note(.splits, subject, d.value, bound: bound, at: "at \(name)\(place(d.element, in: one.shape)), \(place_)")
        }
    }
    private func brief(_ lengths: [Int]) -> String {
        lengths.count <= 8 ? "\(lengths)" : Set(lengths).count == 1 ? "of \(lengths[0])" : "\(lengths.prefix(8)) …"
    }
}
