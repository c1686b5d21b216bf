import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The read of a layer: the states by content and, with a local window, the last W tokens by causal attention, mixed by a learned
/// gate per head.
public final class HybridAttention {
    public let readout: any StateReadout
    /// Window length W; nil to read states only.
    public let window: Int?
    /// Number of heads.
    public let heads: Int
    private let balance: Parameter?

    public init(_ parameters: ParameterBuilder, readout: any StateReadout, window: Int?, heads: Int) {
        self.readout = readout
        self.window = window
        self.heads = heads
        balance = window == nil ? nil : parameters("balance", [heads], .zeros)
    }

    /// Mixes what was read of the states [B, T, D] with attention over the window; `history` is the carried part of the window.
    /// - Returns: the reads and the window for the next call (nil without a window).
    func mix(_ reads: Variable, qkv: Variable, history: Variable?, _ context: ForwardContext) -> (Variable, Variable?) {
        guard let window, let balance else { return (reads, nil) }
        let (local, tail) = windowAttention(qkv, history: history, heads: heads, window: window)
        let b = reads.shape[0], t = reads.shape[1], d = reads.shape[2]
        let share = context[balance].sigmoid().unsqueezed(axis: 1)
        let split = [b, t, heads, d / heads]
        let mixed = local.reshaped(split) + share * (reads.reshaped(split) - local.reshaped(split))
        return (mixed.reshaped([b, t, d]), tail)
    }
}
