import NSTMConfiguration
import NSTMModules

/// The configuration of an embedder, which creates it.
///
/// Its scope is the width of the model: the number of channels of the vectors that an embedder passes to the first block.
public protocol EmbedderConfiguration: Configurable where Scope == Int {
    /// The reason why the embedder does not accept an input; nil if it does. Accepted lengths are given by
    /// `Embedder.fixedLength`.
    func issue(with input: ModelInput) -> String?
    /// The embedder for an input, with parameters from a builder.
    func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder
}

extension EmbedderConfiguration {
    public func issue(with input: ModelInput) -> String? { nil }
}

extension Registry where Value == any EmbedderConfiguration, Scope == Int {
    /// - Parameter input: such as `tokens`.
    public init(of input: String) {
        self.init("embedder of \(input)", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) })
    }
    /// Adds the settings of an embedder under the name of their type.
    public mutating func register<Settings: EmbedderConfiguration>(_ type: Settings.Type) { register(type.init()) }
}

extension Strategies {
    /// The embedders that configurations can name, by kind of input.
    public struct Embedders: Sendable {
        public var tokens = Registry<any EmbedderConfiguration, Int>(of: "tokens")
        public var features = Registry<any EmbedderConfiguration, Int>(of: "features")

        public init() {
            tokens.register(TokenEmbedder.Configuration.self)
            tokens.register(ByteEmbedder.Configuration.self)
            features.register(VectorEmbedder.Configuration.self)
            features.register(ImageEmbedder.Configuration.self)
        }
    }
}

extension NSTMModel {
    /// The embedders of a model as named in a configuration: `embedders.tokens.type` for all inputs of tokens,
    /// `embedders.features.type` for all inputs of vectors.
    public struct Embedders: Sendable {
        public var tokens: any EmbedderConfiguration = TokenEmbedder.Configuration()
        public var features: any EmbedderConfiguration = VectorEmbedder.Configuration()

        public init() {}
        /// Reads the section `embedders`.
        public init(_ reader: ConfigurationReader, _ registries: Strategies.Embedders, width: Int) {
            let section = reader.child("embedders"), ofTokens = section.child("tokens"), ofFeatures = section.child("features")
            tokens = ofTokens.value(in: registries.tokens, default: tokens, width)
            features = ofFeatures.value(in: registries.features, default: features, width)
            for part in [ofTokens, ofFeatures, section] { part.finish() }
        }
        /// Issues with an input, with paths relative to the model.
        public func issues(with input: ModelInput) -> [ConfigurationError.Issue] {
            if case .streams(let all) = input { return all.flatMap(issues(with:)) }
            let name = if case .tokens = input { "tokens" } else { "features" }
            return embedder(of: input).issue(with: input).map {
                [ConfigurationError.Issue(path: "embedders.\(name).type", kind: .rule, message: $0)]
            } ?? []
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
            embedder(of: input).make(parameters, input, width)
        }
        private func embedder(of input: ModelInput) -> any EmbedderConfiguration {
            if case .tokens = input { tokens } else { features }
        }
    }
}

// MARK: Embedders

extension TokenEmbedder {
    /// A learned vector for each token.
    public struct Configuration: EmbedderConfiguration {
        public static let type = "table"
        public static let summary = "a learned vector for each token"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
            SequenceModel.plainEmbedder(parameters, input, width)
        }
    }
}

extension VectorEmbedder {
    /// A linear map of each vector.
    public struct Configuration: EmbedderConfiguration {
        public static let type = "linear"
        public static let summary = "a linear map of each vector"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
            SequenceModel.plainEmbedder(parameters, input, width)
        }
    }
}

extension ByteEmbedder {
    public struct Configuration: EmbedderConfiguration {
        public static let type = "bytes"
        public static let summary = "byte embeddings mixed over the last bytes"
        /// Bytes that a vector depends on.
        public var reach = 4
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ width: Int) {
            reach = reader.int("reach", default: reach, in: 1...64)
        }
        public func issue(with input: ModelInput) -> String? {
            guard case .tokens(let vocabulary) = input, vocabulary != 256 else { return nil }
            return "'bytes' takes the 256 bytes, and the data has \(vocabulary) tokens (of a text, data.unit: byte)"
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
            ByteEmbedder(parameters, width: width, reach: reach)
        }
    }
}

extension ImageEmbedder {
    public struct Configuration: EmbedderConfiguration {
        public static let type = "image"
        public static let summary = "patches of an image, through two convolutions"
        /// Pixels of an image; both must be set.
        public var height: Int?
        public var width: Int?
        /// Side of a patch, in pixels.
        public var patch = 4
        /// Channels of the first convolution.
        public var stem = 16
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ modelWidth: Int) {
            let height = reader.int("height", default: height, in: 1...65_536)
            let width = reader.int("width", default: width, in: 1...65_536)
            patch = reader.int("patch", default: patch, in: 1...65_536)
            stem = reader.int("stem", default: stem, in: 1...65_536)
            if height % patch != 0 || width % patch != 0 {
                reader.addIssue("patch", "\(patch) does not divide \(height) × \(width) pixels")
            }
            (self.height, self.width) = (height, width)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ modelWidth: Int) -> any Embedder {
            guard case .features(let channels) = input, let height, let width else {
                fatalError("the embedder 'image' takes features of a height and a width, not \(input)")
            }
            return ImageEmbedder(
                parameters, channels: channels, height: height, width: width, patch: patch, stem: stem, modelWidth: modelWidth)
        }
    }
}
