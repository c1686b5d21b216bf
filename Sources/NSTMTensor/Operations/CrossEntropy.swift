import CNSTMKernels

/// Cross-entropy of rows of logits x [rows, classes] against class indices, in nats.
package struct CrossEntropy {
    private let x: Tensor
    /// [rows] of int32; −1: ignored.
    private let targets: Tensor
    /// [rows], nil: 1; and [classes], nil: 1, which count with smoothing only.
    private let weights: Tensor?, classes: Tensor?
    private let smoothing: Double
    private let rows: Int, columns: Int

    package init(x: Tensor, targets: Tensor, weights: Tensor?, classes: Tensor?, smoothing: Double) {
        self.x = x.contiguous()
        (self.targets, self.smoothing) = (targets, smoothing)
        (self.weights, self.classes) = (weights?.contiguous(), classes?.contiguous())
        columns = x.shape[-1]
        rows = x.count / max(1, columns)
    }

    /// The loss and log Σ eˣ of every row, [rows] each.
    package func forward() -> (losses: Tensor, lse: Tensor) {
        let losses = Tensor(uninitialized: [rows], x.dtype), lse = Tensor(uninitialized: [rows], x.dtype)
        let real = x.dtype.real, size = x.dtype.byteCount, toLoss = losses.uninitializedPointer, toLse = lse.uninitializedPointer
        targets.withElements(of: Int32.self) { targets in
            Parallel.blocks(rows, of: rowBlock(columns)) { r in
                let s = r.lowerBound * size, from = x.pointer + s * columns, t = targets.baseAddress! + r.lowerBound
                let w = weights.map { $0.pointer + s }
                if smoothing > 0 {
                    nstm_smoothed_cross_entropy(
                        real, from, t, w, classes?.pointer, smoothing, toLoss + s, toLse + s, r.count, columns)
                } else {
                    nstm_cross_entropy(real, from, t, w, toLoss + s, toLse + s, r.count, columns)
                }
            }
        }
        return (losses, lse)
    }
    /// The gradient of the logits of `scale` times the sum of the losses.
    package func backward(_ lse: Tensor, scale: Double) -> Tensor {
        let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer, real = x.dtype.real,
            size = x.dtype.byteCount
        targets.withElements(of: Int32.self) { targets in
            Parallel.blocks(rows, of: rowBlock(columns)) { r in
                let s = r.lowerBound * size, o = s * columns, t = targets.baseAddress! + r.lowerBound
                let w = weights.map { $0.pointer + s }
                if smoothing > 0 {
                    nstm_smoothed_cross_entropy_backward(
                        real, scale, x.pointer + o, t, w, classes?.pointer, smoothing, lse.pointer + s, to + o,
                        r.count,
                        columns)
                } else {
                    nstm_cross_entropy_backward(
                        real, scale, x.pointer + o, t, w, lse.pointer + s, to + o, r.count, columns)
                }
            }
        }
        return dx
    }
}
