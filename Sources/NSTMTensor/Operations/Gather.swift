import CNSTMKernels

// Elements by index. Several elements with the same index are written in row-major order of the indices, so that results are
// bit-identical in every run. An index outside its axis stops the program with its value and position.

extension Tensor {
    /// Stops unless the tensor holds int32 indices into 0 ..< n; returns them densely.
    package func checkedIndices(below n: Int, op: String) -> Tensor {
        guard dtype == .int32 else { nstmFatal(.dtype(op: op, got: dtype, want: "int32 indices")) }
        let dense = contiguous()
        let bad = nstm_first_outside(dense.indexBase, count, Int32(n))
        if bad >= 0 {
            nstmFatal(.other(op: op, "index \(dense.indexBase[bad]) is outside 0..<\(n), at \(bad) of indices \(shape)"))
        }
        return dense
    }
    var indexBase: UnsafePointer<Int32> { pointer.assumingMemoryBound(to: Int32.self) }

    /// Slices along an axis by int32 index; the axis is replaced by the shape of the indices (as `jnp.take`; with a list of
    /// indices, `torch.index_select`).
    public func indexSelect(axis: Int, _ indices: Tensor) -> Tensor { indexSelect(axis: axis, indices, op: "indexSelect") }

    private func indexSelect(axis: Int, _ indices: Tensor, op: String) -> Tensor {
        let a = shape.normalized(axis: axis), n = shape[a], m = indices.count
        let table = contiguous(), dense = indices.checkedIndices(below: n, op: op)
        let out = Tensor(uninitialized: shape.replacing(a, by: indices.shape), dtype)
        let outer = shape.count(of: 0..<a), row = shape.count(of: a + 1..<rank) * dtype.byteCount
        if out.count == 0 { return out }
        let to = out.uninitializedPointer
        Parallel.blocks(outer * m, of: max(1, 65_536 / row)) { r in
            var i = r.lowerBound
            while i < r.upperBound {
                let o = i / m, k = i % m, run = min(m - k, r.upperBound - i)
                nstm_take_rows(row, table.pointer + o * n * row, dense.indexBase + k, to + i * row, run)
                i += run
            }
        }
        return out
    }

    /// This tensor with slices of `source` added at int32 indices along an axis, `alpha` times each: `source` has the shape that
    /// `indexSelect` gives.
    public func indexAdd(axis: Int, _ indices: Tensor, _ source: Tensor, alpha: Double = 1) -> Tensor {
        indexAdd(axis: axis, indices, source, alpha: alpha, op: "indexAdd")
    }
    private func indexAdd(axis: Int, _ indices: Tensor, _ source: Tensor, alpha: Double, op: String) -> Tensor {
        let a = shape.normalized(axis: axis), n = shape[a], m = indices.count, real = dtype.real
        requireSource(source, shape.replacing(a, by: indices.shape), op: op)
        let dense = indices.checkedIndices(below: n, op: op), x = source.contiguous()
        var out = self
        let to = out.mutablePointer(), outer = shape.count(of: 0..<a), inner = shape.count(of: a + 1..<rank)
        if x.count == 0 { return out }
        let size = dtype.byteCount
        // Each part writes a range of indices and scans all of them in order, so that the sums do not depend on the parts.
        let parts = x.count < 4 * elementwiseBlock || inner < 16 ? 1 : min(n, 8), part = (n + parts - 1) / parts
        Parallel.for(outer * parts) { i in
            let o = i / parts, low = i % parts * part, high = min(n, low + part)
            nstm_add_rows(
                real, alpha, x.pointer + o * m * inner * size, dense.indexBase, m, Int32(low), Int32(high),
                to + o * n * inner * size, inner)
        }
        return out
    }

    /// Rows of a table [n, ...] by index: [...] of int32 → [..., row].
    public func rows(_ indices: Tensor) -> Tensor { indexSelect(axis: 0, indices, op: "rows") }
    /// Adds rows into a table of zeros [n, ...] at their indices, in order: the inverse of `rows` for gradients.
    public static func addingRows(_ rows: Tensor, at indices: Tensor, count n: Int) -> Tensor {
        var target: Shape = [n]
        for axis in indices.rank..<rows.rank { target.append(rows.shape[axis]) }
        return Tensor.zeros(target, dtype: rows.dtype).indexAdd(axis: 0, indices, rows, alpha: 1, op: "addingRows")
    }

