import NSTMTensor

/// Where content sends tokens: write weights [B, T, N], and how much of each state is in use after the last token, [B, N].
public struct ContentSlotScanOutput {
    public let write: Variable
    public let usage: Variable
}

extension Variable {
    /// Content slots: keys of tokens, `self` [B, T, D], find the states that hold them, or free ones. With sₘ = k·Kₘ/D, the part
    /// of a state that is in reach rₘ and its usage aₘ (0: free),
    ///
    ///     μₘ = rₘ aₘ e^{β sₘ}/Z;  ν = e^{βθ}/Z;  Z = Σ r a e^{βs} + e^{βθ}          known, or new
    ///     φₘ = rₘ (1 − aₘ) Π_{j<m} (1 − rⱼ (1 − aⱼ))                              the first free state
    ///     uₘ = e (μₘ + ν φₘ);  Kₘ ← Kₘ + uₘ (k − Kₘ);  aₘ ← (aₘ + uₘ (1 − aₘ)) (1 − rₘ f)
    ///
    /// What the weights write beside keys is up to the caller. A state with r of exactly 0 is left exactly as it was; that costs
    /// nothing, and no gradient comes from it.
    ///
    /// `self` are the keys [B, T, D] of the tokens, of length √D, so that sₘ is a cosine where Kₘ has that length too.
    ///
    /// - Parameters:
    ///   - routing: r [B, T, N] in 0 ... 1.
    ///   - strength: e [B, T] in 0 ... 1.
    ///   - forget: f [B, T] in 0 ... 1.
    ///   - keys: keys of the states before the first token, [B, N, D].
    ///   - usage: usage of the states before the first token, [B, N].
    ///   - sharpness: β, one element.
    ///   - threshold: θ, one element.
    public func contentSlotScan(
        routing: Variable, strength: Variable, forget: Variable, keys: Variable, usage: Variable, sharpness: Variable,
        threshold: Variable
    ) -> ContentSlotScanOutput {
        let place = path(of: self, routing, keys)
        guard shape.rank == 3, routing.shape.rank == 3, keys.shape == [shape[0], routing.shape[2], shape[2]],
            routing.shape == [shape[0], shape[1], keys.shape[1]], strength.shape == [shape[0], shape[1]],
            forget.shape == strength.shape, usage.shape == [shape[0], keys.shape[1]], sharpness.shape.count == 1,
            threshold.shape.count == 1
        else {
            nstmFatal(
                .other(
                    op: "contentSlotScan",
                    "keys of tokens \(shape), routing \(routing.shape), strength \(strength.shape), forget \(forget.shape), keys "
                        + "\(keys.shape), usage \(usage.shape), sharpness \(sharpness.shape), threshold \(threshold.shape); "
                        + "needs [B, T, D], [B, T, N], [B, T] twice, [B, N, D], [B, N] and one element twice"),
                at: place)
        }
        let inputs = [self, routing, strength, forget, keys, usage, sharpness, threshold]
        requireSameType("contentSlotScan", self, routing, strength, forget, keys, usage, sharpness, threshold)
        let scan = ContentSlotScan(inputs.map(\.value), savesStates: inputs.contains { $0.isRecorded })
        let result = scan.forward(), shapes = inputs.map(\.shape.dims)
        let outputs = record("contentSlotScan", inputs, [result.write, result.usage]) { g, gradients in
            for (i, d) in scan.backward(result, dWrite: g[0], dUsage: g[1]).enumerated() {
                gradients.add(i, d.reshaped(shapes[i]))
            }
        }
        return ContentSlotScanOutput(write: outputs[0], usage: outputs[1])
    }
}
