import CNSTMKernels

/// Causal depthwise convolution along sequences x [B, h + T, C], whose first h rows are earlier tokens that are only inputs;
/// optionally followed by SiLU.
///
/// The work is split over sequences and blocks of channels.
package struct DepthwiseConvolution {
    private let x: Tensor, weight: Tensor, bias: Tensor?
    private let history: Int
    private let activation: Int32
    private static let block = 128

    /// - Parameters weight, bias: [width, C] and [C].
    package init(_ x: Tensor, weight: Tensor, bias: Tensor?, silu: Bool, history: Int) {
        (self.x, self.weight, self.bias) = (x.contiguous(), weight.contiguous(), bias?.contiguous())
        self.history = history
        activation = silu ? 1 : 0
    }
    private var B: Int { x.shape[0] }
    private var rows: Int { x.shape[1] }
    private var C: Int { x.shape[2] }
    /// The kernel's description of one sequence and a block of channels.
    private func geometry(_ channels: Int) -> nstm_causal_conv {
        nstm_causal_conv(
            width: weight.shape[0], length: rows - history, channels: channels, left: history, x_stride: C, w_stride: C,
            y_stride: C, silu: activation)
    }

    /// The result, [B, T, C].
    package func forward() -> Tensor {
        let (B, rows, C) = (B, rows, C), T = rows - history, width = weight.shape[0], real = x.dtype.real,
            size = x.dtype.byteCount
        let y = Tensor(uninitialized: Shape(of: B, T, C), x.dtype), to = y.uninitializedPointer
        let block = DepthwiseConvolution.block, parts = (C + block - 1) / block
        Parallel.for(B * parts, work: 2 * B * T * C * width) { i in
            let n = i / parts, c = (i % parts) * block, channels = min(block, C - c)
            var geometry = geometry(channels)
            nstm_causal_conv_forward(
                real, &geometry, x.pointer + ((n * rows + history) * C + c) * size, weight.pointer + c * size,
                bias.map { $0.pointer + c * size }, to + (n * T * C + c) * size)
        }
        return y
    }
    /// Gradients from that of the result.
    package func backward(_ g: Tensor) -> (x: Tensor, weight: Tensor, bias: Tensor?) {
        let (B, rows, C) = (B, rows, C), T = rows - history, width = weight.shape[0], real = x.dtype.real,
            size = x.dtype.byteCount
        let g = g.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
        let dw = Tensor(uninitialized: Shape(of: B, width, C), x.dtype),
            db = bias.map { _ in Tensor(uninitialized: Shape(of: B, C), x.dtype) }
        let to = dx.uninitializedPointer, toWeight = dw.uninitializedPointer, toBias = db?.uninitializedPointer
        let block = DepthwiseConvolution.block, parts = (C + block - 1) / block
        Parallel.for(B * parts) { i in
            let n = i / parts, c = (i % parts) * block, channels = min(block, C - c)
            var geometry = geometry(channels)
            nstm_causal_conv_backward(
                real, &geometry, g.pointer + (n * T * C + c) * size, x.pointer + ((n * rows + history) * C + c) * size,
                weight.pointer + c * size, bias.map { $0.pointer + c * size }, to + (n * rows * C + c) * size,
                toWeight + (n * width * C + c) * size, toBias.map { $0 + (n * C + c) * size })
        }
        withExtendedLifetime(g) {}
        return (dx, dw.sum(axes: [0]), db?.sum(axes: [0]))
    }
}
