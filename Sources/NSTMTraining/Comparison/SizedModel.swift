import NSTMConfiguration
import NSTMData
import NSTMModules

/// A model of a plan on one of its datasets, with its final size.
package struct SizedModel: Sendable {
    /// Name of the model in the plan.
    package let model: String
    /// Name of the dataset in the plan.
    package let dataset: String
    /// Number of trainable parameters.
    package let parameters: Int
    /// The setting that was adjusted to the target number of parameters, and its value; nil if none was.
    package let adjusted: (key: String, value: Int)?
    /// The configuration without seed and steps.
    package let configuration: ConfigurationValue
    let data: OpenedDataset
}

extension ComparisonPlan {
    /// All models on all datasets with their final sizes, in the order of the plan.
    /// - Parameter open: opens the dataset of an experiment; nil to open each once.
    /// - Throws: `DatasetError`, and `ConfigurationError` with every model that cannot have the target number of parameters.
    package func sizedModels(
        registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder(),
        open: ((Experiment) throws -> OpenedDataset)? = nil
    ) throws -> [SizedModel] {
        var issues: [ConfigurationError.Issue] = [], result: [SizedModel] = []
        let opened = OpenedDatasets()
        for entry in entries {
            var config = entry.configuration
            let experiment = try Experiment(config, registries: registries, folder: datasets)
            let data = try open?(experiment) ?? opened.open(experiment)
            func size(_ config: ConfigurationValue) throws -> Int {
                let experiment = try Experiment(config, registries: registries, folder: datasets), dataset = data.dataset
                let outline = try experiment.outline(input: dataset.inputKind, target: dataset.targetKind)
                try outline.check(takes: dataset)
                return outline.parameters.trainableCount
            }
            var adjusted: (key: String, value: Int)?, parameters = 0
            do {
                if let target = entry.target, let key = target.key {
                    let path = "model." + key
                    let found = try target.fit { value in
                        var trial = config
                        try trial.set(path: path, to: .int(value))
                        return try size(trial)
                    }
                    try config.set(path: path, to: .int(found.value))
                    (adjusted, parameters) = ((key, found.value), found.parameters)
                } else {
                    parameters = try size(config)
                    try entry.target?.check(parameters)
                }
            } catch {
                let message = "'\(entry.model)' on \(entry.dataset): \(error)"
                issues.append(ConfigurationError.Issue(path: entry.path, kind: .rule, message: message))
                continue
            }
            result.append(
                SizedModel(
                    model: entry.model, dataset: entry.dataset, parameters: parameters, adjusted: adjusted, configuration: config,
                    data: data))
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }
        return result
    }
}
