import NSTMConfiguration
import NSTMData

/// The settings of a dataset, which open it.
public protocol DatasetConfiguration: Configurable where Scope == DatasetFolder {
    /// Finds or fetches the data.
    /// - Throws: `DatasetError`; `ConfigurationError` when the settings do not go with a tokenizer in use.
    func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset
}

extension Registry where Value == any DatasetConfiguration, Scope == DatasetFolder {
    public init() { self.init("dataset", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a dataset under the name of their type.
    public mutating func register<Settings: DatasetConfiguration>(_ type: Settings.Type) { register(type.init()) }
}

// MARK: Text

/// The settings of Tiny Shakespeare.
package struct TinyShakespeareConfiguration: DatasetConfiguration {
    package static let type = "tinyshakespeare"
    package static let summary = "one megabyte of Shakespeare's plays, downloaded when missing"
    /// Tokens of a sequence.
    package var context = 64
    /// Unit of a token.
    package var unit = CharacterTokenizer.Unit.character
    package init() {}
    package mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
        context = reader.int("context", default: context, in: 1...1_000_000)
        unit = reader.choice("unit", default: unit)
    }
    package func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
        try opening.check(unit)
        let file = try folder.resolve(.tinyShakespeare, download: true, progress: opening.progress)
        let data = try TextDataset(
            contentsOf: file.url, name: Self.type, context: context, unit: unit, tokenizer: opening.tokenizer)
        return OpenedDataset(data, tokenizer: data.tokenizer, warning: file.warning?.description)
    }
}

extension TextDataset {
    public struct Configuration: DatasetConfiguration {
        public static let type = "text"
        public static let summary = "a text file of your own"
        /// Tokens of a sequence.
        public var context = 64
        /// Path of the text; must be set.
        public var file: String?
        /// Share of the text that is trained on; the rest is for validation.
        public var trainingFraction = 0.9
        /// Unit of a token.
        public var unit = CharacterTokenizer.Unit.character
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            context = reader.int("context", default: context, in: 1...1_000_000)
            file = reader.file("file", default: file, locating: folder.location)
            trainingFraction = reader.double("training-fraction", default: trainingFraction, in: 0.01...0.99)
            unit = reader.choice("unit", default: unit)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            try opening.check(unit)
            let data = try TextDataset(
                contentsOf: try folder.file(file ?? ""), name: Self.type, context: context, trainingFraction: trainingFraction,
                unit: unit, tokenizer: opening.tokenizer)
            return OpenedDataset(data, tokenizer: data.tokenizer, warning: nil)
        }
    }
}

// MARK: Images

extension MNIST {
    public struct Configuration: DatasetConfiguration {
        public static let type = "mnist"
        public static let summary = "handwritten digits as sequences of patches, downloaded when missing"
        /// Side of a patch, in pixels.
        public var patch = 4
        /// Largest shift of a training image, in pixels.
        public var shift = 0
        /// Training images that are kept for validation.
        public var validation = 5000
        /// The images of evaluations.
        public var evaluation = MNIST.Split.validation
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            patch = reader.int("patch", default: patch, in: 1...28)
            shift = reader.int("shift", default: shift, in: 0...27)
            validation = reader.int("validation", default: validation, in: 1...59_999)
            evaluation = reader.choice("evaluation", default: evaluation)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            let (digits, warning) = try digits(folder, opening)
            return OpenedDataset(digits, tokenizer: nil, warning: warning)
        }
        fileprivate func digits(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> (MNIST, warning: String?) {
            let files = try MNIST.Files(in: folder, progress: opening.progress), warnings = files.warnings.map(\.description)
            return (
                try MNIST(files, patch: patch, shift: shift, validationCount: validation, evaluation: evaluation),
                warnings.isEmpty ? nil : warnings.joined(separator: "\n")
            )
        }
    }
}

extension MNISTQuestions {
    public struct Configuration: DatasetConfiguration {
        public static let type = "mnist-questions"
        public static let summary = "handwritten digits, each with a question in text"
        /// The settings of the images.
        public var digits = MNIST.Configuration()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) { digits.read(reader, folder) }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            let (digits, warning) = try digits.digits(folder, opening)
            return OpenedDataset(MNISTQuestions(digits), tokenizer: nil, warning: warning)
        }
    }
}
