import NSTMAutograd
import NSTMTensor

/// A family of updates in which every token moves states towards its key and value.
///
///     Kₘ ← Kₘ + uₘ (k − Kₘ);  Vₘ ← Vₘ + uₘ (v − Vₘ)
///
/// A state is a convex combination of its inputs and its initial value, so it is bounded by construction. Fused with
/// `ContentReadout`, where a weight that is exactly 0 has no gradient, and with `RoutedReadout`.
public struct ConvexUpdate: UpdateFamily {
    /// Write weights u, [B, T, N] in 0 … 1.
    public let write: Variable

    public init(write: Variable) { self.write = write }

    public static func canFuse(with readout: any StateReadout, states: Int) -> Bool {
        readout is ContentReadout || readout is RoutedReadout
    }
    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let u = write.squeezed(axis: 1).unsqueezed(axis: 2)
        return states.moved(towards: token, keys: u, values: u)
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)
    {
        if let readout = readout as? RoutedReadout {
            return states.scanningActive { routedScan(tokens, $0, readout, context) }
        }
        return tokens.contentScan(write: write, gate: nil, states, context)
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
        context.observe(StateView.Observation.read.rawValue) { reads.value }
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

extension ConvexUpdate {
    /// A family of convex updates with a gate for each channel of the values.
    ///
    ///     Kₘ ← Kₘ + uₘ (k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ)
    ///
    /// Fused with `ContentReadout`, where a weight that is exactly 0 has no gradient.
    public struct Gated: UpdateFamily {
        /// Write weights u, [B, T, N] in 0 … 1.
        public let write: Variable
        /// Gate z of the value channels, [B, T, D] in 0 … 1.
        public let gate: Variable

        public init(write: Variable, gate: Variable) {
            self.write = write
            self.gate = gate
        }

        public static func canFuse(with readout: any StateReadout, states: Int) -> Bool { readout is ContentReadout }
        public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
            let u = write.squeezed(axis: 1).unsqueezed(axis: 2)
            return states.moved(towards: token, keys: u, values: u * gate)
        }
        public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
            -> (reads: Variable, states: StateBank)
        {
            tokens.contentScan(write: write, gate: gate, states, context)
        }
    }
}

extension StateBank {
    /// The states moved towards key and value of a token, by fractions [B, N, 1] of the keys and [B, N, 1 or D] of the values.
    fileprivate func moved(towards token: RoutedToken, keys: Variable, values: Variable) -> StateBank {
        var next = self
        next.keys = self.keys + keys * (token.key.unsqueezed(axis: 1) - self.keys)
        next.values = self.values + values * (token.value.unsqueezed(axis: 1) - self.values)
        return next
    }
}

extension RoutedTokens {
    /// The fused scan of convex updates with the reads of `ContentReadout`.
    fileprivate func contentScan(
        write: Variable, gate: Variable?, _ states: StateBank, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let scan = qkv.gatedSlotScan(
            write: write, gate: gate, keys: states.keys, values: states.values, bias: states.activity.readBias,
            heads: states.heads, keyLength: keyLength(heads: states.heads))
        context.observe(StateView.Observation.read.rawValue) { scan.readWeights }
        var next = states
        next.keys = scan.keys
        next.values = scan.values
        return (scan.output, next)
    }
}

// MARK: Cost

extension ConvexUpdate {
    /// Multiply-adds of a rule of this family with its reads; nil if the readout does not state its cost.
    /// - Parameter gates: multiply-adds per token of the gates of the rule.
    public static func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout, gates: Int) -> Int? {
        guard let read = readout as? RoutedReadout else {
            return convexMultiplyAdds(pass, reading: readout, gates: gates, fused: canFuse(with: readout, states: pass.states))
        }
        // Values are a matrix state of one head, and keys a product over the tokens.
        let scan = MatrixStateScan.multiplyAdds(
            batch: pass.size.batch, tokens: pass.size.tokens, heads: 1, keys: pass.states, values: pass.width,
            decaysByChannel: pass.states > 1)
        return pass.rows * (gates + pass.width * pass.states) + scan + read.weightMultiplyAdds(pass)
    }
}

extension ConvexUpdate.Gated {
    /// Multiply-adds of a rule of this family with its reads; nil if the readout does not state its cost.
    /// - Parameter gates: multiply-adds per token of the gates of the rule.
    public static func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout, gates: Int) -> Int? {
        convexMultiplyAdds(pass, reading: readout, gates: gates, fused: canFuse(with: readout, states: pass.states))
    }
}

/// Multiply-adds of a convex update with any readout other than `RoutedReadout`.
///
/// A fused scan moves key and value of every state that is written; step by step moving them is element-wise.
private func convexMultiplyAdds(_ pass: StatePass, reading readout: any StateReadout, gates: Int, fused: Bool) -> Int? {
    guard let read = readout as? any StrategyCost else { return nil }
    return pass.rows * (gates + (fused ? 2 * pass.width * pass.reached : 0)) + read.multiplyAdds(pass)
}
