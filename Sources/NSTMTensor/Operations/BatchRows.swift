import CNSTMKernels

// Rows of every element of a batch by index: self [B, N, ...], indices [B, k] of int32, rows [B, k, ...].

extension Tensor {
    private func rowBytes(_ indices: Tensor, op: String) -> Int {
        guard rank >= 2, indices.rank == 2, indices.shape[0] == shape[0], indices.dtype == .int32 else {
            nstmFatal(
                .other(op: op, "indices \(indices.shape) \(indices.dtype) of rows of \(shape); needs [B, k] and [B, N, ...]"))
        }
        return shape.count(of: 2..<rank) * dtype.byteCount
    }
    private func requireRows(_ rows: Tensor, _ indices: Tensor, op: String) {
        var expected = shape
        expected[1] = indices.shape[1]
        guard rows.shape == expected, rows.dtype == dtype else {
            nstmFatal(.other(op: op, "rows \(rows.shape) \(rows.dtype), needs \(expected) \(dtype)"))
        }
    }

    /// The rows at given indices, [B, k, ...].
    package func batchRows(_ indices: Tensor) -> Tensor {
        let bytes = rowBytes(indices, op: "batchRows"), index = indices.checkedIndices(below: shape[1], op: "batchRows")
        let x = contiguous(), n = shape[1], k = indices.shape[1]
        var size = shape
        size[1] = k
        let out = Tensor(uninitialized: size, dtype), to = out.uninitializedPointer
        for b in 0..<shape[0] {
            nstm_take_rows(bytes, x.pointer + b * n * bytes, index.indexBase + b * k, to + b * k * bytes, k)
        }
        return out
    }
    /// Writes rows at given indices; nil: zeros.
    package mutating func setBatchRows(_ indices: Tensor, _ rows: Tensor?) {
        let bytes = rowBytes(indices, op: "setBatchRows"), index = indices.checkedIndices(below: shape[1], op: "setBatchRows")
        if let rows { requireRows(rows, indices, op: "setBatchRows") }
        let x = rows?.contiguous(), to = mutablePointer(), n = shape[1], k = indices.shape[1]
        for i in 0..<shape[0] * k {
            let row = to + (i / k * n + Int(index.indexBase[i])) * bytes
            if let x {
                nstm_move_rows(1, bytes, x.pointer + i * bytes, bytes, row, bytes)
            } else {
                nstm_fill(dtype.real, row, 0, bytes / dtype.byteCount)
            }
        }
        withExtendedLifetime((x, index)) {}
    }
    /// Adds rows at given indices.
    package mutating func addBatchRows(_ indices: Tensor, _ rows: Tensor) {
        let bytes = rowBytes(indices, op: "addBatchRows"), index = indices.checkedIndices(below: shape[1], op: "addBatchRows")
        requireRows(rows, indices, op: "addBatchRows")
        let x = rows.contiguous(), to = mutablePointer(), n = shape[1], k = indices.shape[1]
        for b in 0..<shape[0] {
            nstm_add_rows(
                dtype.real, 1, x.pointer + b * k * bytes, index.indexBase + b * k, k, 0, Int32(n), to + b * n * bytes,
                bytes / dtype.byteCount)
        }
        withExtendedLifetime((x, index)) {}
    }
}
