import NSTMTensor

extension Variable {
    /// Mamba's selective scan (Gu & Dao 2023, algorithm 2; kernel family 3), N states per channel d, with `self` as x
    /// [B, T, D].
    ///
    ///     h[d] ← exp(Δ[d] A[d]) ⊙ h[d] + Δ[d] x[d] B;  y[d] = C · h[d] + D[d] x[d]
    ///
    /// No array of size B × T × D × N is stored: decays are computed when they are used, forward and backward.
    ///
    /// - Parameters:
    ///   - delta: step sizes Δ [B, T, D], positive (after softplus).
    ///   - a: [D, N], negative.
    ///   - b: [B, T, N], shared by the channels.
    ///   - c: [B, T, N], shared by the channels.
    ///   - step: what Δ is multiplied by in the decay of each state, [B, T, N], so that a = exp(step[m] Δ[d] A[d, m]); nil: 1. A
    ///     state whose step is exactly 0 is left exactly as it was, whatever b says; that costs nothing, and no gradient comes
    ///     from it.
    ///   - skip: the D of the formula, [D]; nil: none.
    ///   - state: h before the first token [B, D, N]; zeros when nil.
    /// - Returns: y [B, T, D] and h after the last token [B, D, N].
    public func selectiveScan(
        delta: Variable, a: Variable, b: Variable, c: Variable, step: Variable? = nil, skip: Variable? = nil,
        state: Variable? = nil
    ) -> (output: Variable, state: Variable) {
        let modulePath = path(of: self, delta, a, b)
        guard shape.rank == 3, delta.shape == shape, a.shape.rank == 2, a.shape[0] == shape[2],
            b.shape == [shape[0], shape[1], a.shape[1]], c.shape == b.shape, step.map({ $0.shape == b.shape }) ?? true,
            skip.map({ $0.shape == [shape[2]] }) ?? true,
            state.map({ $0.shape == [shape[0], shape[2], a.shape[1]] }) ?? true, (1...256).contains(a.shape[1])
        else {
            nstmFatal(
                .other(
                    op: "selectiveScan",
                    "x \(shape), delta \(delta.shape), a \(a.shape), b \(b.shape), c \(c.shape), step "
                        + "\(step?.shape.description ?? "none"), skip \(skip?.shape.description ?? "none"), state \(state?.shape.description ?? "none"); needs "
                        + "[B, T, D] twice, [D, N] with N up to 256, [B, T, N] three times, [D], [B, D, N]"),
                at: modulePath)
        }
        requireSameType("selectiveScan", self, delta, a, b, c, step, skip, state)
        let scan = SelectiveScan(
            x: value, delta: delta.value, a: a.value, b: b.value, c: c.value, step: step?.value, skip: skip?.value,
            savesStates: isAnyRecorded(self, delta, a, b, c, step, skip, state))
        let result = scan.forward(state?.value)
        let (inputs, positions) = [self, delta, a, b, c].appending([step, skip, state])
        let outputs = record("selectiveScan", inputs, [result.y, result.state]) { g, gradients in
            let d = scan.backward(result, dY: g[0], dState: g[1])
            for (i, gradient) in [d.x, d.delta, d.a, d.b, d.c].enumerated() { gradients.add(i, gradient) }
            for case let (i?, gradient?) in zip(positions, [d.step, d.skip, d.state]) { gradients.add(i, gradient) }
        }
        return (output: outputs[0], state: outputs[1])
    }
}
