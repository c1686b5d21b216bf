import NSTMModules

/// The ways into a model that configurations can name, by what they take.
public struct EmbedderRegistries: Sendable {
    /// Reads its settings and returns what builds the embedder of an input for a width.
    public typealias Factory = @Sendable (ConfigReader) -> (ParameterBuilder, ModelInput, Int) -> any Embedder

    public var tokens = Registry<Factory>("embedder of tokens")
    public var features = Registry<Factory>("embedder of features")

    public init() {
        tokens.register("table") { _ in { SequenceModel.plainEmbedder($0, $1, $2) } }
        tokens.register("bytes") { config in
            let reach = config.int("reach", default: 4, in: 1...64)
            return { parameters, input, width in
                guard input == .tokens(vocabulary: 256) else { fatalError("the embedder 'bytes' takes 256 tokens, not \(input)") }
                return ByteEmbedder(parameters, width: width, reach: reach)
            }
        }
        features.register("linear") { _ in { SequenceModel.plainEmbedder($0, $1, $2) } }
        features.register("image") { config in
            let height = config.int("height", in: 1...65_536), width = config.int("width", in: 1...65_536)
            let patch = config.int("patch", default: 4, in: 1...65_536), stem = config.int("stem", default: 16, in: 1...65_536)
            if height % patch != 0 || width % patch != 0 {
                config.addFault("patch", "\(patch) does not divide \(height) × \(width) pixels")
            }
            return { parameters, input, modelWidth in
                guard case .features(let channels) = input else {
                    fatalError("the embedder 'image' takes features, not \(input)")
                }
                return ImageEmbedder(
                    parameters, channels: channels, height: height, width: width, patch: patch, stem: stem,
                    modelWidth: modelWidth)
            }
        }
    }
}

/// How a model takes its inputs in, as a configuration says it: `embedders.tokens.kind` for every input of tokens,
/// `embedders.features.kind` for every input of vectors.
public struct EmbedderPlan {
    private let tokens: (ParameterBuilder, ModelInput, Int) -> any Embedder
    private let features: (ParameterBuilder, ModelInput, Int) -> any Embedder

    public init(_ config: ConfigReader, _ registries: EmbedderRegistries) {
        let section = config.child("embedders")
        func plan(_ name: String, _ registry: Registry<EmbedderRegistries.Factory>, _ usual: String)
            -> (ParameterBuilder, ModelInput, Int) -> any Embedder
        {
            let reader = section.child(name)
            defer { reader.finish() }
            // A kind that could not be resolved has left a fault, and a faulty configuration builds nothing.
            return reader.factory("kind", in: registry, default: usual).map { $0(reader) } ?? {
                SequenceModel.plainEmbedder($0, $1, $2)
            }
        }
        tokens = plan("tokens", registries.tokens, "table")
        features = plan("features", registries.features, "linear")
        section.finish()
    }
    public func embedder(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
        if case .tokens = input { tokens(parameters, input, width) } else { features(parameters, input, width) }
    }
}
