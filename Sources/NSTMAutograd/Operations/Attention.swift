import NSTMTensor

/// The keys that a query attends to.
public struct AttentionMask: Sendable, Equatable {
    /// Whether query t attends only to keys ≤ t.
    public var causal: Bool
    /// With `causal`, the number of last keys that a query attends to, its own included.
    ///
    /// nil: all.
    public var window: Int?

    public init(causal: Bool, window: Int? = nil) {
        self.causal = causal
        self.window = window
    }
    public static let full = AttentionMask(causal: false)
    public static let causal = AttentionMask(causal: true)

    /// Number of pairs of a query and a key that are computed for one head of one sequence: those within the mask, rounded up to
    /// blocks.
    ///
    /// The forward pass has two products per pair over the width of the head, the backward pass five.
    package func pairs(queries: Int, keys count: Int) -> Int {
        DotProductAttention.pairs(causal: causal, window: window, queries: queries, keys: count)
    }
}

extension Variable {
    /// Scaled dot-product attention by heads (Vaswani et al., 2017).
    ///
    /// The variable holds queries, keys and values concatenated: [B, T, 3·D] with D = heads · d. If it is longer than the queries
    /// (with a carried window of earlier tokens before them), `queries` is the number of last rows that are queries. `keyBias`
    /// [B, T] is added to the scores of a key; −∞ hides it. Returns [B, queries, D]. Scores are recomputed in the backward pass,
    /// in blocks of a fixed size: memory is linear in T.
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
