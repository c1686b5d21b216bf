import NSTMTensor

extension Variable {
    /// Moves a head of a pointer over N states (`PointerScan` has the recurrence), with `self` as shares of the moves, [B, T, M].
    ///
    /// - Parameters:
    ///   - moves: the M different moves, in the order of their shares.
    ///   - start: the head before the first token, [B, N + 1]; position 0 is rest.
    ///   - target: the target head after every token, [B, T, N + 1], for the moves follow and cycle; nil without them.
    ///   - match: a distribution over the states for every token, [B, T, N], for the move find; nil without it.
    ///   - order: indices of the positions in use, ascending with rest (0) first, one list for all sequences or one per sequence;
    ///     the head skips all others, which get 0. nil: all positions.
    /// - Returns: the head after every token, [B, T, N + 1].
    public func pointerScan(
        _ moves: [Tensor.PointerMove], start: Variable, target: Variable? = nil, match: Variable? = nil, order: [[Int32]]? = nil
    ) -> Variable {
        let scan = PointerScan(
            moves, shares: value, start: start.value, target: target?.value, match: match?.value, order: order)
        let heads = scan.forward()
        let inputs = [self, start] + [target, match].compactMap { $0 }, hasTarget = target != nil
        return record(
            "pointerScan", inputs, heads,
            .pullback { g, gradients in
                let d = scan.backward(heads: heads, dHeads: g)
                gradients.add(0, d.shares)
                gradients.add(1, d.start)
                if let target = d.target { gradients.add(2, target) }
                if let match = d.match { gradients.add(hasTarget ? 3 : 2, match) }
            })
    }

    /// Scores of the keys in a memory of N states, which each token scores and then writes, with `self` as queries [B, T, H, d].
    ///
    ///     sₙ = q·Kₙ, then Kₙ ← Kₙ + uₙ (k − Kₙ)
    ///
    /// - Parameters:
    ///   - keys: keys k of the tokens, [B, T, d].
    ///   - write: write weights u [B, T, N] in 0 ... 1.
    ///   - start: keys before the first token, [B, d, N].
    /// - Returns: scores [B, H, T, N] and the keys after the last token, [B, d, N].
    public func keyMemoryScan(keys: Variable, write: Variable, start: Variable) -> (scores: Variable, end: Variable) {
        guard shape.rank == 4, write.shape.rank == 3, keys.shape == [shape[0], shape[1], shape[3]],
            write.shape.dims.prefix(2) == [shape[0], shape[1]], start.shape == [shape[0], shape[3], write.shape[2]]
        else {
            nstmFatal(
                .other(
                    op: "keyMemoryScan",
                    "queries \(shape), keys \(keys.shape), write \(write.shape), start \(start.shape); "
                        + "needs [B, T, H, d], [B, T, d], [B, T, N], [B, d, N]"),
                at: path(of: self, write))
        }
        requireSameType("keyMemoryScan", self, keys, write, start)
        let scan = KeyMemoryScan(
            queries: value, keys: keys.value, write: write.value, savesKeys: isAnyRecorded(self, keys, write, start))
        let result = scan.forward(start.value)
        let outputs = record("keyMemoryScan", [self, keys, write, start], [result.scores, result.end]) { g, gradients in
            let d = scan.backward(result, dScores: g[0], dEnd: g[1])
            gradients.add(0, d.queries)
            gradients.add(1, d.keys)
            gradients.add(2, d.write)
            gradients.add(3, d.start)
        }
        return (outputs[0], outputs[1])
    }
}
