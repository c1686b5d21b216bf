import Foundation
import NSTMConfiguration
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

/// Everything that configurations can name: strategies of NSTM layers, models and datasets. Extend a copy of `.standard`.
public struct Registries: Sendable {
    /// Reads the model's settings and returns what builds it.
    public typealias ModelFactory =
        @Sendable (ConfigurationReader, ModelInput, ModelOutput, Strategies) -> (ParameterBuilder) -> SequenceModel
    /// Reads the dataset's settings and returns what opens it.
    public typealias DatasetFactory = @Sendable (ConfigurationReader, DatasetFolder) -> (DatasetOpening) throws -> OpenedDataset

    public var strategies: Strategies
    public var models = Registry<ModelFactory>("model")
    public var datasets = Registry<DatasetFactory>("dataset")

    public init(strategies: Strategies = .standard) {
        self.strategies = strategies
        models.register("nstm") { config, input, output, strategies in
            let shape = ModelConfiguration(config, input, output, hidden: { ($0 * 13 / 4 + 7) / 8 * 8 })
            let plan = NSTMLayerConfiguration(
                config, width: shape.width, heads: shape.heads, layers: shape.layers, strategies: strategies)
            let embedders = EmbedderConfiguration(config, strategies.embedders, input)
            if plan.isBidirectional, !output.isPooled {
                config.addIssue(
                    "bidirectional", "is for one answer for each sequence: elsewhere tokens would see what they are to foretell")
            }
            return { NSTMModel($0, shape, embedder: embedders.embedder) { plan.mixer($0, block: $1, residual: $2) } }
        }
        registerBaselines()
        datasets.register("tinyshakespeare") { config, folder in
            let context = config.int("context", default: 64, in: 1...1_000_000)
            let unit = config.choice("unit", default: CharacterTokenizer.Unit.character)
            return { opening in
                try opening.check(unit)
                let file = try folder.resolve(.tinyShakespeare, download: true, progress: opening.progress)
                let data = try TextDataset(
                    contentsOf: file.url, name: "tinyshakespeare", context: context, unit: unit, tokenizer: opening.tokenizer)
                return OpenedDataset(data, tokenizer: data.tokenizer, warning: file.warning?.description)
            }
        }
        datasets.register("text") { config, folder in
            let context = config.int("context", default: 64, in: 1...1_000_000)
            let path = config.file("file", locating: folder.location)
            let fraction = config.double("training-fraction", default: 0.9, in: 0.01...0.99)
            let unit = config.choice("unit", default: CharacterTokenizer.Unit.character)
            return { opening in
                try opening.check(unit)
                let data = try TextDataset(
                    contentsOf: try folder.file(path), name: "text", context: context, trainingFraction: fraction,
                    unit: unit,
                    tokenizer: opening.tokenizer)
                return OpenedDataset(data, tokenizer: data.tokenizer, warning: nil)
            }
        }
        for (name, asks) in [("mnist", false), ("mnist-questions", true)] {
            datasets.register(name) { config, folder in
                let patch = config.int("patch", default: 4, in: 1...28), shift = config.int("shift", default: 0, in: 0...27)
                let validation = config.int("validation", default: 5000, in: 1...59_999)
                let split = config.choice("evaluation", default: MNIST.Split.validation)
                return { opening in
                    let files = try MNISTFiles(in: folder, progress: opening.progress)
                    let digits = try MNIST(files, patch: patch, shift: shift, validationCount: validation, evaluation: split)
                    let warnings = files.warnings.map(\.description)
                    return OpenedDataset(
                        asks ? MNISTQuestions(digits) : digits, tokenizer: nil,
                        warning: warnings.isEmpty ? nil : warnings.joined(separator: "\n"))
                }
            }
        }
        datasets.register("copy") { config, _ in
            let bits = config.int("bits", default: 8, in: 1...1024)
            let low = config.int("minimum-length", default: 1, in: 1...100_000)
            let high = config.int("maximum-length", default: 10, in: 1...100_000)
            let lengths = config.ints("evaluation-lengths", default: Array(low...max(low, high)), in: 1...100_000)
            let count = config.int("evaluation-count", default: 100, in: 1...1_000_000)
            return { _ in
                let data = try CopyTask(
                    bits: bits, minimumLength: low, maximumLength: high, evaluationLengths: lengths, evaluationCount: count)
                return OpenedDataset(data, tokenizer: nil, warning: nil)
            }
        }
        datasets.register("recall") { config, _ in
            let vocabulary = config.int("vocabulary", default: 256, in: 4...1_000_000)
            let length = config.int("length", default: 128, in: 4...1_000_000)
            let pairs = config.int("pairs", default: 8, in: 1...250_000)
            let filler = config.choice("filler", default: RecallTask.Filler.blank)
            let alpha = config.double("alpha", default: 0.01, in: -100...100)
            let lengths = config.ints("evaluation-lengths", default: [length], in: 4...1_000_000)
            let counts = config.ints("evaluation-pairs", default: lengths.map { _ in pairs }, in: 1...250_000)
            let count = config.int("evaluation-count", default: 200, in: 1...1_000_000)
            if lengths.count != counts.count {
                config.addIssue("evaluation-pairs", "\(counts.count) numbers for \(lengths.count) evaluation lengths")
            }
            return { _ in
                let data = try RecallTask(
                    vocabulary: vocabulary, length: length, pairs: pairs,
                    evaluation: zip(lengths, counts).map { .init(length: $0, pairs: $1) }, evaluationCount: count,
                    filler: filler, alpha: alpha)
                return OpenedDataset(data, tokenizer: nil, warning: nil)
            }
        }
    }
    public static var standard: Registries { Registries() }
}
