import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that inactive states contribute exactly 0 regardless of their values, and that they remain bit-identical, as do
    /// states with routing weight 0.
    func checkInactivity(_ report: inout ConformanceReport) {
        for harness in harnesses {
            guard harness.fixture(Subject.dimensions, .float32).layer != nil else {
                report.note("4 inactive states: not a layer of states")
                continue
            }
            checkContents(harness, &report)
            checkGradientsReached(harness, &report)
            compareWithSmaller(harness, &report)
            if let partial = harness.partial { checkUnrouted(Fixture(partial, Subject.dimensions, .float32), &report) }
        }
    }

    /// A layer whose inactive states have other initial values.
    private func filled(_ harness: Harness, _ dtype: DType, _ value: Double?) -> Fixture {
        let fixture = harness.fixture(Subject.dimensions, dtype, masked: true), manager = fixture.layer!.manager
        guard let value else { return fixture }
        for p in [manager.initialKeys, manager.initialValues] {
            let fill = Tensor(repeating: value, p.value.shape, dtype: dtype)
            p.value = .where((manager.mask.value .> 0).unsqueezed(axis: 1), p.value, fill)
        }
        return fixture.refreshed
    }

    private func checkContents(_ harness: Harness, _ report: inout ConformanceReport) {
        let reference = filled(harness, .float32, nil), x = reference.tokens(11)
        let context = ForwardContext(.evaluate), lengths = [3, 8], input = context.constant(x)
        let y = reference.split(input, lengths, context).y.value
        for value in [1e6, .nan] {
            let fixture = filled(harness, .float32, value), manager = fixture.layer!.manager
            let (z, end) = fixture.split(input, lengths, context), c = changes(y, z.value)
            report.note(
                .inactivity, "outputs changed by their values", c.count, bound: 0,
                at: "at output \(indices(of: c.element, in: y.shape)), inactive states set to \(value), \(harness.name)")
            for n in 0..<manager.count where !manager.active[n] {
                for (part, initial) in [("keys", manager.initialKeys), ("values", manager.initialValues)] {
                    guard let now = end[part]?.value else { continue }
                    let b = now.shape[0], width = now.shape[2]
                    let c = changes(
                        now.select(axis: 1, n), initial.value.select(axis: 0, n).unsqueezed(axis: 0).broadcast(to: [b, width]))
                    report.note(
                        .inactivity, "elements of inactive states that change", c.count, bound: 0,
                        at: "at \(part) of state \(n), set to \(value), \(harness.name)")
                }
            }
        }
    }

    private func checkGradientsReached(_ harness: Harness, _ report: inout ConformanceReport) {
        let fixture = filled(harness, .float64, .nan), manager = fixture.layer!.manager
        let context = ForwardContext(.train, key: RandomKey(9)), y = fixture.whole(context.constant(fixture.tokens(9)), context)
        let gradients = fixture.loss(y, nil, context).backward(), issue = gradients.firstNonFinite
        report.note(
            .inactivity, "non-finite gradients", issue == nil ? 0 : 1, bound: 0,
            at: "in \(issue?.path ?? ""), inactive states set to NaN, \(harness.name)")
        for p in [manager.initialKeys, manager.initialValues] {
            guard let gradient = gradients[p] else { continue }
            for n in 0..<manager.count where !manager.active[n] {
                let size = difference(gradient.select(axis: 0, n), .zeros([gradient.shape[1]], dtype: .float64))
                report.note(
                    .inactivity, "gradients of inactive states", size.value, bound: 0,
                    at: "\(p.path) of state \(n), \(harness.name)")
            }
        }
    }

    /// Compares a layer with inactive states with a layer of the active states only, whose parameters have the corresponding
    /// rows.
    private func compareWithSmaller(_ harness: Harness, _ report: inout ConformanceReport) {
        let large = harness.fixture(Subject.dimensions, .float64, masked: true)
        let small = harness.fixture(Subject.activeDimensions, .float64, masked: false, seed: 2)
        let rest = Tensor(Fixture.flags(Subject.dimensions.states).enumerated().filter(\.element).map { Int32($0.offset) })
        for p in small.store.all {
            guard var value = large.store[p.path]?.value, value.rank == p.value.rank else {
                report.note(
                    "4 inactive states: not compared with a smaller layer, because \(p.path) depends on the number of states")
                return
            }
            for axis in 0..<value.rank where value.shape[axis] == Subject.dimensions.states && p.value.shape[axis] == rest.count {
                value = .stack(rest.elements(Int32.self).map { value.select(axis: axis, Int($0)) }, axis: axis)
            }
            guard value.shape == p.value.shape else {
                report.note(
                    "4 inactive states: not compared with a smaller layer, because \(p.path) depends on the number of states")
                return
            }
            p.value = value
        }
        let context = ForwardContext(.evaluate), x = context.constant(large.tokens(14))
        let (y, end) = large.split(x, [6, 8], context), (z, smallEnd) = small.refreshed.split(x, [6, 8], context)
        let d = difference(y.value, z.value)
        report.note(
            .inactivity, "outputs vs. a layer without them", d.value, bound: 1e-10,
            at: "at output \(indices(of: d.element, in: y.shape)), \(harness.name)")
        for part in ["keys", "values"] {
            guard let a = end[part]?.value, let b = smallEnd[part]?.value else { continue }
            let left = Tensor.stack(rest.elements(Int32.self).map { a.select(axis: 1, Int($0)) }, axis: 1),
                d = difference(left, b)
            report.note(
                .inactivity, "states vs. a layer without them", d.value, bound: 1e-10,
                at: "at \(part)\(indices(of: d.element, in: b.shape)) of the active states, \(harness.name)")
        }
    }

    /// Checks states with routing weight 0 for all tokens of a sequence, which is longer than a chunk of a scan.
    private func checkUnrouted(_ fixture: Fixture, _ report: inout ConformanceReport) {
        let context = ForwardContext(.evaluate), start = fixture.mixer.initialState(batch: 2, context)
        let end = fixture.split(context.constant(fixture.tokens(70)), [70], context).state
        for n in 0..<Subject.dimensions.states where !Harness.isReached(n) {
            for part in ["keys", "values"] {
                guard let before = start[part]?.value, let after = end[part]?.value else { continue }
                let c = changes(before.select(axis: 1, n), after.select(axis: 1, n))
                report.note(
                    .inactivity, "elements that change with routing weight 0", c.count, bound: 0,
                    at: "at \(part) of state \(n)")
            }
        }
    }
}
