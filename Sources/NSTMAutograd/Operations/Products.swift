import CNSTMKernels
import NSTMTensor

extension Variable {
    /// op(self) · op(other) over the last two axes; leading axes broadcast.
    public func matmul(_ other: Variable, transposeSelf ta: Bool = false, transposeOther tb: Bool = false) -> Variable {
        let a = value, b = other.value
        return record(
            "matmul", self, other, nil, a.matmul(b, transposeSelf: ta, transposeOther: tb),
            .pullback { g, to in
                // With X = op(A), Y = op(B): dX = g Yᵀ, dY = Xᵀ g.
                to.add(
                    0,
                    (ta ? b.matmul(g, transposeSelf: tb, transposeOther: true) : g.matmul(b, transposeOther: !tb)).sum(
                        to: a.shape))
                if b.rank == 2 && a.rank > 2 && !ta {
                    // One matrix for all batches: one product over the rows of all of them, instead of one each and their sum.
                    let n = g.shape.dropLast().count, rows = a.reshaped([n, a.shape[-1]]), dy = g.reshaped([n, g.shape[-1]])
                    to.add(1, tb ? dy.matmul(rows, transposeSelf: true) : rows.matmul(dy, transposeSelf: true))
                    return
                }
                to.add(
                    1,
                    (tb ? g.matmul(a, transposeSelf: true, transposeOther: ta) : a.matmul(g, transposeSelf: !ta)).sum(to: b.shape)
                )
            })
    }

    /// act(x Wᵀ + b) for rows of x: [..., in] with weight [out, in] and bias [out] → [..., out]. One product, one pass.
    public func linear(_ weight: Variable, bias: Variable? = nil, activation: Activation = .none) -> Variable {
        guard weight.shape.rank == 2, shape.rank >= 1 else {
            nstmFatal(.other(op: "linear", "x \(shape), weight \(weight.shape)"), at: path(of: self, weight))
        }
        let n = weight.shape[0], k = weight.shape[1]
        guard shape[-1] == k else {
            nstmFatal(
                .inner(op: "linear", lhs: shape, rhs: weight.shape, lhsInner: shape[-1], rhsInner: k), at: path(of: self, weight))
        }
        if let bias, bias.shape != Shape(of: n) {
            nstmFatal(.other(op: "linear", "bias \(bias.shape) does not fit weight \(weight.shape)"), at: path(of: self, weight))
        }
        requireSameType("linear", self, weight, bias)
        let x = value.contiguous(), w = weight.value.contiguous(), b = bias?.value.contiguous()
        let rows = shape.dropLast().count, real = dtype.real, size = dtype.byteCount
        let outShape = shape.dropLast().appending(n)
        let product = Tensor(uninitialized: outShape, dtype)
        let op = activation.kernel
        let isRecorded = isRecorded || weight.isRecorded || bias?.isRecorded ?? false, savesDerivative = op != nil && isRecorded
        // With an activation the product becomes its derivative, in place: all that the way back needs of it. Without a way back it becomes
        // the result.
        let y = savesDerivative ? Tensor(uninitialized: outShape, dtype) : product
        let pre = product.uninitializedPointer, out = savesDerivative ? y.uninitializedPointer : nil
        Gemm.run(
            real, false, true, rows, n, k, 1, x.pointer, k, w.pointer, k, 0, pre, n,
            isFollowed: op != nil || b != nil
        ) { r in
            if op == nil && b == nil { return }
            let o = r.lowerBound * n * size
            nstm_activate(
                real, op.map { Int32($0.rawValue) } ?? -1, pre + o, b?.pointer, out.map { $0 + o }, savesDerivative ? 1 : 0,
                r.count, n)
        }
        if let y = unrecorded(y, of: self, isRecorded: isRecorded) { return y }
        return record(
            "linear", self, weight, bias, y, keeping: (x, w, op == nil ? nil : product, b != nil)
        ) { g, kept, to in
            let (x, w, derivative, hasBias) = kept.pointee
            let n = w.shape[0], k = w.shape[1], rows = x.shape.dropLast().count, real = x.dtype.real
            let da = derivative.map { g * $0 } ?? g.contiguous()
            if to.needs(0) {
                let dx = Tensor(uninitialized: x.shape, x.dtype)
                Gemm.run(real, false, false, rows, k, n, 1, da.pointer, n, w.pointer, k, 0, dx.uninitializedPointer, k)
                to.add(0, dx)
            }
            to.accumulate(1) { sum in
                // Weights that are used again and again, once a token, get one sum.
                let beta: Double = sum == nil ? 0 : 1
                if sum == nil { sum = Tensor(uninitialized: w.shape, w.dtype) }
                Gemm.run(real, true, false, n, k, rows, 1, da.pointer, n, x.pointer, k, beta, sum!.mutablePointer(), k)
            }
            if hasBias { to.add(2, da.reshaped(Shape(of: rows, n)).sum(axes: [0])) }
        }
    }
}
