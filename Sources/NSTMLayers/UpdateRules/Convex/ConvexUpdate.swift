import NSTMAutograd
import NSTMTensor

/// A family of updates in which every token moves states towards its key and value.
///
///     Kₘ ← Kₘ + uₘ (k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ)
///
/// A state is a convex combination of its inputs and its initial value, so it is bounded by construction. Fused with
/// `ContentReadout`, where a weight that is exactly 0 has no gradient, and, without z, with `RoutedReadout`.
public struct ConvexUpdate: UpdateFamily {
    /// Write weights u, [B, T, N] in 0 … 1.
    public let write: Variable

    /// Gate z of the value channels, [B, T, D] in 0 … 1; nil: 1.
    public let gate: Variable?

    public init(write: Variable, gate: Variable? = nil) {
        self.write = write
        self.gate = gate
    }

    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let u = write.squeezed(axis: 1).unsqueezed(axis: 2)
        var next = states
        next.keys = states.keys + u * (token.key.unsqueezed(axis: 1) - states.keys)
        next.values = states.values + (gate.map { u * $0 } ?? u) * (token.value.unsqueezed(axis: 1) - states.values)
        return next
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        if let readout = readout as? RoutedReadout, gate == nil {
            return states.scanningActive { routedScan(tokens, $0, readout, context) }
        }
        guard readout is ContentReadout else { return nil }
        let scan = tokens.qkv.gatedSlotScan(
            write: write, gate: gate, keys: states.keys, values: states.values, bias: states.activity.readBias,
            heads: states.heads, keyLength: tokens.keyLength(heads: states.heads))
        context.observe(StateObservation.read.rawValue) { scan.readWeights }
        var next = states
        next.keys = scan.keys
        next.values = scan.values
        return (scan.output, next)
    }
    /// A scan for reads that do not depend on keys.
    ///
    /// Values are one matrix state of N rows, whose row m decays by 1 − uₘ. Keys are needed only after the last token, where the
    /// remaining share of the write of a token is the product of the later decays.
    private func routedScan(
        _ tokens: RoutedTokens, _ states: StateBank, _ readout: RoutedReadout, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let (queries, keys, values) = tokens.split(heads: states.heads), kept = 1 - write
        let reads = readout.weights(queries, routing: tokens.readWeights, states)
        context.observe(StateObservation.read.rawValue) { reads.value }
        let scan = reads.squeezed(axis: 1).matrixStateScan(
            key: write, value: values, decay: kept, state: states.values.unsqueezed(axis: 1), heads: 1)
        let t = tokens.count, left = kept.cumulativeProduct(axis: 1, reversed: true)
        let one = Variable(Tensor.ones([write.shape[0], 1, write.shape[2]], dtype: write.dtype))
        let behind = Variable.concatenate([left.slice(axis: 1, 1..<t), one], axis: 1)
        var next = states
        next.keys =
            left.slice(axis: 1, 0..<1).squeezed(axis: 1).unsqueezed(axis: 2) * states.keys
            + (write * behind).matmul(keys, transposeSelf: true)
        next.values = scan.state.squeezed(axis: 1)
        return (scan.output, next)
    }
}

// MARK: Cost

extension ConvexUpdate {
    /// Multiply-adds of a rule of this family with its reads; nil if the readout does not state its cost.
    /// - Parameters:
    ///   - gates: multiply-adds per token of the gates of the rule.
    ///   - hasChannelGate: whether the update has a gate z.
    public static func multiplyAdds(
        _ pass: StatePass, reading readout: any StateReadout, gates: Int, hasChannelGate: Bool = false
    ) -> Int? {
        guard let read = readout as? any StrategyCost else { return nil }
        if let read = readout as? RoutedReadout, !hasChannelGate {
            // Values are a matrix state of one head, and keys a product over the tokens.
            let scan = MatrixStateScan.multiplyAdds(
                batch: pass.size.batch, tokens: pass.size.tokens, heads: 1, keys: pass.states, values: pass.width,
                decaysByChannel: pass.states > 1)
            return pass.rows * (gates + pass.width * pass.states) + scan + read.weightMultiplyAdds(pass)
        }
        // Key and value of every state that is written. Step by step moving them is element-wise.
        let update = readout is ContentReadout ? gates + 2 * pass.width * pass.reached : stepwise * gates
        return pass.rows * update + read.multiplyAdds(pass)
    }
}
