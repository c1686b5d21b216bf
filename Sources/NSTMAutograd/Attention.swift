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

    /// Query rows worked on at a time: few, so that a causal block leaves out most of what it cannot see.
    static let block = 32
    /// Keys that are looked at for a block of query rows, the last of which ask among `count` keys.
    func keys(for rows: Range<Int>, of queries: Int, among count: Int) -> Range<Int> {
        let shift = count - queries
        let high = causal ? min(count, rows.upperBound + shift) : count
        let low = window.map { max(0, rows.lowerBound + shift + 1 - $0) } ?? 0
        // Packed keys are cut at multiples of 32; the row kernels blank what lies before the window.
        return min(low, high) / 32 * 32..<high
    }
    /// Pairs of a query and a key that attention computes for one head of one sequence, of which forward takes two products over
    /// the width of the head and backward five: the visible ones, rounded up to blocks.
    package func pairs(queries: Int, keys count: Int) -> Int {
        stride(from: 0, to: queries, by: AttentionMask.block).reduce(0) { sum, start in
            let rows = start..<min(queries, start + AttentionMask.block)
            return sum + rows.count * keys(for: rows, of: queries, among: count).count
        }
    }
}

extension Variable {
    /// Scaled dot-product attention by heads (Vaswani et al. 2017).
    ///
    /// The variable holds queries, keys and values side by side: [B, T, 3·D] with D = heads · d. When it is longer than the
    /// queries (a carried window of earlier tokens comes first), `queries` says how many of the last rows ask. `keyBias`
    /// [B, T] is added to the scores of a key; −∞ hides it. Returns [B, queries, D]. Scores are computed again on the way
    /// back, in blocks of query rows: memory is linear in T.
    public func attention(heads: Int, mask: AttentionMask, queries: Int? = nil, keyBias: Variable? = nil) -> Variable {
        guard shape.rank == 3, shape[2] % (3 * heads) == 0 else {
            nstmFatal(
                .other(op: "attention", "needs [B, T, 3·D] with D a multiple of \(heads) heads, got \(shape)"), at: path(of: self)
            )
        }
        requireSameType("attention", self, keyBias)
        let job = AttentionJob(self.value, heads: heads, mask: mask, queries: queries ?? shape[1], keyBias: keyBias?.value)
        let (o, lse) = job.forward(), hasBias = keyBias != nil
        return record(
            "attention", keyBias.map { [self, $0] } ?? [self], o,
            .pullback { g, sink in
                let (dx, dbias) = job.backward(g.contiguous(), o: o, lse: lse, wantsBias: hasBias && sink.needs(1))
                sink.add(0, dx)
                if let dbias { sink.add(1, dbias) }
            })
    }
}

