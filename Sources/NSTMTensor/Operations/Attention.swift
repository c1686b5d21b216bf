import CNSTMKernels

/// Scaled dot-product attention by heads (Vaswani et al., 2017) over queries, keys and values concatenated, [B, T, 3·D].
///
/// Scores are recomputed in the backward pass, in blocks of a fixed size, so that memory is linear in T. Work is split over
/// sequences and heads, and if these are few and long, over segments of the queries (forward) or keys (backward). The partition
/// depends only on sizes.
package struct DotProductAttention {
    private let x: Tensor
    /// Bias added to the scores of a key, [B, T].
    private let bias: Tensor?
    private let B: Int, T: Int, Q: Int, D: Int, H: Int, d: Int
    private let causal: Bool, window: Int?
    private let real: nstm_real
    private let size: Int
    /// Number of segments per head, and of keys or queries per segment: whole blocks, so that the same pairs are computed.
    private let parts: Int, part: Int

    /// - Parameters:
    ///   - causal: query t sees keys ≤ t only.
    ///   - window: with `causal`, the number of keys that a query sees, its own included; nil: all.
    ///   - queries: how many of the last rows are queries.
    package init(_ value: Tensor, heads: Int, causal: Bool, window: Int?, queries: Int, keyBias: Tensor?) {
        x = value.contiguous()
        bias = keyBias?.contiguous()
        B = value.shape[0]
        T = value.shape[1]
        D = value.shape[2] / 3
        Q = queries
        H = heads
        d = D / heads
        (self.causal, self.window) = (causal, window)
        real = value.dtype.real
        size = value.dtype.byteCount
        let wanted = min(16 / max(1, B * H), T / 512)
        part = wanted < 2 ? max(1, T) : ((T + wanted - 1) / wanted + 31) / 32 * 32
        parts = max(1, (T + part - 1) / part)
        guard Q >= 0, Q <= T, keyBias.map({ $0.shape == [value.shape[0], value.shape[1]] }) ?? true else {
            nstmFatal(.other(op: "attention", "\(Q) queries of \(T) rows, key bias \(keyBias?.shape.description ?? "none")"))
        }
        if let window, window < 1 { nstmFatal(.other(op: "attention", "window \(window), needs at least 1")) }
    }

    private var rowLength: Int { 3 * D }
    private func offset(_ b: Int, _ t: Int, _ part: Int, _ h: Int) -> Int { ((b * T + t) * rowLength + part * D + h * d) * size }
    /// A head whose queries are rows `rows`, the last keys that it has.
    private func head(_ b: Int, _ h: Int, _ rows: Range<Int>) -> nstm_attention {
        let base = x.pointer
        return nstm_attention(
            q: base + offset(b, rows.lowerBound, 0, h), k: base + offset(b, 0, 1, h), v: base + offset(b, 0, 2, h),
            bias: bias.map { $0.pointer + b * T * size }, stride: rowLength, o_stride: D, queries: rows.count,
            keys: rows.upperBound,
            width: d, causal: causal ? 1 : 0, window: window ?? 0, scale: 1 / Double(d).squareRoot())
    }
    private func withMemory(
        _ head: nstm_attention, backward: Bool, _ body: (UnsafePointer<nstm_attention>, UnsafeMutableRawPointer) -> Void
    ) {
        withUnsafePointer(to: head) { head in
            withScratch(byteCount: nstm_attention_scratch(real, head, backward ? 1 : 0) * size) { body(head, $0) }
        }
    }

    /// Pairs of a query and a key that are computed for one head of one sequence: the visible ones, rounded up to blocks.
    package static func pairs(causal: Bool, window: Int?, queries: Int, keys: Int) -> Int {
        Int(nstm_attention_pairs(causal ? 1 : 0, window ?? 0, queries, keys))
    }

    /// The result [B, Q, D], and the log Σ e^score of every query [B, H, Q].
    package func forward() -> (o: Tensor, lse: Tensor) {
        let o = Tensor(uninitialized: [B, Q, D], x.dtype), lse = Tensor(uninitialized: [B, H, Q], x.dtype)
        let toO = o.uninitializedPointer, toLse = lse.uninitializedPointer
        // Without the causal mask queries attend to later keys.
        let parts = causal ? max(1, (Q + part - 1) / part) : 1
        Parallel.for(B * H * parts) { piece in
            // The last segment has the most keys: it is computed first, so that threads finish together.
            let i = piece % (B * H), b = i / H, h = i % H, p = parts - 1 - piece / (B * H)
            let first = p * part, rows = T - Q + first..<(p == parts - 1 ? T : T - Q + first + part)
            withMemory(head(b, h, rows), backward: false) {
                nstm_attention_forward(
                    real, $0, toO + ((b * Q + first) * D + h * d) * size, toLse + (i * Q + first) * size, $1)
            }
        }
        return (o, lse)
    }

    /// Gradients from that of the result.
    package func backward(_ g: Tensor, o: Tensor, lse: Tensor, wantsBias: Bool) -> (dx: Tensor, dbias: Tensor?) {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        let g = g.contiguous()
        // The bias is shared by the heads: one row per head, summed in order afterwards.
        let dbias = wantsBias ? Tensor(uninitialized: [B, H, T], x.dtype) : nil
        let toBias = dbias?.uninitializedPointer
        // Every segment of the keys contributes to the gradient of the queries.
        let shares = parts > 1 ? Tensor(uninitialized: [parts, B, Q, D], x.dtype) : nil
        let toShares = shares?.uninitializedPointer
        Parallel.for(B * H * parts) { piece in
            // The first keys are seen by most queries.
            let i = piece % (B * H), b = i / H, h = i % H, p = piece / (B * H), keys = p * part..<min(T, (p + 1) * part)
            let rows = (b * Q * D + h * d) * size
            let toQ = toShares.map { $0 + p * B * Q * D * size + rows } ?? to + offset(b, T - Q, 0, h)
            var gradient = nstm_attention_gradient(
                q: toQ, k: to + offset(b, 0, 1, h), v: to + offset(b, 0, 2, h), bias: toBias.map { $0 + i * T * size },
                q_stride: toShares == nil ? rowLength : D)
            withMemory(head(b, h, T - Q..<T), backward: true) {
                nstm_attention_backward(
                    real, $0, &gradient, keys.lowerBound, keys.upperBound, o.pointer + rows, g.pointer + rows,
                    lse.pointer + i * Q * size, $1)
            }
        }
        let dq = shares?.sum(axes: [0])
        for b in 0..<B {
            // Rows that are not queries (of a carried window) have no gradient of queries.
            for t in 0..<T - Q { nstm_fill(real, to + offset(b, t, 0, 0), 0, D) }
            if let dq {
                nstm_move_rows(
                    Q, D * size, dq.pointer + b * Q * D * size, D * size, to + offset(b, T - Q, 0, 0), rowLength * size)
            }
        }
        return (dx, dbias?.sum(axes: [1]))
    }
}
