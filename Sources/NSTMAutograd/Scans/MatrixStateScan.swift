import CNSTMKernels
import NSTMTensor

/// What a matrix-state scan returns: reads [B, T, heads · dv] and the states after the last token [B, heads, dk, dv].
public struct MatrixStateScan {
    public let output: Variable
    public let state: Variable
}

extension Variable {
    /// Linear recurrence on one matrix S [dk, dv] a head (kernel family 2), exact, with `self` as queries
    /// [B, T, heads · dk]:
    ///
    ///     S ← diag(a) S;  S ← S + kᵀ v,  or with β the delta rule  S ← S + β kᵀ (v − k S);  o = q S
    ///
    /// and with a bonus u the read comes before the update: o = q (S + diag(u) kᵀ v), S being the state of the token before.
    ///
    /// - Parameters:
    ///   - key: keys [B, T, heads · dk]. Nothing is scaled or normalized here; the delta rule wants ‖k‖ = 1.
    ///   - value: [B, T, heads · dv]; dv may differ from dk.
    ///   - decay: a, usually in 0 ... 1: one number a head, [B, T, heads] (RetNet, Mamba-2, gated DeltaNet), or one a key
    ///     channel, [B, T, heads · dk] (GLA, RWKV-6); or what broadcasts to these, such as [heads]. Nil: none (linear attention).
    ///   - beta: strength β [B, T, heads] of the delta rule (DeltaNet), usually in 0 ... 1.
    ///   - bonus: u [heads · dk] (RWKV); not together with `beta`.
    ///   - state: S before the first token [B, heads, dk, dv]; zeros when nil.
    ///
    /// Linear attention's normalizer needs no operation of its own: append a column of ones to the values of each head, and the
    /// last column of the result is q · Σk. One token costs about 4 · dk · dv multiply-adds and addings a head; the states before
    /// every 16th token are kept for the way back.
    public func matrixStateScan(
        key: Variable, value: Variable, decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil,
        state: Variable? = nil, heads: Int
    ) -> MatrixStateScan {
        let place = path(of: self, key, value)
        guard shape.rank == 3, key.shape == shape, value.shape.rank == 3, value.shape[0] == shape[0], value.shape[1] == shape[1],
            heads >= 1, shape[2] % heads == 0, value.shape[2] % heads == 0, shape[2] > 0, value.shape[2] > 0
        else {
            nstmFatal(
                .other(op: "matrixStateScan", "query \(shape), key \(key.shape), value \(value.shape), \(heads) heads"), at: place
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
                    at: place)
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
                at: place)
        }
        if bonus != nil, decay?.shape != perChannel {
            // Reads before the update know decays of channels only.
            let one = decay ?? Variable(.ones([1, 1, 1], dtype: dtype))
            decay = one.unsqueezed(axis: -1).broadcast(to: [B, T, decay == nil ? 1 : heads, decay == nil ? shape[2] : dk])
                .reshaped([B, T, shape[2]])
        }
        let job = MatrixJob(
            StridedRows(self.value), StridedRows(key.value), StridedRows(value.value), decay: decay.map { StridedRows($0.value) },
            beta: beta.map { StridedRows($0.value) }, bonus: bonus?.value.contiguous(), H: heads,
            keepsStates: [self, key, value, decay, beta, bonus, state].contains { $0?.isRecorded ?? false })
        let result = job.forward(state?.value.contiguous())
        var inputs = [self, key, value]
        func position(_ v: Variable?) -> Int? {
            guard let v else { return nil }
            inputs.append(v)
            return inputs.count - 1
        }
        let places = (decay: position(decay), beta: position(beta), bonus: position(bonus), state: position(state))
        let outputs = record("matrixStateScan", inputs, [result.o, result.state]) { g, sink in
            let d = job.backward(result, dO: g[0], dState: g[1], wantsDecay: places.decay.map { sink.needs($0) } ?? false)
            sink.add(0, d.q)
            sink.add(1, d.k)
            sink.add(2, d.v)
            if let i = places.decay, let x = d.decay { sink.add(i, x) }
            if let i = places.beta, let x = d.beta { sink.add(i, x) }
            if let i = places.bonus, let x = d.bonus { sink.add(i, x) }
            if let i = places.state { sink.add(i, d.state) }
        }
        return MatrixStateScan(output: outputs[0], state: outputs[1])
    }
}

