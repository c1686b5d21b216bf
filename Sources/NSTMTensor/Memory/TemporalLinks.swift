import CNSTMKernels

/// The links of a memory after a write, [B, N, N]: element (i, j) says to what degree row i was written right after row j.
///
///     Lᵢⱼ ← (1 − wᵢ − wⱼ) Lᵢⱼ + wᵢ pⱼ;   Lᵢᵢ = 0
///
/// The links before are [B, N, N], the write weights w and the precedence p before the write [B, N].
package struct TemporalLinks {
    private let links: Tensor, weights: Tensor, precedence: Tensor
    private var B: Int { links.shape[0] }
    private var N: Int { links.shape[1] }

    package init(_ links: Tensor, weights: Tensor, precedence: Tensor) {
        self.links = links.contiguous()
        self.weights = weights.contiguous()
        self.precedence = precedence.contiguous()
    }
    package func forward() -> Tensor {
        let type = links.dtype, row = N * type.byteCount, y = Tensor(uninitializedLike: links), to = y.uninitializedPointer
        Parallel.for(B, work: 2 * B * N * N) { b in
            nstm_links_forward(
                type.real, N, links.pointer + b * N * row, weights.pointer + b * row, precedence.pointer + b * row,
                to + b * N * row)
        }
        return y
    }
    package func backward(_ dy: Tensor) -> (links: Tensor, weights: Tensor, precedence: Tensor) {
        let type = links.dtype, row = N * type.byteCount, dy = dy.contiguous(), dLinks = Tensor(uninitializedLike: links)
        let dWeights = Tensor(uninitializedLike: weights), dPrecedence = Tensor(uninitializedLike: precedence)
        let toLinks = dLinks.uninitializedPointer, toWeights = dWeights.uninitializedPointer,
            toPrecedence = dPrecedence.uninitializedPointer
        Parallel.for(B, work: 5 * B * N * N) { b in
            nstm_links_backward(
                type.real, N, links.pointer + b * N * row, weights.pointer + b * row, precedence.pointer + b * row,
                dy.pointer + b * N * row, toLinks + b * N * row, toWeights + b * row, toPrecedence + b * row)
        }
        withExtendedLifetime(dy) {}
        return (dLinks, dWeights, dPrecedence)
    }
}
