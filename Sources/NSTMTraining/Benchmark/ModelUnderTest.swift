import NSTMData
import NSTMModules
import NSTMTensor

/// A model that a benchmark builds by itself, for sequences of any length.
public struct ModelUnderTest: Sendable {
    public let name: String
    private let config: ConfigValue
    private let catalogue: Catalogue
    /// The setting by which a model that cannot read any length is told of it; nil for one that can.
    private let limit: String?

    /// - Parameters:
    ///   - config: a configuration of which `model` and `seed` count.
    ///   - vocabulary: tokens that the model reads and predicts.
    /// - Throws: `ConfigurationError`.
    public init(_ name: String, _ config: ConfigValue, catalogue: Catalogue) throws {
        self.name = name
        self.config = config
        self.catalogue = catalogue
        let model = try ModelUnderTest.build(config, catalogue)
        limit = model.longestSequence == nil ? nil : model.shape.positions == nil ? "model.length" : "model.positions"
    }
    /// What the catalogue has under a name, with default settings.
    /// - Throws: `ConfigurationError` when it has nothing.
    public init(named name: String, catalogue: Catalogue) throws {
        try self.init(name, ["model": ["kind": .string(name)]], catalogue: catalogue)
    }

    /// Tokens are those of Tiny Shakespeare, in number.
    public static let vocabulary = 65

    /// The model with its initial parameters, for sequences of up to so many tokens if it can be made for that.
    public func model(for tokens: Int) throws -> SequenceModel {
        if let limit {
            var longer = config
            try longer.set(path: limit, to: .int(tokens))
            if let model = try? ModelUnderTest.build(longer, catalogue) { return model }
        }
        return try ModelUnderTest.build(config, catalogue)
    }
    private static func build(_ config: ConfigValue, _ catalogue: Catalogue) throws -> SequenceModel {
        try Experiment(config, catalogue: catalogue)
            .model(input: .tokens(vocabulary: vocabulary), target: .nextToken(vocabulary: vocabulary))
    }
}
