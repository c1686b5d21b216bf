import NSTMAutograd
import NSTMTensor

/// The input embedding of a modality: maps an input to vectors of the model's width, one per position.
///
/// Everything after it (states, blocks, heads) is independent of the modality.
public protocol Embedder: AnyObject {
    /// The embedded input, [B, T', D], of int32 [B, T] or floats [B, T, F]. T' = T if the embedder is streamable.
    func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable
    /// Multiply-adds of a pass, by formula (`CostReporting`); nil, the default, without a formula.
    func multiplyAdds(_ pass: PassSize) -> Int?
    /// The only T that is accepted, such as the number of pixels of an image; nil, the default, for any.
    var fixedLength: Int? { get }
    /// Whether every position is embedded independently of the others, so that a sequence can be fed in segments; true by
    /// default.
    var isStreamable: Bool { get }
    /// The table of token vectors, [vocabulary, D], for an output head with tied weights; nil, the default, without one.
    var table: Parameter? { get }
}
extension Embedder {
    public var table: Parameter? { nil }
    public var fixedLength: Int? { nil }
    public var isStreamable: Bool { true }
    public func multiplyAdds(_ pass: PassSize) -> Int? { nil }
}

/// A learned vector per token: int32 [B, T] → [B, T, D].
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

/// A linear map of continuous vectors (sensor readings, pixels of a patch): [B, T, F] → [B, T, D].
public final class VectorEmbedder: Embedder {
    private let map: Linear
    public init(_ parameters: ParameterBuilder, features: Int, width: Int) { map = Linear(parameters, in: features, out: width) }
    public func multiplyAdds(_ pass: PassSize) -> Int? { pass.rows * map.weight.value.count }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable { map(context.constant(input), context) }
}

/// A convolutional patch embedding of images: [B, height · width, channels] → [B, patches, D], both in row-major order.
///
/// A 3 × 3 convolution with GELU is followed by one whose kernel and stride are the patch size. Xiao et al., "Early convolutions
/// help transformers see better" (2021), found a convolution before the patches easier to train than a linear map of pixels.
public final class ImageEmbedder: Embedder {
    /// Rows of pixels.
    public let height: Int
    /// Columns of pixels.
    public let width: Int
    /// Rows and columns of a patch, in pixels; divides the height and the width.
    public let patch: Int
    private let channels: Int
    private let stem: Conv2d
    private let patches: Conv2d
    public var fixedLength: Int? { height * width }
    public var isStreamable: Bool { false }

    /// - Parameters:
    ///   - channels: values per pixel.
    ///   - height: rows of pixels of an image, a multiple of `patch`.
    ///   - width: columns of pixels of an image, a multiple of `patch`.
    ///   - patch: rows and columns of a patch.
    ///   - stemChannels: channels between the two convolutions.
    ///   - modelWidth: D.
    public init(
        _ parameters: ParameterBuilder, channels: Int, height: Int, width: Int, patch: Int, stem stemChannels: Int,
        modelWidth: Int
    ) {
        guard patch >= 1, height % patch == 0, width % patch == 0 else {
            nstmFatal(
                .other(op: "ImageEmbedder", "\(height) × \(width) pixels are not divisible into patches of \(patch) × \(patch)"),
                at: parameters.path)
        }
        (self.channels, self.height, self.width, self.patch) = (channels, height, width, patch)
        stem = Conv2d(parameters.child("stem"), in: channels, out: stemChannels, kernel: 3, padding: 1)
        patches = Conv2d(
            parameters.child("patches"), in: stemChannels, out: modelWidth, kernel: Variable.PlaneSize(patch, patch),
            stride: Variable.PlaneSize(patch, patch))
    }
    public func callAsFunction(_ input: Tensor, _ context: ForwardContext) -> Variable {
        guard input.rank == 3, input.shape[1] == height * width, input.shape[2] == channels else {
            nstmFatal(
                .other(op: "ImageEmbedder", "input \(input.shape), expected whole images [B, \(height * width), \(channels)]"),
                at: context.path)
        }
        let batch = input.shape[0]
        let plane = context.constant(input.transposed(1, 2).reshaped([batch, channels, height, width]))
        let features = context.scope("stem") { stem(plane, context).gelu() }
        let embedded = context.scope("patches") { patches(features, context) }
        return embedded.reshaped([batch, embedded.shape[1], embedded.shape[2] * embedded.shape[3]]).transposed(1, 2)
    }
}

/// An embedding of bytes, int32 [B, T] → [B, T, D]: a learned vector per byte plus a causal convolution of the last `reach`
/// vectors, so that a position represents a piece of a word rather than a letter.
///
/// Not streamable: the convolution has no cache, so every call takes whole sequences.
public final class ByteEmbedder: Embedder {
    private let embedding: Embedding
    private let convolution: CausalConvolution

    /// - Parameter reach: width of the convolution: number of bytes that a position depends on, its own included.
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

/// An embedding of several inputs as one sequence, [B, T₁ + T₂ + …, D]: the embedded inputs are concatenated, with a learned
/// vector per input added (a segment embedding).
///
/// The layers see one sequence, so that all inputs write to and read the same states.
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
