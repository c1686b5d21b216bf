import NSTMAutograd
import NSTMTensor

public enum NormKind: String, Sendable, CaseIterable {
    case layer, rms, none
    /// LayerNorm with a bias.
    case biasedLayer = "biased-layer"
}

/// Where a model differs from a pre-norm residual stack with a feed-forward part in every block and tied embeddings.
public struct BlockOptions {
    /// Builds the second part of a block, in place of a feed-forward part of the shape's hidden width. Its state is carried with the
    /// mixer's, so its names must differ; positions are the mixer's business.
    public var feedForward: ((_ parameters: ParameterBuilder, _ block: Int, _ residual: Initializer) -> any SequenceMixer)?
    /// Whether each part adds to what it reads; otherwise it takes its place.
    public var isResidual = true
    /// Whether a norm follows the embedding.
    public var normsInput = false
    /// Builds the way in of an input (of each, when there are several) for a width; nil: `SequenceModel.plainEmbedder`.
    public var embedder: ((_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder)?
    /// Vectors of tokens, of the plain way in.
    public var embedding = Initializer.normal(standardDeviation: 0.02)
    /// Whether a next-token head uses the weights of the embedding when the vocabularies are the same.
    public var isTied = true
    /// Weights of a next-token head of its own, and whether it has a bias.
    public var head = Initializer.normal(standardDeviation: 0.02)
    public var headBias = false
    public init() {}
}

/// Sizes that every sequence model has.
public struct ModelConfiguration: Sendable, Equatable {
    public var input: ModelInput
    public var output: ModelOutput
    public var width = 128
    public var layers = 4
    public var heads = 4
    /// Width of the feed-forward part; 0 leaves it out.
    public var hidden = 512
    public var dropout = 0.0
    /// Number of learned absolute positions; nil for none. A model with positions cannot go beyond them.
    public var positions: Int?
    /// Keeps only the inputs of the blocks for backward, and computes each block again on the way back: much less memory and the
    /// same bits, for the time of one more forward pass.
    public var recompute = false
    public init(input: ModelInput, output: ModelOutput) {
        self.input = input
        self.output = output
    }
}
