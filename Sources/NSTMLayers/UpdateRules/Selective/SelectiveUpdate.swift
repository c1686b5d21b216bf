import NSTMAutograd
import NSTMTensor

/// A family of updates by Mamba's selective scan (Gu & Dao 2023), with a decay per channel and state; routing scales the step
/// size: with the step Δ of a token, that of state m is wₘ Δ.
///
/// Keys keep their learned initial values. By heads:
///
///     Vₘ ← exp(wₘ Δ ⊙ Aₘ) ⊙ Vₘ + wₘ (k·Kₘ/√d) Δ ⊙ v
///
/// Fused with every `WeightedReadout` for up to 256 states; a weight that is exactly 0 has no gradient.
public struct SelectiveUpdate: UpdateFamily {
    /// Write weights w, [B, T, N]; 0 leaves a state exactly unchanged.
    public let write: Variable
    /// Step sizes Δ [B, T, D], positive.
    public let delta: Variable
    /// Rates A [N, D], negative.
    public let rates: Variable

    public init(write: Variable, delta: Variable, rates: Variable) {
        self.write = write
        self.delta = delta
        self.rates = rates
    }
    public static func canFuse(with readout: any StateReadout, states: Int) -> Bool {
        readout is any WeightedReadout && states <= 256
    }
    /// wₘ k·Kₘ/√d, [B, H, T, N].
    private func strengths(_ keys: Variable, _ states: StateBank) -> Variable {
        keys.scores(against: states.keys, heads: states.heads) * write.unsqueezed(axis: 1)
    }

    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let time = write.squeezed(axis: 1).unsqueezed(axis: 2) * delta
        let offered = (delta * token.value.unsqueezed(axis: 1)).splitHeads(states.heads)
        let c = strengths(token.key.unsqueezed(axis: 1), states)
        var next = states
        next.values = (time * rates).exp() * states.values + (c.transposed() * offered).joinHeads()
        return next
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)
    {
        let readout = readout as! any WeightedReadout, heads = states.heads, (queries, keys, values) = tokens.split(heads: heads)
        return states.scanningActive { states in
            let reads = readout.weights(queries, routing: tokens.readWeights, states), c = strengths(keys, states)
            // All channels of a kernel call share the inputs B and C: one scan per head.
            let r = reads.split(axis: 1, into: reads.shape[1]), written = c.split(axis: 1, into: heads)
            let x = values.split(axis: 2, into: heads), deltas = delta.split(axis: 2, into: heads),
                a = rates.transposed().split(axis: 0, into: heads)
            let start = states.values.transposed().split(axis: 1, into: heads)
            let scans = (0..<heads).map { h in
                x[h].selectiveScan(
                    delta: deltas[h], a: a[h], b: written[h].squeezed(axis: 1), c: r[r.count == 1 ? 0 : h].squeezed(axis: 1),
                    step: write,
                    state: start[h])
            }
            var next = states
            next.values = Variable.concatenate(scans.map(\.state), axis: 1).transposed()
            return (Variable.concatenate(scans.map(\.output), axis: 2), next)
        }
    }
}

// MARK: Cost

extension SelectiveUpdate {
    /// Multiply-adds of a rule of this family with its reads; nil if the readout does not state its cost.
    /// - Parameter gates: multiply-adds per token of the gates of the rule.
    public static func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout, gates: Int) -> Int? {
        let matching = pass.width * pass.states
        if canFuse(with: readout, states: pass.states) {
            guard let read = readout as? any ReadWeightCost else { return nil }
            // Every state is read, and those written to have four products more; two for a channel.
            let scan = pass.width * (pass.states + 4 * pass.reached + 2)
            return pass.rows * (gates + matching + scan) + read.weightMultiplyAdds(pass)
        }
        guard let read = readout as? any StrategyCost else { return nil }
        return pass.rows * (gates + matching) + read.multiplyAdds(pass)
    }
}
