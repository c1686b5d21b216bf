import CNSTMKernels

/// Gated slots with a softmax read (kernel family 1), token by token and exact, for heads of N states each.
///
///     Kₘ ← Kₘ + uₘ(k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ);  o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ
///
/// The work is split over sequences and heads. The recorded operation in `NSTMAutograd` checks the shapes.
package struct GatedSlotScan {
    /// Queries, keys and values of the tokens concatenated, [B, T, 3·D], and write weights u [B, T, N].

    private let qkv: Tensor, write: Tensor
    /// z [B, T, D]; nil: 1.
    private let gate: StridedRows?
    /// Read biases [B, N]; −∞ for an inactive state.
    private let bias: Tensor?
    private let B: Int, T: Int, D: Int, H: Int, d: Int, N: Int, chunk: Int
    private let savesStates: Bool
    private let keyLength: Double
    private let real: nstm_real
    private let size: Int
    private var scale: Double { 1 / Double(d).squareRoot() }
    private var chunks: Int { (T + chunk - 1) / chunk }

    package struct Result {
        /// Reads [B, T, D], and their weights [B, H, T, N].
        package let o: Tensor, p: Tensor
        /// States after the last token, [B, N, D] each.
        package let keys: Tensor, values: Tensor
        /// States at the start of each chunk: [B, H, chunks, 2, N, d].
        fileprivate let starts: Tensor?
    }
    package struct Gradients {
        package let qkv: Tensor, write: Tensor, keys: Tensor, values: Tensor
        package let gate: Tensor?, bias: Tensor?
    }

    /// - Parameters:
    ///   - keyLength: length to which the keys of a head are scaled first; 0: not scaled.
    ///   - chunk: number of tokens after which the states are saved for the backward pass.
    ///   - savesStates: whether a backward pass will follow.
    package init(
        qkv: Tensor, write: Tensor, gate: Tensor?, bias: Tensor?, heads: Int, keyLength: Double, chunk: Int, savesStates: Bool
    ) {
        self.gate = gate.map { StridedRows($0) }
        self.keyLength = keyLength
        self.qkv = qkv.contiguous()
        self.write = write.contiguous()
        self.bias = bias?.contiguous()
        B = qkv.shape[0]
        T = qkv.shape[1]
        D = qkv.shape[2] / 3
        H = heads
        d = D / heads
        N = write.shape[2]
        self.chunk = chunk
        self.savesStates = savesStates
        real = qkv.dtype.real
        size = qkv.dtype.byteCount
    }

    /// Head h of sequence b from token t on, whose states have a row every `stateStride` elements.
    private func kernel(_ b: Int, _ t: Int, _ h: Int, stateStride: Int) -> nstm_slots {
        let row = qkv.pointer + ((b * T + t) * 3 * D + h * d) * size
        return nstm_slots(
            q: row, k: row + D * size, v: row + 2 * D * size, u: write.pointer + (b * T + t) * N * size,
            gate: gate?.at(b, t, h * d), bias: bias.map { $0.pointer + b * N * size }, scale: scale, key_scale: keyLength,
            qkv_stride: 3 * D, u_stride: N, gate_stride: gate?.row ?? 0, state_stride: stateStride, p_stride: N, o_stride: D,
            n: N,
            d: d)
    }
    private func scratchBytes(_ length: Int, backward: Bool) -> Int {
        nstm_slots_scratch(N, d, length, backward ? 1 : 0) * size
    }

    /// Copies one head of [B, N, D] to or from dense [N, d].
    private func gather(_ from: UnsafeRawPointer, _ b: Int, _ h: Int, _ to: UnsafeMutableRawPointer) {
        nstm_move_rows(N, d * size, from + (b * N * D + h * d) * size, D * size, to, d * size)
    }
    private func scatter(_ from: UnsafeRawPointer, _ b: Int, _ h: Int, _ to: UnsafeMutableRawPointer) {
        nstm_move_rows(N, d * size, from, d * size, to + (b * N * D + h * d) * size, D * size)
    }

    /// - Parameters keys, values: states before the first token, [B, N, D].
    package func forward(keys: Tensor, values: Tensor) -> Result {
        let keys = keys.contiguous(), values = values.contiguous()
        if T == 1 && !savesStates { return oneToken(keys, values) }
        let type = qkv.dtype
        let o = Tensor(uninitialized: [B, T, D], type), p = Tensor(uninitialized: [B, H, T, N], type)
        let lastK = Tensor(uninitialized: [B, N, D], type), lastV = Tensor(uninitialized: [B, N, D], type)
        let starts = savesStates ? Tensor(uninitialized: [B, H, max(1, chunks), 2, N, d], type) : nil
        let toO = o.uninitializedPointer, toP = p.uninitializedPointer, toK = lastK.uninitializedPointer,
            toV = lastV.uninitializedPointer, toStarts = starts?.uninitializedPointer
        let bank = N * d * size
        let span = min(chunk, T)
        Parallel.for(B * H, work: 4 * B * T * N * D) { i in
            let scratchBytes = scratchBytes(span, backward: false)
            withScratch(byteCount: scratchBytes + 2 * bank) { scratch in
                let b = i / H, h = i % H, k = scratch + scratchBytes, v = k + bank
                gather(keys.pointer, b, h, k)
                gather(values.pointer, b, h, v)
                for c in 0..<chunks {
                    if let toStarts { (toStarts + (i * chunks + c) * 2 * bank).copyMemory(from: k, byteCount: 2 * bank) }
                    let t = c * chunk
                    var scan = kernel(b, t, h, stateStride: d)
                    nstm_slots_forward(
                        real, &scan, k, v, toP + (i * T + t) * N * size, toO + ((b * T + t) * D + h * d) * size,
                        min(chunk, T - t), scratch)
                }
                scatter(k, b, h, toK)
                scatter(v, b, h, toV)
            }
        }
        withExtendedLifetime((keys, values)) {}
        return Result(o: o, p: p, keys: lastK, values: lastV, starts: starts)
    }

    /// One token without a backward pass: the heads are updated in place in a copy of the states.
    private func oneToken(_ keys: Tensor, _ values: Tensor) -> Result {
        let type = qkv.dtype, bank = N * D * size
        let o = Tensor(uninitialized: [B, 1, D], type), p = Tensor(uninitialized: [B, H, 1, N], type)
        let lastK = Tensor(uninitialized: [B, N, D], type), lastV = Tensor(uninitialized: [B, N, D], type)
        let toO = o.uninitializedPointer, toP = p.uninitializedPointer, toK = lastK.uninitializedPointer,
            toV = lastV.uninitializedPointer
        let fromK = keys.pointer, fromV = values.pointer
        Parallel.for(B, work: 4 * B * N * D) { b in
            let k = toK + b * bank, v = toV + b * bank
            nstm_move_rows(1, bank, fromK + b * bank, bank, k, bank)
            nstm_move_rows(1, bank, fromV + b * bank, bank, v, bank)
            withScratch(byteCount: scratchBytes(1, backward: false)) { scratch in
                for h in 0..<H {
                    let at = h * d * size
                    var scan = kernel(b, 0, h, stateStride: D)
                    nstm_slots_forward(
                        real, &scan, k + at, v + at, toP + (b * H + h) * N * size, toO + b * D * size + at, 1, scratch)
                }
            }
        }
        withExtendedLifetime((keys, values)) {}
        return Result(o: o, p: p, keys: lastK, values: lastV, starts: nil)
    }

    /// Gradients from those of the reads and of the last states; nil counts as 0.
    package func backward(_ r: Result, dO: Tensor?, dKeys: Tensor?, dValues: Tensor?, wantsBias: Bool) -> Gradients {
        guard let starts = r.starts else { nstmFatal(.other(op: "gatedSlotScan", "backward without stored states")) }
        let type = qkv.dtype, bank = N * d * size
        let dO = (dO ?? .zeros([B, T, D], dtype: type)).contiguous()
        let gK = (dKeys ?? .zeros([B, N, D], dtype: type)).contiguous(),
            gV = (dValues ?? .zeros([B, N, D], dtype: type)).contiguous()
        let dqkv = Tensor(uninitialized: qkv.shape, type), dK = Tensor(uninitialized: [B, N, D], type)
        let dV = Tensor(uninitialized: [B, N, D], type)
        // Write weights and biases are shared by the heads: one copy per head, summed in order afterwards.
        let dU = Tensor(uninitialized: [B, H, T, N], type), dB = wantsBias ? Tensor.zeros([B, H, N], dtype: type) : nil
        let dGate = gate == nil ? nil : Tensor(uninitialized: [B, T, D], type), toGate = dGate?.uninitializedPointer
        let toQKV = dqkv.uninitializedPointer, toU = dU.uninitializedPointer, toK = dK.uninitializedPointer,
            toV = dV.uninitializedPointer, toB = dB?.uninitializedPointer
        let span = min(chunk, max(1, T))
        Parallel.for(B * H, work: 12 * B * T * N * D) { i in
            let scratchBytes = scratchBytes(span, backward: true)
            withScratch(byteCount: scratchBytes + 2 * bank) { scratch in
                let b = i / H, h = i % H, running = scratch + scratchBytes
                gather(gK.pointer, b, h, running)
                gather(gV.pointer, b, h, running + bank)
                for c in stride(from: chunks - 1, through: 0, by: -1) {
                    let state = starts.pointer + (i * chunks + c) * 2 * bank
                    let t = c * chunk, token = (b * T + t) * D + h * d
                    let row = toQKV + ((b * T + t) * 3 * D + h * d) * size
                    var scan = kernel(b, t, h, stateStride: d)
                    var to = nstm_slots_gradient(
                        q: row, k: row + D * size, v: row + 2 * D * size, u: toU + (i * T + t) * N * size, keys: running,
                        values: running + bank, gate: toGate.map { $0 + token * size }, bias: toB.map { $0 + i * N * size },
                        qkv_stride: 3 * D, u_stride: N, gate_stride: D)
                    nstm_slots_backward(
                        real, &scan, &to, state, state + bank, r.p.pointer + (i * T + t) * N * size, dO.pointer + token * size,
                        min(chunk, T - t), scratch)
                }
                scatter(running, b, h, toK)
                scatter(running + bank, b, h, toV)
            }
        }
        return Gradients(qkv: dqkv, write: dU.sum(axes: [1]), keys: dK, values: dV, gate: dGate, bias: dB?.sum(axes: [1]))
    }
}
