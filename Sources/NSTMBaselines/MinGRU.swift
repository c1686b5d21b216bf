import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Minimal gated recurrent units (Feng et al., 2024, "Were RNNs all we needed?") in pre-RMSNorm residual blocks with feed-forward
/// layers.
///
/// Gates and candidates depend only on the token, so that the recurrence is a diagonal scan.
///
///     z = σ(W x + b);  m = V x + b';  h ← (1 − z) ⊙ h + z ⊙ m;  y = O h
///
/// This is the form in linear space (algorithms 1 and 2 of the paper), in which candidates may be negative.
public final class MinGRU: SequenceModel {
    /// - Parameters:
    ///   - expansion: ratio of the channels of the recurrence to the width.
    ///   - convolution: width of the causal convolution before the recurrence (4 in the paper's language models); nil for none.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, expansion: Int = 1, convolution: Int? = 4) {
        super.init(builder, shape, norm: .rms) { parameters, _, residual in
            Layer(
                parameters, width: shape.width, channels: expansion * shape.width, convolution: convolution, residual: residual)
        }
    }
}

extension MinGRU {
    /// The mixer of a `MinGRU`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h and the last inputs of the convolution.
    public final class Layer: SequenceMixer {
        private let convolution: CausalConvolution?
        private let gates: Linear
        private let output: Linear
        private let channels: Int

        /// - Parameters:
        ///   - channels: number of channels of h.
        ///   - convolution: width of the causal convolution before the gates; nil: none.
        ///   - residual: initial weights of the output projection.
        public init(
            _ parameters: ParameterBuilder, width: Int, channels: Int, convolution: Int? = 4, residual: Initializer = .fanIn
        ) {
            self.convolution = convolution.map {
                CausalConvolution(parameters.child("convolution"), channels: width, width: $0, bias: true)
            }
            gates = Linear(parameters.child("gates"), in: width, out: 2 * channels)
            output = Linear(parameters.child("output"), in: channels, out: width, bias: false, initializer: residual)
            self.channels = channels
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            if let convolution { s["convolution"] = convolution.initialState(batch: batch, context) }
            s["hidden"] = context.constant(.zeros([batch, channels], dtype: gates.weight.value.dtype))
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let u = convolution.map { $0(x, &state, "convolution", context) } ?? x
            let parts = gates(u, context).split(axis: 2, into: 2), z = parts[0].sigmoid()
            let scan = (z * parts[1]).diagonalScan(decay: 1 - z, state: state?["hidden"])
            if state != nil {
                state!["hidden"] = scan.state
                state!.position += x.shape[1]
            }
            return output(scan.output, context)
        }
    }
}

extension MinGRU.Layer: CostReporting {
    /// Multiply-adds of a pass; the recurrence has one per channel and token.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        (convolution?.multiplyAdds(pass) ?? 0) + gates.multiplyAdds(pass) + output.multiplyAdds(pass) + pass.rows * channels
    }
}
