import NSTM

/// A saved model and the data to measure it on: that of its configuration, with changes.
struct EvaluationData {
    let saved: SavedModel
    let dataset: any Dataset
    let settings: TrainingSettings

    /// - Throws: also when the data is not for the model.
    init(_ path: String, set: [String], data: String?) throws {
        let registries = NSTMCommand.registries
        let others = set.filter { !$0.hasPrefix("data.") && !$0.hasPrefix("training.evaluation.") }
        guard others.isEmpty else { throw CommandError.onlyData(keys: others) }
        saved = try savedModel(path)
        var config = saved.configuration
        try config.apply(overrides: set)
        let experiment = try Experiment(config, registries: registries, folder: DatasetFolder(data))
        let opened = try experiment.openDataset(DatasetOpening(progress: DownloadReporter().progress, tokenizer: saved.tokenizer))
        if let warning = opened.warning { NSTMCommand.complain("warning: \(warning)") }
        dataset = opened.dataset
        settings = experiment.settings
        guard dataset.inputKind == saved.data.input, dataset.targetKind == saved.data.target else {
            throw CommandError.otherInputs(trained: saved.data.name, data: dataset.name)
        }
        try saved.model.check(takes: dataset)
    }
}
