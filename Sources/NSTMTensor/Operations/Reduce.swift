import CNSTMKernels

extension Tensor {
    /// Sum over axes (all when nil).
    ///
    /// A reduced axis disappears unless `keepDims`.
    public func sum(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        var mask: UInt8 = axes == nil ? 0xff : 0
        if let axes { for axis in axes { mask |= 1 << UInt8(shape.normalized(axis: axis)) } }
        return sum(over: mask, keepDims: keepDims)
    }
    /// Sum over the axes whose bits are set.
    private func sum(over reduced: UInt8, keepDims: Bool) -> Tensor {
        func isReduced(_ axis: Int) -> Bool { reduced & (1 << UInt8(axis)) != 0 }
        var kept = Shape([]), final = Shape([])
        for i in 0..<rank {
            kept.append(isReduced(i) ? 1 : shape[i])
            if !isReduced(i) { final.append(shape[i]) }
        }
        var x = self
        // From the last axis on, runs of neighboring reduced axes go in one pass.
        var i = rank - 1
        while i >= 0 {
            guard isReduced(i) else {
                i -= 1
                continue
            }
            var first = i
            while first > 0 && isReduced(first - 1) { first -= 1 }
            x = x.sumRun(first...i)
            i = first - 1
        }
        return x.reshaped(keepDims ? kept : final)
    }

    /// Sum over a run of neighboring axes, which become size 1.
    private func sumRun(_ run: ClosedRange<Int>) -> Tensor {
        let x = contiguous()
        let outer = shape.count(of: 0..<run.lowerBound), inner = shape.count(of: run.upperBound + 1..<rank)
        let reduce = shape.count(of: run.lowerBound..<run.upperBound + 1)
        var target = shape
        for axis in run { target[axis] = 1 }
        let real = dtype.real, size = dtype.byteCount
        if outer == 1 && inner == 1 {
            // One long sum: partial sums of fixed blocks, added in order.
            let total = blockSums(reduce) { nstm_sum(real, x.pointer + $0.lowerBound * size, $0.count) }
            return Tensor(repeating: total, target, dtype: dtype)
        }
        let y = Tensor(uninitialized: target, dtype)
        let to = y.uninitializedPointer
        if outer == 1 {
            // Column sums over many rows: fixed row blocks into partial rows, added in order.
            let block = 256, blocks = (reduce + block - 1) / block
            if blocks <= 1 {
                nstm_sum_axis(real, x.pointer, to, 1, reduce, inner, 0)
                return y
            }
            let partial = Tensor(uninitialized: [blocks, inner], dtype), part = partial.uninitializedPointer
            Parallel.blocks(reduce, of: block) { r in
                nstm_sum_axis(
                    real, x.pointer + r.lowerBound * inner * size, part + (r.lowerBound / block) * inner * size, 1, r.count,
                    inner, 0)
            }
            nstm_sum_axis(real, part, to, 1, blocks, inner, 0)
            return y
        }
        Parallel.blocks(outer, of: max(1, elementwiseBlock / max(1, reduce * inner))) { r in
            nstm_sum_axis(
                real, x.pointer + r.lowerBound * reduce * inner * size, to + r.lowerBound * inner * size, r.count, reduce,
                inner,
                0)
        }
        return y
    }

    /// Sums what broadcasting had repeated: the inverse of `broadcast(to:)` for gradients.
    @inlinable public func sum(to target: Shape) -> Tensor { shape == target ? self : summed(to: target) }

    @usableFromInline func summed(to target: Shape) -> Tensor {
        let lead = rank - target.rank
        var mask: UInt8 = (1 << UInt8(lead)) &- 1
        for i in 0..<target.rank where target[i] == 1 && shape[i + lead] != 1 { mask |= 1 << UInt8(i + lead) }
        return sum(over: mask, keepDims: true).reshaped(target)
    }

    /// Mean over axes (all when nil).
    ///
    /// A reduced axis disappears unless `keepDims`.
    public func mean(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        let s = sum(axes: axes, keepDims: keepDims)
        return s.affine(Double(s.count) / Double(max(1, count)))
    }

    /// Largest element along an axis, and where it is (first of equals).
    ///
    /// NaN counts as largest.
    public func maximum(axis: Int) -> (values: Tensor, indices: Tensor) { extreme("maximum(axis:)", axis, least: false) }
    /// Smallest element along an axis, and where it is (first of equals).
    ///
    /// NaN counts as smallest.
    public func minimum(axis: Int) -> (values: Tensor, indices: Tensor) { extreme("minimum(axis:)", axis, least: true) }
    /// Position of the largest element along an axis (first of equals; NaN counts as largest), int32.
    public func argmax(axis: Int = -1) -> Tensor { maximum(axis: axis).indices }
    /// Position of the smallest element along an axis (first of equals; NaN counts as smallest), int32.
    public func argmin(axis: Int = -1) -> Tensor { minimum(axis: axis).indices }

    private func extreme(_ name: String, _ axis: Int, least: Bool) -> (values: Tensor, indices: Tensor) {
        let a = shape.normalized(axis: axis), x = contiguous()
        guard shape[a] > 0 else { nstmFatal(.other(op: name, "axis \(a) of \(shape) is empty")) }
        var target = Shape([])
        for i in 0..<rank where i != a { target.append(shape[i]) }
        let values = Tensor(uninitialized: target, dtype), indices = Tensor(uninitialized: target, .int32)
        let outer = shape.count(of: 0..<a), reduce = shape[a], inner = shape.count(of: a + 1..<rank)
        let real = dtype.real, size = dtype.byteCount, to = values.uninitializedPointer
        let at = indices.uninitializedPointer.assumingMemoryBound(to: Int32.self)
        Parallel.blocks(outer, of: max(1, elementwiseBlock / max(1, reduce * inner))) { r in
            nstm_extreme_axis(
                real, least ? 1 : 0, x.pointer + r.lowerBound * reduce * inner * size, to + r.lowerBound * inner * size,
                at + r.lowerBound * inner, r.count, reduce, inner)
        }
        return (values, indices)
    }

    /// Sum of squares, in double.
    public func sumOfSquares() -> Double {
        let x = contiguous(), real = dtype.real, size = dtype.byteCount
        return blockSums(count) { nstm_sum_squares(real, x.pointer + $0.lowerBound * size, $0.count) }
    }

    /// Sums over blocks of a fixed size, computed by all threads and added in order.
    private func blockSums(_ n: Int, _ body: (Range<Int>) -> Double) -> Double {
        let block = 65_536
        if n <= block { return body(0..<n) }
        let count = (n + block - 1) / block
        return withScratch(byteCount: count * MemoryLayout<Double>.stride) { scratch in
            let parts = scratch.assumingMemoryBound(to: Double.self)
            Parallel.blocks(n, of: block) { parts[$0.lowerBound / block] = body($0) }
            return (0..<count).reduce(0) { $0 + parts[$1] }
        }
    }
}
