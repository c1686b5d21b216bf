import CNSTMKernels

/// [batch, channels, ...] as [batch, channels, size].
package struct ChannelLayout {
    package let batch: Int, channels: Int, size: Int
    /// Elements of a channel.
    package var perChannel: Int { batch * size }
    /// Every channel of every example as one of a single example.
    package var flattened: ChannelLayout { ChannelLayout(batch: 1, channels: batch * channels, size: size) }

    private init(batch: Int, channels: Int, size: Int) { (self.batch, self.channels, self.size) = (batch, channels, size) }

    /// The layout of a tensor of at least two axes.
    package init(_ x: Tensor) { self.init(batch: x.shape[0], channels: x.shape[1], size: x.shape.count(of: 2..<x.rank)) }

    /// Σ a and Σ a·(x − center) by channel, with a = dy, or x − center when dy is nil.
    ///
    /// `center` and the sums are float64.
    package func sums(_ x: Tensor, _ dy: Tensor?, center: Tensor) -> (first: Tensor, second: Tensor) {
        let a = Tensor(uninitialized: [channels], .float64), b = Tensor(uninitialized: [channels], .float64)
        let toA = pointer(a), toB = pointer(b), c = UnsafePointer(pointer(center)), real = x.dtype.real
        Parallel.blocks(channels, of: size == 1 ? 64 : max(1, 8_192 / max(1, perChannel))) { r in
            nstm_channel_sums(
                real, dy?.pointer, x.pointer, c, toA, toB, batch, channels, size, r.lowerBound, r.upperBound)
        }
        withExtendedLifetime(center) {}
        return (a, b)
    }
    /// dy·scale + (x − center)·xScale + offset by channel, all of them float64; without the first term when dy is nil.
    package func map(_ x: Tensor, _ dy: Tensor?, center: Tensor, scale: Tensor, xScale: Tensor, offset: Tensor) -> Tensor {
        let y = Tensor(uninitialized: x.shape, x.dtype), to = y.uninitializedPointer, real = x.dtype.real
        let c = pointer(center), a = pointer(scale), k = pointer(xScale), d = pointer(offset), step = channels * size
        if batch == 1 {
            Parallel.blocks(channels, of: max(1, 8_192 / max(1, size))) { r in
                let o = r.lowerBound * size * x.dtype.byteCount, i = r.lowerBound
                nstm_channel_affine(
                    real, dy.map { $0.pointer + o }, x.pointer + o, c + i, a + i, k + i, d + i, to + o, 1, r.count, size
                )
            }
            withExtendedLifetime((center, scale, xScale, offset)) {}
            return y
        }
        Parallel.blocks(batch, of: max(1, 8_192 / max(1, step))) { r in
            let o = r.lowerBound * step * x.dtype.byteCount
            nstm_channel_affine(
                real, dy.map { $0.pointer + o }, x.pointer + o, c, a, k, d, to + o, r.count, channels, size)
        }
        withExtendedLifetime((center, scale, xScale, offset)) {}
        return y
    }
    private func pointer(_ t: Tensor) -> UnsafeMutablePointer<Double> {
        t.uninitializedPointer.assumingMemoryBound(to: Double.self)
    }
}
