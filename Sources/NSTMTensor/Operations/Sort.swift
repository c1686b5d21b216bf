import CNSTMKernels

// Sorting is stable: equal elements keep their order, ascending and descending. NaN counts as larger than everything (all NaN
// as equal), so that it comes last ascending and first descending; −0 equals 0. Long rows are sorted by
// radix, short ones by merging.

extension Tensor {
    /// Elements along an axis in order, and their original indices (int32).
    public func sorted(axis: Int = -1, descending: Bool = false) -> (values: Tensor, indices: Tensor) {
        firstInOrder(shape[axis], axis, descending)
    }
    /// The indices that sort the elements along an axis: `gather(axis: axis, argsort(axis: axis))` is sorted.
    public func argsort(axis: Int = -1, descending: Bool = false) -> Tensor { sorted(axis: axis, descending: descending).indices }

    /// The k largest (smallest) elements along an axis, in order, and their indices (int32); of equal elements, those with lower
    /// indices.
    public func topK(_ k: Int, axis: Int = -1, largest: Bool = true) -> (values: Tensor, indices: Tensor) {
        guard k >= 0, k <= shape[axis] else {
            nstmFatal(.other(op: "topK", "\(k) of axis \(shape.normalized(axis: axis)) of \(shape)"))
        }
        return firstInOrder(k, axis, largest)
    }

    private func firstInOrder(_ k: Int, _ axis: Int, _ descending: Bool) -> (values: Tensor, indices: Tensor) {
        let a = shape.normalized(axis: axis), n = shape[a], type = dtype.kernel, size = dtype.byteCount
        // Rows along the last axis are contiguous; another axis is moved there and back.
        if a != rank - 1 {
            let (values, indices) = transposed(a, -1).firstInOrder(k, -1, descending)
            return (values.transposed(a, -1), indices.transposed(a, -1))
        }
        let x = contiguous(), rows = shape.count(of: 0..<a)
        var target = shape
        target[a] = k
        let values = Tensor(uninitialized: target, dtype), indices = Tensor(uninitialized: target, .int32)
        if target.isEmpty { return (values, indices) }
        let toValues = values.uninitializedPointer, toIndices = indices.uninitializedPointer.assumingMemoryBound(to: Int32.self)
        Parallel.blocks(rows, of: max(1, elementwiseBlock / n)) { r in
            let scratch = Storage(byteCount: nstm_sort_scratch(type, n))
            defer { withExtendedLifetime(scratch) {} }
            for row in r {
                nstm_sort(
                    type, descending ? 1 : 0, x.pointer + row * n * size, n, k, toValues + row * k * size,
                    toIndices + row * k, scratch.base)
            }
        }
        return (values, indices)
    }
}
