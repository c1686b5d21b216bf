import NSTMAutograd
import NSTMTensor

/// A family of updates in which the states of a head are the rows of a matrix, as in linear attention.
///
/// Keys keep their learned initial values; they are addresses with which the keys of tokens are compared. By heads:
///
///     cₘ = wₘ k·Kₘ/√d, with a strength β also divided by ‖c‖ over the states
///     Vₘ ← aₘ Vₘ + cₘ v,  or with β the delta rule  Vₘ ← aₘ Vₘ + β cₘ (v − Σⱼ cⱼ aⱼ Vⱼ)
///
/// With a bonus b a token reads the states before its own update plus bₘ cₘ v (RWKV). Fused with every `WeightedReadout`.
public struct MatrixUpdate: UpdateFamily {
    /// Write weights w, [B, T, N]; 0 writes nothing.
    public let write: Variable
    /// Decays a [B, T, N], usually in 0 … 1; exactly 1 for states that must be left unchanged.
    ///
    /// nil: 1.
    public let decay: Variable?
    /// Strength β [B, T, H] in 0 … 1; nil: no delta rule.
    public let beta: Variable?
    /// Bonus b, [N]; not together with β.
    public let bonus: Variable?
    /// Usage counts after the last token, [B, N]; nil: unchanged.
    public let usage: Variable?

    public init(
        write: Variable, decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil, usage: Variable? = nil
    ) {
        self.write = write
        self.decay = decay
        self.beta = beta
        self.bonus = bonus
        self.usage = usage
    }

    public static func canFuse(with readout: any StateReadout, states: Int) -> Bool { readout is any WeightedReadout }

    /// c for keys [B, T, D]: [B, H, T, N].
    private func strengths(_ keys: Variable, _ states: StateBank) -> Variable {
        let c = keys.scores(against: states.keys, heads: states.heads) * write.unsqueezed(axis: 1)
        return beta == nil ? c : c.l2Normalized()
    }

    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let c = strengths(token.key.unsqueezed(axis: 1), states)
        var old = states.values.splitHeads(states.heads), v = token.value.unsqueezed(axis: 1).splitHeads(states.heads)
        if let decay { old = old * decay.unsqueezed(axis: 3) }
        if let beta { v = beta.transposed(1, 2).unsqueezed(axis: 3) * (v - c.matmul(old)) }
        var next = states
        next.values = (old + c.transposed() * v).joinHeads()
        if let usage { next.usage = usage }
        return next
    }
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank {
        guard let bonus else { return after }
        let c = strengths(token.key.unsqueezed(axis: 1), before) * bonus,
            v = token.value.unsqueezed(axis: 1).splitHeads(before.heads)
        var seen = before
        seen.values = before.values + (c.transposed() * v).joinHeads()
        return seen
    }

    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)
    {
        let readout = readout as! any WeightedReadout
        let b = tokens.qkv.shape[0], t = tokens.count, n = states.count, heads = states.heads
        /// [B, H, T, N] or [B, 1, T, N] as one row for each token.
        func rows(_ x: Variable) -> Variable {
            x.permuted([0, 2, 1, 3]).broadcast(to: [b, t, heads, n]).reshaped([b, t, heads * n])
        }
        let (queries, keys, values) = tokens.split(heads: heads)
        return states.scanningActive { states in
            let reads = rows(readout.weights(queries, routing: tokens.readWeights, states))
            let scan = reads.matrixStateScan(
                key: rows(strengths(keys, states)), value: values, decay: decay.map { rows($0.unsqueezed(axis: 1)) },
                beta: beta?.broadcast(to: [b, t, heads]),
                bonus: bonus.map { $0.broadcast(to: [heads, n]).reshaped([heads * n]) },
                state: states.values.splitHeads(heads), heads: heads)
            var next = states
            next.values = scan.state.joinHeads()
            if let usage { next.usage = usage }
            return (scan.output, next)
        }
    }
}

// MARK: Cost

extension MatrixUpdate {
    /// Multiply-adds of a rule of this family with its reads; nil if the readout does not state its cost.
    /// - Parameters:
    ///   - gates: multiply-adds per token of the gates of the rule.
    ///   - decays: whether the rule has decays.
    ///   - delta: whether it is a delta rule.
    ///   - bonus: whether it has a bonus.
    public static func multiplyAdds(
        _ pass: StatePass, reading readout: any StateReadout, gates: Int, decays: Bool, delta: Bool = false, bonus: Bool = false
    ) -> Int? {
        // k·K of a token.
        let matching = pass.width * pass.states
        if canFuse(with: readout, states: pass.states) {
            guard let read = readout as? any ReadWeightCost else { return nil }
            let scan = MatrixStateScan.multiplyAdds(
                batch: pass.size.batch, tokens: pass.size.tokens, heads: pass.dimensions.heads, keys: pass.states,
                values: pass.width / pass.dimensions.heads, decaysByChannel: bonus || decays && pass.states > 1, delta: delta,
                bonus: bonus)
            return pass.rows * (gates + matching) + scan + read.weightMultiplyAdds(pass)
        }
        guard let read = readout as? any StrategyCost else { return nil }
        let products = 1 + (delta ? 1 : 0) + (bonus ? 1 : 0)
        return pass.rows * (gates + products * matching) + read.multiplyAdds(pass)
    }
}
