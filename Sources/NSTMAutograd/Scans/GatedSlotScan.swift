import CNSTMKernels
import NSTMTensor

/// What a gated-slot scan returns: reads [B, T, D], the states after the last token [B, N, D] each, and the read weights
/// [B, H, T, N], which are kept for the way back anyway and show who was read.
public struct GatedSlotScan {
    public let output: Variable
    public let keys: Variable
    public let values: Variable
    public let readWeights: Tensor
}

extension Variable {
    /// Gated slots with a softmax read (kernel family 1), token by token and exact, with queries,
    /// keys and values of the tokens concatenated in `self`, [B, T, 3·D], D = heads · d:
    ///
    ///     Kₘ ← Kₘ + uₘ(k − Kₘ);  Vₘ ← Vₘ + uₘ z ⊙ (v − Vₘ);  o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ
    ///
    /// - Parameters:
    ///   - write: write weights u [B, T, N] in 0 ... 1, shared by the heads; 0 leaves a state exactly as it was and costs nothing.
    ///   - gate: z [B, T, D] in 0 ... 1, of the channels of the values: V moves by uₘ z ⊙ (v − Vₘ); nil: 1.
    ///   - keys: keys of the states before the first token, [B, N, D] (or [N, D], the same for every sequence).
    ///   - values: values of the states before the first token, of the same shape.
    ///   - keyLength: when given, the keys of a head are first scaled to this length (√d makes q·K/√d a product with unit keys).
    ///   - bias: read biases [B, N]; −∞ marks an inactive state, which is neither read nor written.
    ///
    /// States are stored every `chunk` tokens and recomputed inside a chunk on the way back.
    public func gatedSlotScan(
        write: Variable, gate: Variable? = nil, keys: Variable, values: Variable, bias: Variable? = nil, heads: Int,
        keyLength: Double? = nil, chunk: Int = 64
    ) -> GatedSlotScan {
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
        let job = SlotJob(
            value.contiguous(), write.value.contiguous(), (gate?.value).map { StridedRows($0) }, bias?.value.contiguous(),
            heads: heads,
            keyLength: keyLength ?? 0, chunk: chunk,
            keepsChunks: isRecorded || write.isRecorded || keys.isRecorded || values.isRecorded || gate?.isRecorded ?? false
                || bias?.isRecorded ?? false)
        let result = job.forward(initialK.value.contiguous(), initialV.value.contiguous())
        if let o = unrecorded(result.o, of: self, isRecorded: job.keepsChunks) {
            return GatedSlotScan(
                output: o, keys: Variable(result.keys, node: -1, tape: o.tape),
                values: Variable(result.values, node: -1, tape: o.tape),
                readWeights: result.p)
        }
        let outputs = record(
            "gatedSlotScan", self, write, initialK, initialV, gate, bias, (result.o, result.keys, result.values),
            keeping: (job, result)
        ) { g, kept, sink in
            let (job, result) = kept.pointee
            let d = job.backward(result, dO: g.take(0), dKeys: g.take(1), dValues: g.take(2), wantsBias: sink.needs(5))
            sink.add(0, d.qkv)
            sink.add(1, d.write)
            sink.add(2, d.keys)
            sink.add(3, d.values)
            if let dgate = d.gate { sink.add(4, dgate) }
            if let dbias = d.bias { sink.add(5, dbias) }
        }
        return GatedSlotScan(output: outputs.0, keys: outputs.1, values: outputs.2, readWeights: result.p)
    }
}

private struct SlotJob {
    let qkv: Tensor, write: Tensor
    let gate: StridedRows?
    let bias: Tensor?
    let B: Int, T: Int, D: Int, H: Int, d: Int, N: Int, chunk: Int
    let keepsChunks: Bool
    let keyLength: Double
    let real: nstm_real
    let size: Int
    var scale: Double { 1 / Double(d).squareRoot() }
    var chunks: Int { (T + chunk - 1) / chunk }

    struct Result {
        let o: Tensor, p: Tensor, keys: Tensor, values: Tensor
        /// States at the start of each chunk: [B, H, chunks, 2, N, d].
        let starts: Tensor?
    }
    struct Gradient {
        let qkv: Tensor, write: Tensor, keys: Tensor, values: Tensor
        let gate: Tensor?, bias: Tensor?
    }

    init(
        _ qkv: Tensor, _ write: Tensor, _ gate: StridedRows?, _ bias: Tensor?, heads: Int, keyLength: Double, chunk: Int,
        keepsChunks: Bool
    ) {
        self.gate = gate
        self.keyLength = keyLength
        self.qkv = qkv
        self.write = write
        self.bias = bias
        B = qkv.shape[0]
        T = qkv.shape[1]
        D = qkv.shape[2] / 3
        H = heads
        d = D / heads
        N = write.shape[2]
        self.chunk = chunk
        self.keepsChunks = keepsChunks
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

    func forward(_ keys: Tensor, _ values: Tensor) -> Result {
        if T == 1 && !keepsChunks { return one(keys, values) }
        let type = qkv.dtype
        let o = Tensor(uninitialized: [B, T, D], type), p = Tensor(uninitialized: [B, H, T, N], type)
        let lastK = Tensor(uninitialized: [B, N, D], type), lastV = Tensor(uninitialized: [B, N, D], type)
        let starts = keepsChunks ? Tensor(uninitialized: [B, H, max(1, chunks), 2, N, d], type) : nil
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

    /// One token and no way back: the heads work where they lie in a copy of the states.
    private func one(_ keys: Tensor, _ values: Tensor) -> Result {
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

    func backward(_ r: Result, dO: Tensor?, dKeys: Tensor?, dValues: Tensor?, wantsBias: Bool) -> Gradient {
        guard let starts = r.starts else { nstmFatal(.other(op: "gatedSlotScan", "backward without stored states")) }
        let type = qkv.dtype, bank = N * d * size
        let dO = (dO ?? .zeros([B, T, D], dtype: type)).contiguous()
        let gK = (dKeys ?? .zeros([B, N, D], dtype: type)).contiguous(),
            gV = (dValues ?? .zeros([B, N, D], dtype: type)).contiguous()
        let dqkv = Tensor(uninitialized: qkv.shape, type), dK = Tensor(uninitialized: [B, N, D], type)
        let dV = Tensor(uninitialized: [B, N, D], type)
        // Write weights and biases are shared by the heads: a copy a head, summed in order afterwards.
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
        return Gradient(qkv: dqkv, write: dU.sum(axes: [1]), keys: dK, values: dV, gate: dGate, bias: dB?.sum(axes: [1]))
    }
}
