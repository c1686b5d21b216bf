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
        Parallel.for(B * H, work: 4 * B * T * N * D) { i in
            withScratch(byteCount: 2 * bank) { k in
                let b = i / H, h = i % H, v = k + bank
                gather(keys.pointer, b, h, k)
                gather(values.pointer, b, h, v)
                for c in 0..<chunks {
                    if let toStarts { (toStarts + (i * chunks + c) * 2 * bank).copyMemory(from: k, byteCount: 2 * bank) }
                    let t = c * chunk, n = min(chunk, T - t), row = qkv.pointer + ((b * T + t) * 3 * D + h * d) * size
                    nstm_slots(
                        real, row, row + D * size, row + 2 * D * size, 3 * D, write.pointer + (b * T + t) * N * size, N,
                        gate?.at(b, t, h * d), gate?.row ?? 0, bias.map { $0.pointer + b * N * size }, scale, keyLength, k,
                        v, d, toP + (i * T + t) * N * size, N,
                        toO + ((b * T + t) * D + h * d) * size, D, n, N, d)
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
            let k = toK + b * bank, v = toV + b * bank, row = qkv.pointer + b * 3 * D * size
            nstm_move_rows(1, bank, fromK + b * bank, bank, k, bank)
            nstm_move_rows(1, bank, fromV + b * bank, bank, v, bank)
            for h in 0..<H {
                let at = h * d * size
                nstm_slots(
                    real, row + at, row + D * size + at, row + 2 * D * size + at, 3 * D, write.pointer + b * N * size, N,
                    gate?.at(b, 0, h * d), 0, bias.map { $0.pointer + b * N * size }, scale, keyLength, k + at, v + at, D,
                    toP + (b * H + h) * N * size, N, toO + b * D * size + at, D, 1, N, d)
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
            withScratch(byteCount: (span + 2) * 2 * bank + span * (2 * N + 1) * 4) { running in
                let b = i / H, h = i % H
                let log = running + 2 * bank, index = log + (span + 1) * 2 * bank
                gather(gK.pointer, b, h, running)
                gather(gV.pointer, b, h, running + bank)
                for c in stride(from: chunks - 1, through: 0, by: -1) {
                    let state = starts.pointer + (i * chunks + c) * 2 * bank
                    let t = c * chunk, n = min(chunk, T - t)
                    let row = qkv.pointer + ((b * T + t) * 3 * D + h * d) * size,
                        to = toQKV + ((b * T + t) * 3 * D + h * d) * size
                    nstm_slots_backward(
                        real, dO.pointer + ((b * T + t) * D + h * d) * size, D, row, row + D * size, row + 2 * D * size,
                        3 * D,
                        write.pointer + (b * T + t) * N * size, N, gate?.at(b, t, h * d), gate?.row ?? 0,
                        bias.map { $0.pointer + b * N * size }, scale, keyLength,
                        r.p.pointer + (i * T + t) * N * size, N, state, state + bank, d, running, running + bank,
                        to, to + D * size, to + 2 * D * size, 3 * D, toU + (i * T + t) * N * size, N,
                        toGate.map { $0 + ((b * T + t) * D + h * d) * size }, D, toB.map { $0 + i * N * size },
                        log, index.assumingMemoryBound(to: Int32.self), n, N, d)
                }
                scatter(running, b, h, toK)
                scatter(running + bank, b, h, toV)
            }
        }
        return Gradients(qkv: dqkv, write: dU.sum(axes: [1]), keys: dK, values: dV, gate: dGate, bias: dB?.sum(axes: [1]))
    }
}
