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

    private var rowLength: Int { 3 * D }
    private func offset(_ b: Int, _ t: Int, _ part: Int, _ h: Int) -> Int { ((b * T + t) * rowLength + part * D + h * d) * size }
    private func head(_ b: Int, _ h: Int) -> nstm_attention {
        let base = x.constantBase
        return nstm_attention(
            q: base + offset(b, T - Q, 0, h), k: base + offset(b, 0, 1, h), v: base + offset(b, 0, 2, h),
            bias: bias.map { $0.constantBase + b * T * size }, stride: rowLength, queries: Q, keys: T, width: d,
            causal: mask.causal ? 1 : 0, window: mask.window ?? 0, scale: 1 / Double(d).squareRoot())
    }
    /// The body for every head of every sequence, with its number, where its rows of [B, Q, D] begin, and scratch memory.
    private func eachHead(
        backward: Bool, _ body: (UnsafePointer<nstm_attention>, (i: Int, b: Int, h: Int), Int, UnsafeMutableRawPointer) -> Void
    ) {
        Parallel.for(B * H) { i in
            let b = i / H, h = i % H
            withUnsafePointer(to: head(b, h)) { head in
                withScratch(byteCount: nstm_attention_scratch(real, head, backward ? 1 : 0) * size) {
                    body(head, (i, b, h), (b * Q * D + h * d) * size, $0)
                }
            }
        }
    }

    func forward() -> (o: Tensor, lse: Tensor) {
        let o = Tensor(uninitialized: [B, Q, D], x.dtype), lse = Tensor(uninitialized: [B, H, Q], x.dtype)
        let toO = o.freshBase, toLse = lse.freshBase
        eachHead(backward: false) { head, at, rows, scratch in
            nstm_attention_forward(real, head, toO + rows, D, toLse + at.i * Q * size, scratch)
        }
        return (o, lse)
    }

    func backward(_ g: Tensor, o: Tensor, lse: Tensor, wantsBias: Bool) -> (dx: Tensor, dbias: Tensor?) {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.freshBase
        // The bias is shared by the heads: a row a head, summed in order afterwards.
        let dbias = wantsBias ? Tensor(uninitialized: [B, H, T], x.dtype) : nil
        let toBias = dbias?.freshBase
        eachHead(backward: true) { head, at, rows, scratch in
            // Rows that do not ask (a carried window) get no dQ.
            for t in 0..<T - Q { nstm_fill(real, to + offset(at.b, t, 0, at.h), 0, d) }
            nstm_attention_backward(
                real, head, o.constantBase + rows, g.constantBase + rows, D, lse.constantBase + at.i * Q * size,
                to + offset(at.b, T - Q, 0, at.h), to + offset(at.b, 0, 1, at.h), to + offset(at.b, 0, 2, at.h),
                toBias.map { $0 + at.i * T * size }, scratch)
        }
        return (dx, dbias?.sum([1]))
    }
}
