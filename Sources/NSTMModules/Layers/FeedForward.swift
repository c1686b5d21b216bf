import NSTMAutograd
import NSTMTensor

/// Two linear maps with an activation between them, at every position. It carries nothing from token to token.
public final class FeedForward: SequenceMixer {
    public let up: Linear
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

/// A feed-forward part with a gate (SwiGLU: Shazeer 2020), without biases: down(silu(x W) ⊙ x V).
public final class SwiGLU: SequenceMixer {
    /// W and V in one.
    public let up: Linear
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
