import CNSTMKernels

/// A part of a broadcast loop: rows × columns elements.
///
/// Strides and offsets are those of the operand with the same index, in elements.
package struct BroadcastPlane {
    package var start: SIMD4<Int>
    package let outer: SIMD4<Int>, inner: SIMD4<Int>
    /// Offset of the first element in the dense result.
    package var result: Int
    package var rows: Int
    package let columns: Int
}

extension Shape {
    /// The shape that several operands broadcast to.
    package static func broadcast(op: String, _ operands: [Tensor]) -> Shape {
        var shape = operands[0].shape
        for x in operands.dropFirst() {
            guard let joint = Shape.broadcast(shape, x.shape) else { nstmFatal(.broadcast(op: op, shape, x.shape)) }
            shape = joint
        }
        return shape
    }

    /// Runs a kernel over this shape for up to four operands of any layout, which are broadcast without copies: adjacent axes
    /// with a common stride in all operands are merged, and the two innermost are the kernel's.
    ///
    /// Parts have fixed sizes.
    package func broadcastLoop(_ operands: [Tensor], _ body: (BroadcastPlane) -> Void) {
        if isEmpty { return }
        let views = operands.map { $0.broadcast(to: self) }
        var sizes: [Int] = [], strides: [SIMD4<Int>] = []
        for axis in 0..<rank where self[axis] != 1 {
            var s = SIMD4<Int>(repeating: 0)
            for (i, v) in views.enumerated() { s[i] = Int(v.strides[axis]) }
            if let last = strides.last, last == s &* SIMD4(repeating: self[axis]) {
                sizes[sizes.count - 1] *= self[axis]
                strides[strides.count - 1] = s
            } else {
                sizes.append(self[axis])
                strides.append(s)
            }
        }
        if sizes.count <= 1 {
            let n = sizes.first ?? 1, inner = strides.first ?? SIMD4(repeating: 0)
            Parallel.blocks(n, of: elementwiseBlock) { r in
                body(
                    BroadcastPlane(
                        start: inner &* SIMD4(repeating: r.lowerBound), outer: SIMD4(repeating: 0), inner: inner,
                        result: r.lowerBound, rows: 1, columns: r.count))
            }
            return
        }
        let last = sizes.count - 1, columns = sizes[last], rowsOfPlane = sizes[last - 1], rows = count / columns
        Parallel.blocks(rows, of: max(1, elementwiseBlock / columns)) { r in
            var row = r.lowerBound
            while row < r.upperBound {
                var rest = row / rowsOfPlane
                let first = row % rowsOfPlane
                var start = strides[last - 1] &* SIMD4(repeating: first)
                for axis in stride(from: last - 2, through: 0, by: -1) {
                    start &+= strides[axis] &* SIMD4(repeating: rest % sizes[axis])
                    rest /= sizes[axis]
                }
                let run = min(rowsOfPlane - first, r.upperBound - row)
                body(
                    BroadcastPlane(
                        start: start, outer: strides[last - 1], inner: strides[last], result: row * columns, rows: run,
                        columns: columns))
                row += run
            }
        }
    }
}
