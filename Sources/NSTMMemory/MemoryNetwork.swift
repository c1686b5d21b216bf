import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Stacked layers with an external memory each, without norms, residual connections or feed-forward layers.
///
/// The neural Turing machine (Graves, Wayne & Danihelka 2014) with location addressing, and the differentiable neural computer
/// (Graves et al. 2016) with allocation and temporal addressing.
///
/// The embedding and the head are those of `LSTM`, so that the models are compared by their layers.
public final class MemoryNetwork: SequenceModel {
    /// - Parameters:
    ///   - shape: `width` is that of the embedding; `heads` and `hidden` are ignored.
    ///   - segment: tokens of a segment that is computed again in the backward pass; nil: nothing is computed again.
    ///   - truncation: tokens of a segment between which no gradient flows; nil: backpropagation through the whole pass.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, memory: any ExternalMemoryConfiguration,
        controller: any MemoryControllerConfiguration = MemoryMixer.LSTMController.Configuration(), segment: Int? = nil,
        truncation: Int? = nil
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .none, style: .recurrent) { parameters, _, _ in
            MemoryMixer(
                parameters, width: shape.width, memory: memory.make(parameters.child("memory")), segment: segment,
                truncation: truncation
            ) { controller.make($0, inputs: $1, reads: $2) }
        }
    }
}
