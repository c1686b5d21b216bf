import CNSTMKernels

/// What a tensor is: where its elements lie, in what order, and whose memory it is. Written only while uniquely referenced,
/// immutable afterwards: that is what makes `Tensor` `Sendable`.
@usableFromInline
package final class TensorBody: @unchecked Sendable {
    /// Address of the first element; memory of its own begins at a multiple of 64 bytes.
    @usableFromInline package let base: UnsafeMutableRawPointer
    @usableFromInline package let shape: Shape
    @usableFromInline package let strides: SIMD8<Int32>
    @usableFromInline package let count: Int
    @usableFromInline package let dtype: DType
    @usableFromInline package let isContiguous: Bool
    /// The tensor whose memory it shows; nil: its own.
    @exclusivity(unchecked) package private(set) var owner: TensorBody?

    /// Unwritten memory of its own, in row-major order.
    @inline(__always) init(_ shape: Shape, _ dense: SIMD8<Int32>, _ dtype: DType) {
        count = shape.count
        base = StorageCache.shared.take(count * dtype.byteCount)
        self.shape = shape
        strides = dense
        self.dtype = dtype
        isContiguous = true
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, count * dtype.byteCount) }
    }
    /// A view of the memory of another.
    init(
        viewing other: TensorBody, from base: UnsafeMutableRawPointer, _ shape: Shape, _ strides: SIMD8<Int32>, isContiguous: Bool
    ) {
        self.base = base
        self.shape = shape
        self.strides = strides
        self.isContiguous = isContiguous
        count = shape.count
        dtype = other.dtype
        owner = other.owner ?? other
    }
    deinit {
        if owner != nil { return }
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, count * dtype.byteCount) }
        StorageCache.shared.give(base, count * dtype.byteCount)
    }

    /// Whether nobody else shows the same memory, when nobody else refers to this object.
    var isAloneInItsMemory: Bool { owner == nil || isKnownUniquelyReferenced(&owner) }
}
