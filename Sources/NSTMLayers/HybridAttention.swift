import NSTMAutograd
import NSTMModules
import NSTMTensor

/// softmax over active states of q·Kₘ/√d by heads, then the mix of their values: what tokens read by default. It is fused with the
/// scan of token-driven rules.
public final class ContentRead: StateReadout {
    public init() {}
    public func callAsFunction(_ queries: Variable, _ states: StateBank, _ context: ForwardContext) -> Variable {
        // The scan of one token that writes nothing.
        let b = queries.shape[0], nothing = context.constant(Tensor(repeating: 0, [b, 1, states.count], dtype: queries.dtype))
        let blank = context.constant(Tensor(repeating: 0, queries.shape, dtype: queries.dtype))
        let qkv = Variable.concatenate([queries, blank, blank], axis: 1).expanded(1)
        let scan = qkv.gatedSlotScan(
            write: nothing, keys: states.keys, values: states.values, bias: states.activity.readBias, heads: states.heads)
        context.observe(StateObservation.read.rawValue) { scan.readWeights }
        return scan.output.squeezed(1)
    }
}

/// What tokens read: the states by content and, when there is a local window, the last W tokens by causal attention, mixed by a
/// learned gate for each head.
public final class HybridAttention {
    public let readout: any StateReadout
    /// W; nil reads states only.
    public let window: Int?
    public let heads: Int
    private let balance: Parameter?

    public init(_ parameters: ParameterBuilder, readout: any StateReadout, window: Int?, heads: Int) {
        self.readout = readout
        self.window = window
        self.heads = heads
        balance = window == nil ? nil : parameters("balance", [heads], .zeros)
    }

    /// Mixes what was read of the states [B, T, D] with attention over the window; `history` is the carried part of the window.
    /// - Returns: the reads and the window to carry on (nil without a window).
    func mix(_ reads: Variable, qkv: Variable, history: Variable?, _ context: ForwardContext) -> (Variable, Variable?) {
        guard let window, let balance else { return (reads, nil) }
        let (local, tail) = windowAttention(qkv, history: history, heads: heads, window: window)
        let b = reads.shape[0], t = reads.shape[1], d = reads.shape[2]
        let share = context[balance].sigmoid().expanded(1)
        let split = [b, t, heads, d / heads]
        let mixed = local.reshaped(split) + share * (reads.reshaped(split) - local.reshaped(split))
        return (mixed.reshaped([b, t, d]), tail)
    }
}
