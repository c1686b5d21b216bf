import NSTMConfiguration
import NSTMIO
import NSTMLayers
import NSTMModules

extension SavedModel {
    /// The checkpoint with the present values of the model's parameters.
    public func withPresentParameters() -> CheckpointArchive {
        var archive = archive
        for parameter in model.parameters.all { archive[tensor: "model/" + parameter.path] = parameter.value }
        return archive
    }
    /// The checkpoint without inactive states: parameters, the optimizer's moments, and the configuration, in which
    /// `model.states` is a list.
    ///
    /// Resuming from it is equivalent to resuming with those states masked.
    /// - Throws: `StateResizing.Error` when a strategy does not declare the state axes of its parameters, `SavedModel.Error`.
    public func compacted(registries: Registries = .standard) throws -> (archive: CheckpointArchive, resizing: StateResizing) {
        let resizing = StateResizing(removingInactive: try statefulLayers())
        return (try resized(resizing, states: .list(resizing.counts.map { .int($0) }), registries), resizing)
    }
    /// The checkpoint with more states in each layer: parameters, the optimizer's moments (0 for new states), and the
    /// configuration.
    /// - Parameter states: new number of states of each layer.
    /// - Throws: `StateResizing.Error`, also when a layer already has more states, `SavedModel.Error`.
    public func expanded(
        to states: Int, registries: Registries = .standard
    ) throws -> (archive: CheckpointArchive, resizing: StateResizing) {
        let resizing = try StateResizing(try statefulLayers(), to: states)
        return (try resized(resizing, states: .int(states), registries), resizing)
    }
    private func statefulLayers() throws -> [NSTMLayer] {
        let layers = model.stateLayers
        guard !layers.isEmpty else { throw SavedModel.Error.noStates(path: url.path) }
        return layers
    }
    private func resized(_ resizing: StateResizing, states: ConfigurationValue, _ registries: Registries) throws
        -> CheckpointArchive
    {
        var changed = configuration
        try changed.set(path: "model.states", to: states)
        let experiment = try Experiment(changed, registries: registries)
        let new = try experiment.model(input: data.input, target: data.target)
        try resizing.move(model, to: new)
        var archive = archive
        // The archive differs from the file now, and a run that starts with it has no earlier log.
        archive.source = nil
        for parameter in new.parameters.all { archive[tensor: "model/" + parameter.path] = parameter.value }
        let moments = try resizing.resize(archive.tensors(under: "optimizer"), of: model.parameters)
        for (path, tensor) in moments { archive[tensor: "optimizer/" + path] = tensor }
        archive[document: "config"] = experiment.resolved.json()
        return archive
    }
}
