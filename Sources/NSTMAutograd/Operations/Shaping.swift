import NSTMTensor

// Views, joins and reductions.

extension Variable {
    public func reshaped(_ dims: [Int]) -> Variable {
        let from = shape
        return record("reshape", self, nil, nil, value.reshaped(dims), .pullback { g, to in to.add(0, g.reshaped(from)) })
    }
    public func transposed(_ a: Int = -2, _ b: Int = -1) -> Variable {
        record("transpose", self, nil, nil, value.transposed(a, b), .pullback { g, to in to.add(0, g.transposed(a, b)) })
    }
    public func permuted(_ axes: [Int]) -> Variable {
        var inverse = axes
        for (i, a) in axes.enumerated() { inverse[shape.normalized(axis: a)] = i }
        let back = inverse
        return record("permute", self, nil, nil, value.permuted(axes), .pullback { g, to in to.add(0, g.permuted(back)) })
    }
    /// Cuts an axis into consecutive pieces of given lengths. Unlike repeated slices, the way back is one pass.
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
        return record("split", [self], pieces) { gradients, to in
            to.add(
                0,
                .concatenate(
                    zip(gradients, lengths).map { g, n in
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
    public func squeezed(axis: Int) -> Variable {
        let a = shape.normalized(axis: axis)
        return record("squeeze", self, nil, nil, value.squeezed(axis: a), .pullback { g, to in to.add(0, g.unsqueezed(axis: a)) })
    }
    public func unsqueezed(axis: Int) -> Variable {
        let a = axis < 0 ? axis + shape.rank + 1 : axis
        return record("expand", self, nil, nil, value.unsqueezed(axis: a), .pullback { g, to in to.add(0, g.squeezed(axis: a)) })
    }
    public func broadcast(to target: Shape) -> Variable {
        record("broadcast", self, value.broadcast(to: target), keeping: shape) { g, from, to in to.add(0, g.sum(to: from.pointee))
        }
    }
    public static func concatenate(_ parts: [Variable], axis: Int) -> Variable {
        if parts.count == 1 { return parts[0] }
        let a = parts[0].shape.normalized(axis: axis)
        if let tape = quietTape(parts) {
            return Variable(.concatenate(parts.map(\.value), axis: a), node: -1, tape: tape)
        }
        let lengths = parts.map { $0.shape[a] }
        return record(
            "concatenate", parts, .concatenate(parts.map(\.value), axis: a),
            .pullback { g, to in
                var start = 0
                for (i, n) in lengths.enumerated() {
                    to.add(i, g.slice(axis: a, start..<start + n))
                    start += n
                }
            })
    }
    /// Joins variables of one shape along a new axis.
    public static func stack(_ parts: [Variable], axis: Int) -> Variable {
        let a = axis < 0 ? axis + parts[0].shape.rank + 1 : axis, indices = parts.indices
        // A pullback that held a variable would hold its tape, which holds the pullback.
        return record(
            "stack", parts, .stack(parts.map(\.value), axis: a),
            .pullback { g, to in
                for i in indices { to.add(i, g.select(axis: a, i)) }
            })
    }

    public func sum(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let from = shape
        let reduced = Set((axes ?? Array(0..<from.rank)).map { from.normalized(axis: $0) })
        let kept = Shape((0..<from.rank).map { reduced.contains($0) ? 1 : from[$0] })
        return record(
            "sum", self, nil, nil, value.sum(axes: axes, keepDims: keepDims),
            .pullback { g, to in
                to.add(0, g.reshaped(kept).broadcast(to: from))
            })
    }
    public func mean(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let s = sum(axes: axes, keepDims: keepDims)
        return s * (Double(s.shape.count) / Double(max(1, shape.count)))
    }
}
