import CNSTMKernels

// Scans along an axis. `reversed` runs from the end, so that the result of an element includes it and later ones.

extension Tensor {
    /// Running sum.
    ///
    /// Integers and masks give int32 (limited to its range).
    public func cumulativeSum(axis: Int, reversed: Bool = false) -> Tensor {
        if !dtype.isFloatingPoint {
            return cast(to: .float64).cumulativeSum(axis: axis, reversed: reversed).cast(to: .int32)
        }
        return cumulate(NSTM_CUMULATIVE_SUM, axis, reversed)
    }
    /// Running product.
    public func cumulativeProduct(axis: Int, reversed: Bool = false) -> Tensor {
        cumulate(NSTM_CUMULATIVE_PRODUCT, axis, reversed)
    }
    /// log Σ exp of the elements so far, without overflow.
    public func cumulativeLogSumExp(axis: Int, reversed: Bool = false) -> Tensor {
        cumulate(NSTM_CUMULATIVE_LOG_SUM_EXP, axis, reversed)
    }
    /// Largest element so far and its index along the axis (int32), of equal elements the first.
    ///
    /// NaN is larger than everything.
    public func cumulativeMaximum(axis: Int, reversed: Bool = false) -> (values: Tensor, indices: Tensor) {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), indices = Tensor(uninitialized: shape, .int32)
        let to = y.uninitializedPointer, at = indices.uninitializedPointer.assumingMemoryBound(to: Int32.self), real = dtype.real
        scanLoop(axis) { start, outer, n, inner, columns in
            let o = start * dtype.byteCount
            nstm_cumulate_max(
                real, reversed ? 1 : 0, x.pointer + o, to + o, at + start, outer, n, inner, columns.lowerBound,
                columns.upperBound)
        }
        return (y, indices)
    }

    private func cumulate(_ op: nstm_cumulation, _ axis: Int, _ reversed: Bool) -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), to = y.uninitializedPointer, real = dtype.real
        scanLoop(axis) { start, outer, n, inner, columns in
            let o = start * dtype.byteCount
            nstm_cumulate(
                real, op, reversed ? 1 : 0, x.pointer + o, to + o, outer, n, inner, columns.lowerBound, columns.upperBound)
        }
        return y
    }

    /// The gradient of a product's or log-sum-exp's scan with input x and result y.
    package static func cumulateBackward(
        _ op: nstm_cumulation, _ axis: Int, reversed: Bool, dy: Tensor, x: Tensor, y: Tensor
    ) -> Tensor {
        let dy = dy.contiguous(), x = x.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        let real = x.dtype.real
        x.scanLoop(axis) { start, outer, n, inner, columns in
            let o = start * x.dtype.byteCount
            nstm_cumulate_backward(
                real, op, reversed ? 1 : 0, dy.pointer + o, x.pointer + o, y.pointer + o, to + o, outer, n, inner,
                columns.lowerBound, columns.upperBound)
        }
        return dx
    }

    /// Splits [outer, n, inner] over threads by outer indices, or by columns if there is only one.
    ///
    /// The arguments of the body are the offset of the first element, the number of outer indices, n, inner, and the columns.
    private func scanLoop(_ axis: Int, _ body: (Int, Int, Int, Int, Range<Int>) -> Void) {
        let a = shape.normalized(axis: axis), outer = shape.count(of: 0..<a), n = shape[a]
        let inner = shape.count(of: a + 1..<rank)
        if shape.isEmpty { return }
        if outer > 1 {
            // Whole groups of the rows that the kernel processes together.
            let block = max(1, elementwiseBlock / (n * inner) / 8 * 8)
            Parallel.blocks(outer, of: block) { r in body(r.lowerBound * n * inner, r.count, n, inner, 0..<inner) }
        } else {
            Parallel.blocks(inner, of: max(64, elementwiseBlock / n / 64 * 64)) { columns in body(0, 1, n, inner, columns) }
        }
    }
}
