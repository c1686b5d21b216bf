import CNSTMKernels
import NSTMTensor

/// What a WKV scan returns: outputs [B, T, D] and the states after the last token [B, 3, D].
public struct WKVScan {
    public let output: Variable
    public let state: Variable
}

extension Variable {
    /// RWKV-4's weighted sum of values (Peng et al. 2023, eq. 16; kernel family 3), with `self` as keys [B, T, D]:
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
    public func wkvScan(value: Variable, decay: Variable, bonus: Variable, state: Variable? = nil) -> WKVScan {
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
        let B = shape[0], T = shape[1], D = shape[2], type = dtype, real = type.real, size = type.byteCount, whole = shape
        let k = self.value.contiguous(), v = value.value.contiguous(), w = decay.value.contiguous(), u = bonus.value.contiguous()
        let empty = Tensor.concatenate(
            [.zeros([1, 2, 1], dtype: type), Tensor(repeating: -1e38, [1, 1, 1], dtype: type)], axis: 1)
        let initial = state?.value.contiguous() ?? empty.broadcast(to: [B, 3, D]).contiguous()
        let y = Tensor(uninitialized: whole, type), last = Tensor(uninitialized: [B, 3, D], type)
        let chunk = Int(NSTM_WKV_CHUNK), chunks = (T + chunk - 1) / chunk, block = 64, blocks = (D + block - 1) / block
        let keeps = [self, value, decay, bonus, state].contains { $0?.isRecorded ?? false }
        let starts = keeps ? Tensor(uninitialized: [B, chunks, 3, D], type) : nil
        let toY = y.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, c = i % blocks * block, width = min(block, D - c), row = (n * T * D + c) * size
            for r in 0..<3 {
                let at = ((n * 3 + r) * D + c) * size
                (toLast + at).copyMemory(from: initial.pointer + at, byteCount: width * size)
            }
            nstm_wkv_scan(
                real, w.pointer + c * size, u.pointer + c * size, k.pointer + row, v.pointer + row, toY + row,
                D,
                toLast + (n * 3 * D + c) * size, toStarts.map { $0 + (n * chunks * 3 * D + c) * size }, D, T, width)
        }
        withExtendedLifetime(initial) {}
        let inputs = [self, value, decay, bonus] + (state.map { [$0] } ?? []), hasState = state != nil
        let outputs = record("wkvScan", inputs, [y, last]) { g, sink in
            guard let starts else { nstmFatal(.other(op: "wkvScan", "backward without stored states")) }
            let dy = (g[0] ?? .zeros(whole, dtype: type)).contiguous()
            let dLast = (g[1] ?? .zeros([B, 3, D], dtype: type)).contiguous()
            let dk = Tensor(uninitialized: whole, type), dv = Tensor(uninitialized: whole, type)
            let dw = Tensor(uninitialized: [B, D], type), du = Tensor(uninitialized: [B, D], type)
            let running = Tensor(uninitialized: [B, 3, D], type)
            let toK = dk.uninitializedPointer, toV = dv.uninitializedPointer, toW = dw.uninitializedPointer,
                toU = du.uninitializedPointer, toState = running.uninitializedPointer
            Parallel.for(B * blocks) { i in
                let n = i / blocks, c = i % blocks * block, width = min(block, D - c), row = (n * T * D + c) * size
                for r in 0..<3 {
                    let at = ((n * 3 + r) * D + c) * size
                    (toState + at).copyMemory(from: dLast.pointer + at, byteCount: width * size)
                }
                nstm_wkv_scan_backward(
                    real, w.pointer + c * size, u.pointer + c * size, k.pointer + row, v.pointer + row,
                    dy.pointer + row, toW + (n * D + c) * size, toU + (n * D + c) * size, toK + row, toV + row, D,
                    toState + (n * 3 * D + c) * size, starts.pointer + (n * chunks * 3 * D + c) * size, D, T, width)
            }
            sink.add(0, dk)
            sink.add(1, dv)
            sink.add(2, dw.summedPieces())
            sink.add(3, du.summedPieces())
            if hasState { sink.add(4, running) }
        }
        return WKVScan(output: outputs[0], state: outputs[1])
    }
}
