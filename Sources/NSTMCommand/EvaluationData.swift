import NSTM

/// A saved model and the dataset for its evaluation: that of its configuration, with the changes of `--set`.
struct EvaluationData {
    let saved: SavedModel
    let dataset: any Dataset
    let settings: TrainingSettings

    /// Opens a checkpoint and its dataset.
    /// - Throws: also `CommandError` and `TrainingError` when the dataset is not compatible with the model.
    init(_ path: String, set: [String], data: String?) throws {
        let registries = NSTMCommand.registries
        let others = set.filter { !$0.hasPrefix("data.") && !$0.hasPrefix("training.evaluation.") }
        guard others.isEmpty else { throw CommandError.onlyData(keys: others) }
        saved = try savedModel(path)
        var config = saved.configuration
        try config.apply(overrides: set)
        let experiment = try Experiment(config, registries: registries, folder: DatasetFolder(data))
        let opened = try experiment.openDataset(
            OpenedDataset.Options(progress: DownloadReporter().progress, tokenizer: saved.tokenizer))
        if let warning = opened.warning { NSTMCommand.printError("warning: \(warning)") }
        dataset = opened.dataset
        settings = experiment.settings
        guard dataset.inputKind == saved.data.input, dataset.targetKind == saved.data.target else {
            throw CommandError.otherInputs(trained: saved.data.name, data: dataset.name)
        }
        try saved.model.check(takes: dataset)
    }
}
