import Foundation
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

/// Everything that configurations can name: strategies of NSTM layers, models and datasets. Extend a copy of `.standard`.
public struct Catalogue: Sendable {
    /// Reads the model's settings and returns what builds it.
    public typealias ModelFactory =
        @Sendable (ConfigReader, ModelInput, ModelOutput, Strategies) -> (ParameterBuilder) -> SequenceModel
    /// Reads the dataset's settings and returns what opens it.
    public typealias DatasetFactory = @Sendable (ConfigReader, DatasetFolder) -> (DatasetOpening) throws -> OpenedDataset

    public var strategies: Strategies
    public var models = Registry<ModelFactory>("model")
    public var datasets = Registry<DatasetFactory>("dataset")

    public init(strategies: Strategies = .standard) {
        self.strategies = strategies
        models.register("nstm") { config, input, output, strategies in
            let shape = ModelShape(config, input, output, hidden: { ($0 * 13 / 4 + 7) / 8 * 8 })
            let plan = NSTMLayerPlan(
                config, width: shape.width, heads: shape.heads, layers: shape.layers, strategies: strategies)
            let embedders = EmbedderPlan(config, strategies.embedders, input)
            if plan.isBidirectional, !output.isPooled {
                config.addFault(
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
                config.addFault("evaluation-pairs", "\(counts.count) numbers for \(lengths.count) evaluation lengths")
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
    public static var standard: Catalogue { Catalogue() }
}

/// What a dataset may need while it is opened.
public struct DatasetOpening: Sendable {
    /// Told of bytes while a file is fetched.
    public var progress: DatasetFolder.Progress?
    /// The tokenizer of a model in use; nil makes one from the data.
    public var tokenizer: CharacterTokenizer?
    public init(progress: DatasetFolder.Progress? = nil, tokenizer: CharacterTokenizer? = nil) {
        self.progress = progress
        self.tokenizer = tokenizer
    }
    /// - Throws: `ConfigurationError` when a configuration asks for other tokens than those of the model in use.
    func check(_ unit: CharacterTokenizer.Unit) throws(ConfigurationError) {
        guard let tokenizer, tokenizer.unit != unit else { return }
        throw ConfigurationError([
            ConfigFault(
                path: "data.unit", kind: .rule,
                message: "\(unit.rawValue), and a token of the trained model is a \(tokenizer.unit.rawValue)")
        ])
    }
}

/// A dataset ready for use, its tokenizer when it has one, and what the user should know about where it came from.
public struct OpenedDataset: Sendable {
    public let dataset: any Dataset
    public let tokenizer: CharacterTokenizer?
    public let warning: String?
    public init(_ dataset: any Dataset, tokenizer: CharacterTokenizer?, warning: String?) {
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.warning = warning
    }
}

extension ModelShape {
    /// Reads `width`, `layers`, `heads`, `hidden`, `dropout` and `recompute`; heads and hidden width only for models that have them.
    init(
        _ config: ConfigReader, _ input: ModelInput, _ output: ModelOutput, layers count: Int = 4, heads headCount: Int? = 4,
        hidden hiddenWidth: ((Int) -> Int)?
    ) {
        self.init(input: input, output: output)
        width = config.int("width", default: 128, in: 1...65_536)
        layers = config.int("layers", default: count, in: 1...1_000)
        heads = headCount.map { config.int("heads", default: $0, in: 1...1_024) } ?? 1
        if width % heads != 0 { config.addFault("heads", "\(heads) does not divide the width \(width)") }
        hidden = hiddenWidth.map { config.int("hidden", default: $0(width), in: 0...1_000_000) } ?? 0
        dropout = config.double("dropout", default: 0, in: 0..<1)
        recompute = config.bool("recompute", default: false)
    }
}

extension ModelInput {
    public init(_ kind: InputKind) {
        switch kind {
        case .tokens(let vocabulary): self = .tokens(vocabulary: vocabulary)
        case .features(let width): self = .features(width: width)
        case .streams(let all): self = .streams(all.map { ModelInput($0) })
        }
    }
}
extension ModelOutput {
    public init(_ kind: TargetKind) {
        switch kind {
        case .nextToken(let vocabulary), .answers(let vocabulary): self = .nextToken(vocabulary: vocabulary)
        case .binary(let width): self = .perToken(width: width)
        case .classes(let count): self = .pooled(classes: count)
        }
    }
}