extension MatrixStateScan {
    /// Multiply-adds of a forward pass by formula, which are what the kernels count: chunks of 16 tokens, states padded to whole vectors.
    /// - Parameters:
    ///   - keys, values: dk and dv of a head.
    ///   - decaysByChannel: whether decays differ within a head, as those beside a bonus always do.
    package static func multiplyAdds(
        batch: Int, tokens: Int, heads: Int, keys dk: Int, values dv: Int, decaysByChannel: Bool = false, delta: Bool = false,
        bonus: Bool = false
    ) -> Int {
        let C = MatrixJob.chunk, K = nstm_matrix_scan_padded(dk)
        /// m tokens of a chunk, V columns of values.
        func chunk(_ m: Int, _ V: Int) -> Int {
            // Reads of the start and of each other, and the state at the end.
            var sum = m * V * dk + m * m * V + K * V * m
            // Keys decayed to the end, queries or what they read from the start; then weights between tokens, with decays on the way,
            // or of products and decays.
            let pairs = delta ? 2 : 1
            sum += m * K + m * (decaysByChannel ? K : V)
            if decaysByChannel {
                sum += (pairs + 1) * m * K + pairs * 2 * m * dk * C + (bonus ? 2 * m * dk : 0)
            } else {
                sum += m + C * m + pairs * (m * C + m * C * dk)
            }
            // What is found under a key, and the triangle of corrections.
            if delta { sum += m * V * dk + m * (m - 1) / 2 * V + 2 * m * V }
            return sum
        }
        let widths = stride(from: 0, to: dv, by: MatrixJob.block).map { nstm_matrix_scan_padded(min(MatrixJob.block, dv - $0)) }
        let one = widths.reduce(0) { $0 + tokens / C * chunk(C, $1) + (tokens % C == 0 ? 0 : chunk(tokens % C, $1)) }
        return batch * heads * one
    }
}

/// The work is split over sequences, heads and blocks of value columns, which do not see each other, also under the delta rule.
private struct MatrixJob {
    let q: StridedRows, k: StridedRows, v: StridedRows
    let decay: StridedRows?, beta: StridedRows?
    let bonus: Tensor?
    let B: Int, T: Int, H: Int, dk: Int, dv: Int
    let keepsStates: Bool
    let channels: Bool
    let type: DType
    private let real: nstm_real
    private let size: Int
    static let block = 64
    private let parts: Int
    /// Padded sizes of the state of a block of columns in memory, and its bytes.
    private let rows: Int, columns: Int, bank: Int
    static let chunk = Int(NSTM_MATRIX_CHUNK)
    private var chunks: Int { (T + MatrixJob.chunk - 1) / MatrixJob.chunk }

    struct Result {
        let o: Tensor, state: Tensor
        /// States before each chunk: [B · H · parts, chunks, rows, columns].
        let starts: Tensor?
    }
    struct Gradient {
        let q: Tensor, k: Tensor, v: Tensor, state: Tensor
        let decay: Tensor?, beta: Tensor?, bonus: Tensor?
    }

    init(
        _ q: StridedRows, _ k: StridedRows, _ v: StridedRows, decay: StridedRows?, beta: StridedRows?, bonus: Tensor?, H: Int,
        keepsStates: Bool
    ) {
        (self.q, self.k, self.v, self.decay, self.beta, self.bonus, self.H) = (q, k, v, decay, beta, bonus, H)
        B = q.tensor.shape[0]
        T = q.tensor.shape[1]
        dk = q.tensor.shape[2] / H
        dv = v.tensor.shape[2] / H
        self.keepsStates = keepsStates
        channels = bonus != nil || decay.map { $0.tensor.shape[2] != H } ?? false
        type = q.tensor.dtype
        real = type.real
        size = type.byteCount
        parts = (dv + MatrixJob.block - 1) / MatrixJob.block
        rows = nstm_matrix_scan_padded(dk)
        columns = nstm_matrix_scan_padded(min(dv, MatrixJob.block))
        bank = rows * columns * size
    }

