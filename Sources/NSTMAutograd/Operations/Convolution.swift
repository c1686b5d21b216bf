import CNSTMKernels
import NSTMTensor

extension Variable {
    /// Channels of a part of a depthwise convolution.
    private static let convolutionBlock = 128

    /// Causal depthwise convolution along the sequence, then silu when asked: y[t] = act(bias + Σ_j w[j] ⊙ x[t − width + 1 + j]).
    ///
    /// x: [B, T, C]; weight: [width, C]; bias: [C]. StridedRows before the first count as 0, or, with `history` h, the first h rows
    /// of x are earlier tokens that only feed the others. Returns [B, T − h, C].
    public func causalConvolution(_ weight: Variable, bias: Variable? = nil, silu: Bool = false, history: Int = 0) -> Variable {
        guard shape.rank == 3, weight.shape.rank == 2, weight.shape[1] == shape[2], (0...shape[1]).contains(history),
            bias.map({ $0.shape == Shape(of: shape[2]) }) ?? true
        else {
            nstmFatal(
                .other(op: "causalConvolution", "x \(shape), weight \(weight.shape), history \(history)"),
                at: path(of: self, weight))
        }
        requireSameType("causalConvolution", self, weight, bias)
        let B = shape[0], whole = shape[1], T = whole - history, C = shape[2], width = weight.shape[0]
        let x = value.contiguous(), w = weight.value.contiguous(), b = bias?.value.contiguous()
        let y = Tensor(uninitialized: Shape(of: B, T, C), dtype), real = dtype.real, size = dtype.byteCount,
            to = y.uninitializedPointer
        let activation: Int32 = silu ? 1 : 0
        // Work is split over sequences and, when there are few of them, over channels.
        let block = Variable.convolutionBlock, parts = (C + block - 1) / block
        Parallel.for(B * parts, work: 2 * B * T * C * width) { i in
            let n = i / parts, c = (i % parts) * block, channels = min(block, C - c)
            var geometry = nstm_causal_conv(
                width: width, length: T, channels: channels, left: history, x_stride: C, w_stride: C, y_stride: C,
                silu: activation)
            nstm_causal_conv_forward(
                real, &geometry, x.pointer + ((n * whole + history) * C + c) * size, w.pointer + c * size,
                b.map { $0.pointer + c * size }, to + (n * T * C + c) * size)
        }
        let isRecorded = isRecorded || weight.isRecorded || bias?.isRecorded ?? false
        if let y = unrecorded(y, of: self, isRecorded: isRecorded) { return y }
        return record(
            "causalConvolution", self, weight, bias, y, keeping: (x, w, b, history, activation)
        ) { g, kept, sink in
            let (x, w, b, history, activation) = kept.pointee
            let B = x.shape[0], whole = x.shape[1], T = whole - history, C = x.shape[2], width = w.shape[0]
            let block = Variable.convolutionBlock, parts = (C + block - 1) / block, real = x.dtype.real, size = x.dtype.byteCount
            let g = g.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
            let dw = Tensor(uninitialized: [B, width, C], x.dtype),
                db = b.map { _ in Tensor(uninitialized: [B, C], x.dtype) }
            let to = dx.uninitializedPointer, toWeight = dw.uninitializedPointer, toBias = db?.uninitializedPointer
            Parallel.for(B * parts) { i in
                let n = i / parts, c = (i % parts) * block, channels = min(block, C - c)
                var geometry = nstm_causal_conv(
                    width: width, length: T, channels: channels, left: history, x_stride: C, w_stride: C, y_stride: C,
                    silu: activation)
                nstm_causal_conv_backward(
                    real, &geometry, g.pointer + (n * T * C + c) * size, x.pointer + ((n * whole + history) * C + c) * size,
                    w.pointer + c * size, b.map { $0.pointer + c * size }, to + (n * whole * C + c) * size,
                    toWeight + (n * width * C + c) * size, toBias.map { $0 + (n * C + c) * size })
            }
            sink.add(0, dx)
            sink.add(1, dw.sum(axes: [0]))
            if let db { sink.add(2, db.sum(axes: [0])) }
        }
    }
}
