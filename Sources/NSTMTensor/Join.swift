import CNSTMKernels

extension Tensor {
    /// Joins tensors of equal shapes, but for one axis, along that axis.
    public static func concatenate(_ parts: [Tensor], axis: Int = 0) -> Tensor {
        guard let first = parts.first else { nstmFatal(.other(op: "concatenate", "nothing to join")) }
        let a = first.shape.normalized(axis: axis)
        var shape = first.shape
        var length = 0
        for part in parts {
            var expected = first.shape
            expected[a] = part.rank == first.rank ? part.shape[a] : 0
            guard part.rank == first.rank, part.shape == expected, part.dtype == first.dtype else {
                nstmFatal(
                    .other(
                        op: "concatenate along axis \(a)",
                        "\(part.shape) \(part.dtype) does not fit \(first.shape) \(first.dtype)"))
            }
            length += part.shape[a]
        }
        shape[a] = length
        let out = Tensor(uninitialized: shape, first.dtype)
        let outer = shape.count(of: 0..<a), inner = shape.count(of: a + 1..<shape.rank) * first.dtype.byteCount
        var start = 0
        for part in parts {
            let dense = part.contiguous(), run = part.shape[a] * inner
            for o in 0..<outer where run > 0 {
                (out.freshBase + (o * length * inner + start)).copyMemory(from: dense.constantBase + o * run, byteCount: run)
            }
            start += run
        }
        return out
    }
    /// Joins tensors of one shape along a new axis.
    public static func stack(_ parts: [Tensor], axis: Int = 0) -> Tensor {
        concatenate(parts.map { $0.expanded(axis) }, axis: axis)
    }

    /// A tensor of zeros with this one placed at an offset along an axis: the inverse of `slice` for gradients.
    public func padded(_ axis: Int, before: Int, after: Int) -> Tensor {
        let a = shape.normalized(axis: axis)
        var left = shape, right = shape
        left[a] = before
        right[a] = after
        return .concatenate([.zeros(left, dtype: dtype), self, .zeros(right, dtype: dtype)], axis: a)
    }

    /// Rows of a table [n, ...] by index: [...] of int32 → [..., row].
    public func rows(_ indices: Tensor) -> Tensor {
        let table = contiguous(), n = shape[0]
        let rowBytes = shape.count(of: 1..<rank) * dtype.byteCount
        var target = indices.shape
        for axis in 1..<rank { target.append(shape[axis]) }
        let out = Tensor(uninitialized: target, dtype), to = out.freshBase
        indices.withElements(of: Int32.self) { p in
            for i in 0..<p.count {
                guard p[i] >= 0, p[i] < Int32(n) else { nstmFatal(.other(op: "rows", "index \(p[i]) is outside 0..<\(n)")) }
                (to + i * rowBytes).copyMemory(from: table.constantBase + Int(p[i]) * rowBytes, byteCount: rowBytes)
            }
        }
        return out
    }
    /// Adds rows into a table of zeros [n, ...] at their indices, in order: the inverse of `rows` for gradients.
    public static func addingRows(_ rows: Tensor, at indices: Tensor, count n: Int) -> Tensor {
        let inner = rows.count / max(1, indices.count)
        var target: Shape = [n]
        for axis in indices.rank..<rows.rank { target.append(rows.shape[axis]) }
        let out = Tensor.zeros(target, dtype: rows.dtype), to = out.freshBase, dense = rows.contiguous()
        let size = rows.dtype.byteCount, real = rows.dtype.real
        indices.withElements(of: Int32.self) { p in
            for i in 0..<p.count {
                guard p[i] >= 0, Int(p[i]) < n else { nstmFatal(.other(op: "addingRows", "index \(p[i]) is outside 0..<\(n)")) }
                nstm_axpy(real, 1, dense.constantBase + i * inner * size, to + Int(p[i]) * inner * size, inner)
            }
        }
        return out
    }
}
