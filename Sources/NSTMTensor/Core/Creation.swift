import CNSTMKernels

// Tensors made from a rule.

extension Tensor {
    /// A tensor with one number in every element.
    public static func full(_ shape: Shape, _ value: Double, dtype: DType = .float32) -> Tensor {
        Tensor(repeating: value, shape, dtype: dtype)
    }
    /// start, start + step, … up to, but not including, end; empty if the step leads away from it.
    ///
    /// Each number is start + i·step, computed in double.
    public static func arange(_ start: Double, _ end: Double, step: Double = 1, dtype: DType = .float32) -> Tensor {
        guard step != 0, step.isFinite, start.isFinite, end.isFinite else {
            nstmFatal(.other(op: "arange", "\(start) ..< \(end) step \(step)"))
        }
        let n = max(0, Int(((end - start) / step).rounded(.up)))
        return generate([n], dtype) { start + Double($0) * step }
    }
    /// 0, 1, … up to, but not including, end.
    public static func arange(_ end: Double, dtype: DType = .float32) -> Tensor { arange(0, end, dtype: dtype) }
    /// `count` evenly spaced numbers from `start` to `end`, both included.
    public static func linspace(_ start: Double, _ end: Double, count: Int, dtype: DType = .float32) -> Tensor {
        // Computed from both ends, so that both are exact.
        generate([count], dtype) { i in
            if count == 1 { return start }
            let t = Double(i) / Double(count - 1)
            return t < 0.5 ? start + (end - start) * t : end - (end - start) * (1 - t)
        }
    }
    /// A matrix [rows, columns] with ones on a diagonal (0: the main one; 1: the next to the right) and zeros elsewhere.
    public static func eye(_ rows: Int, _ columns: Int? = nil, diagonal: Int = 0, dtype: DType = .float32) -> Tensor {
        let columns = columns ?? rows, d = min(max(diagonal, -rows), columns)
        var out = Tensor.zeros([rows, columns], dtype: dtype)
        let first = max(0, -d), last = min(rows, columns - d)
        if first >= last { return out }
        // The diagonal is a row of elements, one every columns + 1.
        let one = Tensor.ones([last - first], dtype: dtype)
        let start = first * columns + first + d
        out.write(one) {
            $0.flattened().slice(axis: 0, start..<start + (last - first - 1) * (columns + 1) + 1, step: columns + 1)
        }
        return out
    }
    /// 1 at each index and 0 elsewhere: int32 [...] → [..., classes].
    public static func oneHot(_ indices: Tensor, classes: Int, dtype: DType = .float32) -> Tensor {
        let dense = indices.checkedIndices(below: classes, op: "oneHot")
        return Tensor.zeros(indices.shape.appending(classes), dtype: dtype)
            .scatter(axis: -1, dense.unsqueezed(axis: -1), .ones(indices.shape.appending(1), dtype: dtype))
    }

    /// Numbers given by their position, rounded to the type; the parts of a thread have a fixed size.
    @inline(__always)
    package static func generate(_ shape: Shape, _ dtype: DType, _ number: (Int) -> Double) -> Tensor {
        let wide = dtype.isFloatingPoint ? dtype : .float64
        let out = Tensor(uninitialized: shape, wide), to = out.uninitializedPointer
        Parallel.blocks(shape.count, of: elementwiseBlock) { r in
            if wide == .float32 {
                let p = to.assumingMemoryBound(to: Float.self)
                for i in r { p[i] = Float(number(i)) }
            } else {
                let p = to.assumingMemoryBound(to: Double.self)
                for i in r { p[i] = number(i) }
            }
        }
        return out.cast(to: dtype)
    }
}
