import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Stacked gated recurrent units (Cho et al., 2014) as PyTorch's `GRU`, whose reset gate is applied after the recurrent product.
///
/// Everything else is as in `LSTM`.
///
///     r, z = σ(W x + b + U h + b');  m = tanh(W x + b + r ⊙ (U h + b'));  h ← (1 − z) ⊙ m + z ⊙ h
public final class GRU: SequenceModel {
    /// - Parameter shape: `width` is that of the embedding and the cells; `heads` and `hidden` are ignored.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration) {
        super.init(builder, shape.withoutFeedForward, norm: .none, style: .recurrent) { parameters, _, _ in
            Layer(parameters, width: shape.width)
        }
    }
}

extension GRU {
    /// A layer of a `GRU`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h.
    public final class Layer: SequenceMixer {
        private let weights: CellWeights

        public init(_ parameters: ParameterBuilder, width: Int) { weights = CellWeights(parameters, width: width, gates: 3) }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["hidden"] = weights.zeros(batch, context)
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let scan = context.linear(x, weights.input, bias: context[weights.inputBias]).gruScan(
                recurrent: context[weights.recurrent], bias: context[weights.recurrentBias], hidden: state?["hidden"])
            if state != nil {
                state!["hidden"] = scan.hidden
                state!.position += x.shape[1]
            }
            return scan.output
        }
    }
}

extension GRU.Layer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? { weights.multiplyAdds(pass) }
}
