import CNSTMKernels

/// Allocation weights of the rows of a memory by their usages u [B, N]: a row gets the more, the less it and the rows that are
/// used less are used.
///
///     a = (1 − uᵢ) Π uⱼ over the rows j before i in ascending order of usage, the first of equal ones first
package struct UsageAllocation {
    private let u: Tensor
    private let order: Tensor
    /// a [B, N].
    package let weights: Tensor

    package init(_ usage: Tensor) {
        let u = usage.contiguous(), B = u.shape[0], N = u.shape[1], size = u.dtype.byteCount, type = u.dtype
        let a = Tensor(uninitializedLike: u), order = Tensor(uninitialized: u.shape, .int32)
        let to = a.uninitializedPointer, indices = order.uninitializedPointer.assumingMemoryBound(to: Int32.self)
        Parallel.for(B, work: 32 * B * N) { b in
            withScratch(byteCount: max(1, N) * MemoryLayout<Int32>.stride) {
                nstm_allocation_forward(
                    type.real, N, u.pointer + b * N * size, indices + b * N, $0.assumingMemoryBound(to: Int32.self),
                    to + b * N * size)
            }
        }
        (self.u, self.order, weights) = (u, order, a)
    }
    /// The gradient of the usage; the order counts as constant.
    package func backward(_ da: Tensor) -> Tensor {
        let B = u.shape[0], N = u.shape[1], size = u.dtype.byteCount, da = da.contiguous(), du = Tensor(uninitializedLike: u)
        let to = du.uninitializedPointer, indices = order.pointer.assumingMemoryBound(to: Int32.self)
        for b in 0..<B {
            let row = b * N * size
            nstm_allocation_backward(u.dtype.real, N, u.pointer + row, indices + b * N, da.pointer + row, to + row)
        }
        withExtendedLifetime(da) {}
        return du
    }
}
