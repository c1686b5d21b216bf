import NSTMAutograd
import NSTMTensor

/// Every token moves states towards what it offers:
///
///     Kₘ ← Kₘ + uₘ (k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ)
///
/// A state is a convex combination of what it saw and its beginning, so it is bounded by construction. Fused with `ContentRead`; no
/// gradient comes to a weight that is exactly 0.
public struct ConvexUpdate: UpdateFamily {
    /// u [B, T, N] in 0 ... 1.
    public let write: Variable

    /// z [B, T, D] in 0 ... 1, of the channels of values; nil: 1.
    public let gate: Variable?

    public init(write: Variable, gate: Variable? = nil) {
        self.write = write
        self.gate = gate
    }

    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let u = write.squeezed(1).expanded(2)
        var next = states
        next.keys = states.keys + u * (token.key.expanded(1) - states.keys)
        next.values = states.values + (gate.map { u * $0 } ?? u) * (token.value.expanded(1) - states.values)
        return next
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        guard readout is ContentRead else { return nil }
        let scan = tokens.qkv.gatedSlotScan(
            write: write, gate: gate, keys: states.keys, values: states.values, bias: states.activity.readBias,
            heads: states.heads, keyLength: tokens.keyLength(heads: states.heads))
        context.observe(StateObservation.read.rawValue) { scan.readWeights }
        var next = states
        next.keys = scan.keys
        next.values = scan.values
        return (scan.output, next)
    }
}
