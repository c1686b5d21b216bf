import NSTMConfiguration
import NSTMData
import NSTMModules
import NSTMTensor

/// A model that a benchmark builds by itself, for sequences of any length.
public struct ModelUnderTest: Sendable {
    public let name: String
    private let config: ConfigurationValue
    private let registries: Registries
    /// The setting by which a model that cannot read any length is told of it; nil for one that can.
    private let limit: String?

    /// - Parameters:
    ///   - config: a configuration of which `model` and `seed` count.
    /// - Throws: `ConfigurationError`.
    public init(_ name: String, _ config: ConfigurationValue, registries: Registries) throws {
        self.name = name
        self.config = config
        self.registries = registries
        let model = try ModelUnderTest.build(config, registries)
        limit = model.maxSequenceLength == nil ? nil : model.shape.positions == nil ? "model.length" : "model.positions"
    }
    /// What the registries has under a name, with default settings.
    /// - Throws: `ConfigurationError` when it has nothing.
    public init(named name: String, registries: Registries) throws {
        try self.init(name, ["model": ["type": .string(name)]], registries: registries)
    }

    /// Tokens are those of Tiny Shakespeare, in number.
    public static let vocabulary = 65

    /// The model with its initial parameters, for sequences of up to so many tokens if it can be made for that.
    public func model(for tokens: Int) throws -> SequenceModel {
        if let limit {
            var longer = config
            try longer.set(path: limit, to: .int(tokens))
            if let model = try? ModelUnderTest.build(longer, registries) { return model }
        }
        return try ModelUnderTest.build(config, registries)
    }
    private static func build(_ config: ConfigurationValue, _ registries: Registries) throws -> SequenceModel {
        try Experiment(config, registries: registries)
            .model(input: .tokens(vocabulary: vocabulary), target: .nextToken(vocabulary: vocabulary))
    }
}
