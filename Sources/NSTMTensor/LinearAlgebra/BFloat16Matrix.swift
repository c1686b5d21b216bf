import CNSTMKernels

/// A matrix [rows, columns] rounded to bfloat16 (8 significant bits, the exponents of float32), laid out for products with single
/// rows.
package final class BFloat16Matrix: Sendable {
    package let rows: Int
    package let columns: Int
    private let memory: Storage
    private let offset: Int

    /// Number of bytes of the rounded copy of a matrix.
    package static func byteCount(of weight: Tensor) -> Int { nstm_bf16_bytes(weight.shape[0], weight.shape[1]) }
    /// - Parameters:
    ///   - weight: float32, [rows, columns].
    ///   - memory: memory for the rounded copy, which starts at an offset.
    package init(_ weight: Tensor, in memory: Storage, at offset: Int) {
        rows = weight.shape[0]
        columns = weight.shape[1]
        self.memory = memory
        self.offset = offset
        let dense = weight.contiguous()
        nstm_bf16_pack(dense.pointer.assumingMemoryBound(to: Float.self), columns, rows, columns, memory.base + offset)
        withExtendedLifetime(dense) {}
    }

    /// act(x Wᵀ + b) for float32 x [..., columns] → [..., rows].
    ///
    /// Sums are in float32, first over even and over odd columns.
    package func linear(_ x: Tensor, bias: Tensor?, _ activation: nstm_unary_fast_op?) -> Tensor {
        let x = x.contiguous(), bias = bias?.contiguous(), count = x.shape.dropLast().count, n = rows
        let y = Tensor(uninitialized: x.shape.dropLast().appending(n), .float32)
        let from = x.pointer.assumingMemoryBound(to: Float.self),
            to = y.uninitializedPointer.assumingMemoryBound(to: Float.self)
        // A row is too little work for two threads.
        Parallel.blocks(count, of: max(1, 262_144 / max(1, n * columns))) { r in
            let at = r.lowerBound * n
            nstm_bf16_rows(from + r.lowerBound * columns, r.count, memory.base + offset, to + at, n, columns)
            if activation == nil && bias == nil { return }
            nstm_activate(
                NSTM_F32, activation.map { Int32($0.rawValue) } ?? -1, to + at, bias?.pointer, nil, 0, r.count, n)
        }
        withExtendedLifetime((x, bias, self)) {}
        return y
    }
}
