import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

/// A training run as described by one configuration.
///
/// All issues are found before anything is built or opened.
public struct Experiment {
    /// Seed of all random numbers.
    public let seed: Int
    /// The settings of training.
    public let settings: TrainingSettings
    /// The configuration with every default filled in; stored in checkpoints.
    public let resolved: ConfigurationValue
    /// Keys whose values are paths of files.
    ///
    /// A moved file does not change a run: its content is identified by the fingerprint of the data.
    public let fileKeys: Set<String>
    /// The configuration of the model; checked against the dataset when it is opened.
    public let modelConfiguration: any SequenceModelConfiguration
    /// The configuration of the dataset.
    public let dataConfiguration: any DatasetConfiguration
    private let folder: DatasetFolder

    /// - Parameters:
    ///   - config: maps `seed`, `data`, `model` and `training`.
    ///   - folder: where datasets are looked for.
    /// - Throws: `ConfigurationError` with every unknown key, wrong type and value out of range.
    public init(_ config: ConfigurationValue, registries: Registries = .standard, folder: DatasetFolder = DatasetFolder()) throws
    {
        let reader = ConfigurationReader(config)
        seed = reader.int("seed", default: 1, in: 0...Int.max)
        self.folder = folder
        let data = reader.child("data"), model = reader.child("model")
        dataConfiguration = data.value(in: registries.datasets, default: TinyShakespeareConfiguration(), folder)
        data.finish()
        settings = TrainingSettings(reader.child("training"), registries)
        modelConfiguration = model.value(in: registries.models, default: NSTMModel.Configuration(), registries.strategies)
        model.finish()
        reader.finish()
        try reader.throwIfInvalid()
        resolved = reader.resolved
        fileKeys = reader.fileKeys
    }

    /// Finds or fetches the data.
    /// - Throws: `DatasetError`.
    public func openDataset(_ opening: OpenedDataset.Options = OpenedDataset.Options()) throws -> OpenedDataset {
        try dataConfiguration.open(folder, opening)
    }
    /// The model that fits a dataset, with its initial parameters.
    /// - Throws: before anything is allocated: `ConfigurationError` when a setting does not go with the kinds of inputs and
    ///   targets, `TrainingError.unfit` when the data has sequences that the model cannot take, `MemoryError` when there is no
    ///   memory for its parameters and the state of one sequence.
    public func model(for dataset: any Dataset) throws -> SequenceModel {
        try outline(input: dataset.inputKind, target: dataset.targetKind).check(takes: dataset)
        return try model(input: dataset.inputKind, target: dataset.targetKind)
    }
    public func model(input: InputKind, target: TargetKind) throws -> SequenceModel {
        let need = MemoryNeed(try outline(input: input, target: target))
        try AvailableMemory.check(
            [need.parameters, need.state(batch: 1)].saturatedSum,
            for: "a model of \(grouped(need.parameterCount)) parameters (model.width, …) with the state of a sequence "
                + "(model.memory, …)")
        return try makeModel(input, target, ParameterBuilder(seed: UInt64(seed)))
    }
    /// The model without the memory of its parameters (`ParameterBuilder.outline`): what it is and how large, not for computing.
    public func outline(input: InputKind, target: TargetKind) throws -> SequenceModel { try makeModel(input, target, .outline()) }
    private func makeModel(_ input: InputKind, _ target: TargetKind, _ parameters: ParameterBuilder) throws -> SequenceModel {
        let input = ModelInput(input), output = ModelOutput(target)
        // Not every model suits every task.
        let issues = modelConfiguration.issues(input, output).map {
            ConfigurationError.Issue(path: "model.\($0.path)", kind: $0.kind, message: $0.message)
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }
        return modelConfiguration.make(parameters, input, output)
    }

    /// The outline of the model, if it can be trained on a dataset.
    /// - Throws: as `model(for:)`, and `MemoryError` when there is no memory for a step of training.
    func outline(trainableOn dataset: any Dataset) throws -> SequenceModel {
        let outline = try outline(input: dataset.inputKind, target: dataset.targetKind)
        try outline.check(takes: dataset)
        try MemoryNeed(outline).check(training: settings, on: dataset)
        return outline
    }
    /// A trainer for a dataset that was opened with this experiment, at step 0.
    /// - Throws: as `model(for:)`, `TrainingError.noSuchMetric`, `TrainingError.noLengths`, and `MemoryError` when there is no memory for a step of
    ///   training.
    public func trainer(_ opened: OpenedDataset, folder: URL? = nil) throws -> Trainer {
        try settings.check(on: opened.dataset)
        _ = try outline(trainableOn: opened.dataset)
        let trainer = Trainer(
            model: try model(for: opened.dataset), dataset: opened.dataset, settings: settings, seed: seed, folder: folder)
        trainer.configuration = resolved
        trainer.tokenizer = opened.tokenizer
        return trainer
    }
}
