import CNSTMKernels

/// A reduction over some axes of a tensor, viewed as dense [outer, reduce, inner].
///
/// Results are computed in double for both element types and rounded once. The partition of the work depends only on the sizes,
/// so that results are bit-identical for any number of threads.
package struct AxisReduction {
    private let x: Tensor
    private let outer: Int, inner: Int
    /// Number of elements per result.
    package let reduce: Int
    private let shape: Shape
    private let kept: Shape, final: Shape
    /// The axes in the memory order of `x`, if it had to be rearranged.
    private let order: [Int]?

    package init(_ x: Tensor, _ axes: [Int]?) {
        shape = x.shape
        let reduced = Set((axes ?? Array(0..<x.rank)).map { x.shape.normalized(axis: $0) })
        var kept = Shape([]), final = Shape([])
        // Which of the axes longer than 1 are reduced, neighbors of one kind taken together: [kept] [reduced] [kept] needs no
        // copy.
        var runs: [(isReduced: Bool, count: Int)] = []
        for i in 0..<x.rank {
            let isReduced = reduced.contains(i)
            kept.append(isReduced ? 1 : x.shape[i])
            if !isReduced { final.append(x.shape[i]) }
            if x.shape[i] == 1 { continue }
            if runs.last?.isReduced == isReduced {
                runs[runs.count - 1].count *= x.shape[i]
            } else {
                runs.append((isReduced, x.shape[i]))
            }
        }
        (self.kept, self.final) = (kept, final)
        reduce = reduced.reduce(1) { $0 * x.shape[$1] }
        if runs.lazy.filter(\.isReduced).count <= 1 {
            let at = runs.firstIndex(where: \.isReduced) ?? runs.count
            outer = runs[..<at].reduce(1) { $0 * $1.count }
            inner = runs.dropFirst(at + 1).reduce(1) { $0 * $1.count }
            order = nil
            self.x = x.contiguous()
        } else {
            let order = (0..<x.rank).filter { !reduced.contains($0) } + reduced.sorted()
            outer = final.count
            inner = 1
            self.order = order
            self.x = x.permuted(order).contiguous()
        }
    }

    /// Number of results.
    package var resultCount: Int { outer * inner }

    /// The reduction in double, [results].
    ///
    /// `shift` has one number per result, for the kinds that need one.
    package func run(_ op: nstm_reduction, shift: Tensor? = nil) -> Tensor {
        let y = Tensor(uninitialized: [resultCount], .float64), to = y.uninitializedPointer.assumingMemoryBound(to: Double.self)
        let by = shift?.pointer.assumingMemoryBound(to: Double.self)
        let real = x.dtype.real, size = x.dtype.byteCount, line = reduce * inner
        if line <= AxisReduction.part {
            Parallel.blocks(outer, of: max(1, elementwiseBlock / max(1, line))) { r in
                let o = r.lowerBound * inner
                nstm_reduce(
                    real, op, x.pointer + r.lowerBound * line * size, by.map { $0 + o }, to + o, r.count, reduce, inner, 0,
                    inner)
            }
            return y
        }
        for o in 0..<outer {
            let from = x.pointer + o * line * size, shifts = by.map { $0 + o * inner }, out = to + o * inner
            if inner >= 1024 {
                Parallel.blocks(inner, of: 1024) { r in
                    nstm_reduce(real, op, from, shifts, out, 1, reduce, inner, r.lowerBound, r.upperBound)
                }
            } else {
                // Partial results of fixed parts, then the same over those.
                let rows = AxisReduction.part / inner, parts = (reduce + rows - 1) / rows
                let partial = Tensor(uninitialized: [parts, inner], .float64),
                    p = partial.uninitializedPointer.assumingMemoryBound(to: Double.self)
                Parallel.blocks(reduce, of: rows) { r in
                    nstm_reduce(
                        real, op, from + r.lowerBound * inner * size, shifts, p + (r.lowerBound / rows) * inner, 1, r.count,
                        inner, 0,
                        inner)
                }
                nstm_reduce(NSTM_F64, AxisReduction.combining(op), partial.pointer, nil, out, 1, parts, inner, 0, inner)
            }
        }
        withExtendedLifetime(shift) {}
        return y
    }
    /// Elements that one thread reduces at a time.
    private static let part = 65_536
    /// The reduction that combines the results of parts.
    private static func combining(_ op: nstm_reduction) -> nstm_reduction {
        switch op {
        case NSTM_REDUCE_PRODUCT, NSTM_REDUCE_MAX, NSTM_REDUCE_MIN: op
        case NSTM_REDUCE_ABSOLUTE_MAX: NSTM_REDUCE_MAX
        default: NSTM_REDUCE_SUM
        }
    }

    package func mean() -> Tensor {
        let n = Double(reduce)
        return run(NSTM_REDUCE_SUM).mapped { $0 / n }
    }

    /// Numbers in double, [results], as the result of the reduction.
    package func result(_ y: Tensor, keepDims: Bool) -> Tensor { y.cast(to: x.dtype).reshaped(keepDims ? kept : final) }

    /// The gradients of the results in double, [results].
    package func gradient(_ g: Tensor) -> Tensor { g.cast(to: .float64).flattened() }

    /// The gradient of the elements from a number for each result (`factor`) and another (`shift`), both in double.
    package func spread(_ op: nstm_reduction_gradient, order p: Double = 0, factor: Tensor, shift: Tensor) -> Tensor {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        let real = x.dtype.real, size = x.dtype.byteCount, line = reduce * inner
        let f = factor.pointer.assumingMemoryBound(to: Double.self),
            s = shift.pointer.assumingMemoryBound(to: Double.self)
        if line <= AxisReduction.part {
            Parallel.blocks(outer, of: max(1, elementwiseBlock / max(1, line))) { r in
                let o = r.lowerBound * inner, at = r.lowerBound * line * size
                nstm_reduce_backward(real, op, p, f + o, x.pointer + at, s + o, to + at, r.count, reduce, inner)
            }
        } else {
            for o in 0..<outer {
                Parallel.blocks(reduce, of: max(1, elementwiseBlock / inner)) { r in
                    let at = (o * line + r.lowerBound * inner) * size
                    nstm_reduce_backward(
                        real, op, p, f + o * inner, x.pointer + at, s + o * inner, to + at, 1, r.count, inner)
                }
            }
        }
        withExtendedLifetime((factor, shift)) {}
        return inShape(dx)
    }
    /// The gradient of a product from its own, in double.
    package func spreadProduct(_ g: Tensor) -> Tensor {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        let real = x.dtype.real, size = x.dtype.byteCount, line = reduce * inner
        let f = g.pointer.assumingMemoryBound(to: Double.self)
        Parallel.blocks(outer, of: max(1, elementwiseBlock / max(1, line))) { r in
            let scratch = Tensor(uninitialized: [reduce], .float64), at = r.lowerBound * line * size
            nstm_product_backward(
                real, f + r.lowerBound * inner, x.pointer + at, to + at,
                scratch.uninitializedPointer.assumingMemoryBound(to: Double.self),
                r.count, reduce, inner)
        }
        withExtendedLifetime(g) {}
        return inShape(dx)
    }
    private func inShape(_ dx: Tensor) -> Tensor {
        guard let order else { return dx.reshaped(shape) }
        var inverse = order
        for (i, axis) in order.enumerated() { inverse[axis] = i }
        return dx.permuted(inverse)
    }

    /// Stops the program if there are no elements to select from.
    package func requireElements(_ op: String) {
        if reduce == 0 && resultCount > 0 { nstmFatal(.other(op: op, "nothing to choose from: shape \(shape) is empty")) }
    }
}

extension Tensor {
    /// A function of every element of a float64 tensor, for the few results of a reduction.
    package func mapped(_ body: (Double) -> Double) -> Tensor {
        withElements(of: Double.self) { p in
            Tensor(shape, initializing: Double.self) { q in for i in 0..<p.count { q[i] = body(p[i]) } }
        }
    }
    /// A function of the elements of two float64 tensors.
    package static func mapped(_ a: Tensor, _ b: Tensor, _ body: (Double, Double) -> Double) -> Tensor {
        a.withElements(of: Double.self) { p in
            b.withElements(of: Double.self) { q in
                Tensor(a.shape, initializing: Double.self) { r in for i in 0..<p.count { r[i] = body(p[i], q[i]) } }
            }
        }
    }
}
