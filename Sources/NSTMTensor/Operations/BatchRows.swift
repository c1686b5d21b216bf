import CNSTMKernels

// Rows of every element of a batch by index: self [B, N, ...], indices [B, k] of int32, rows [B, k, ...].

extension Tensor {
    private func rowBytes(_ places: Tensor, op: String) -> Int {
        guard rank >= 2, places.rank == 2, places.shape[0] == shape[0], places.dtype == .int32 else {
            nstmFatal(.other(op: op, "indices \(places.shape) \(places.dtype) of rows of \(shape); needs [B, k] and [B, N, ...]"))
        }
        return shape.count(of: 2..<rank) * dtype.byteCount
    }
    private func requireRows(_ rows: Tensor, _ places: Tensor, op: String) {
        var expected = shape
        expected[1] = places.shape[1]
        guard rows.shape == expected, rows.dtype == dtype else {
            nstmFatal(.other(op: op, "rows \(rows.shape) \(rows.dtype), needs \(expected) \(dtype)"))
        }
    }

    /// The rows at given places, [B, k, ...].
    package func batchRows(_ places: Tensor) -> Tensor {
        let bytes = rowBytes(places, op: "batchRows"), index = places.checkedIndices(below: shape[1], op: "batchRows")
        let x = contiguous(), n = shape[1], k = places.shape[1]
        var size = shape
        size[1] = k
        let out = Tensor(uninitialized: size, dtype), to = out.uninitializedPointer
        for b in 0..<shape[0] {
            nstm_take_rows(bytes, x.pointer + b * n * bytes, index.indexBase + b * k, to + b * k * bytes, k)
        }
        return out
    }
    /// Writes rows to given places; nil: zeros.
    package mutating func setBatchRows(_ places: Tensor, _ rows: Tensor?) {
        let bytes = rowBytes(places, op: "setBatchRows"), index = places.checkedIndices(below: shape[1], op: "setBatchRows")
        if let rows { requireRows(rows, places, op: "setBatchRows") }
        let x = rows?.contiguous(), to = mutablePointer(), n = shape[1], k = places.shape[1]
        for i in 0..<shape[0] * k {
            let place = to + (i / k * n + Int(index.indexBase[i])) * bytes
            if let x {
                nstm_move_rows(1, bytes, x.pointer + i * bytes, bytes, place, bytes)
            } else {
                nstm_fill(dtype.real, place, 0, bytes / dtype.byteCount)
            }
        }
        withExtendedLifetime((x, index)) {}
    }
    /// Adds rows at given places.
    package mutating func addBatchRows(_ places: Tensor, _ rows: Tensor) {
        let bytes = rowBytes(places, op: "addBatchRows"), index = places.checkedIndices(below: shape[1], op: "addBatchRows")
        requireRows(rows, places, op: "addBatchRows")
        let x = rows.contiguous(), to = mutablePointer(), n = shape[1], k = places.shape[1]
        for b in 0..<shape[0] {
            nstm_add_rows(
                dtype.real, 1, x.pointer + b * k * bytes, index.indexBase + b * k, k, 0, Int32(n), to + b * n * bytes,
                bytes / dtype.byteCount)
        }
        withExtendedLifetime((x, index)) {}
    }
}
