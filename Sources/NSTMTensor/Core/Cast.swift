import CNSTMKernels

extension DType {
    /// The C kernels' name for the type.
    var kernel: nstm_dtype { nstm_dtype(rawValue: UInt32(rawValue)) }
}

extension Tensor {
    /// The same numbers in another type.
    ///
    /// Floating-point numbers are rounded to the nearest (ties to even; beyond float32's range: infinite). To int32 and uint8
    /// they lose their fraction (toward zero) and are limited to the type's range; NaN becomes 0. int32 to uint8 is limited
    /// likewise, not wrapped. To bool everything but 0 is true, NaN too; bool becomes 0 or 1.
    public func cast(to target: DType) -> Tensor {
        if target == dtype { return self }
        let x = contiguous(), y = Tensor(uninitialized: shape, target), to = y.uninitializedPointer
        let from = dtype, size = dtype.byteCount
        Parallel.blocks(count, of: 4 * elementwiseBlock) { r in
            nstm_convert(
                from.kernel, target.kernel, x.pointer + r.lowerBound * size, to + r.lowerBound * target.byteCount, r.count)
        }
        return y
    }
}
