import NSTMTensor

extension Variable {
    /// The read of the scan alone, of states as they are: o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ by heads, with `self` as
    /// queries [B, T, D].
    /// - Parameters:
    ///   - keys: keys of the states, [B, N, D].
    ///   - values: values of the states, [B, N, D].
    ///   - bias: read biases [B, N], −∞ for inactive states.
    /// - Returns: what is read [B, T, D], and the read weights [B, H, T, N].
    public func slotRead(keys: Variable, values: Variable, bias: Variable? = nil, heads: Int) -> (
        output: Variable, weights: Tensor
    ) {
        let B = shape[0], D = shape[-1], N = keys.shape[1]
        guard shape.rank == 3, D % heads == 0, keys.shape == [B, N, D], values.shape == keys.shape,
            bias.map({ $0.shape == [B, N] }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "slotRead",
                    "queries \(shape), keys \(keys.shape), values \(values.shape), bias \(bias?.shape.description ?? "none"), "
                        + "\(heads) heads"), at: path(of: self, keys))
        }
        requireSameType("slotRead", self, keys, values, bias)
        let read = SlotRead(
            queries: value, keys: keys.value, values: values.value, bias: bias?.value, heads: heads)
        let (o, p) = read.forward(), hasBias = bias != nil
        let output = record(
            "slotRead", [self, keys, values] + (bias.map { [$0] } ?? []), o,
            .pullback { g, gradients in
                // The gradients of the states continue from what they have so far: they are read once per token.
                let d = read.backward(
                    g, weights: p, dKeys: gradients.take(1), dValues: gradients.take(2),
                    wantsBias: hasBias && gradients.needs(3))
                gradients.add(0, d.queries)
                gradients.add(1, d.keys)
                gradients.add(2, d.values)
                if let bias = d.bias { gradients.add(3, bias) }
            })
        return (output, p)
    }
}
