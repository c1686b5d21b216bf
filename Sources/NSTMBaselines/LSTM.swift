import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Stacked long short-term memories (Hochreiter & Schmidhuber 1997; forget gates: Gers et al., 2000) without norms, residual
/// connections or feed-forward layers, as PyTorch's `LSTM`.
///
/// The embedding and the untied output head with a bias are initialized as PyTorch's `Embedding`, N(0, 1), and `Linear`.
///
///     i, f, o = σ(W x + b + U h + b');  m = tanh(…);  c ← f ⊙ c + i ⊙ m;  h ← o ⊙ tanh c
public final class LSTM: SequenceModel {
    /// - Parameters:
    ///   - shape: `width` is that of the embedding and the cells; `heads` and `hidden` are ignored.
    ///   - forgetBias: initial value of the first bias of the forget gate (Jozefowicz et al., 2015 recommend 1); nil to
    ///     initialize it as the other biases.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, forgetBias: Double? = nil) {
        super.init(builder, shape.withoutFeedForward, norm: .none, style: .recurrent) { parameters, _, _ in
            Layer(parameters, width: shape.width, forgetBias: forgetBias)
        }
    }
}

extension LSTM {
    /// A layer of an `LSTM`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h and c.
    public final class Layer: SequenceMixer {
        private let weights: CellWeights

        /// - Parameter forgetBias: initial bias of the forget gate; nil: that of the other gates.
        public init(_ parameters: ParameterBuilder, width: Int, forgetBias: Double? = nil) {
            weights = CellWeights(parameters, width: width, gates: 4, secondGateBias: forgetBias)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["hidden"] = weights.zeros(batch, context)
            s["cell"] = weights.zeros(batch, context)
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            // The two biases are added; there are two so that the parameters are those of PyTorch.
            let bias = context[weights.inputBias] + context[weights.recurrentBias]
            let scan = context.linear(x, weights.input, bias: bias).lstmScan(
                recurrent: context[weights.recurrent], hidden: state?["hidden"], cell: state?["cell"])
            if state != nil {
                state!["hidden"] = scan.hidden
                state!["cell"] = scan.cell
                state!.position += x.shape[1]
            }
            return scan.output
        }
    }
}

/// The parameters of a gated cell, initialized as in PyTorch: U(±1/√width).
struct CellWeights {
    let input: Parameter
    let inputBias: Parameter
    let recurrent: Parameter
    let recurrentBias: Parameter

    /// - Parameter secondGateBias: initial value of the input bias of the second gate; nil for the default.
    init(_ parameters: ParameterBuilder, width: Int, gates: Int, secondGateBias: Double? = nil) {
        let uniform = Initializer.uniform(bound: 1 / Double(max(1, width)).squareRoot())
        let x = parameters.child("input"), h = parameters.child("recurrent")
        input = x("weight", [gates * width, width], uniform)
        inputBias = x(
            "bias", [gates * width],
            Initializer { shape, key, dtype in
                var parts = uniform(shape, key, dtype).chunks(axis: 0, gates)
                if let secondGateBias { parts[1] = Tensor(repeating: secondGateBias, [width], dtype: dtype) }
                return .concatenate(parts, axis: 0)
            })
        recurrent = h("weight", [gates * width, width], uniform)
        recurrentBias = h("bias", [gates * width], uniform)
    }
    func zeros(_ batch: Int, _ context: ForwardContext) -> Variable {
        context.constant(.zeros([batch, recurrent.value.shape[1]], dtype: recurrent.value.dtype))
    }
}

extension LSTM.Layer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? { weights.multiplyAdds(pass) }
}
extension CellWeights {
    /// Multiply-adds of a pass: the gates, and two per element of the cell (for GRU: the product with r, and the interpolation of
    /// m and h).
    func multiplyAdds(_ pass: PassSize) -> Int {
        pass.rows * (input.value.count + recurrent.value.count + 2 * recurrent.value.shape[1])
    }
}
