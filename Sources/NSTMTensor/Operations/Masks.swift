import CNSTMKernels

// Masks are bool tensors. Comparisons and logic have the operators of Swift's SIMD types: a point before the sign says
// "element by element". Everything broadcasts by NumPy's rule.

extension Tensor {
    private static func compare(_ op: nstm_comparison, _ a: Tensor, _ b: Tensor, name: String) -> Tensor {
        guard a.dtype == b.dtype else { nstmFatal(.dtype(op: name, got: b.dtype, want: "\(a.dtype), as the other operand")) }
        let shape = Shape.broadcast(op: name, [a, b]), y = Tensor(uninitialized: shape, .bool), to = y.maskBase
        let type = a.dtype.kernel, size = a.dtype.byteCount
        shape.broadcastLoop([a, b]) { p in
            nstm_compare(
                type, op, a.pointer + p.start[0] * size, p.outer[0], p.inner[0], b.pointer + p.start[1] * size,
                p.outer[1], p.inner[1], to + p.result, p.rows, p.columns)
        }
        return y
    }
    private var maskBase: UnsafeMutablePointer<UInt8> { uninitializedPointer.assumingMemoryBound(to: UInt8.self) }

    /// Where elements are equal; NaN equals nothing, −0 equals 0.
    ///
    /// Operands of all comparisons have one type.
    public static func .== (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_EQ, a, b, name: "equal") }
    /// A mask of the elements where `a` differs from `b`, with broadcasting; true for NaN.
    public static func .!= (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_NE, a, b, name: "not equal") }
    /// A mask of the elements where `a` is less than `b`, with broadcasting; false for NaN.
    public static func .< (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_LT, a, b, name: "less") }
    /// A mask of the elements where `a` is at most `b`, with broadcasting; false for NaN.
    public static func .<= (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_LE, a, b, name: "less or equal") }
    /// A mask of the elements where `a` is greater than `b`, with broadcasting; false for NaN.
    public static func .> (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_LT, b, a, name: "greater") }
    /// A mask of the elements where `a` is at least `b`, with broadcasting; false for NaN.
    public static func .>= (a: Tensor, b: Tensor) -> Tensor { compare(NSTM_LE, b, a, name: "greater or equal") }

    /// A number as an operand for this tensor: in its type if that can represent it, otherwise both in float64 (int32 with 0.5).
    ///
    /// For a float32 tensor the number is rounded to float32.
    private func beside(_ number: Double) -> (Tensor, Tensor) {
        let fits =
            switch dtype {
            case .float32, .float64: true
            case .int32: Int32(exactly: number) != nil
            case .uint8: UInt8(exactly: number) != nil
            case .bool: number == 0 || number == 1
            }
        return fits ? (self, .scalar(number, dtype: dtype)) : (cast(to: .float64), .scalar(number, dtype: .float64))
    }
    private func compare(_ number: Double, _ op: (Tensor, Tensor) -> Tensor) -> Tensor {
        let (x, y) = beside(number)
        return op(x, y)
    }
    /// A mask of the elements where `a` equals a number.
    public static func .== (a: Tensor, b: Double) -> Tensor { a.compare(b, .==) }
    /// A mask of the elements where `a` differs from a number.
    public static func .!= (a: Tensor, b: Double) -> Tensor { a.compare(b, .!=) }
    /// A mask of the elements where `a` is less than a number.
    public static func .< (a: Tensor, b: Double) -> Tensor { a.compare(b, .<) }
    /// A mask of the elements where `a` is at most a number.
    public static func .<= (a: Tensor, b: Double) -> Tensor { a.compare(b, .<=) }
    /// A mask of the elements where `a` is greater than a number.
    public static func .> (a: Tensor, b: Double) -> Tensor { a.compare(b, .>) }
    /// A mask of the elements where `a` is at least a number.
    public static func .>= (a: Tensor, b: Double) -> Tensor { a.compare(b, .>=) }

    private static func combine(_ op: nstm_logic, _ a: Tensor, _ b: Tensor, name: String) -> Tensor {
        a.requireMask(name)
        b.requireMask(name)
        let shape = Shape.broadcast(op: name, [a, b]), y = Tensor(uninitialized: shape, .bool), to = y.maskBase
        shape.broadcastLoop([a, b]) { p in
            nstm_combine(
                op, a.truths + p.start[0], p.outer[0], p.inner[0], b.truths + p.start[1], p.outer[1], p.inner[1], to + p.result,
                p.rows, p.columns)
        }
        return y
    }
    private var truths: UnsafePointer<UInt8> { pointer.assumingMemoryBound(to: UInt8.self) }
    private func requireMask(_ op: String) {
        guard dtype == .bool || dtype == .uint8 else { nstmFatal(.dtype(op: op, got: dtype, want: "a bool or uint8 mask")) }
    }

    /// Logic of masks (bool, or uint8 of which every value but 0 is true).
    public static func .& (a: Tensor, b: Tensor) -> Tensor { combine(NSTM_AND, a, b, name: "and") }
    /// The elementwise logical or of masks.
    public static func .| (a: Tensor, b: Tensor) -> Tensor { combine(NSTM_OR, a, b, name: "or") }
    /// The elementwise exclusive or of masks.
    public static func .^ (a: Tensor, b: Tensor) -> Tensor { combine(NSTM_XOR, a, b, name: "exclusive or") }
    public static prefix func .! (a: Tensor) -> Tensor { combine(NSTM_XOR, a, .scalar(1, dtype: .bool), name: "not") }

    /// Whether any element along the axes (all when nil) is true; of none, false.
    ///
    /// A reduced axis disappears unless `keepDims`.
    public func any(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        combined(NSTM_OR, axes, keepDims, name: "any")
    }
    /// Whether all elements along the axes (all when nil) are true; of none, true.
    public func all(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        combined(NSTM_AND, axes, keepDims, name: "all")
    }
    private func combined(_ op: nstm_logic, _ axes: [Int]?, _ keepDims: Bool, name: String) -> Tensor {
        requireMask(name)
        let reduced = Set((axes ?? Array(0..<rank)).map { shape.normalized(axis: $0) })
        let kept = (0..<rank).filter { !reduced.contains($0) }
        // The reduced axes last: one pass over runs.
        let x = permuted(kept + reduced.sorted()).contiguous(), rows = shape.keeping(kept).count
        let n = shape.keeping(reduced.sorted()).count
        let final = keepDims ? Shape((0..<rank).map { reduced.contains($0) ? 1 : shape[$0] }) : shape.keeping(kept)
        let y = Tensor(uninitialized: final, .bool), to = y.maskBase
        Parallel.blocks(rows, of: max(1, 8 * elementwiseBlock / max(1, n))) { r in
            nstm_combine_axis(op, x.truths + r.lowerBound * n, to + r.lowerBound, r.count, n, 1)
        }
        return y
    }

    /// Elements of `a` where the mask is true and of `b` where it is not; all three broadcast.
    public static func `where`(_ mask: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
        mask.requireMask("where")
        guard a.dtype == b.dtype else { nstmFatal(.dtype(op: "where", got: b.dtype, want: "\(a.dtype), as the other operand")) }
        let shape = Shape.broadcast(op: "where", [mask, a, b]), y = Tensor(uninitialized: shape, a.dtype),
            to = y.uninitializedPointer
        let size = a.dtype.byteCount
        shape.broadcastLoop([mask, a, b]) { p in
            nstm_select(
                size, mask.truths + p.start[0], p.outer[0], p.inner[0], a.pointer + p.start[1] * size, p.outer[1],
                p.inner[1], b.pointer + p.start[2] * size, p.outer[2], p.inner[2], to + p.result * size, p.rows, p.columns)
        }
        return y
    }
    /// This tensor with a number where the mask, which broadcasts to its shape, is true.
    public func maskedFill(_ mask: Tensor, _ value: Double) -> Tensor {
        guard Shape.broadcast(mask.shape, shape) == shape else { nstmFatal(.broadcast(op: "maskedFill", mask.shape, shape)) }
        return .where(mask, .scalar(value, dtype: dtype), self)
    }
}

