import CNSTMKernels
import NSTMTensor

/// Which keys a query sees.
public struct AttentionMask: Sendable, Equatable {
    /// Query t sees keys ≤ t only.
    public var causal: Bool
    /// With `causal`: query t sees the last `window` keys only, its own included. nil: all.
    public var window: Int?

    public init(causal: Bool, window: Int? = nil) {
        self.causal = causal
        self.window = window
    }
    public static let full = AttentionMask(causal: false)
    public static let causal = AttentionMask(causal: true)

    /// Pairs of a query and a key that attention computes for one head of one sequence, of which forward takes two products over
    /// the width of the head and backward five: the visible ones, rounded up to blocks.
    package func pairs(queries: Int, keys count: Int) -> Int {
        Int(nstm_attention_pairs(causal ? 1 : 0, window ?? 0, queries, count))
    }
}

extension Variable {
    /// Scaled dot-product attention by heads (Vaswani et al. 2017).
    ///
    /// The variable holds queries, keys and values side by side: [B, T, 3·D] with D = heads · d. When it is longer than the
    /// queries (a carried window of earlier tokens comes first), `queries` says how many of the last rows ask. `keyBias`
    /// [B, T] is added to the scores of a key; −∞ hides it. Returns [B, queries, D]. Scores are computed again on the way
    /// back, and live in blocks of a fixed size: memory is linear in T.
    public func attention(heads: Int, mask: AttentionMask, queries: Int? = nil, keyBias: Variable? = nil) -> Variable {
        guard shape.rank == 3, shape[2] % (3 * heads) == 0 else {
            nstmFatal(
                .other(op: "attention", "needs [B, T, 3·D] with D a multiple of \(heads) heads, got \(shape)"), at: path(of: self)
            )
        }
        requireSameType("attention", self, keyBias)
        let job = AttentionJob(self.value, heads: heads, mask: mask, queries: queries ?? shape[1], keyBias: keyBias?.value)
        let (o, lse) = job.forward(), hasBias = keyBias != nil
        return record("attention", self, keyBias, o, keeping: (job, o, lse, hasBias)) { g, kept, sink in
            let (job, o, lse, hasBias) = kept.pointee
            let (dx, dbias) = job.backward(g.contiguous(), o: o, lse: lse, wantsBias: hasBias && sink.needs(1))
            sink.add(0, dx)
            if let dbias { sink.add(1, dbias) }
        }
    }
}

/// One attention call: sizes and addresses, and the two passes. Work is split over (sequence, head), and where these are few and long over parts
/// of the queries (forward) or keys (backward). How it is split depends on sizes alone.
private struct AttentionJob {
    let x: Tensor
    let bias: Tensor?
    let B: Int, T: Int, Q: Int, D: Int, H: Int, d: Int
    let mask: AttentionMask
    let real: nstm_real
    let size: Int
    /// Parts of a head, and the keys, or queries, of a part: whole blocks, so that the same pairs are computed.
    let parts: Int, part: Int

    init(_ value: Tensor, heads: Int, mask: AttentionMask, queries: Int, keyBias: Tensor?) {
        x = value.contiguous()
        bias = keyBias?.contiguous()
        B = value.shape[0]
        T = value.shape[1]
        D = value.shape[2] / 3
        Q = queries
        H = heads
        d = D / heads
        self.mask = mask
        real = value.dtype.real
        size = value.dtype.byteCount
        let wanted = min(16 / max(1, B * H), T / 512)
        part = wanted < 2 ? max(1, T) : ((T + wanted - 1) / wanted + 31) / 32 * 32
        parts = max(1, (T + part - 1) / part)
        guard Q >= 0, Q <= T, keyBias.map({ $0.shape == [value.shape[0], value.shape[1]] }) ?? true else {
            nstmFatal(.other(op: "attention", "\(Q) queries of \(T) rows, key bias \(keyBias?.shape.description ?? "none")"))
        }
        if let window = mask.window, window < 1 { nstmFatal(.other(op: "attention", "window \(window), needs at least 1")) }
    }

