// Views share storage with the tensor they come from; nothing is copied (`reshaped` copies a strided tensor once).

extension Tensor {
    private func view(_ shape: Shape, _ strides: SIMD8<Int32>, offset: Int = 0) -> Tensor {
        Tensor(of: self, shape, strides, offset: offset)
    }

    /// The same values in storage of exactly their size, so that no other memory is kept alive.
    public var owned: Tensor {
        if isContiguous && !isPartialView { return self }
        return isContiguous ? withBytes { Tensor(bytes: $0, shape, dtype) } : contiguous()
    }

    /// The same elements in another shape; one size may be -1 and is then inferred.
    public func reshaped(_ dims: [Int]) -> Tensor {
        var dims = dims
        if let hole = dims.firstIndex(of: -1) {
            let known = dims.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
            guard known > 0, count % known == 0, dims.filter({ $0 == -1 }).count == 1 else {
                nstmFatal(.reshape(from: shape, to: dims))
            }
            dims[hole] = count / known
        }
        return reshaped(Shape(dims))
    }
    /// The same elements in another shape with the same number of elements.
    public func reshaped(_ new: Shape) -> Tensor {
        guard new.count == count else { nstmFatal(.reshape(from: shape, to: new.dims)) }
        if new == shape { return self }
        return Tensor(of: contiguous(), dense: new)
    }
    /// The elements in row-major order, with one axis.
    public func flattened() -> Tensor { reshaped([count] as Shape) }

    /// The tensor with its axes in another order.
    public func permuted(_ axes: [Int]) -> Tensor {
        guard axes.count == rank, Set(axes.map { shape.normalized(axis: $0) }).count == rank else {
            nstmFatal(.other(op: "permuted", "\(axes) is not an order of the axes of \(shape)"))
        }
        var newShape = shape, newStrides = strides
        for (i, axis) in axes.enumerated() {
            let a = shape.normalized(axis: axis)
            newShape[i] = shape[a]
            newStrides[i] = strides[a]
        }
        return view(newShape, newStrides)
    }
    /// The tensor with two axes exchanged.
    public func transposed(_ a: Int = -2, _ b: Int = -1) -> Tensor {
        let a = shape.normalized(axis: a), b = shape.normalized(axis: b)
        var newShape = shape, newStrides = strides
        newShape[a] = shape[b]
        newShape[b] = shape[a]
        newStrides[a] = strides[b]
        newStrides[b] = strides[a]
        return view(newShape, newStrides)
    }
    /// Every `step`-th position of a range along an axis; a negative step goes from the range's last position down.
    public func slice(axis: Int, _ range: Range<Int>, step: Int = 1) -> Tensor {
        let a = shape.normalized(axis: axis)
        guard range.lowerBound >= 0, range.upperBound <= shape[a], step != 0 else {
            nstmFatal(.other(op: "slice", "\(range) step \(step) of axis \(a) of \(shape)"))
        }
        // A step as long as the range takes one position, as every longer one does.
        let pace = min(step.magnitude, UInt(max(1, range.count)))
        var newShape = shape, newStrides = strides
        newShape[a] = (range.count + Int(pace) - 1) / Int(pace)
        newStrides[a] = strides[a] &* Int32(pace) &* (step < 0 ? -1 : 1)
        let first = range.isEmpty ? 0 : (step < 0 ? range.upperBound - 1 : range.lowerBound)
        return view(newShape, newStrides, offset: first * Int(strides[a]))
    }
    /// One position along an axis, below 0 from the end; the axis disappears.
    public func select(axis: Int, _ index: Int) -> Tensor {
        let a = shape.normalized(axis: axis), i = index < 0 ? index + shape[a] : index
        guard i >= 0, i < shape[a] else {
            nstmFatal(.other(op: "select", "position \(index) is outside axis \(a) of \(shape)"))
        }
        return slice(axis: a, i..<i + 1).squeezed(axis: a)
    }
    /// The tensor with reversed axes (all when nil).
    public func flipped(axes: [Int]? = nil) -> Tensor {
        let axes = axes.map { $0.map { shape.normalized(axis: $0) } } ?? Array(0..<rank)
        guard Set(axes).count == axes.count else { nstmFatal(.other(op: "flipped", "\(axes) names an axis twice")) }
        return axes.reduce(self) { $0.slice(axis: $1, 0..<shape[$1], step: -1) }
    }
    /// Removes an axis of size 1.
    public func squeezed(axis: Int) -> Tensor {
        let a = shape.normalized(axis: axis)
        guard shape[a] == 1 else { nstmFatal(.other(op: "squeezed", "axis \(a) of \(shape) has size \(shape[a]), needs 1")) }
        var newShape = Shape([]), newStrides = SIMD8<Int32>(repeating: 0)
        for i in 0..<rank where i != a {
            newStrides[newShape.rank] = strides[i]
            newShape.append(shape[i])
        }
        return view(newShape, newStrides)
    }
    /// Inserts an axis of size 1 before the given position (-1: at the end).
    public func unsqueezed(axis: Int) -> Tensor {
        let a = axis < 0 ? axis + rank + 1 : axis
        guard a >= 0, a <= rank else { nstmFatal(.other(op: "expanded", "axis \(axis) of \(shape)")) }
        var newShape = Shape([]), newStrides = SIMD8<Int32>(repeating: 0)
        for i in 0...rank {
            if i == a { newShape.append(1) }
            if i < rank {
                newStrides[newShape.rank] = strides[i]
                newShape.append(shape[i])
            }
        }
        return view(newShape, newStrides)
    }
    /// Repeats axes of size 1 (and missing leading axes) to fill a shape, without copying.
    public func broadcast(to target: Shape) -> Tensor {
        if target == shape { return self }
        guard Shape.broadcast(shape, target) == target else { nstmFatal(.broadcast(op: "broadcast(to:)", shape, target)) }
        var newStrides = SIMD8<Int32>(repeating: 0)
        let lead = target.rank - rank
        for i in 0..<rank where shape[i] != 1 { newStrides[i + lead] = strides[i] }
        return view(target, newStrides)
    }
}

extension Tensor {
    /// A tensor of the same layout (strides included) with other elements, given in row-major order, for checks of strided code.
    package func replacingElements(_ elements: [Double]) -> Tensor {
        var order = Array(0..<rank)
        order.sort { strides[$0] > strides[$1] }
        // Dense storage in the order of the strides, seen through the inverse permutation, has this tensor's layout.
        let dense = Tensor(elements, shape).permuted(order).contiguous()
        var inverse = order
        for (i, axis) in order.enumerated() { inverse[axis] = i }
        return dense.permuted(inverse)
    }
}
