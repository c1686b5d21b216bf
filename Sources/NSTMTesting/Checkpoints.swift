import Foundation
import NSTMAutograd
import NSTMIO
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that a new layer that loads parameters and cache from a checkpoint file continues a sequence bit-identically to the
    /// saved layer.
    func checkCheckpoints(_ report: inout ConformanceReport) {
        for harness in harnesses {
            do {
                try roundTrip(harness, &report)
            } catch {
                report.note(.checkpoints, "files written and read", 1, bound: 0, at: "\(error), \(harness.name)")
            }
        }
    }

    private func roundTrip(_ harness: Harness, _ report: inout ConformanceReport) throws {
        let old = harness.fixture(Subject.dimensions, .float32), x = old.tokens(12), y = old.tokens(7, "more")
        let training = ForwardContext(.train, key: RandomKey(5))
        // Values that a strategy updates during training have to be saved as well.
        _ = old.loss(old.whole(training.constant(x), training), nil, training).backward()
        let context = ForwardContext(.evaluate)
        var state: MixerCache? = old.mixer.initialState(batch: 2, context)
        _ = old.run(context.constant(x), [5, 7], &state, context)

        let file = FileManager.default.temporaryDirectory.appendingPathComponent("nstm-conformance-\(UUID().uuidString).h5")
        defer { try? FileManager.default.removeItem(at: file) }
        var archive = CheckpointArchive()
        archive.append(old.store.all.map { ($0.path, $0.value) }, under: "model")
        archive.append(SequenceModel.Cache(layers: [state!]).tensors, under: "state")
        try CheckpointFile.write(archive, to: file)
        let saved = try CheckpointFile.read(file)

        let new = harness.fixture(Subject.dimensions, .float32, seed: 2)
        for p in new.store.all { p.value = saved[tensor: "model/\(p.path)"] ?? p.value }
        var restored = SequenceModel.Cache(tensors: saved.tensors(under: "state"))?.layers.first
        let same = restored != nil && new.store.all.map(\.path) == old.store.all.map(\.path)
        report.note(
            .checkpoints, "files written and read", same ? 0 : 1, bound: 0,
            at: "the state or the names of the parameters differ, \(harness.name)")
        guard same else { return }
        let a = old.run(context.constant(y), [3, 4], &state, context),
            b = new.run(context.constant(y), [3, 4], &restored, context)
        let c = changes(a.value, b.value)
        report.note(
            .checkpoints, "outputs that differ after loading", c.count, bound: 0,
            at: "at output \(values(a.value, b.value, c.element)), \(harness.name)")
        for name in state!.names {
            let a = state![name]!.value, b = restored![name]!.value, c = changes(a, b)
            report.note(
                .checkpoints, "elements of the state that differ after loading", c.count, bound: 0,
                at: "at \(name)\(values(a, b, c.element)), \(harness.name)")
        }
    }
}