    /// Elements along an axis by int32 index, one for each index: y[i, j, k] = self[i, indices[i, j, k], k] for axis 1 (as
    /// `torch.gather`).
    ///
    /// The indices have this tensor's rank and, but for the axis, at most its sizes.
    public func gather(axis: Int, _ indices: Tensor) -> Tensor {
        let a = shape.normalized(axis: axis), x = window(a, indices.shape, op: "gather").contiguous()
        let dense = indices.checkedIndices(below: shape[a], op: "gather")
        let out = Tensor(uninitialized: indices.shape, dtype), to = out.uninitializedPointer, n = shape[a],
            bytes = dtype.byteCount
        columnLoop(indices.shape, a) { o, outer, m, inner, columns in
            nstm_gather(
                bytes, x.pointer + o * n * inner * bytes, dense.indexBase + o * m * inner, to + o * m * inner * bytes, outer,
                n, m, inner, columns.lowerBound, columns.upperBound)
        }
        return out
    }

    /// This tensor with elements of `source` written along an axis at int32 indices: y[i, indices[i, j, k], k] = source[i, j, k]
    /// for axis 1 (as `torch.scatter`).
    ///
    /// Indices and source have the same shape; of elements with the same index the last one is kept.
    public func scatter(axis: Int, _ indices: Tensor, _ source: Tensor) -> Tensor {
        scatter(axis: axis, indices, source, op: "scatter") { outer, n, m, inner, columns, x, i, y in
            nstm_scatter(dtype.byteCount, x, i, y, outer, n, m, inner, columns.lowerBound, columns.upperBound)
        }
    }
    /// As `scatter`, with elements added instead of written (as `torch.scatter_add`), in order of j.
    public func scatterAdd(axis: Int, _ indices: Tensor, _ source: Tensor) -> Tensor {
        let real = dtype.real
        return scatter(axis: axis, indices, source, op: "scatterAdd") { outer, n, m, inner, columns, x, i, y in
            nstm_scatter_add(real, x, i, y, outer, n, m, inner, columns.lowerBound, columns.upperBound)
        }
    }

    private func scatter(
        axis: Int, _ indices: Tensor, _ source: Tensor, op: String,
        _ kernel: (Int, Int, Int, Int, Range<Int>, UnsafeRawPointer, UnsafePointer<Int32>, UnsafeMutableRawPointer) -> Void
    ) -> Tensor {
        let a = shape.normalized(axis: axis), n = shape[a], target = window(a, indices.shape, op: op)
        requireSource(source, indices.shape, op: op)
        let dense = indices.checkedIndices(below: n, op: op), x = source.contiguous(), bytes = dtype.byteCount
        var out = target
        let to = out.mutablePointer()
        columnLoop(indices.shape, a) { o, outer, m, inner, columns in
            kernel(
                outer, n, m, inner, columns, x.pointer + o * m * inner * bytes, dense.indexBase + o * m * inner,
                to + o * n * inner * bytes)
        }
        if target.shape == shape { return out }
        var whole = self
        whole.write(out) { $0.window(a, indices.shape, op: op) }
        return whole
    }

    /// The part of this tensor within the range of indices of a shape: the whole axis, and of other axes the sizes of the
    /// indices.
    private func window(_ axis: Int, _ indices: Shape, op: String) -> Tensor {
        guard indices.rank == rank, (0..<rank).allSatisfy({ $0 == axis || indices[$0] <= shape[$0] }) else {
            nstmFatal(.other(op: op, "indices \(indices) do not fit shape \(shape) along axis \(axis)"))
        }
        return (0..<rank).reduce(self) { $1 == axis ? $0 : $0.slice(axis: $1, 0..<indices[$1]) }
    }
    private func requireSource(_ source: Tensor, _ wanted: Shape, op: String) {
        guard source.shape == wanted, source.dtype == dtype else {
            nstmFatal(.other(op: op, "source \(source.shape) \(source.dtype) where \(wanted) \(dtype) is needed"))
        }
    }
    /// Splits [outer, m, inner] of indices over threads by outer indices and, if these are few, by columns: the elements of one
    /// column stay in order.
    ///
    /// The arguments of the body are the first outer index, the number of outer indices, and the columns.
    private func columnLoop(_ indices: Shape, _ axis: Int, _ body: (Int, Int, Int, Int, Range<Int>) -> Void) {
        let outer = indices.count(of: 0..<axis), m = indices[axis], inner = indices.count(of: axis + 1..<indices.rank)
        if outer * m * inner == 0 { return }
        let block = max(1, elementwiseBlock / (m * inner)), width = max(64, elementwiseBlock / m)
        if outer > 1 || inner <= width {
            Parallel.blocks(outer, of: block) { r in body(r.lowerBound, r.count, m, inner, 0..<inner) }
        } else {
            Parallel.blocks(inner, of: width) { columns in body(0, 1, m, inner, columns) }
        }
    }
}

extension Shape {
    /// This shape with one axis replaced by others.
    package func replacing(_ axis: Int, by axes: Shape) -> Shape {
        var s = Shape([])
        for i in 0..<axis { s.append(self[i]) }
        for i in 0..<axes.rank { s.append(axes[i]) }
        for i in axis + 1..<rank { s.append(self[i]) }
        return s
    }
}
