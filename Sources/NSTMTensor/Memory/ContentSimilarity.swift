import CNSTMKernels

/// The cosine of keys [B, H, W] and the rows of a memory [B, N, W], with ε added to both squared norms.
///
///     cₕₙ = Σ mₕ² kₕ rₙ / √((Σ mₕ² kₕ² + ε)(Σ mₕ² rₙ² + ε))
///
/// The mask m [B, H, W] (nil: 1) multiplies the elements of both (Csordás & Schmidhuber 2019, "Improving differentiable neural
/// computers through memory masking, de-allocation, and link distribution sharpness control", section 3.1).
package struct ContentSimilarity {
    private let keys: Tensor, rows: Tensor
    private let mask: Tensor?
    private let epsilon: Double
    private let B: Int, H: Int, N: Int, W: Int

    package init(keys: Tensor, rows: Tensor, mask: Tensor?, epsilon: Double) {
        self.keys = keys.contiguous()
        self.rows = rows.contiguous()
        self.mask = mask?.contiguous()
        self.epsilon = epsilon
        (B, H, N, W) = (keys.shape[0], keys.shape[1], rows.shape[1], rows.shape[2])
    }
    private var kernel: nstm_memory_shape { nstm_memory_shape(n: N, width: W, heads: H) }

    /// c [B, H, N].
    package func forward() -> Tensor {
        let type = keys.dtype, size = type.byteCount, c = Tensor(uninitialized: Shape(of: B, H, N), type)
        let to = c.uninitializedPointer
        Parallel.for(B, work: 2 * B * H * N * W) { b in
            var shape = kernel
            let key = b * H * W * size
            nstm_cosine_forward(
                type.real, &shape, keys.pointer + key, rows.pointer + b * N * W * size, mask.map { $0.pointer + key }, epsilon,
                to + b * H * N * size)
        }
        return c
    }
    /// Gradients of keys and mask from that of the similarity, `dc` [B, H, N]; that of the rows is added to `dRows`, where nil counts
    /// as 0.
    package func backward(_ c: Tensor, _ dc: Tensor, addingRowsTo dRows: inout Tensor?) -> (keys: Tensor, mask: Tensor?) {
        let type = keys.dtype, size = type.byteCount, dc = dc.contiguous()
        let dKeys = Tensor.zeros(keys.shape, dtype: type), dMask = mask.map { Tensor.zeros($0.shape, dtype: type) }
        if dRows == nil { dRows = .zeros(rows.shape, dtype: type) }
        let toKeys = dKeys.uninitializedPointer, toRows = dRows!.mutablePointer(), toMask = dMask?.uninitializedPointer
        Parallel.for(B, work: 6 * B * H * N * W) { b in
            var shape = kernel
            let key = b * H * W * size, row = b * N * W * size, weight = b * H * N * size
            nstm_cosine_backward(
                type.real, &shape, keys.pointer + key, rows.pointer + row, mask.map { $0.pointer + key }, epsilon,
                c.pointer + weight, dc.pointer + weight, toKeys + key, toRows + row, toMask.map { $0 + key })
        }
        withExtendedLifetime(dc) {}
        return (dKeys, dMask)
    }
}
