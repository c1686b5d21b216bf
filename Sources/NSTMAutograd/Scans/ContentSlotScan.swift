import NSTMTensor

extension Variable {
    /// Content slots: keys of tokens, `self` [B, T, D] of length √D, find the states that store them, or free ones.
    ///
    /// With sₘ = k·Kₘ/D (a cosine if Kₘ has length √D), the routing weight rₘ and the usage aₘ (0: free) of a state:
    ///
    ///     μₘ = rₘ aₘ e^{β sₘ}/Z;  ν = e^{βθ}/Z;  Z = Σ r a e^{βs} + e^{βθ}          known, or new
    ///     φₘ = rₘ (1 − aₘ) Π_{j<m} (1 − rⱼ (1 − aⱼ))                              the first free state
    ///     uₘ = e (μₘ + ν φₘ);  Kₘ ← Kₘ + uₘ (k − Kₘ);  aₘ ← (aₘ + uₘ (1 − aₘ)) (1 − rₘ f)
    ///
    /// The caller applies the write weights to values. A state with r of exactly 0 is skipped and left exactly unchanged; its
    /// gradient is 0.
    ///
    /// - Parameters:
    ///   - routing: r [B, T, N] in 0 ... 1.
    ///   - strength: e [B, T] in 0 ... 1.
    ///   - forget: f [B, T] in 0 ... 1.
    ///   - keys: keys of the states before the first token, [B, N, D].
    ///   - usage: usage of the states before the first token, [B, N].
    ///   - inverseTemperature: β, one element.
    ///   - threshold: θ, one element.
    /// - Returns: write weights [B, T, N], and the usage of each state after the last token, [B, N].
    public func contentSlotScan(
        routing: Variable, strength: Variable, forget: Variable, keys: Variable, usage: Variable, inverseTemperature: Variable,
        threshold: Variable
    ) -> (write: Variable, usage: Variable) {
        let modulePath = path(of: self, routing, keys)
        guard shape.rank == 3, routing.shape.rank == 3, keys.shape == [shape[0], routing.shape[2], shape[2]],
            routing.shape == [shape[0], shape[1], keys.shape[1]], strength.shape == [shape[0], shape[1]],
            forget.shape == strength.shape, usage.shape == [shape[0], keys.shape[1]], inverseTemperature.shape.count == 1,
            threshold.shape.count == 1
        else {
            nstmFatal(
                .other(
                    op: "contentSlotScan",
                    "keys of tokens \(shape), routing \(routing.shape), strength \(strength.shape), forget \(forget.shape), keys "
                        + "\(keys.shape), usage \(usage.shape), inverseTemperature \(inverseTemperature.shape), threshold \(threshold.shape); "
                        + "needs [B, T, D], [B, T, N], [B, T] twice, [B, N, D], [B, N] and one element twice"),
                at: modulePath)
        }
        let inputs = [self, routing, strength, forget, keys, usage, inverseTemperature, threshold]
        requireSameType("contentSlotScan", self, routing, strength, forget, keys, usage, inverseTemperature, threshold)
        let scan = ContentSlotScan(inputs.map(\.value), savesStates: inputs.contains { $0.isRecorded })
        let result = scan.forward(), shapes = inputs.map(\.shape.dims)
        let outputs = record("contentSlotScan", inputs, [result.write, result.usage]) { g, gradients in
            for (i, d) in scan.backward(result, dWrite: g[0], dUsage: g[1]).enumerated() {
                gradients.add(i, d.reshaped(shapes[i]))
            }
        }
        return (write: outputs[0], usage: outputs[1])
    }
}
