import CNSTMKernels

/// act(x Wᵀ + b) for rows of x [..., in], W [out, in] and b [out], in one product and one pass.
package struct LinearMap {
    private let x: Tensor, weight: Tensor
    private let rows: Int

    package init(_ x: Tensor, weight: Tensor) {
        (self.x, self.weight) = (x.contiguous(), weight.contiguous())
        let k = weight.shape[1]
        rows = k > 0 ? x.count / k : x.shape.dropLast().count
    }

    /// The result [..., out], and on request the derivative of the activation at each of its elements.
    package func forward(bias: Tensor?, activation: UnaryFunction?, savesDerivative: Bool) -> (y: Tensor, derivative: Tensor?) {
        let bias = bias?.contiguous(), n = weight.shape[0], k = weight.shape[1], type = x.dtype, real = type.real,
            size = type.byteCount
        var shape = x.shape
        shape[-1] = n
        let product = Tensor(uninitialized: shape, type)
        // With an activation the product is replaced by the derivative, which is all that the backward pass needs. Otherwise it
        // is replaced by the result.
        let saves = activation != nil && savesDerivative, y = saves ? Tensor(uninitialized: shape, type) : product
        let pre = product.uninitializedPointer, out = saves ? y.uninitializedPointer : nil
        Gemm.run(
            real, false, true, rows, n, k, 1, x.pointer, k, weight.pointer, k, 0, pre, n,
            isFollowed: activation != nil || bias != nil
        ) { r in
            if activation == nil && bias == nil { return }
            let o = r.lowerBound * n * size
            nstm_activate(
                real, activation.map { Int32($0.rawValue) } ?? -1, pre + o, bias?.pointer, out.map { $0 + o }, saves ? 1 : 0,
                r.count, n)
        }
        withExtendedLifetime(bias) {}
        return (y, saves ? product : nil)
    }
    /// dx = da · W, with the gradient da [..., out] of x Wᵀ + b.
    package func inputGradient(_ da: Tensor) -> Tensor {
        let n = weight.shape[0], k = weight.shape[1], da = da.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
        Gemm.run(
            x.dtype.real, false, false, rows, k, n, 1, da.pointer, n, weight.pointer, k, 0, dx.uninitializedPointer, k)
        withExtendedLifetime(da) {}
        return dx
    }
    /// Adds daᵀ · x to the gradient of the weight; nil counts as 0.
    package func addWeightGradient(_ da: Tensor, to sum: inout Tensor?) {
        let n = weight.shape[0], k = weight.shape[1], da = da.contiguous(), beta: Double = sum == nil ? 0 : 1
        if sum == nil { sum = Tensor(uninitialized: weight.shape, weight.dtype) }
        Gemm.run(
            x.dtype.real, true, false, n, k, rows, 1, da.pointer, n, x.pointer, k, beta, sum!.mutablePointer(), k)
        withExtendedLifetime(da) {}
    }
    /// db: da summed over the rows.
    package func biasGradient(_ da: Tensor) -> Tensor { da.reshaped(Shape(of: rows, weight.shape[0])).sum(axes: [0]) }
}
