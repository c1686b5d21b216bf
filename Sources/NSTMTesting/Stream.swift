import NSTMAutograd
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that outputs and states remain finite and bounded, and memory constant, over a long stream of random tokens.
    func checkStream(_ report: inout ConformanceReport, tokens: Int) {
        let fixture = harnesses[0].fixture(Subject.smallDimensions, .float32), count = 100, length = max(1, tokens / count)
        fixture.reset()
        var state: MixerCache? = fixture.mixer.initialState(batch: 1, ForwardContext(.evaluate))
        var sizes: [(early: Double, late: Double)] = [], names: [String] = [], bytes: [Int] = [], live: [Int] = []
        /// Processes the next segment of tokens and measures its outputs and the cache.
        func work(_ part: Int) {
            let context = ForwardContext(.evaluate)
            let y = fixture.mixer(context.constant(fixture.tokens(length, batch: 1, "part \(part)")), &state, context).value
            if part == 0 {
                names = ["outputs"] + state!.names
                sizes = Array(repeating: (0, 0), count: names.count)
            }
            for (i, value) in ([y] + names.dropFirst().map { state![$0]!.value }).enumerated() {
                let issue = value.firstNonFinite()
                report.note(
                    .boundedness, "segments with non-finite values", issue == nil ? 0 : 1, bound: 0,
                    at:
                        "in \(names[i])\(issue.map { indices(of: $0, in: value.shape) } ?? "") after \((part + 1) * length) tokens"
                )
                let size = value.doubles().reduce(0.0) { max($0, abs($1)) }
                // Means over ten segments, because the largest element of a single one fluctuates.
                if (10..<20).contains(part) { sizes[i].early += size / 10 }
                if part >= 90 { sizes[i].late += size / 10 }
            }
        }
        for part in 0..<count {
            work(part)
            bytes.append(state!.byteCount)
            live.append(MemoryUse.onThisThread)
        }
        for (name, size) in zip(names, sizes) {
            report.note(
                .boundedness, "last tenth relative to the second", size.late / max(size.early, 1e-3), bound: 1.5,
                at: "in \(name), from \(size.early) to \(size.late) in \(count * length) tokens")
        }
        report.note(
            .memory, "growth of the state in bytes", Double(bytes[10...].max()! - bytes[10]), bound: 0,
            at: "from \(bytes[10]) bytes after \(11 * length) tokens")
        report.note(
            .memory, "growth of live tensors in bytes", Double(live[10...].max()! - live[10]), bound: 0,
            at: "of tensors allocated on this thread, in \((count - 11) * length) tokens")
        report.note("6 constant memory: \(bytes[count - 1]) bytes of state at width \(fixture.width)")
    }
}
