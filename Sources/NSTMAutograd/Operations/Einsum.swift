import NSTMTensor

extension Variable: EinsumOperand {
    /// The diagonal of two axes: they disappear, and their diagonal becomes the last axis.
    public func diagonal(_ a: Int = -2, _ b: Int = -1) -> Variable {
        let (a, b) = value.diagonalAxes(a, b), from = shape
        return record(
            "diagonal", [self], value.diagonal(a, b),
            .pullback { g, gradients in gradients.add(0, g.diagonalEmbedded(in: from, a, b)) })
    }
    /// Sum of the diagonal of two axes.
    public func trace(_ a: Int = -2, _ b: Int = -1) -> Variable { diagonal(a, b).sum(axes: [-1]) }
    /// Outer product of two vectors, [n] and [m] → [n, m].
    public static func outer(_ a: Variable, _ b: Variable) -> Variable {
        guard a.shape.rank == 1, b.shape.rank == 1 else {
            nstmFatal(.other(op: "outer", "operands \(a.shape) and \(b.shape) must be vectors"), at: path(of: a, b))
        }
        return a.unsqueezed(axis: 1) * b.unsqueezed(axis: 0)
    }
}

/// Sum of products by subscripts, differentiable in all operands; the rules are those of `einsum` for tensors.
///
/// ```swift
/// let scores = einsum("bqd,bkd->bqk", q, k)
/// ```
public func einsum(_ subscripts: String, _ operands: Variable...) -> Variable {
    let path = operands.lazy.compactMap { $0.tape?.path }.first { !$0.isEmpty } ?? ""
    return Einsum.evaluate(subscripts, operands, path: path)
}
