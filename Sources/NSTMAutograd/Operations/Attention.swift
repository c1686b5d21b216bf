import NSTMTensor

/// Which keys a query sees.
public struct AttentionMask: Sendable, Equatable {
    /// Query t sees keys ≤ t only.
    public var causal: Bool
    /// With `causal`: query t sees the last `window` keys only, its own included.
    ///
    /// nil: all.
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
        DotProductAttention.pairs(causal: causal, window: window, queries: queries, keys: count)
    }
}

extension Variable {
    /// Scaled dot-product attention by heads (Vaswani et al., 2017).
    ///
    /// The variable holds queries, keys and values concatenated: [B, T, 3·D] with D = heads · d. When it is longer than the
    /// queries (a carried window of earlier tokens comes first), `queries` says how many of the last rows are queries. `keyBias`
    /// [B, T] is added to the scores of a key; −∞ hides it. Returns [B, queries, D]. Scores are computed again in the
    /// backward pass, in blocks of a fixed size: memory is linear in T.
    public func attention(heads: Int, mask: AttentionMask, queries: Int? = nil, keyBias: Variable? = nil) -> Variable {
        guard shape.rank == 3, shape[2] % (3 * heads) == 0 else {
            nstmFatal(
                .other(op: "attention", "needs [B, T, 3·D] with D a multiple of \(heads) heads, got \(shape)"), at: path(of: self)
            )
        }
        requireSameType("attention", self, keyBias)
        let attention = DotProductAttention(
            value, heads: heads, causal: mask.causal, window: mask.window, queries: queries ?? shape[1], keyBias: keyBias?.value)
        let (o, lse) = attention.forward(), hasBias = keyBias != nil
        return record("attention", self, keyBias, value: o, saving: (attention, o, lse, hasBias)) { g, saved, gradients in
            let (attention, o, lse, hasBias) = saved.pointee
            let (dx, dbias) = attention.backward(g, o: o, lse: lse, wantsBias: hasBias && gradients.needs(1))
            gradients.add(0, dx)
            if let dbias { gradients.add(1, dbias) }
        }
    }
}
