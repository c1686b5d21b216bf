import CNSTMKernels

/// Number of elements that a thread processes at a time in element-wise loops: fixed, so that blocks do not depend on the number
/// of threads.
package let elementwiseBlock = 8_192

extension Tensor {
    /// Applies an element function.
    package func map(_ op: nstm_unary_fast_op) -> Tensor {
        let x = contiguous(), real = dtype.real, size = dtype.byteCount
        let y = Tensor(uninitializedLike: x)
        let from = x.pointer, to = y.uninitializedPointer
        Parallel.blocks(count, of: elementwiseBlock) { r in
            nstm_unary_fast(real, op, from + r.lowerBound * size, to + r.lowerBound * size, r.count)
        }
        withExtendedLifetime(x) {}
        return y
    }
    /// The element function and its derivative in one pass, for SiLU and GELU.
    package func mapWithDerivative(_ op: nstm_unary_fast_op) -> (y: Tensor, derivative: Tensor) {
        let x = contiguous(), real = dtype.real, size = dtype.byteCount
        let y = Tensor(uninitialized: shape, dtype), derivative = Tensor(uninitialized: shape, dtype)
        let from = x.pointer, to = y.uninitializedPointer, toDerivative = derivative.uninitializedPointer
        Parallel.blocks(count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_unary_fast_with_derivative(real, op, from + o, to + o, toDerivative + o, r.count)
        }
        withExtendedLifetime(x) {}
        return (y, derivative)
    }
    /// dx = dy · f'(x) with y = f(x).
    package static func mapBackward(_ op: nstm_unary_fast_op, dy: Tensor, x: Tensor, y: Tensor) -> Tensor {
        let dy = dy.contiguous(), x = x.contiguous(), y = y.contiguous(), real = x.dtype.real, size = x.dtype.byteCount
        let dx = Tensor(uninitializedLike: x)
        let to = dx.uninitializedPointer
        Parallel.blocks(x.count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_unary_fast_backward(real, op, dy.pointer + o, x.pointer + o, y.pointer + o, to + o, r.count)
        }
        return dx
    }

    /// Applies a binary function with NumPy's broadcasting.
    package static func zip(_ op: nstm_binary_broadcast_op, _ a: Tensor, _ b: Tensor, name: String) -> Tensor {
        guard a.dtype == b.dtype else { nstmFatal(.dtype(op: name, got: b.dtype, want: "\(a.dtype), as the other operand")) }
        if a.isContiguous && b.isContiguous && a.shape == b.shape { return zipDense(op, a, b) }
        guard let shape = Shape.broadcast(a.shape, b.shape) else { nstmFatal(.broadcast(op: name, a.shape, b.shape)) }
        let y = Tensor(uninitialized: shape, a.dtype)
        if shape.isEmpty { return y }
        let real = a.dtype.real, size = a.dtype.byteCount, to = y.uninitializedPointer
        // Find the split of the axes into rows × columns, with columns as long as possible, in which each operand has a constant
        // stride, or is repeated, along rows and along columns.
        for axis in 0..<shape.rank {
            guard let pa = a.rowPattern(shape, split: axis), let pb = b.rowPattern(shape, split: axis) else { continue }
            let rows = shape.count(of: 0..<axis), columns = shape.count(of: axis..<shape.rank)
            if rows == 1 {
                Parallel.blocks(columns, of: elementwiseBlock) { r in
                    nstm_binary_broadcast(
                        real, op, a.pointer + r.lowerBound * pa.inner * size, 0, pa.inner,
                        b.pointer + r.lowerBound * pb.inner * size, 0, pb.inner, to + r.lowerBound * size, 1, r.count)
                }
                withExtendedLifetime((a, b)) {}
                return y
            }
            Parallel.blocks(rows, of: max(1, elementwiseBlock / max(1, columns))) { r in
                nstm_binary_broadcast(
                    real, op, a.pointer + r.lowerBound * pa.outer * size, pa.outer, pa.inner,
                    b.pointer + r.lowerBound * pb.outer * size, pb.outer, pb.inner, to + r.lowerBound * columns * size,
                    r.count, columns)
            }
            withExtendedLifetime((a, b)) {}
            return y
        }
        return zip(op, a.broadcast(to: shape).contiguous(), b.broadcast(to: shape).contiguous(), name: name)
    }

    @inline(__always) private static func zipDense(_ op: nstm_binary_broadcast_op, _ a: Tensor, _ b: Tensor) -> Tensor {
        let y = Tensor(uninitializedLike: a)
        let real = a.dtype.real, size = a.dtype.byteCount, p = a.pointer, q = b.pointer, to = y.uninitializedPointer
        Parallel.blocks(y.count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_binary_broadcast(real, op, p + o, 0, 1, q + o, 0, 1, to + o, 1, r.count)
        }
        withExtendedLifetime((a, b)) {}
        return y
    }

