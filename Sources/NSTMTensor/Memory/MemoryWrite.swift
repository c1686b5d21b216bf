import CNSTMKernels

/// The write of H heads to the rows of a memory [B, N, W]: all of them erase, then all of them add.
///
///     M ← M ∘ retention ∘ Πₕ(1 − wₕ eₕᵀ) + Σₕ wₕ aₕᵀ
///
/// The weights w are [B, H, N], the vectors e and a [B, H, W], the retention of the rows [B, N] (nil: 1).
package struct MemoryWrite {
    private let rows: Tensor, weights: Tensor, erase: Tensor, add: Tensor
    private let retention: Tensor?
    private let B: Int, H: Int, N: Int, W: Int

    package init(_ rows: Tensor, weights: Tensor, erase: Tensor, add: Tensor, retention: Tensor?) {
        self.rows = rows.contiguous()
        self.weights = weights.contiguous()
        self.erase = erase.contiguous()
        self.add = add.contiguous()
        self.retention = retention?.contiguous()
        (B, H, N, W) = (rows.shape[0], weights.shape[1], rows.shape[1], rows.shape[2])
    }
    private func withKernel(_ b: Int, _ body: (UnsafePointer<nstm_memory_shape>, UnsafePointer<nstm_memory_write>) -> Void) {
        let size = rows.dtype.byteCount, vector = b * H * W * size
        var shape = nstm_memory_shape(n: N, width: W, heads: H)
        var write = nstm_memory_write(
            weights: weights.pointer + b * H * N * size, erase: erase.pointer + vector, add: add.pointer + vector,
            retention: retention.map { $0.pointer + b * N * size })
        body(&shape, &write)
    }

    package func forward() -> Tensor {
        let type = rows.dtype, row = N * W * type.byteCount, y = Tensor(uninitializedLike: rows), to = y.uninitializedPointer
        Parallel.for(B, work: 3 * B * H * N * W) { b in
            withKernel(b) { nstm_erase_add_forward(type.real, $0, $1, rows.pointer + b * row, to + b * row) }
        }
        return y
    }
    package func backward(_ dy: Tensor) -> (rows: Tensor, weights: Tensor, erase: Tensor, add: Tensor, retention: Tensor?) {
        let type = rows.dtype, size = type.byteCount, dy = dy.contiguous()
        let dRows = Tensor(uninitializedLike: rows), dWeights = Tensor(uninitializedLike: weights)
        let dErase = Tensor(uninitializedLike: erase), dAdd = Tensor(uninitializedLike: add)
        let dRetention = retention.map { Tensor(uninitializedLike: $0) }
        let toRows = dRows.uninitializedPointer, toWeights = dWeights.uninitializedPointer, toErase = dErase.uninitializedPointer,
            toAdd = dAdd.uninitializedPointer, toRetention = dRetention?.uninitializedPointer
        Parallel.for(B, work: 8 * B * H * N * W) { b in
            let row = b * N * W * size, vector = b * H * W * size
            var to = nstm_memory_write_gradient(
                rows: toRows + row, weights: toWeights + b * H * N * size, erase: toErase + vector, add: toAdd + vector,
                retention: toRetention.map { $0 + b * N * size })
            withScratch(byteCount: (H + 2) * W * size) { scratch in
                withKernel(b) {
                    nstm_erase_add_backward(type.real, $0, $1, rows.pointer + row, dy.pointer + row, &to, scratch)
                }
            }
        }
        withExtendedLifetime(dy) {}
        return (dRows, dWeights, dErase, dAdd, dRetention)
    }
}
