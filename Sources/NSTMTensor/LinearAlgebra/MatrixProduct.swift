import CNSTMKernels
import COpenBLAS

extension Tensor {
    /// op(self) · op(b) over the last two axes; leading axes broadcast.
    ///
    /// Shapes [..., m, k] × [..., k, n] → [..., m, n].
    public func matmul(_ b: Tensor, transposeSelf ta: Bool = false, transposeOther tb: Bool = false) -> Tensor {
        guard dtype == b.dtype else { nstmFatal(.dtype(op: "matmul", got: b.dtype, want: "\(dtype), as the other operand")) }
        guard rank >= 2, b.rank >= 2 else {
            nstmFatal(.other(op: "matmul", "operands \(shape) and \(b.shape) need at least two axes"))
        }
        let (x, tx) = matrixRows(ta), (y, ty) = b.matrixRows(tb)
        let m = ta ? shape[-1] : shape[-2], k = ta ? shape[-2] : shape[-1]
        let kb = tb ? b.shape[-1] : b.shape[-2], n = tb ? b.shape[-2] : b.shape[-1]
        guard k == kb else { nstmFatal(.inner(op: "matmul", lhs: shape, rhs: b.shape, lhsInner: k, rhsInner: kb)) }
        guard let lead = Shape.broadcast(shape.dropLast(2), b.shape.dropLast(2)) else {
            nstmFatal(.broadcast(op: "matmul (leading axes)", shape, b.shape))
        }
        let out = Tensor(uninitialized: lead.appending(m).appending(n), dtype)
        let real = dtype.real, size = dtype.byteCount, c = out.uninitializedPointer
        let lda = x.rowLength, ldb = y.rowLength
        let batches = lead.count
        if batches == 1 {
            Gemm.run(real, tx, ty, m, n, k, 1, x.pointer, lda, y.pointer, ldb, 0, c, n)
        } else if b.rank == 2 && !tx && x.isContiguous {
            // One matrix for all batches: the rows of all of them in one product.
            Gemm.run(real, false, ty, batches * m, n, k, 1, x.pointer, lda, y.pointer, ldb, 0, c, n)
        } else {
            let xs = x.batchOffsets(lead), ys = y.batchOffsets(lead)
            Parallel.for(batches) { i in
                PackedMatrix(real, y.pointer + ys[i] * size, ldb, transposed: ty, k: k, n: n).multiply(
                    x.pointer + xs[i] * size, lda, transposed: tx, rows: m, columns: 0..<n, depth: 0..<k,
                    c + i * m * n * size, n)
            }
        }
        withExtendedLifetime((x, y)) {}
        return out
    }

    /// A view or copy whose last two axes BLAS can read, and whether they are to be transposed.
    private func matrixRows(_ transpose: Bool) -> (Tensor, Bool) {
        let rowStride = Int(strides[rank - 2]), columnStride = Int(strides[rank - 1])
        if columnStride == 1 && (rowStride >= shape[-1] || shape[-2] <= 1) { return (self, transpose) }
        if rowStride == 1 && (columnStride >= shape[-2] || shape[-1] <= 1) { return (transposed(), !transpose) }
        let dense = contiguous()
        return (dense, transpose)
    }

    /// Stride of the rows.
    ///
    /// An axis of size 1 may have any stride, and BLAS requires at least the length of a row.
    private var rowLength: Int { shape[-2] <= 1 ? max(1, shape[-1]) : Int(strides[rank - 2]) }

    /// Offsets in elements of each matrix of a batch, broadcast to `lead`.
    private func batchOffsets(_ lead: Shape) -> [Int] {
        let own = rank - 2, shift = lead.rank - own
        var offsets = [Int](repeating: 0, count: lead.count)
        for i in 0..<offsets.count {
            var rest = i, offset = 0
            for axis in stride(from: lead.rank - 1, through: 0, by: -1) {
                let position = rest % lead[axis]
                rest /= lead[axis]
                if axis >= shift && shape[axis - shift] != 1 { offset += position * Int(strides[axis - shift]) }
            }
            offsets[i] = offset
        }
        return offsets
    }
}
