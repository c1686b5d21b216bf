import NSTMAutograd
import NSTMTensor

/// What lies before and behind a read of queries, keys and values in a mixer:
///
///     q, k, v = x W, or silu(conv(x W));   y = o O, or (RMSNorm(o) ⊙ silu(x G)) O
///
/// Its parameters stand beside those of the mixer: `projection`, `convolution`, `gate`, `norm`, `output`.
public final class AttentionProjections {
    public struct Options: Sendable, Equatable {
        /// Width of a causal depthwise convolution over q, k and v, with silu; nil for none.
        public var convolution: Int?
        /// Whether reads are normalized and gated by the token.
        public var gatesOutput = false
        public init(convolution: Int? = nil, gatesOutput: Bool = false) {
            self.convolution = convolution
            self.gatesOutput = gatesOutput
        }
    }
    public let projection: Linear
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
    /// Puts what the convolution carries into a state.
    public func begin(_ state: inout MixerCache, batch: Int, _ context: ForwardContext) {
        if let convolution { state["convolution"] = convolution.initialState(batch: batch, context) }
    }
    /// q, k and v in one, [B, T, 3D].
    public func queriesKeysValues(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let qkv = context.scope("projection") { projection(x, context) }
        guard let convolution else { return qkv }
        return context.scope("convolution") { convolution(qkv, &state, "convolution", context) }
    }
    /// The layer's answer to what tokens x have read.
    public func answer(_ reads: Variable, to x: Variable, _ context: ForwardContext) -> Variable {
        context.scope("output") {
            guard let gate, let norm else { return output(reads, context) }
            return output(
                reads.gatedRMSNorm(gain: context[norm.gain], gate: gate(x, context), epsilon: norm.epsilon), context)
        }
    }
}
