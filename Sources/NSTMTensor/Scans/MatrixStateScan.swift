import CNSTMKernels

/// Linear recurrence on one matrix S [dk, dv] per head (kernel family 2), exact; `Variable.matrixStateScan` has the equations.
///
/// The work is split over sequences, heads and blocks of value columns, which are independent of each other, also under the delta
/// rule.
package struct MatrixStateScan {
    private let q: StridedRows, k: StridedRows, v: StridedRows
    private let decay: StridedRows?, beta: StridedRows?
    private let bonus: Tensor?
    private let B: Int, T: Int, H: Int, dk: Int, dv: Int
    private let savesStates: Bool
    /// Whether decays differ within a head.
    private let channels: Bool
    private let type: DType
    private let real: nstm_real
    private let size: Int
    static let block = 64
    private let parts: Int
    /// Padded sizes of the state of a block of columns in memory, and its bytes.
    private let rows: Int, columns: Int, bank: Int
    static let chunk = Int(NSTM_MATRIX_CHUNK)
    private var chunks: Int { (T + MatrixStateScan.chunk - 1) / MatrixStateScan.chunk }

    package struct Result {
        /// Reads [B, T, H · dv], and the states after the last token [B, H, dk, dv].
        package let o: Tensor, state: Tensor
        /// States before each chunk: [B · H · parts, chunks, rows, columns].
        fileprivate let starts: Tensor?
    }
    package struct Gradients {
        package let q: Tensor, k: Tensor, v: Tensor, state: Tensor
        package let decay: Tensor?, beta: Tensor?, bonus: Tensor?
    }

    /// - Parameters:
    ///   - q, k: [B, T, H · dk]; v: [B, T, H · dv].
    ///   - decay: [B, T, H] or [B, T, H · dk]; the latter with a bonus.
    ///   - beta: [B, T, H]; bonus: [H · dk]. Not both.
    ///   - savesStates: whether a backward pass will follow.
    package init(
        q: Tensor, k: Tensor, v: Tensor, decay: Tensor?, beta: Tensor?, bonus: Tensor?, heads H: Int, savesStates: Bool
    ) {
        (self.q, self.k, self.v) = (StridedRows(q), StridedRows(k), StridedRows(v))
        self.decay = decay.map { StridedRows($0) }
        self.beta = beta.map { StridedRows($0) }
        self.bonus = bonus?.contiguous()
        self.H = H
        B = q.shape[0]
        T = q.shape[1]
        dk = q.shape[2] / H
        dv = v.shape[2] / H
        self.savesStates = savesStates
        channels = bonus != nil || decay.map { $0.shape[2] != H } ?? false
        type = q.dtype
        real = type.real
        size = type.byteCount
        parts = (dv + MatrixStateScan.block - 1) / MatrixStateScan.block
        rows = nstm_matrix_scan_padded(dk)
        columns = nstm_matrix_scan_padded(min(dv, MatrixStateScan.block))
        bank = rows * columns * size
    }

    /// One piece of work: a sequence, a head, and a range of its value columns.
    private struct Piece {
        let part: Int, b: Int, h: Int, column: Int, width: Int
    }
    private func piece(_ i: Int) -> Piece {
        let part = i % parts, head = i / parts, column = part * MatrixStateScan.block
        return Piece(part: part, b: head / H, h: head % H, column: column, width: min(MatrixStateScan.block, dv - column))
    }
    private var count: Int { B * H * parts }
    /// Number of pieces that one thread computes together, chunk by chunk, so that it reads the rows of neighboring heads, which
    /// are adjacent in memory, at the same time: 1/7 of the time.
    ///
    /// Every thread gets two groups of pieces; pieces are independent, so results do not depend on the grouping.
    private var together: Int { max(1, min(8, count / (2 * Parallel.threadCount))) }
    private func kernel(_ p: Piece, at t: Int) -> nstm_matrix_scan {
        nstm_matrix_scan(
            dk: dk, dv: p.width, q: q.at(p.b, t, p.h * dk), k: k.at(p.b, t, p.h * dk), v: v.at(p.b, t, p.h * dv + p.column),
            q_stride: q.row, k_stride: k.row, v_stride: v.row, decay: decay?.at(p.b, t, channels ? p.h * dk : p.h),
            decay_stride: decay?.row ?? 0, channels: channels ? 1 : 0, beta: beta?.at(p.b, t, p.h), beta_stride: beta?.row ?? 0,
            bonus: bonus.map { $0.pointer + p.h * dk * size })
    }
    /// Copies the columns of a piece from [B, H, dk, dv] to padded memory; nil: zeros.
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

    /// - Parameter initial: S before the first token [B, H, dk, dv]; nil: zeros.
    package func forward(_ initial: Tensor?) -> Result {
        let initial = initial?.contiguous()
        let o = Tensor(uninitialized: [B, T, H * dv], type), last = Tensor(uninitialized: [B, H, dk, dv], type)
        let starts = savesStates ? Tensor(uninitialized: [count, max(1, chunks), rows, columns], type) : nil
        let toO = o.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        let scratch = nstm_matrix_scan_scratch(dk, min(dv, MatrixStateScan.block), channels ? 1 : 0, 0) * size
        Parallel.blocks(count, of: together) { pieces in
            let memory = Storage(byteCount: pieces.count * bank + scratch), free = memory.base + pieces.count * bank
            defer { withExtendedLifetime(memory) {} }
            /// The state before a chunk, which is the running one after the last of them or when they are not saved.
            func state(_ i: Int, _ chunk: Int) -> UnsafeMutableRawPointer {
                guard let toStarts, chunk < chunks else { return memory.base + (i - pieces.lowerBound) * bank }
                return toStarts + (i * chunks + chunk) * bank
            }
            for i in pieces { pack(initial, piece(i), state(i, 0)) }
            for c in 0..<chunks {
                let t = c * MatrixStateScan.chunk
                for i in pieces {
                    let p = piece(i)
                    var scan = kernel(p, at: t)
                    nstm_matrix_scan_chunk(
                        real, &scan, state(i, c), state(i, c + 1), toO + ((p.b * T + t) * H * dv + p.h * dv + p.column) * size,
                        H * dv, min(MatrixStateScan.chunk, T - t), free)
                }
            }
            for i in pieces { unpack(state(i, chunks), piece(i), toLast) }
        }
        withExtendedLifetime(initial) {}
        return Result(o: o, state: last, starts: starts)
    }

    /// Gradients from those of the reads and of the last states; nil counts as 0.
    package func backward(_ r: Result, dO: Tensor?, dState: Tensor?, wantsDecay: Bool) -> Gradients {
        guard let starts = r.starts else { nstmFatal(.other(op: "matrixStateScan", "backward without stored states")) }
        let dO = StridedRows(dO ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, H * dv])), dState = dState?.contiguous()
        func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }
        // Every block of value columns has a partial gradient of keys, queries and gates.
        let dq = fresh([parts, B, T, H * dk]), dk = fresh([parts, B, T, H * self.dk]), dv = fresh([B, T, H * self.dv])
        let width = channels ? H * self.dk : H
        let da = decay != nil && (channels || wantsDecay) ? fresh([parts, B, T, width]) : nil
        let db = beta != nil ? fresh([parts, B, T, H]) : nil
        let du = bonus.map { Tensor.zeros([parts * B, $0.count], dtype: type) }
        let initial = fresh([B, H, self.dk, self.dv])
        let toQ = dq.uninitializedPointer, toK = dk.uninitializedPointer, toV = dv.uninitializedPointer,
            toA = da?.uninitializedPointer, toB = db?.uninitializedPointer
        let toU = du?.uninitializedPointer, toInitial = initial.uninitializedPointer
        let scratch = nstm_matrix_scan_scratch(self.dk, min(self.dv, MatrixStateScan.block), channels ? 1 : 0, 1) * size
        Parallel.blocks(count, of: together) { pieces in
            let memory = Storage(byteCount: pieces.count * bank + scratch), free = memory.base + pieces.count * bank
            defer { withExtendedLifetime(memory) {} }
            func running(_ i: Int) -> UnsafeMutableRawPointer { memory.base + (i - pieces.lowerBound) * bank }
            for i in pieces { pack(dState, piece(i), running(i)) }
            for c in stride(from: chunks - 1, through: 0, by: -1) {
                let t = c * MatrixStateScan.chunk
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
                        dO.at(p.b, t, p.h * self.dv + p.column), dO.row, running(i), min(MatrixStateScan.chunk, T - t), free)
                }
            }
            for i in pieces { unpack(running(i), piece(i), toInitial) }
        }
        return Gradients(
            q: dq.partialSums(), k: dk.partialSums(), v: dv, state: initial, decay: da?.partialSums(),
            beta: db?.partialSums(), bonus: du?.partialSums())
    }
}

