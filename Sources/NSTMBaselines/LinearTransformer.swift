import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The linear Transformer (Katharopoulos et al., 2020, "Transformers are RNNs"): a Transformer whose attention uses the feature
/// map φ(x) = elu(x) + 1 instead of a softmax, and is therefore a recurrence over a matrix and a vector per head.
///
///     S ← S + φ(k)ᵀ v;  z ← z + φ(k);  o = φ(q) S / (φ(q) · z + 10⁻⁶)
public final class LinearTransformer: SequenceModel {
    /// - Parameters:
    ///   - shape: `positions` is the maximum sequence length; nil for no learned positions. Without positions and a convolution,
    ///     the output does not depend on the order of earlier tokens.
    ///   - options: optional parts of the projections.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration,
        options: AttentionProjections.Options = AttentionProjections.Options()
    ) {
        super.init(builder, shape, norm: .layer) { parameters, _, residual in
            Layer(
                parameters, width: shape.width, heads: shape.heads, options: options,
                initializer: .normal(standardDeviation: 0.02),
                outputInitializer: residual)
        }
    }
}

extension LinearTransformer {
    /// The mixer of a `LinearTransformer`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is S with z as one more column, per head.
    public final class Layer: SequenceMixer {
        private let projections: AttentionProjections
        /// Number of heads; divides the width.
        public let heads: Int
        private let width: Int
        /// Added to the denominator to avoid division by 0, as in the authors' code.
        private static let epsilon = 1e-6

        /// - Parameters:
        ///   - heads: number of heads, which divides the width.
        ///   - options: what is added around the projections.
        ///   - initializer: initial weights of the input projection.
        ///   - outputInitializer: initial weights of the output projection.
        public init(
            _ parameters: ParameterBuilder, width: Int, heads: Int,
            options: AttentionProjections.Options = AttentionProjections.Options(),
            initializer: Initializer = .fanIn, outputInitializer: Initializer = .fanIn
        ) {
            requireHeads(heads, width, "LinearTransformer.Layer", parameters)
            projections = AttentionProjections(
                parameters, width: width, options, initializer: initializer, outputInitializer: outputInitializer)
            self.heads = heads
            self.width = width
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            projections.addInitialState(to: &s, batch: batch, context)
            let d = width / heads
            s["sums"] = context.constant(.zeros([batch, heads, d, d + 1], dtype: projections.output.weight.value.dtype))
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let B = x.shape[0], T = x.shape[1], d = width / heads
            let parts = projections.queriesKeysValues(x, &state, context).split(axis: 2, into: 3)
            let ones = Variable(.ones([B, T, heads, 1], dtype: x.dtype))
            let values = Variable.concatenate([parts[2].reshaped([B, T, heads, d]), ones], axis: 3)
            let scan = (parts[0].elu() + 1).matrixStateScan(
                key: parts[1].elu() + 1, value: values.reshaped([B, T, heads * (d + 1)]), state: state?["sums"], heads: heads)
            let sums = scan.output.reshaped([B, T, heads, d + 1]).split(axis: 3, [d, 1])
            if state != nil {
                state!["sums"] = scan.state
                state!.position += T
            }
            let reads = (sums[0] / (sums[1] + Layer.epsilon)).reshaped([B, T, width])
            return projections.outputProjection(reads, gatedBy: x, context)
        }
    }
}

extension LinearTransformer.Layer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let d = width / heads
        return projections.multiplyAdds(pass)
            + MatrixStateScan.multiplyAdds(batch: pass.batch, tokens: pass.tokens, heads: heads, keys: d, values: d + 1)
    }
}
