import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A sequence model whose mixers are layers of explicit states, each an `NSTMLayer` or two in a `BidirectionalLayer`.
public final class NSTMModel: SequenceModel {
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration,
        embedder: ((_ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int) -> any Embedder)? = nil,
        layer: (_ parameters: ParameterBuilder, _ block: Int, _ residual: Initializer) -> any SequenceMixer
    ) {
        var style = BlockOptions()
        style.embedder = embedder
        super.init(builder, shape, norm: .rms, style: style) { layer($0, $1, $2) }
    }
}

extension SequenceModel {
    /// The layers of explicit states in order, of a bidirectional block the forward one first; empty for a model of another kind.
    public var stateLayers: [NSTMLayer] {
        blocks.flatMap { block in
            if let both = block.mixer as? BidirectionalLayer { return [both.forward, both.backward] }
            return (block.mixer as? NSTMLayer).map { [$0] } ?? []
        }
    }
}
