import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The linear Transformer (Katharopoulos et al. 2020, "Transformers are RNNs"): a Transformer whose attention is a sum over a
/// feature map φ(x) = elu(x) + 1 instead of a softmax, and therefore a recurrence on a matrix and a vector a head.
///
///     S ← S + φ(k)ᵀ v;  z ← z + φ(k);  o = φ(q) S / (φ(q) · z + 10⁻⁶)
public final class LinearTransformer: SequenceModel {
    /// - Parameter shape: `positions` is the longest sequence it can read; nil for no positions, and then, but for a convolution, the
    ///   order of earlier tokens does not matter.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration,
        options: AttentionProjections.Options = AttentionProjections.Options()
    ) {
        super.init(builder, shape, norm: .layer) { parameters, _, residual in
            LinearAttention(
                parameters, width: shape.width, heads: shape.heads, options: options,
                initializer: .normal(standardDeviation: 0.02),
                outputInitializer: residual)
        }
    }
}

/// The mixer of a `LinearTransformer`; its state is S with z as one more column, for every head.
public final class LinearAttention: SequenceMixer {
    private let frame: AttentionProjections
    public let heads: Int
    private let width: Int
    /// Keeps the denominator from 0, as in the authors' code.
    private static let epsilon = 1e-6

    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int,
        options: AttentionProjections.Options = AttentionProjections.Options(),
        initializer: Initializer = .fanIn, outputInitializer: Initializer = .fanIn
    ) {
        precondition(width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
        frame = AttentionProjections(
            parameters, width: width, options, initializer: initializer, outputInitializer: outputInitializer)
        self.heads = heads
        self.width = width
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
        var s = MixerCache()
        frame.begin(&s, batch: batch, context)
        let d = width / heads
        s["sums"] = context.constant(.zeros([batch, heads, d, d + 1], dtype: frame.output.weight.value.dtype))
        return s
    }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let B = x.shape[0], T = x.shape[1], d = width / heads
        let parts = frame.queriesKeysValues(x, &state, context).split(axis: 2, into: 3)
        let ones = Variable(.ones([B, T, heads, 1], dtype: x.dtype))
        let values = Variable.concatenate([parts[2].reshaped([B, T, heads, d]), ones], axis: 3)
        let scan = (parts[0].elu() + 1).matrixStateScan(
            key: parts[1].elu() + 1, value: values.reshaped([B, T, heads * (d + 1)]), state: state?["sums"], heads: heads)
        let sums = scan.output.reshaped([B, T, heads, d + 1]).split(axis: 3, [d, 1])
        if state != nil {
            state!["sums"] = scan.state
            state!.position += T
        }
        return frame.answer((sums[0] / (sums[1] + LinearAttention.epsilon)).reshaped([B, T, width]), to: x, context)
    }
}

extension LinearAttention: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let d = width / heads
        return frame.multiplyAdds(pass)
            + MatrixStateScan.multiplyAdds(batch: pass.batch, tokens: pass.tokens, heads: heads, keys: d, values: d + 1)
    }
}
