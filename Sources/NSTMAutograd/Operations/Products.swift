import NSTMTensor

extension Variable {
    /// op(self) · op(other) over the last two axes; leading axes broadcast.
    public func matmul(_ other: Variable, transposeSelf ta: Bool = false, transposeOther tb: Bool = false) -> Variable {
        record(
            "matmul", self, other, value: value.matmul(other.value, transposeSelf: ta, transposeOther: tb),
            saving: (value, other.value, ta, tb)
        ) { g, saved, gradients in
            let (a, b, ta, tb) = saved.pointee
            // With X = op(A), Y = op(B): dX = g Yᵀ, dY = Xᵀ g.
            gradients.add(
                0,
                (ta ? b.matmul(g, transposeSelf: tb, transposeOther: true) : g.matmul(b, transposeOther: !tb)).sum(to: a.shape))
            if b.rank == 2 && a.rank > 2 && !ta {
                // One matrix for all batches: one product over the rows of all of them, instead of a sum of products.
                let n = g.shape.dropLast().count, rows = a.reshaped([n, a.shape[-1]]), dy = g.reshaped([n, g.shape[-1]])
                gradients.add(1, tb ? dy.matmul(rows, transposeSelf: true) : rows.matmul(dy, transposeSelf: true))
                return
            }
            gradients.add(
                1, (tb ? g.matmul(a, transposeSelf: true, transposeOther: ta) : a.matmul(g, transposeSelf: !ta)).sum(to: b.shape))
        }
    }

    /// act(x Wᵀ + b) for rows of x: [..., in] with weight [out, in] and bias [out] → [..., out].
    ///
    /// It is one product followed by one pass over the result.
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
        let map = LinearMap(value, weight: weight.value)
        let (y, derivative) = map.forward(
            bias: bias?.value, activation: activation.kernel, savesDerivative: isAnyRecorded(self, weight, bias))
        return record(
            "linear", self, weight, bias, value: y, saving: (map, derivative, bias != nil)
        ) { g, saved, gradients in
            let (map, derivative, hasBias) = saved.pointee
            let da = derivative.map { g * $0 } ?? g.contiguous()
            if gradients.needs(0) { gradients.add(0, map.inputGradient(da)) }
            // The gradients of weights that are used for every token are accumulated in one sum.
            gradients.accumulate(1) { map.addWeightGradient(da, to: &$0) }
            if hasBias { gradients.add(2, map.biasGradient(da)) }
        }
    }
}