    /// Strides of the rows and columns of the tensor, broadcast to `target`, if the axes before `split` are viewed as one axis of
    /// rows and the others as one of columns; 0 for repetition.
    ///
    /// nil if there are no such strides, or columns are not dense.
    private func rowPattern(_ target: Shape, split: Int) -> (outer: Int, inner: Int)? {
        guard let outer = distance(target, 0..<split), let inner = distance(target, split..<target.rank), inner <= 1 else {
            return nil
        }
        return (outer, inner)
    }
    /// The common stride of elements over some axes of `target`.
    private func distance(_ target: Shape, _ axes: Range<Int>) -> Int? {
        let lead = target.rank - rank
        var distance = 0, next: Int?
        for axis in axes.reversed() where target[axis] != 1 {
            let step = axis < lead || shape[axis - lead] == 1 ? 0 : Int(strides[axis - lead])
            if let next {
                if step != next { return nil }
            } else {
                distance = step
            }
            if step < 0 { return nil }
            next = step * target[axis]
        }
        return distance
    }

    /// The elementwise sum, with broadcasting.
    public static func + (a: Tensor, b: Tensor) -> Tensor { zip(NSTM_ADD, a, b, name: "add") }
    /// The elementwise difference, with broadcasting.
    public static func - (a: Tensor, b: Tensor) -> Tensor { zip(NSTM_SUB, a, b, name: "subtract") }
    /// The elementwise product, with broadcasting.
    public static func * (a: Tensor, b: Tensor) -> Tensor { zip(NSTM_MUL, a, b, name: "multiply") }
    /// The elementwise quotient, with broadcasting.
    public static func / (a: Tensor, b: Tensor) -> Tensor { zip(NSTM_DIV, a, b, name: "divide") }
    /// The elementwise maximum, with broadcasting; NaN if one is NaN.
    public static func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { zip(NSTM_MAX, a, b, name: "maximum") }
    /// The elementwise minimum, with broadcasting; NaN if one is NaN.
    public static func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { zip(NSTM_MIN, a, b, name: "minimum") }

    /// alpha · x + beta, element by element.
    public func affine(_ alpha: Double, _ beta: Double = 0) -> Tensor {
        let x = contiguous(), real = dtype.real, size = dtype.byteCount
        let y = Tensor(uninitializedLike: x)
        let to = y.uninitializedPointer
        Parallel.blocks(count, of: elementwiseBlock) { r in
            nstm_affine(real, alpha, x.pointer + r.lowerBound * size, beta, to + r.lowerBound * size, r.count)
        }
        return y
    }
    public static prefix func - (x: Tensor) -> Tensor { x.affine(-1) }

    /// Adds alpha · x in place.
    public mutating func add(_ x: Tensor, scaledBy alpha: Double = 1) {
        guard x.shape == shape, x.dtype == dtype else {
            nstmFatal(.other(op: "add in place", "shapes \(shape) \(dtype) and \(x.shape) \(x.dtype) differ"))
        }
        let x = x.contiguous(), real = dtype.real, size = dtype.byteCount, n = count, to = mutablePointer()
        Parallel.blocks(n, of: elementwiseBlock) { r in
            nstm_axpy(real, alpha, x.pointer + r.lowerBound * size, to + r.lowerBound * size, r.count)
        }
    }

    /// Position of the first NaN or infinity in row-major order.
    public func firstNonFinite() -> Int? {
        guard dtype.isFloatingPoint else { return nil }
        let x = contiguous()
        let i = nstm_first_nonfinite(dtype.real, x.pointer, count)
        return i < 0 ? nil : i
    }
}

extension Tensor {
    /// Elements limited to low … high.
    public func clamped(min low: Double, max high: Double) -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), real = dtype.real, size = dtype.byteCount,
            to = y.uninitializedPointer
        Parallel.blocks(count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_clamp(real, x.pointer + o, low, high, to + o, r.count)
        }
        return y
    }
    /// Elements limited to low … high, which are broadcast; `high` has precedence if low > high.
    public func clamped(min low: Tensor, max high: Tensor) -> Tensor { .minimum(.maximum(self, low), high) }
    /// This gradient where `x` is within low … high, and 0 elsewhere.
    package func masked(whereClamped x: Tensor, _ low: Double, _ high: Double) -> Tensor {
        let g = contiguous(), x = x.contiguous(), y = Tensor(uninitialized: shape, dtype), to = y.uninitializedPointer
        let real = dtype.real, size = dtype.byteCount
        Parallel.blocks(count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_clamp_backward(real, g.pointer + o, x.pointer + o, low, high, to + o, r.count)
        }
        return y
    }
}
