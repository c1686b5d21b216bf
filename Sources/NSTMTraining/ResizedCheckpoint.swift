import NSTMIO
import NSTMLayers
import NSTMModules

extension SavedModel {
    /// This checkpoint with the parameters as they are now.
    public func withPresentParameters() -> CheckpointArchive {
        var archive = archive
        for parameter in model.parameters.all { archive[tensor: "model/" + parameter.path] = parameter.value }
        return archive
    }
    /// This checkpoint without its inactive states: parameters, the optimizer's moments, and the configuration, whose `model.states`
    /// becomes a list. A run goes on from it as it would have gone on with those states masked.
    /// - Throws: `CompactionError` when a strategy does not say which of its parameters' axes counts states, `SavedModelError`.
    public func compacted(catalogue: Catalogue = .standard) throws -> (archive: CheckpointArchive, compaction: StateCompaction) {
        let layers = model.stateLayers
        guard !layers.isEmpty else { throw SavedModelError.noStates(path: url.path) }
        let compaction = StateCompaction(layers)
        var smaller = configuration
        try smaller.set(path: "model.states", to: .list(compaction.counts.map { .int($0) }))
        let experiment = try Experiment(smaller, catalogue: catalogue)
        let small = try experiment.model(input: data.input, target: data.target)
        try compaction.move(model.parameters, to: small.parameters)
        var archive = archive
        for parameter in small.parameters.all { archive[tensor: "model/" + parameter.path] = parameter.value }
        let moments = try compaction.cut(archive.tensors(under: "optimizer"), of: model.parameters)
        for (path, tensor) in moments { archive[tensor: "optimizer/" + path] = tensor }
        archive[document: "config"] = experiment.resolved.json()
        return (archive, compaction)
    }
}