    /// One piece of work: a sequence, a head, and a range of its value columns.
    private struct Piece {
        let part: Int, b: Int, h: Int, column: Int, width: Int
    }
    private func piece(_ i: Int) -> Piece {
        let part = i % parts, head = i / parts, column = part * MatrixJob.block
        return Piece(part: part, b: head / H, h: head % H, column: column, width: min(MatrixJob.block, dv - column))
    }
    private var count: Int { B * H * parts }
    /// Pieces that one thread takes from chunk to chunk together, so that it reads the rows of neighboring heads, which lie beside each
    /// other, while memory is at them: a seventh of the time. Every thread has two turns; pieces do not see each other, so results do
    /// not depend on it.
    private var together: Int { max(1, min(8, count / (2 * Parallel.threadCount))) }
    private func kernel(_ p: Piece, at t: Int) -> nstm_matrix_scan {
        nstm_matrix_scan(
            dk: dk, dv: p.width, q: q.at(p.b, t, p.h * dk), k: k.at(p.b, t, p.h * dk), v: v.at(p.b, t, p.h * dv + p.column),
            q_stride: q.row, k_stride: k.row, v_stride: v.row, decay: decay?.at(p.b, t, channels ? p.h * dk : p.h),
            decay_stride: decay?.row ?? 0, channels: channels ? 1 : 0, beta: beta?.at(p.b, t, p.h), beta_stride: beta?.row ?? 0,
            bonus: bonus.map { $0.pointer + p.h * dk * size })
    }
    /// The columns of a piece from [B, H, dk, dv] into padded memory, and back. Nil counts as zeros.
    private func pack(_ from: Tensor?, _ p: Piece, _ to: UnsafeMutableRawPointer) {
        let stride = nstm_matrix_scan_padded(p.width) * size
        if from == nil || stride != p.width * size || rows != dk { nstm_fill(real, to, 0, rows * columns) }
        guard let from else { return }
        for i in 0..<dk {
            (to + i * stride).copyMemory(
                from: from.pointer + (((p.b * H + p.h) * dk + i) * dv + p.column) * size, byteCount: p.width * size)
        }
    }
    private func unpack(_ from: UnsafeRawPointer, _ p: Piece, _ to: UnsafeMutableRawPointer) {
        let stride = nstm_matrix_scan_padded(p.width) * size
        for i in 0..<dk {
            (to + (((p.b * H + p.h) * dk + i) * dv + p.column) * size).copyMemory(
                from: from + i * stride, byteCount: p.width * size)
        }
    }

    func forward(_ initial: Tensor?) -> Result {
        let o = Tensor(uninitialized: [B, T, H * dv], type), last = Tensor(uninitialized: [B, H, dk, dv], type)
        let starts = keepsStates ? Tensor(uninitialized: [count, max(1, chunks), rows, columns], type) : nil
        let toO = o.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        let scratch = nstm_matrix_scan_scratch(dk, min(dv, MatrixJob.block), channels ? 1 : 0, 0) * size
        Parallel.blocks(count, of: together) { pieces in
            let memory = Storage(byteCount: pieces.count * bank + scratch), free = memory.base + pieces.count * bank
            defer { withExtendedLifetime(memory) {} }
            /// The state before a chunk, which is the running one after the last of them or when they are not kept.
            func state(_ i: Int, _ chunk: Int) -> UnsafeMutableRawPointer {
                guard let toStarts, chunk < chunks else { return memory.base + (i - pieces.lowerBound) * bank }
                return toStarts + (i * chunks + chunk) * bank
            }
            for i in pieces { pack(initial, piece(i), state(i, 0)) }
            for c in 0..<chunks {
                let t = c * MatrixJob.chunk
                for i in pieces {
                    let p = piece(i)
                    var scan = kernel(p, at: t)
                    nstm_matrix_scan_chunk(
                        real, &scan, state(i, c), state(i, c + 1), toO + ((p.b * T + t) * H * dv + p.h * dv + p.column) * size,
                        H * dv, min(MatrixJob.chunk, T - t), free)
                }
            }
            for i in pieces { unpack(state(i, chunks), piece(i), toLast) }
        }
        withExtendedLifetime(initial) {}
        return Result(o: o, state: last, starts: starts)
    }

