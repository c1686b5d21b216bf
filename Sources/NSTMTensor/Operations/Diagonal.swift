extension Tensor {
    /// The diagonal of two axes as a view: they disappear, and their diagonal becomes the last axis.
    public func diagonal(_ a: Int = -2, _ b: Int = -1) -> Tensor {
        let (a, b) = diagonalAxes(a, b)
        var newShape = Shape([]), newStrides = SIMD8<Int32>(repeating: 0)
        for i in 0..<rank where i != a && i != b {
            newStrides[newShape.rank] = strides[i]
            newShape.append(shape[i])
        }
        newStrides[newShape.rank] = strides[a] + strides[b]
        newShape.append(min(shape[a], shape[b]))
        return Tensor(of: self, newShape, newStrides)
    }
    /// Sum of the diagonal of two axes.
    public func trace(_ a: Int = -2, _ b: Int = -1) -> Tensor { diagonal(a, b).sum(axes: [-1]) }

    /// Zeros of a shape with this tensor on the diagonal of two axes: the inverse of `diagonal` for gradients.
    package func diagonalEmbedded(in target: Shape, _ a: Int, _ b: Int) -> Tensor {
        let n = target[a], m = target[b], k = shape[-1]
        // Rows of m + 1 elements with a number first: read in rows of m, the numbers are on the diagonal.
        let rows = unsqueezed(axis: -1).padded(axis: -1, before: 0, after: m).padded(axis: -2, before: 0, after: n - k)
        let lead = shape.dropLast().dims
        let matrix = rows.reshaped(lead + [n * (m + 1)]).slice(axis: -1, 0..<n * m).reshaped(lead + [n, m])
        var order = Array(0..<lead.count)
        let last = lead.count
        for (axis, source) in [(a, last), (b, last + 1)].sorted(by: { $0.0 < $1.0 }) { order.insert(source, at: axis) }
        return matrix.permuted(order)
    }
    package func diagonalAxes(_ a: Int, _ b: Int) -> (Int, Int) {
        let x = shape.normalized(axis: a), y = shape.normalized(axis: b)
        guard x != y else { nstmFatal(.other(op: "diagonal", "axes \(a) and \(b) of \(shape) are the same")) }
        return (x, y)
    }
    /// Outer product of two vectors, [n] and [m] → [n, m].
    public static func outer(_ a: Tensor, _ b: Tensor) -> Tensor {
        guard a.rank == 1, b.rank == 1 else {
            nstmFatal(.other(op: "outer", "operands \(a.shape) and \(b.shape) must be vectors"))
        }
        return a.unsqueezed(axis: 1) * b.unsqueezed(axis: 0)
    }
}
