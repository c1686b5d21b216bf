import NSTMTensor

// Views, joins and reductions.

extension Variable {
    /// The same elements in another shape; one size may be −1 and is then inferred.
    public func reshaped(_ dims: [Int]) -> Variable {
        record("reshape", self, value: value.reshaped(dims), saving: shape) { g, shape, gradients in
            gradients.add(0, g.reshaped(shape.pointee))
        }
    }
    /// The variable with two axes exchanged.
    public func transposed(_ a: Int = -2, _ b: Int = -1) -> Variable {
        record("transpose", self, value: value.transposed(a, b), saving: (a, b)) { g, axes, gradients in
            gradients.add(0, g.transposed(axes.pointee.0, axes.pointee.1))
        }
    }
    /// The variable with its axes in another order.
    public func permuted(_ axes: [Int]) -> Variable {
        var inverse = axes
        for (i, a) in axes.enumerated() { inverse[shape.normalized(axis: a)] = i }
        return record("permute", self, value: value.permuted(axes), saving: inverse) { g, inverse, gradients in
            gradients.add(0, g.permuted(inverse.pointee))
        }
    }
    /// Cuts an axis into consecutive pieces of given lengths.
    ///
    /// The backward pass is one operation, unlike that of several slices.
    public func split(axis: Int, _ lengths: [Int]) -> [Variable] {
        let a = shape.normalized(axis: axis), whole = shape, type = dtype
        guard lengths.reduce(0, +) == shape[a] else {
            nstmFatal(.other(op: "split", "lengths \(lengths) do not add up to axis \(a) of \(shape)"), at: path(of: self))
        }
        if lengths.count == 1 { return [self] }
        var start = 0
        let pieces = lengths.map { n in
            defer { start += n }
            return value.slice(axis: a, start..<start + n)
        }
        return record("split", [self], pieces) { outputs, gradients in
            gradients.add(
                0,
                .concatenate(
                    zip(outputs, lengths).map { g, n in
                        var piece = whole
                        piece[a] = n
                        return g ?? .zeros(piece, dtype: type)
                    }, axis: a))
        }
    }
    /// Cuts an axis into a number of pieces of one length, which must divide it.
    public func split(axis: Int, into count: Int) -> [Variable] { split(axis: axis, shape.equalParts(axis, count)) }
    /// Cuts an axis into at most `count` pieces of one length, of which the last may be shorter (as `torch.chunk`).
    public func chunks(axis: Int, _ count: Int) -> [Variable] { split(axis: axis, shape.chunks(axis: axis, count)) }
    /// The variable without an axis of size 1.
    public func squeezed(axis: Int) -> Variable {
        let a = shape.normalized(axis: axis)
        return record("squeeze", self, value: value.squeezed(axis: a), saving: a) { g, axis, gradients in
            gradients.add(0, g.unsqueezed(axis: axis.pointee))
        }
    }
    /// The variable with an axis of size 1 inserted before the given position (−1: at the end).
    public func unsqueezed(axis: Int) -> Variable {
        let a = axis < 0 ? axis + shape.rank + 1 : axis
        return record("expand", self, value: value.unsqueezed(axis: a), saving: a) { g, axis, gradients in
            gradients.add(0, g.squeezed(axis: axis.pointee))
        }
    }
    /// The variable with axes of size 1 (and missing leading axes) repeated to fill a shape.
    public func broadcast(to target: Shape) -> Variable {
        record("broadcast", self, value: value.broadcast(to: target), saving: shape) { g, shape, gradients in
            gradients.add(0, g.sum(to: shape.pointee))
        }
    }
    /// Concatenates variables whose shapes differ at most along that axis.
    public static func concatenate(_ parts: [Variable], axis: Int) -> Variable {
        if parts.count == 1 { return parts[0] }
        let a = parts[0].shape.normalized(axis: axis)
        return record(
            "concatenate", parts, .concatenate(parts.map(\.value), axis: a),
            concatenationDerivative(axis: a, lengths: parts.map { $0.shape[a] }))
    }
    private static func concatenationDerivative(axis: Int, lengths: [Int]) -> Derivative {
        .pullback { g, gradients in
            var start = 0
            for (i, n) in lengths.enumerated() {
                gradients.add(i, g.slice(axis: axis, start..<start + n))
                start += n
            }
        }
    }
    /// Joins variables of one shape along a new axis.
    public static func stack(_ parts: [Variable], axis: Int) -> Variable {
        let a = axis < 0 ? axis + parts[0].shape.rank + 1 : axis, indices = parts.indices
        // A pullback that held a variable would hold its tape, which holds the pullback.
        return record(
            "stack", parts, .stack(parts.map(\.value), axis: a),
            .pullback { g, gradients in
                for i in indices { gradients.add(i, g.select(axis: a, i)) }
            })
    }

    /// Sum over axes (all when nil).
    ///
    /// A reduced axis disappears unless `keepDims`.
    public func sum(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let from = shape
        let reduced = Set((axes ?? Array(0..<from.rank)).map { from.normalized(axis: $0) })
        let kept = Shape((0..<from.rank).map { reduced.contains($0) ? 1 : from[$0] })
        return record(
            "sum", self, value: value.sum(axes: axes, keepDims: keepDims), saving: (kept, from)
        ) { g, shapes, gradients in
            gradients.add(0, g.reshaped(shapes.pointee.0).broadcast(to: shapes.pointee.1))
        }
    }
    /// Mean over axes (all when nil).
    ///
    /// A reduced axis disappears unless `keepDims`.
    public func mean(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let s = sum(axes: axes, keepDims: keepDims)
        return s * (Double(s.shape.count) / Double(max(1, shape.count)))
    }
}
