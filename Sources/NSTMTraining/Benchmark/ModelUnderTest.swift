import NSTMConfiguration
import NSTMData
import NSTMModules
import NSTMTensor

/// A model of a benchmark, which builds it for a given sequence length.
package struct ModelUnderTest: Sendable {
    /// Name in reports.
    package let name: String
    private let config: ConfigurationValue
    private let registries: Registries
    /// Key of the maximum sequence length of the model; nil if the length is unlimited.
    private let limit: String?

    /// - Parameters:
    ///   - config: a configuration, of which `model` and `seed` are used.
    /// - Throws: `ConfigurationError`.
    package init(_ name: String, _ config: ConfigurationValue, registries: Registries) throws {
        self.name = name
        self.config = config
        self.registries = registries
        let model = try ModelUnderTest.build(config, registries)
        limit = model.maxSequenceLength == nil ? nil : model.shape.positions == nil ? "model.length" : "model.positions"
    }
    /// A registered model with default settings.
    /// - Throws: `ConfigurationError` when the name is not registered.
    package init(named name: String, registries: Registries) throws {
        try self.init(name, ["model": ["type": .string(name)]], registries: registries)
    }

    /// Size of the vocabulary, which is that of Tiny Shakespeare.
    package static let vocabulary = 65

    /// The model with initial parameters.
    /// - Parameter tokens: required maximum sequence length, which the model has if its configuration allows it.
    package func model(for tokens: Int) throws -> SequenceModel {
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
