import NSTMConfiguration
import NSTMModules

/// The ways into a model that configurations can name, by what they take.
public struct EmbedderRegistries: Sendable {
    /// Reads its settings, given all inputs that the embedder would take, and returns what builds the embedder of one of them for a
    /// width. An input that it cannot take is reported to the reader (`addIssue`), before anything is built; lengths that it
    /// cannot take are what `Embedder.fixedLength` says.
    public typealias Factory =
        @Sendable (ConfigurationReader, [ModelInput]) -> (ParameterBuilder, ModelInput, Int) -> any Embedder

    public var tokens = Registry<Factory>("embedder of tokens")
    public var features = Registry<Factory>("embedder of features")

    public init() {
        tokens.register("table") { _, _ in { SequenceModel.plainEmbedder($0, $1, $2) } }
        tokens.register("bytes") { config, inputs in
            let reach = config.int("reach", default: 4, in: 1...64)
            for case .tokens(let vocabulary) in inputs where vocabulary != 256 {
                config.addIssue(
                    "kind", "'bytes' takes the 256 bytes, and the data has \(vocabulary) tokens (of a text, data.unit: byte)")
            }
            return { parameters, _, width in ByteEmbedder(parameters, width: width, reach: reach) }
        }
        features.register("linear") { _, _ in { SequenceModel.plainEmbedder($0, $1, $2) } }
        features.register("image") { config, _ in
            let height = config.int("height", in: 1...65_536), width = config.int("width", in: 1...65_536)
            let patch = config.int("patch", default: 4, in: 1...65_536), stem = config.int("stem", default: 16, in: 1...65_536)
            if height % patch != 0 || width % patch != 0 {
                config.addIssue("patch", "\(patch) does not divide \(height) × \(width) pixels")
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
public struct EmbedderConfiguration {
    private let tokens: (ParameterBuilder, ModelInput, Int) -> any Embedder
    private let features: (ParameterBuilder, ModelInput, Int) -> any Embedder

    /// - Parameter input: what the model reads.
    public init(_ config: ConfigurationReader, _ registries: EmbedderRegistries, _ input: ModelInput) {
        let inputs = if case .streams(let all) = input { all } else { [input] }
        func isTokens(_ input: ModelInput) -> Bool { if case .tokens = input { true } else { false } }
        let section = config.child("embedders")
        func plan(_ name: String, _ inputs: [ModelInput], _ registry: Registry<EmbedderRegistries.Factory>, _ usual: String)
            -> (ParameterBuilder, ModelInput, Int) -> any Embedder
        {
            let reader = section.child(name)
            defer { reader.finish() }
            // A kind that could not be resolved has left an issue, and an invalid configuration builds nothing.
            return reader.factory("kind", in: registry, default: usual).map { $0(reader, inputs) } ?? {
                SequenceModel.plainEmbedder($0, $1, $2)
            }
        }
        tokens = plan("tokens", inputs.filter(isTokens), registries.tokens, "table")
        features = plan("features", inputs.filter { !isTokens($0) }, registries.features, "linear")
        section.finish()
    }
    public func embedder(_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder {
        if case .tokens = input { tokens(parameters, input, width) } else { features(parameters, input, width) }
    }
}
