import NSTMAutograd
import NSTMTensor

/// A position-wise MLP of two linear maps without biases, [B, T, D] → [B, T, D]: down(act(up(x))).
///
/// Its cache is empty.
public final class FeedForward: SequenceMixer {
    /// D → hidden, followed by the activation.
    public let up: Linear
    /// hidden → D.
    public let down: Linear
    public init(
        _ parameters: ParameterBuilder, width: Int, hidden: Int, activation: Activation = .gelu,
        initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        up = Linear(
            parameters.child("up"), in: width, out: hidden, bias: false, activation: activation, initializer: initializer)
        down = Linear(parameters.child("down"), in: hidden, out: width, bias: false, initializer: outputInitializer)
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable { down(up(x, context), context) }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache { MixerCache() }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        self(x, context)
    }
}

/// A position-wise gated MLP without biases (Shazeer 2020), [B, T, D] → [B, T, D]: down(silu(x W) ⊙ x V).
///
/// Its cache is empty.
public final class SwiGLU: SequenceMixer {
    /// W and V concatenated, D → 2 · hidden.
    public let up: Linear
    /// hidden → D.
    public let down: Linear
    public init(
        _ parameters: ParameterBuilder, width: Int, hidden: Int, initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        up = Linear(parameters.child("up"), in: width, out: 2 * hidden, bias: false, initializer: initializer)
        down = Linear(parameters.child("down"), in: hidden, out: width, bias: false, initializer: outputInitializer)
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache { MixerCache() }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let parts = up(x, context).split(axis: 2, into: 2)
        return down(parts[0].silu() * parts[1], context)
    }
}
