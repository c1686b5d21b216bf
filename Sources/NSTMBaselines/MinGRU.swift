import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Blocks of minimal gated recurrent units (Feng et al. 2024, "Were RNNs all we needed?"), each followed by a feed-forward part, with
/// RMSNorm and residuals: gates and candidates see the token only, so that the recurrence is a diagonal scan.
///
///     z = σ(W x + b);  m = V x + b';  h ← (1 − z) ⊙ h + z ⊙ m;  y = O h
///
/// This is the form in linear space (the paper's algorithms 1 and 2), in which the candidate needs no positive function.
public final class MinGRU: SequenceModel {
    /// - Parameters:
    ///   - expansion: channels of the recurrence for each of the model.
    ///   - convolution: width of the short causal convolution before it (the paper's language models have 4); nil for none.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, expansion: Int = 1, convolution: Int? = 4) {
        super.init(builder, shape, norm: .rms) { parameters, _, residual in
            MinGRULayer(
                parameters, width: shape.width, channels: expansion * shape.width, convolution: convolution, residual: residual)
        }
    }
}

/// The mixer of a `MinGRU`; its state is h and the last inputs of the convolution.
public final class MinGRULayer: SequenceMixer {
    private let convolution: CausalConvolution?
    private let gates: Linear
    private let output: Linear
    private let channels: Int

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

extension MinGRULayer: CostReporting {
    /// One multiply-add a channel is the recurrence.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        (convolution?.multiplyAdds(pass) ?? 0) + gates.multiplyAdds(pass) + output.multiplyAdds(pass) + pass.rows * channels
    }
}
