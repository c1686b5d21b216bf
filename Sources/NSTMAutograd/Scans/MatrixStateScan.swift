import NSTMTensor

extension Variable {
    /// Linear recurrence on one matrix S [dk, dv] per head (kernel family 2), exact, with `self` as queries
    /// [B, T, heads · dk].
    ///
    ///     S ← diag(a) S;  S ← S + kᵀ v,  or with β the delta rule  S ← S + β kᵀ (v − k S);  o = q S
    ///
    /// With a bonus u the read precedes the update: o = q (S + diag(u) kᵀ v) with the state S before the token.
    ///
    /// - Parameters:
    ///   - key: keys [B, T, heads · dk]. They are not scaled or normalized; the delta rule requires ‖k‖ = 1.
    ///   - value: [B, T, heads · dv]; dv may differ from dk.
    ///   - decay: a, usually in 0 ... 1: one number per head, [B, T, heads] (RetNet, Mamba-2, gated DeltaNet), or one per key
    ///     channel, [B, T, heads · dk] (GLA, RWKV-6); or what broadcasts to these, such as [heads]. Nil: none (linear attention).
    ///   - beta: strength β [B, T, heads] of the delta rule (DeltaNet), usually in 0 ... 1.
    ///   - bonus: u [heads · dk] (RWKV); not together with `beta`.
    ///   - state: S before the first token [B, heads, dk, dv]; zeros when nil.
    ///
    /// The normalizer of linear attention can be computed by the same scan: append a column of ones to the values of each head,
    /// and the last column of the result is q · Σk. One token costs about 4 · dk · dv multiply-adds and additions per head; the
    /// states before every 16th token are saved for the backward pass.
    /// - Returns: reads [B, T, heads · dv] and the states after the last token [B, heads, dk, dv].
    public func matrixStateScan(
        key: Variable, value: Variable, decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil,
        state: Variable? = nil, heads: Int
    ) -> (output: Variable, state: Variable) {
        let modulePath = path(of: self, key, value)
        guard shape.rank == 3, key.shape == shape, value.shape.rank == 3, value.shape[0] == shape[0], value.shape[1] == shape[1],
            heads >= 1, shape[2] % heads == 0, value.shape[2] % heads == 0, shape[2] > 0, value.shape[2] > 0
        else {
            nstmFatal(
                .other(op: "matrixStateScan", "query \(shape), key \(key.shape), value \(value.shape), \(heads) heads"),
                at: modulePath
            )
        }
        requireSameType("matrixStateScan", self, key, value, decay, beta, bonus, state)
        let B = shape[0], T = shape[1], dk = shape[2] / heads, dv = value.shape[2] / heads
        let perHead: Shape = [B, T, heads], perChannel = shape
        var decay = decay
        if let a = decay {
            guard let width = a.shape.dims.last, [1, heads, shape[2]].contains(width),
                Shape.broadcast(a.shape, width == shape[2] ? perChannel : perHead) == (width == shape[2] ? perChannel : perHead)
            else {
                nstmFatal(
                    .other(op: "matrixStateScan", "decay \(a.shape); needs what broadcasts to \(perHead) or \(perChannel)"),
                    at: modulePath)
            }
            decay = a.broadcast(to: width == shape[2] ? perChannel : perHead)
        }
        let fits = beta.map { $0.shape == perHead } ?? true && bonus.map { $0.shape == [shape[2]] } ?? true
        guard fits, state.map({ $0.shape == [B, heads, dk, dv] }) ?? true, beta == nil || bonus == nil else {
            nstmFatal(
                .other(
                    op: "matrixStateScan",
                    "beta \(beta?.shape.description ?? "none"), bonus \(bonus?.shape.description ?? "none"), state "
                        + "\(state?.shape.description ?? "none"); needs \(perHead) or [\(shape[2])], not both, and "
                        + "[\(B), \(heads), \(dk), \(dv)]"),
                at: modulePath)
        }
        if bonus != nil, decay?.shape != perChannel {
            // Reads before the update are implemented for decays per channel only.
            let one = decay ?? Variable(.ones([1, 1, 1], dtype: dtype))
            decay = one.unsqueezed(axis: -1).broadcast(to: [B, T, decay == nil ? 1 : heads, decay == nil ? shape[2] : dk])
                .reshaped([B, T, shape[2]])
        }
        let scan = MatrixStateScan(
            q: self.value, k: key.value, v: value.value, decay: decay?.value, beta: beta?.value, bonus: bonus?.value,
            heads: heads, savesStates: isAnyRecorded(self, key, value, decay, beta, bonus, state))
        let result = scan.forward(state?.value)
        let (inputs, positions) = [self, key, value].appending([decay, beta, bonus, state])
        let outputs = record("matrixStateScan", inputs, [result.o, result.state]) { g, gradients in
            let d = scan.backward(
                result, dO: g[0], dState: g[1], wantsDecay: positions[0].map { gradients.needs($0) } ?? false)
            for (i, gradient) in [d.q, d.k, d.v].enumerated() { gradients.add(i, gradient) }
            for case let (i?, gradient?) in zip(positions, [d.decay, d.beta, d.bonus, d.state]) { gradients.add(i, gradient) }
        }
        return (output: outputs[0], state: outputs[1])
    }
}
