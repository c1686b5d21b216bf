import NSTMTensor

extension Variable {
    /// Gated slots with a softmax read (kernel family 1), token by token and exact, with queries,
    /// keys and values of the tokens concatenated in `self`, [B, T, 3·D], D = heads · d.
    ///
    ///     Kₘ ← Kₘ + uₘ(k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ);  o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ
    ///
    /// - Parameters:
    ///   - write: write weights u [B, T, N] in 0 ... 1, shared by the heads; a state with weight 0 is skipped and left
    ///     exactly unchanged.
    ///   - gate: gate z of the value channels, [B, T, D] in 0 ... 1; nil: 1.
    ///   - keys: keys of the states before the first token, [B, N, D] (or [N, D], the same for every sequence).
    ///   - values: values of the states before the first token, of the same shape.
    ///   - keyLength: when given, the keys of a head are first scaled to this length (√d makes q·K/√d a product with unit keys).
    ///   - bias: read biases [B, N]; −∞ marks an inactive state, which is neither read nor written.
    ///
    /// States are saved every `chunk` tokens and recomputed inside a chunk in the backward pass.
    /// - Returns: reads [B, T, D], the states after the last token [B, N, D] each, and the read weights [B, H, T, N], which
    ///   are saved for the backward pass in any case.
    public func gatedSlotScan(
        write: Variable, gate: Variable? = nil, keys: Variable, values: Variable, bias: Variable? = nil, heads: Int,
        keyLength: Double? = nil, chunk: Int = 64
    ) -> (output: Variable, keys: Variable, values: Variable, readWeights: Tensor) {
        guard shape.rank == 3, shape[2] % (3 * heads) == 0, write.shape.rank == 3, write.shape[0] == shape[0],
            write.shape[1] == shape[1], chunk >= 1, gate.map({ $0.shape == [shape[0], shape[1], shape[2] / 3] }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "gatedSlotScan",
                    "qkv \(shape), write \(write.shape), gate \(gate?.shape.description ?? "none"), "
                        + "\(heads) heads, chunk \(chunk)"),
                at: path(of: self, write))
        }
        requireSameType("gatedSlotScan", self, write, gate, keys, values, bias)
        let B = shape[0], N = write.shape[2], D = shape[2] / 3, bank = Shape(of: B, N, D)
        let initialK = keys.shape.rank == 2 ? keys.broadcast(to: bank) : keys
        let initialV = values.shape.rank == 2 ? values.broadcast(to: bank) : values
        guard initialK.shape == bank, initialV.shape == bank, bias.map({ $0.shape == Shape(of: B, N) }) ?? true else {
            nstmFatal(
                .other(
                    op: "gatedSlotScan",
                    "keys \(keys.shape), values \(values.shape), bias \(bias?.shape.description ?? "none"); needs [\(B), \(N), \(D)] and [\(B), \(N)]"
                ),
                at: path(of: self, keys))
        }
        let scan = GatedSlotScan(
            qkv: value, write: write.value, gate: gate?.value, bias: bias?.value, heads: heads, keyLength: keyLength ?? 0,
            chunk: chunk, savesStates: isAnyRecorded(self, write, gate, keys, values, bias))
        let result = scan.forward(keys: initialK.value, values: initialV.value)
        let outputs = record(
            "gatedSlotScan", self, write, initialK, initialV, gate, bias, values: (result.o, result.keys, result.values),
            saving: (scan, result)
        ) { g, saved, gradients in
            let (scan, result) = saved.pointee
            let d = scan.backward(result, dO: g.take(0), dKeys: g.take(1), dValues: g.take(2), wantsBias: gradients.needs(5))
            gradients.add(0, d.qkv)
            gradients.add(1, d.write)
            gradients.add(2, d.keys)
            gradients.add(3, d.values)
            if let gate = d.gate { gradients.add(4, gate) }
            if let bias = d.bias { gradients.add(5, bias) }
        }
        return (output: outputs.0, keys: outputs.1, values: outputs.2, readWeights: result.p)
    }
}
