import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Stacked long short-term memories (Hochreiter & Schmidhuber 1997; forget gates: Gers et al. 2000), layer on layer without norms,
/// residuals or feed-forward parts, as PyTorch's `LSTM`; embedding N(0, 1) and an output head of its own with a bias, as PyTorch's
/// `Embedding` and `Linear` start.
///
///     i, f, o = σ(W x + b + U h + b');  m = tanh(…);  c ← f ⊙ c + i ⊙ m;  h ← o ⊙ tanh c
public final class LSTM: SequenceModel {
    /// - Parameters:
    ///   - shape: `width` is that of embedding and cells; heads and hidden width mean nothing here.
    ///   - forgetBias: where the forget gate's first bias starts; nil as all others (Jozefowicz et al. 2015 want 1).
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, forgetBias: Double? = nil) {
        super.init(builder, shape.withoutFeedForward, norm: .none, style: .recurrent) { parameters, _, _ in
            LSTMLayer(parameters, width: shape.width, forgetBias: forgetBias)
        }
    }
}

/// One layer of an `LSTM`; its state is h and c.
public final class LSTMLayer: SequenceMixer {
    private let weights: CellWeights

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
        // Both biases go the same way; there are two of them so that parameters are PyTorch's.
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

/// Parameters of a gated cell, all of which start as U(±1/√width): as in PyTorch.
struct CellWeights {
    let input: Parameter
    let inputBias: Parameter
    let recurrent: Parameter
    let recurrentBias: Parameter

    /// - Parameter secondGateBias: where that part of the first bias starts instead.
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

extension ModelConfiguration {
    /// The same with blocks of one part.
    var withoutFeedForward: ModelConfiguration {
        var shape = self
        shape.hidden = 0
        return shape
    }
}
extension BlockOptions {
    /// Layer on layer, between PyTorch's `Embedding` and `Linear`.
    static var recurrent: BlockOptions {
        var style = BlockOptions()
        style.isResidual = false
        style.embedding = .normal(standardDeviation: 1)
        style.isTied = false
        style.head = .fanIn
        style.headBias = true
        return style
    }
}

extension LSTMLayer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? { weights.multiplyAdds(pass) }
}
extension CellWeights {
    /// The gates, and two products of the cell (of GRU: with r, and the mean of m and h).
    func multiplyAdds(_ pass: PassSize) -> Int {
        pass.rows * (input.value.count + recurrent.value.count + 2 * recurrent.value.shape[1])
    }
}