extension MatrixStateScan {
    /// Multiply-adds of a forward pass by formula, which are what the kernels count: chunks of 16 tokens, states padded to whole
    /// vectors.
    /// - Parameters:
    ///   - keys, values: dk and dv of a head.
    ///   - decaysByChannel: whether decays differ within a head, as those beside a bonus always do.
    package static func multiplyAdds(
        batch: Int, tokens: Int, heads: Int, keys dk: Int, values dv: Int, decaysByChannel: Bool = false, delta: Bool = false,
        bonus: Bool = false
    ) -> Int {
        let C = MatrixStateScan.chunk, K = nstm_matrix_scan_padded(dk)
        /// m tokens of a chunk, V columns of values.
        func chunk(_ m: Int, _ V: Int) -> Int {
            // Reads of the initial state and of earlier tokens, and the final state.
            var sum = m * V * dk + m * m * V + K * V * m
            // Keys decayed to the end of the chunk, and queries or reads decayed from its start; then weights between tokens,
            // with decays between them, or from products and decays.
            let pairs = delta ? 2 : 1
            sum += m * K + m * (decaysByChannel ? K : V)
            if decaysByChannel {
                sum += (pairs + 1) * m * K + pairs * 2 * m * dk * C + (bonus ? 2 * m * dk : 0)
            } else {
                sum += m + C * m + pairs * (m * C + m * C * dk)
            }
            // The value stored under a key, and the triangular solve for the corrections.
            if delta { sum += m * V * dk + m * (m - 1) / 2 * V + 2 * m * V }
            return sum
        }
        let block = MatrixStateScan.block
        let widths = stride(from: 0, to: dv, by: block).map { nstm_matrix_scan_padded(min(block, dv - $0)) }
        let one = widths.reduce(0) { $0 + tokens / C * chunk(C, $1) + (tokens % C == 0 ? 0 : chunk(tokens % C, $1)) }
        return batch * heads * one
    }
}
