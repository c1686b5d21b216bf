import NSTMConfiguration
import NSTMLayers
import NSTMModules

extension NSTMModel {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "nstm"
        public static let summary =
            "layers of explicit states, with sections `router`, `update`, `interaction`, `read`, `lifecycle`, `embedders`"
        public var sizes = ModelSizes(heads: 4)
        public var layer = NSTMLayer.Configuration()
        public var embedders = NSTMModel.Embedders()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { ($0 * 13 / 4 + 7) / 8 * 8 })
            layer = NSTMLayer.Configuration(
                reader, width: sizes.width, heads: sizes.heads ?? 1, layers: sizes.layers, strategies: strategies)
            embedders = NSTMModel.Embedders(reader, strategies.embedders, width: sizes.width)
        }
        public func issues(_ input: ModelInput, _ output: ModelOutput) -> [ConfigurationError.Issue] {
            let isWrongWay = layer.isBidirectional && !output.isPooled
            let bidirectional = ConfigurationError.Issue(
                path: "bidirectional", kind: .rule,
                message: "is for one answer for each sequence: elsewhere tokens would see what they are to predict")
            return embedders.issues(with: input) + (isWrongWay ? [bidirectional] : [])
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            NSTMModel(parameters, sizes.shape(input, output), embedder: embedders.make) {
                layer.mixer($0, block: $1, residual: $2)
            }
        }
    }
}