    private var rowLength: Int { 3 * D }
    private func offset(_ b: Int, _ t: Int, _ part: Int, _ h: Int) -> Int { ((b * T + t) * rowLength + part * D + h * d) * size }
    /// A head whose queries lie beside keys `rows`, the last of all that it has.
    private func head(_ b: Int, _ h: Int, _ rows: Range<Int>) -> nstm_attention {
        let base = x.pointer
        return nstm_attention(
            q: base + offset(b, rows.lowerBound, 0, h), k: base + offset(b, 0, 1, h), v: base + offset(b, 0, 2, h),
            bias: bias.map { $0.pointer + b * T * size }, stride: rowLength, queries: rows.count, keys: rows.upperBound,
            width: d, causal: mask.causal ? 1 : 0, window: mask.window ?? 0, scale: 1 / Double(d).squareRoot())
    }
    private func withMemory(
        _ head: nstm_attention, backward: Bool, _ body: (UnsafePointer<nstm_attention>, UnsafeMutableRawPointer) -> Void
    ) {
        withUnsafePointer(to: head) { head in
            withScratch(byteCount: nstm_attention_scratch(real, head, backward ? 1 : 0) * size) { body(head, $0) }
        }
    }

    func forward() -> (o: Tensor, lse: Tensor) {
        let o = Tensor(uninitialized: [B, Q, D], x.dtype), lse = Tensor(uninitialized: [B, H, Q], x.dtype)
        let toO = o.uninitializedPointer, toLse = lse.uninitializedPointer
        // Without the causal mask queries see keys behind them.
        let parts = mask.causal ? max(1, (Q + part - 1) / part) : 1
        Parallel.for(B * H * parts) { piece in
            // The last part sees most keys: it comes first, so that threads finish together.
            let i = piece % (B * H), b = i / H, h = i % H, p = parts - 1 - piece / (B * H)
            let first = p * part, rows = T - Q + first..<(p == parts - 1 ? T : T - Q + first + part)
            withMemory(head(b, h, rows), backward: false) {
                nstm_attention_forward(
                    real, $0, toO + ((b * Q + first) * D + h * d) * size, D, toLse + (i * Q + first) * size, $1)
            }
        }
        return (o, lse)
    }

    func backward(_ g: Tensor, o: Tensor, lse: Tensor, wantsBias: Bool) -> (dx: Tensor, dbias: Tensor?) {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        // The bias is shared by the heads: a row a head, summed in order afterwards.
        let dbias = wantsBias ? Tensor(uninitialized: [B, H, T], x.dtype) : nil
        let toBias = dbias?.uninitializedPointer
        // Every part of the keys has a share in the gradient of the queries.
        let shares = parts > 1 ? Tensor(uninitialized: [parts, B, Q, D], x.dtype) : nil
        let toShares = shares?.uninitializedPointer
        Parallel.for(B * H * parts) { piece in
            // The first keys are seen by most queries.
            let i = piece % (B * H), b = i / H, h = i % H, p = piece / (B * H), keys = p * part..<min(T, (p + 1) * part)
            let rows = (b * Q * D + h * d) * size
            let toQ = toShares.map { $0 + p * B * Q * D * size + rows } ?? to + offset(b, T - Q, 0, h)
            withMemory(head(b, h, T - Q..<T), backward: true) {
                nstm_attention_backward(
                    real, $0, keys.lowerBound, keys.upperBound, o.pointer + rows, g.pointer + rows, D,
                    lse.pointer + i * Q * size, toQ, toShares == nil ? rowLength : D, to + offset(b, 0, 1, h),
                    to + offset(b, 0, 2, h), toBias.map { $0 + i * T * size }, $1)
            }
        }
        let dq = shares?.sum(axes: [0])
        for b in 0..<B {
            // StridedRows that do not ask (a carried window) get no dQ.
            for t in 0..<T - Q { nstm_fill(real, to + offset(b, t, 0, 0), 0, D) }
            if let dq {
                nstm_move_rows(
                    Q, D * size, dq.pointer + b * Q * D * size, D * size, to + offset(b, T - Q, 0, 0), rowLength * size)
            }
        }
        return (dx, dbias?.sum(axes: [1]))
    }
}
