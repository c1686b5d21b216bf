import NSTMAutograd
import NSTMTensor

/// Input and output projections of an attention-like mixer, [B, T, D] → [B, T, 3D] and [B, T, D] → [B, T, D].
///
///     q, k, v = x W, or silu(conv(x W));   y = o O, or (RMSNorm(o) ⊙ silu(x G)) O
///
/// Its parameters have the same prefix as those of the mixer: `projection`, `convolution`, `gate`, `norm`, `output`.
public final class AttentionProjections {
    /// Optional parts of the projections.
    public struct Options: Sendable, Equatable {
        /// Width of a causal depthwise convolution over q, k and v, with silu; nil for none.
        public var convolution: Int?
        /// Whether the mixer's output o is RMS-normalized and gated by silu(x G).
        public var gatesOutput = false
        public init(convolution: Int? = nil, gatesOutput: Bool = false) {
            self.convolution = convolution
            self.gatesOutput = gatesOutput
        }
    }
    /// W, [3D, D]: queries, keys and values concatenated.
    public let projection: Linear
    /// O, [D, D].
    public let output: Linear
    let convolution: CausalConvolution?
    let gate: Linear?
    private let norm: RMSNorm?

    public init(
        _ parameters: ParameterBuilder, width: Int, _ options: Options = Options(), initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        projection = Linear(parameters.child("projection"), in: width, out: 3 * width, bias: false, initializer: initializer)
        convolution = options.convolution.map {
            CausalConvolution(parameters.child("convolution"), channels: 3 * width, width: $0, silu: true)
        }
        gate =
            options.gatesOutput
            ? Linear(parameters.child("gate"), in: width, out: width, bias: false, initializer: initializer) : nil
        norm = options.gatesOutput ? RMSNorm(parameters.child("norm"), width: width) : nil
        output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: outputInitializer)
    }
    /// Adds the initial history of the convolution, if there is one, to a cache.
    public func addInitialState(to state: inout MixerCache, batch: Int, _ context: ForwardContext) {
        if let convolution { state["convolution"] = convolution.initialState(batch: batch, context) }
    }
    /// q, k and v of tokens x [B, T, D], concatenated along the last axis: [B, T, 3D].
    public func queriesKeysValues(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let qkv = context.scope("projection") { projection(x, context) }
        guard let convolution else { return qkv }
        return context.scope("convolution") { convolution(qkv, &state, "convolution", context) }
    }
    /// Output [B, T, D] of the mixer.
    /// - Parameters:
    ///   - reads: o [B, T, D], the values that the tokens attended to.
    ///   - x: the tokens, [B, T, D], for the output gate.
    public func outputProjection(_ reads: Variable, gatedBy x: Variable, _ context: ForwardContext) -> Variable {
        context.scope("output") {
            guard let gate, let norm else { return output(reads, context) }
            return output(
                reads.gatedRMSNorm(gain: context[norm.gain], gate: gate(x, context), epsilon: norm.epsilon), context)
        }
    }
}