/// One attention call: sizes and addresses, and the two passes. Work is split over (sequence, head).
private struct AttentionJob {
    let x: Tensor
    let bias: Tensor?
    let B: Int, T: Int, Q: Int, D: Int, H: Int, d: Int
    let mask: AttentionMask
    let real: nstm_real
    let size: Int
    var scale: Double { 1 / Double(d).squareRoot() }
    let block = AttentionMask.block

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
        guard Q >= 0, Q <= T, keyBias.map({ $0.shape == [value.shape[0], value.shape[1]] }) ?? true else {
            nstmFatal(.other(op: "attention", "\(Q) queries of \(T) rows, key bias \(keyBias?.shape.description ?? "none")"))
        }
        if let window = mask.window, window < 1 { nstmFatal(.other(op: "attention", "window \(window), needs at least 1")) }
    }

    /// Keys that the queries of a block can see.
    private func keyRange(_ rows: Range<Int>) -> Range<Int> { mask.keys(for: rows, of: Q, among: T) }
    private var rowLength: Int { 3 * D }
    private func address(_ b: Int, _ t: Int, _ part: Int, _ h: Int) -> UnsafeRawPointer {
        x.constantBase + ((b * T + t) * rowLength + part * D + h * d) * size
    }
    /// Keys (part 1) or values (part 2) of a head as a right operand.
    private func packed(_ b: Int, _ h: Int, _ part: Int, transposed: Bool) -> PackedMatrix {
        PackedMatrix(
            real, address(b, 0, part, h), rowLength, transposed: transposed, k: transposed ? d : T, n: transposed ? T : d)
    }
    private func eachBlock(_ body: (Range<Int>) -> Void) {
        for start in stride(from: 0, to: Q, by: block) { body(start..<min(Q, start + block)) }
    }

    func forward() -> (o: Tensor, lse: Tensor) {
        let o = Tensor(uninitialized: [B, Q, D], x.dtype), lse = Tensor(uninitialized: [B, H, Q], x.dtype)
        let toO = o.freshBase, toLse = lse.freshBase
        Parallel.for(B * H) { i in
            let b = i / H, h = i % H
            let scores = Storage(byteCount: min(block, Q) * T * size)
            defer { withExtendedLifetime(scores) {} }
            let k = packed(b, h, 1, transposed: true), v = packed(b, h, 2, transposed: false)
            eachBlock { rows in
                let keys = keyRange(rows), n = keys.count, first = rows.lowerBound + T - Q
                if n == 0 {
                    for r in rows { nstm_fill(real, toO + ((b * Q + r) * D + h * d) * size, 0, d) }
                    nstm_fill(real, toLse + (i * Q + rows.lowerBound) * size, .infinity, rows.count)
                    return
                }
                k.multiply(address(b, first, 0, h), rowLength, rows: rows.count, columns: keys, depth: 0..<d, scores.base, n)
                nstm_attention_rows(
                    real, scale, scores.base, n, bias.map { $0.constantBase + (b * T + keys.lowerBound) * size },
                    mask.causal ? 1 : 0, first - keys.lowerBound, mask.window ?? 0, toLse + (i * Q + rows.lowerBound) * size,
                    rows.count, n)
                v.multiply(
                    scores.base, n, rows: rows.count, columns: 0..<d, depth: keys,
                    toO + ((b * Q + rows.lowerBound) * D + h * d) * size,
                    D)
            }
        }
        return (o, lse)
    }

    func backward(_ g: Tensor, o: Tensor, lse: Tensor, wantsBias: Bool) -> (dx: Tensor, dbias: Tensor?) {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.freshBase
        // The bias is shared by the heads: a row a head, summed in order afterwards.
        let dbias = wantsBias ? Tensor.zeros([B, H, T], dtype: x.dtype) : nil
        let toBias = dbias?.freshBase
        func gradient(_ b: Int, _ t: Int, _ part: Int, _ h: Int) -> UnsafeMutableRawPointer {
            to + ((b * T + t) * rowLength + part * D + h * d) * size
        }
        Parallel.for(B * H) { i in
            let b = i / H, h = i % H
            let m = min(block, Q)
            let p = Storage(byteCount: m * T * size), dp = Storage(byteCount: m * T * size), delta = Storage(byteCount: m * size)
            defer { withExtendedLifetime((p, dp, delta)) {} }
            let k = packed(b, h, 1, transposed: true), kn = packed(b, h, 1, transposed: false)
            let vt = packed(b, h, 2, transposed: true)
            // dK and dV add up over the query blocks; rows that do not ask (a carried window) get no dQ.
            for t in 0..<T {
                if t < T - Q { nstm_fill(real, gradient(b, t, 0, h), 0, d) }
                nstm_fill(real, gradient(b, t, 1, h), 0, d)
                nstm_fill(real, gradient(b, t, 2, h), 0, d)
            }
            eachBlock { rows in
                let keys = keyRange(rows), n = keys.count, first = rows.lowerBound + T - Q
                if n == 0 {
                    for r in rows { nstm_fill(real, gradient(b, r + T - Q, 0, h), 0, d) }
                    return
                }
                let go = g.constantBase + ((b * Q + rows.lowerBound) * D + h * d) * size
                let oo = o.constantBase + ((b * Q + rows.lowerBound) * D + h * d) * size
                k.multiply(address(b, first, 0, h), rowLength, rows: rows.count, columns: keys, depth: 0..<d, p.base, n)
                nstm_attention_rows_again(
                    real, scale, p.base, n, bias.map { $0.constantBase + (b * T + keys.lowerBound) * size }, mask.causal ? 1 : 0,
                    first - keys.lowerBound, mask.window ?? 0, lse.constantBase + (i * Q + rows.lowerBound) * size, rows.count, n)
                // dV += Pᵀ dO;  dP = dO Vᵀ;  dS = P ⊙ (dP − Σ dO ⊙ O);  dQ = dS K;  dK += dSᵀ Q
                PackedMatrix(real, go, D, transposed: false, k: rows.count, n: d).multiply(
                    p.base, n, transposed: true, rows: n, columns: 0..<d, depth: 0..<rows.count, accumulate: true,
                    gradient(b, keys.lowerBound, 2, h), rowLength)
                vt.multiply(go, D, rows: rows.count, columns: keys, depth: 0..<d, dp.base, n)
                nstm_row_dots(real, go, D, oo, D, delta.base, rows.count, d)
                nstm_attention_rows_backward(real, scale, p.base, dp.base, n, delta.base, rows.count, n)
                kn.multiply(dp.base, n, rows: rows.count, columns: 0..<d, depth: keys, gradient(b, first, 0, h), rowLength)
                PackedMatrix(real, address(b, first, 0, h), rowLength, transposed: false, k: rows.count, n: d).multiply(
                    dp.base, n, transposed: true, rows: n, columns: 0..<d, depth: 0..<rows.count, accumulate: true,
                    gradient(b, keys.lowerBound, 1, h), rowLength)
                if let toBias {
                    nstm_sum_axis(real, dp.base, toBias + (i * T + keys.lowerBound) * size, 1, rows.count, n, 1)
                }
            }
        }
        // The scores' gradient carries the scale, which the bias does not.
        return (dx, dbias?.sum([1]).affine(1 / scale))
    }
}
