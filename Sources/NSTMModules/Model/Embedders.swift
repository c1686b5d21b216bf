import NSTMAutograd
import NSTMTensor

/// Turns what a model is given into vectors of the model's width, one for every position: the way in for a modality. All that
/// follows (states, blocks, heads) is the same for every modality.
public protocol Embedder: AnyObject {
    /// int32 [B, T] or floats [B, T, F] → [B, T', D]. T' is T where positions go in one by one.
    func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable
    /// Multiply-adds of a pass by formula (`CostReporting`); nil when it does not say.
    func multiplyAdds(_ pass: PassSize) -> Int?
    /// The only T it can take, such as the pixels of an image; nil for any.
    var fixedLength: Int? { get }
    /// Whether positions go in one by one, so that it can go on in the middle of a sequence; true by default.
    var isStreamable: Bool { get }
    /// The table of token vectors [vocabulary, D], which an output head of the same vocabulary shares; nil without one.
    var table: Parameter? { get }
}
extension Embedder {
    public var table: Parameter? { nil }
    public var fixedLength: Int? { nil }
    public var isStreamable: Bool { true }
    public func multiplyAdds(_ pass: PassSize) -> Int? { nil }
}

/// A learned vector for every token.
public final class TokenEmbedder: Embedder {
    private let embedding: Embedding
    public init(
        _ parameters: ParameterBuilder, vocabulary: Int, width: Int, initializer: Initializer = .normal(standardDeviation: 0.02)
    ) {
        embedding = Embedding(parameters, count: vocabulary, width: width, initializer: initializer)
    }
    public func multiplyAdds(_ pass: PassSize) -> Int? { 0 }
    public var table: Parameter? { embedding.weight }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable { embedding(input, context) }
}

/// A linear map of continuous vectors (sensor readings, pixels of a patch).
public final class VectorEmbedder: Embedder {
    private let map: Linear
    public init(_ parameters: ParameterBuilder, features: Int, width: Int) { map = Linear(parameters, in: features, out: width) }
    public func multiplyAdds(_ pass: PassSize) -> Int? { pass.rows * map.weight.value.count }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable { map(context.constant(input), context) }
}

/// Images given pixel by pixel, row by row, [B, height · width, channels], as one vector for every patch, row by row: a 3 × 3
/// convolution with GELU, then one whose kernel and stride are the patch. A convolution in front of the patches is what Xiao et al.,
/// "Early convolutions help transformers see better" (2021), found easier to train than a linear map of pixels.
public final class ImageEmbedder: Embedder {
    public let height: Int
    public let width: Int
    public let patch: Int
    private let channels: Int
    private let stem: Conv2d
    private let patches: Conv2d
    public var fixedLength: Int? { height * width }
    public var isStreamable: Bool { false }

    /// - Parameters:
    ///   - channels: numbers of a pixel.
    ///   - height: rows of an image; a multiple of `patch`.
    ///   - width: columns of an image; a multiple of `patch`.
    ///   - stemChannels: channels between the two convolutions.
    ///   - modelWidth: D.
    public init(
        _ parameters: ParameterBuilder, channels: Int, height: Int, width: Int, patch: Int, stem stemChannels: Int,
        modelWidth: Int
    ) {
        guard patch >= 1, height % patch == 0, width % patch == 0 else {
            nstmFatal(.other(op: "ImageEmbedder", "patches of \(patch) in \(height) × \(width) pixels"), at: parameters.path)
        }
        (self.channels, self.height, self.width, self.patch) = (channels, height, width, patch)
        stem = Conv2d(parameters.child("stem"), in: channels, out: stemChannels, kernel: 3, padding: 1)
        patches = Conv2d(
            parameters.child("patches"), in: stemChannels, out: modelWidth, kernel: PlaneSize(patch, patch),
            stride: PlaneSize(patch, patch))
    }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable {
        guard input.rank == 3, input.shape[1] == height * width, input.shape[2] == channels else {
            nstmFatal(
                .other(op: "ImageEmbedder", "input \(input.shape); needs whole images [B, \(height * width), \(channels)]"),
                at: context.path)
        }
        let batch = input.shape[0]
        let plane = context.constant(input.transposed(1, 2).reshaped([batch, channels, height, width]))
        let seen = context.scope("stem") { stem(plane, context).gelu() }
        let cut = context.scope("patches") { patches(seen, context) }
        return cut.reshaped([batch, cut.shape[1], cut.shape[2] * cut.shape[3]]).transposed(1, 2)
    }
}

/// Bytes: a learned vector for each of the 256, plus what a causal convolution makes of the last few, so that a position begins as
/// a piece of a word and not as a letter. The convolution starts anew with every call, so it takes whole sequences.
public final class ByteEmbedder: Embedder {
    private let embedding: Embedding
    private let convolution: CausalConvolution

    /// - Parameter reach: bytes that a position sees, its own included.
    public init(_ parameters: ParameterBuilder, width: Int, reach: Int = 4) {
        embedding = Embedding(parameters, count: 256, width: width)
        convolution = CausalConvolution(parameters.child("convolution"), channels: width, width: reach, silu: true)
    }
    public var table: Parameter? { embedding.weight }
    public var isStreamable: Bool { false }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable {
        let x = embedding(input, context)
        return x + context.scope("convolution") { convolution(x, context) }
    }
}

/// Several inputs as one sequence: their positions one after the other, each with a learned vector that says which input it belongs
/// to. The layers behind see one sequence, so that all inputs write to and read the same states.
final class StreamEmbedder {
    let streams: [any Embedder]
    private let kinds: Parameter
    init(_ parameters: ParameterBuilder, _ streams: [any Embedder], width: Int) {
        self.streams = streams
        kinds = parameters("kinds", [streams.count, width], .normal(standardDeviation: 0.02))
    }
    func callAsFunction(_ inputs: [Tensor], _ context: ForwardContext) -> Variable {
        guard inputs.count == streams.count else {
            nstmFatal(.other(op: "streams", "\(inputs.count) inputs for \(streams.count) streams"), at: context.path)
        }
        let kinds = context[kinds]
        return .concatenate(
            zip(streams, inputs).enumerated().map { i, pair in
                context.scope("\(i)") { pair.0(pair.1, context) + kinds.select(axis: 0, i) }
            }, axis: 1)
    }
}