extension Shape {
    /// The sizes of some axes only.
    package func keeping(_ axes: [Int]) -> Shape { Shape(axes.map { self[$0] }) }
}

extension Tensor {
    /// The half of a matrix on one side of a diagonal, the diagonal included.
    public enum Triangle: Sendable, CaseIterable {
        /// column − row ≤ diagonal.
        case lower
        /// column − row ≥ diagonal.
        case upper
    }

    /// A mask [rows, columns] that is true in a triangle; `diagonal` 0 is the main one, 1 the next to the right.
    ///
    /// With `.lower` and 0, row t has the columns 0 ... t: a causal mask.
    public static func triangular(_ half: Triangle, rows: Int, columns: Int, diagonal: Int = 0) -> Tensor {
        Tensor.ones([rows, columns], dtype: .bool).triangle(half, diagonal)
    }
    /// The matrices of the last two axes with 0 outside the lower triangle (as `torch.tril`).
    public func lowerTriangle(diagonal: Int = 0) -> Tensor { triangle(.lower, diagonal) }
    /// The matrices of the last two axes with 0 outside the upper triangle (as `torch.triu`).
    public func upperTriangle(diagonal: Int = 0) -> Tensor { triangle(.upper, diagonal) }

    private func triangle(_ half: Triangle, _ diagonal: Int) -> Tensor {
        guard rank >= 2 else { nstmFatal(.other(op: "triangle", "\(shape) needs at least two axes")) }
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype)
        // Beyond this the result does not change, and nothing overflows.
        let reach = min(max(diagonal, -shape[-2] - 1), shape[-1] + 1)
        nstm_triangle(
            dtype.byteCount, half == .lower ? 1 : 0, reach, x.pointer, y.uninitializedPointer, shape.dropLast(2).count,
            shape[-2],
            shape[-1])
        return y
    }
}
