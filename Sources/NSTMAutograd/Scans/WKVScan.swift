import NSTMTensor

extension Variable {
    /// RWKV-4's weighted sum of values (Peng et al., 2023, eq. 16; kernel family 3), with `self` as keys [B, T, D]:
    ///
    ///     yₜ = (Σ_{i<t} e^{(t−1−i)w + kᵢ} vᵢ + e^{u+kₜ} vₜ) / (Σ_{i<t} e^{(t−1−i)w + kᵢ} + e^{u+kₜ})
    ///
    /// Sums are kept divided by e^o, where o follows the largest exponent, so that keys of any size overflow nothing.
    ///
    /// - Parameters:
    ///   - value: values [B, T, D].
    ///   - decay: w [D], the logarithm of the decay, usually negative (w = −e^ω).
    ///   - bonus: u [D], added to the key of the current token.
    ///   - state: numerator p, denominator q > 0 and exponent o before the first token, [B, 3, D]; nothing seen (0, 0, −10³⁸)
    ///     when nil.
    /// - Returns: y [B, T, D] and the sums after the last token [B, 3, D].
    public func wkvScan(value: Variable, decay: Variable, bonus: Variable, state: Variable? = nil) -> (
        output: Variable, state: Variable
    ) {
        guard shape.rank == 3, value.shape == shape, decay.shape == [shape[2]], bonus.shape == [shape[2]],
            state.map({ $0.shape == [shape[0], 3, shape[2]] }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "wkvScan",
                    "key \(shape), value \(value.shape), decay \(decay.shape), bonus \(bonus.shape), state "
                        + "\(state?.shape.description ?? "none"); needs [B, T, D] twice, [D] twice, [B, 3, D]"),
                at: path(of: self, value, decay))
        }
        requireSameType("wkvScan", self, value, decay, bonus, state)
        let scan = WKVScan(
            keys: self.value, values: value.value, decay: decay.value, bonus: bonus.value, state: state?.value,
            savesStates: isAnyRecorded(self, value, decay, bonus, state))
        let result = scan.forward(), (inputs, positions) = [self, value, decay, bonus].appending([state])
        let outputs = record("wkvScan", inputs, [result.y, result.state]) { g, gradients in
            let d = scan.backward(result, dY: g[0], dState: g[1])
            for (i, gradient) in [d.keys, d.values, d.decay, d.bonus].enumerated() { gradients.add(i, gradient) }
            if let i = positions[0] { gradients.add(i, d.state) }
        }
        return (output: outputs[0], state: outputs[1])
    }
}
