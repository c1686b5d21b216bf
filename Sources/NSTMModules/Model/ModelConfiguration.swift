import NSTMAutograd
import NSTMTensor

extension BlockOptions {
    /// The normalization of the blocks of a model.
    public enum Norm: String, Sendable, CaseIterable {
        /// LayerNorm without a bias.
        case layer
        /// RMSNorm.
        case rms
        /// No normalization.
        case none
        /// LayerNorm with a bias.
        case biasedLayer = "biased-layer"
    }
}

/// Architecture options of a model.
///
/// The defaults give a pre-norm residual stack with a feed-forward layer in every block and tied embeddings.
public struct BlockOptions {
    /// Builds the second sublayer of a block; nil for a `FeedForward` of `ModelConfiguration.hidden`.
    ///
    /// Its variables share the cache of the mixer, so their names must differ; the mixer alone advances the position.
    public var feedForward: ((_ parameters: ParameterBuilder, _ block: Int, _ residual: Initializer) -> any SequenceMixer)?
    /// Whether the sublayers have residual connections.
    public var isResidual = true
    /// Whether a norm follows the embedding.
    public var normsInput = false
    /// Builds the embedder of each input, with outputs of `width`; nil for `SequenceModel.plainEmbedder`.
    public var embedder: ((_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder)?
    /// Initial token vectors of the plain embedder.
    public var embedding = Initializer.normal(standardDeviation: 0.02)
    /// Whether a next-token head shares the weights of the embedding if the vocabularies have the same size.
    public var isTied = true
    /// Initial weights of an untied next-token head.
    public var head = Initializer.normal(standardDeviation: 0.02)
    /// Whether an untied next-token head has a bias.
    public var headBias = false
    public init() {}
}

/// Inputs, outputs and sizes that every sequence model has.
public struct ModelConfiguration: Sendable, Equatable {
    /// Type and size of the input.
    public var input: ModelInput
    /// Type and size of the output.
    public var output: ModelOutput
    /// D: width of the residual stream.
    public var width = 128
    /// Number of blocks.
    public var layers = 4
    /// Number of heads of each mixer that has heads.
    public var heads = 4
    /// Hidden width of the feed-forward layer of each block; 0 for no feed-forward layer.
    public var hidden = 512
    /// Dropout probability after the embedding and every sublayer, 0..<1.
    public var dropout = 0.0
    /// Number of learned absolute positions, which is then the maximum sequence length; nil for none.
    public var positions: Int?
    /// Whether the backward pass recomputes each block from its input (activation checkpointing): much less memory for the time
    /// of one more forward pass, with bit-identical results.
    public var recompute = false
    public init(input: ModelInput, output: ModelOutput) {
        self.input = input
        self.output = output
    }
}

extension ModelConfiguration {
    /// The configuration with blocks without feed-forward layers.
    package var withoutFeedForward: ModelConfiguration {
        var shape = self
        shape.hidden = 0
        return shape
    }
}
extension BlockOptions {
    /// Stacked layers without residual connections, with embedding and head initialized as in PyTorch.
    package static var recurrent: BlockOptions {
        var style = BlockOptions()
        style.isResidual = false
        style.embedding = .normal(standardDeviation: 1)
        style.isTied = false
        style.head = .fanIn
        style.headBias = true
        return style
    }
}