    func backward(_ r: Result, dO: Tensor?, dState: Tensor?, wantsDecay: Bool) -> Gradient {
        guard let starts = r.starts else { nstmFatal(.other(op: "matrixStateScan", "backward without stored states")) }
        let dO = StridedRows(dO ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, H * dv])), dState = dState?.contiguous()
        func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }
        // Every block of value columns gives a part of what belongs to keys, queries and gates.
        let dq = fresh([parts, B, T, H * dk]), dk = fresh([parts, B, T, H * self.dk]), dv = fresh([B, T, H * self.dv])
        let width = channels ? H * self.dk : H
        let da = decay != nil && (channels || wantsDecay) ? fresh([parts, B, T, width]) : nil
        let db = beta != nil ? fresh([parts, B, T, H]) : nil
        let du = bonus.map { Tensor.zeros([parts * B, $0.count], dtype: type) }
        let initial = fresh([B, H, self.dk, self.dv])
        let toQ = dq.uninitializedPointer, toK = dk.uninitializedPointer, toV = dv.uninitializedPointer,
            toA = da?.uninitializedPointer, toB = db?.uninitializedPointer
        let toU = du?.uninitializedPointer, toInitial = initial.uninitializedPointer
        let scratch = nstm_matrix_scan_scratch(self.dk, min(self.dv, MatrixJob.block), channels ? 1 : 0, 1) * size
        Parallel.blocks(count, of: together) { pieces in
            let memory = Storage(byteCount: pieces.count * bank + scratch), free = memory.base + pieces.count * bank
            defer { withExtendedLifetime(memory) {} }
            func running(_ i: Int) -> UnsafeMutableRawPointer { memory.base + (i - pieces.lowerBound) * bank }
            for i in pieces { pack(dState, piece(i), running(i)) }
            for c in stride(from: chunks - 1, through: 0, by: -1) {
                let t = c * MatrixJob.chunk
                for i in pieces {
                    let p = piece(i), token = (p.part * B + p.b) * T + t, keys = (token * H + p.h) * self.dk * size
                    var scan = kernel(p, at: t)
                    var to = nstm_matrix_scan_gradient(
                        q: toQ + keys, k: toK + keys, v: toV + (((p.b * T + t) * H + p.h) * self.dv + p.column) * size,
                        q_stride: H * self.dk, k_stride: H * self.dk, v_stride: H * self.dv,
                        decay: toA.map { channels ? $0 + keys : $0 + (token * H + p.h) * size }, decay_stride: width,
                        beta: toB.map { $0 + (token * H + p.h) * size }, beta_stride: H,
                        bonus: toU.map { $0 + ((p.part * B + p.b) * H + p.h) * self.dk * size })
                    nstm_matrix_scan_chunk_backward(
                        real, &scan, &to, starts.pointer + (i * chunks + c) * bank,
                        dO.at(p.b, t, p.h * self.dv + p.column), dO.row, running(i), min(MatrixJob.chunk, T - t), free)
                }
            }
            for i in pieces { unpack(running(i), piece(i), toInitial) }
        }
        return Gradient(
            q: dq.summedPieces(), k: dk.summedPieces(), v: dv, state: initial, decay: da?.summedPieces(),
            beta: db?.summedPieces(), bonus: du?.summedPieces())
    }
}
