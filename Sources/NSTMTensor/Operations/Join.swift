extension Tensor {
    /// Concatenates tensors whose shapes differ at most along that axis.
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
        let out = Tensor(uninitialized: shape, first.dtype), to = out.uninitializedPointer
        let run = shape.count(of: a + 1..<shape.rank) * first.dtype.byteCount
        // Long parts are copied by several threads; short ones are cheaper in sequence.
        if parts.count > 1 && out.count >= 8 * elementwiseBlock {
            var starts = [0]
            for part in parts { starts.append(starts.last! + part.shape[a]) }
            Parallel.for(parts.count) { Tensor.move(parts[$0], parts[$0].pointer, to: out.strides, to + starts[$0] * run) }
            return out
        }
        var start = 0
        for part in parts {
            Tensor.move(part, part.pointer, to: out.strides, to + start * run)
            start += part.shape[a]
        }
        return out
    }
    /// Joins tensors of one shape along a new axis.
    public static func stack(_ parts: [Tensor], axis: Int = 0) -> Tensor {
        concatenate(parts.map { $0.unsqueezed(axis: axis) }, axis: axis)
    }

    /// Cuts an axis into consecutive pieces of given lengths, which are views.
    public func split(axis: Int, _ lengths: [Int]) -> [Tensor] {
        let a = shape.normalized(axis: axis)
        guard lengths.allSatisfy({ $0 >= 0 }), lengths.reduce(0, +) == shape[a] else {
            nstmFatal(.other(op: "split", "lengths \(lengths) do not add up to axis \(a) of \(shape)"))
        }
        var start = 0
        return lengths.map { n in
            defer { start += n }
            return slice(axis: a, start..<start + n)
        }
    }
    /// Cuts an axis into a number of pieces of one length, which must divide it.
    public func split(axis: Int, into count: Int) -> [Tensor] { split(axis: axis, shape.equalParts(axis, count)) }
    /// Cuts an axis into at most `count` pieces of one length, of which the last may be shorter (as `torch.chunk`).
    public func chunks(axis: Int, _ count: Int) -> [Tensor] { split(axis: axis, shape.chunks(axis: axis, count)) }

    /// The tensor shifted along axes by `shifts`, with elements wrapped around at the ends.
    public func rolled(_ shifts: [Int], axes: [Int]) -> Tensor {
        guard shifts.count == axes.count else {
            nstmFatal(.other(op: "rolled", "\(shifts.count) shifts for \(axes.count) axes"))
        }
        return Swift.zip(shifts, axes).reduce(self) { x, move in
            let n = x.shape[move.1], shift = n == 0 ? 0 : (move.0 % n + n) % n
            if shift == 0 { return x }
            return .concatenate([x.slice(axis: move.1, n - shift..<n), x.slice(axis: move.1, 0..<n - shift)], axis: move.1)
        }
    }
}

extension Shape {
    /// Lengths of `count` equal pieces of an axis.
    package func equalParts(_ axis: Int, _ count: Int) -> [Int] {
        guard count > 0, self[axis] % count == 0 else {
            nstmFatal(.other(op: "split", "axis \(normalized(axis: axis)) of \(self) has no \(count) equal parts"))
        }
        return Array(repeating: self[axis] / count, count: count)
    }
    /// Lengths of the pieces of `chunks`.
    package func chunks(axis: Int, _ count: Int) -> [Int] {
        guard count > 0 else { nstmFatal(.other(op: "chunks", "\(count) pieces of \(self)")) }
        let n = self[axis]
        if n == 0 { return [0] }
        let length = (n + count - 1) / count
        return stride(from: 0, to: n, by: length).map { min(length, n - $0) }
    }
}
