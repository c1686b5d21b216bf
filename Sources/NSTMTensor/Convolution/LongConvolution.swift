import CNSTMFourier
import CNSTMKernels
import Synchronization

/// Plans of Fourier transforms by length, direction and element type, made at first use and kept.
enum FourierPlans {
    private struct Key: Hashable {
        let wide: Bool, length: Int, inverse: Bool
    }
    private struct Plan: @unchecked Sendable {
        let pointer: OpaquePointer
    }
    private static let known = Mutex<[Key: Plan]>([:])

    static func plan(_ dtype: DType, _ length: Int, inverse: Bool) -> OpaquePointer {
        let key = Key(wide: dtype == .float64, length: length, inverse: inverse)
        return known.withLock { plans in
            if let plan = plans[key] { return plan }
            let plan = Plan(pointer: nstm_fourier_plan_make(key.wide ? 1 : 0, length, inverse ? 1 : 0))
            plans[key] = plan
            return plan
        }.pointer
    }

    /// The smallest length ≥ n that the transforms are fast at: a product of powers of 2, 3 and 5, in whole fours.
    static func length(_ n: Int) -> Int {
        if n <= 4 { return n }
        var best = Int.max, fives = 4
        while fives < 2 * n {
            var threes = fives
            while threes < 2 * n {
                var twos = threes
                while twos < n { twos *= 2 }
                best = min(best, twos)
                threes *= 3
            }
            fives *= 5
        }
        return best
    }
}

/// Causal depthwise convolution with long filters, y[b, t, c] = Σ_s h[s, c]·u[b, t − s, c], in O(T log T): u [B, T, C], h [L, C].
///
/// Eight channels (float64: four) are transformed in place at a time, and two sequences share a transform as its real and
/// imaginary parts: both are multiplied by the same real filter, so that they remain separate.
package struct LongConvolution: Sendable {
    let batch: Int, time: Int, channels: Int
    /// Number of taps, and of those within the length of the sequence.
    let taps: Int, used: Int
    private let length: Int

    package init(batch: Int, time: Int, channels: Int, taps: Int) {
        (self.batch, self.time, self.channels, self.taps) = (batch, time, channels, taps)
        used = min(taps, time)
        length = FourierPlans.length(max(1, time + used - 1))
    }

    /// Calls the body for every block of channels with its first channel and width, on the pool.
    private func blocks(_ dtype: DType, _ body: (Int, Int) -> Void) {
        let lanes = nstm_fourier_lanes(dtype == .float64 ? 1 : 0)
        Parallel.blocks(channels, of: lanes) { body($0.lowerBound, $0.count) }
    }
    /// Addresses of channel c of two neighboring sequences; the second is nil at an odd end.
    private func pair(_ base: UnsafeRawPointer, _ n: Int, _ c: Int, _ size: Int) -> (UnsafeRawPointer, UnsafeRawPointer?) {
        let first = base + (n * time * channels + c) * size
        return (first, n + 1 < batch ? first + time * channels * size : nil)
    }

    /// Multiply-adds of `forward`, which are what `Work.counting` counts, lanes without a channel included: a transform of the
    /// filter, two for each pair of sequences, and a complex product.
    package func multiplyAdds(_ dtype: DType) -> Int {
        guard batch * time * channels > 0, used > 0 else { return 0 }
        let lanes = Int(nstm_fourier_lanes(dtype == .float64 ? 1 : 0)), blocks = (channels + lanes - 1) / lanes
        let transform = Int(nstm_fourier_multiply_adds(FourierPlans.plan(dtype, length, inverse: false)))
        let pairs = (batch + 1) / 2
        return blocks * ((1 + 2 * pairs) * transform + pairs * 4 * length * lanes)
    }

    package func forward(_ u: Tensor, _ h: Tensor) -> Tensor {
        let y = Tensor(uninitialized: [batch, time, channels], u.dtype)
        if y.count == 0 { return y }
        if used == 0 { return .zeros(y.shape, dtype: u.dtype) }
        let real = u.dtype.real, size = u.dtype.byteCount, out = y.uninitializedPointer, n = length
        let forth = FourierPlans.plan(u.dtype, n, inverse: false), back = FourierPlans.plan(u.dtype, n, inverse: true)
        blocks(u.dtype) { c, width in
            let signal = Storage(byteCount: n * 64), filter = Storage(byteCount: n * 64), spectrum = Storage(byteCount: n * 64)
            defer { withExtendedLifetime((signal, filter, spectrum)) {} }
            nstm_lanes_load(real, h.pointer + c * size, nil, channels, used, width, n, signal.base)
            nstm_fourier_run(forth, signal.base, filter.base)
            for b in stride(from: 0, to: batch, by: 2) {
                let (re, im) = pair(u.pointer, b, c, size), (toRe, toIm) = pair(out, b, c, size)
                nstm_lanes_load(real, re, im, channels, time, width, n, signal.base)
                nstm_fourier_run(forth, signal.base, spectrum.base)
                nstm_lanes_multiply(real, spectrum.base, filter.base, 0, 0, spectrum.base, n)
                nstm_fourier_run(back, spectrum.base, signal.base)
                nstm_lanes_store(
                    real, signal.base, 1 / Double(n), UnsafeMutableRawPointer(mutating: toRe),
                    toIm.map { UnsafeMutableRawPointer(mutating: $0) }, channels, time, width)
            }
        }
        withExtendedLifetime((u, h)) {}
        return y
    }

    /// du[t] = Σ_s h[s]·dy[t + s] and dh[s] = Σ_b Σ_t dy[t]·u[t − s]: products with a conjugate.
    package func gradients(_ u: Tensor, _ h: Tensor, _ dy: Tensor) -> (u: Tensor, h: Tensor) {
        if u.count == 0 || used == 0 { return (.zeros(u.shape, dtype: u.dtype), .zeros(h.shape, dtype: u.dtype)) }
        let du = Tensor(uninitialized: u.shape, u.dtype)
        // Taps beyond the length of the sequence have no gradient.
        let dh = used < taps ? Tensor.zeros(h.shape, dtype: u.dtype) : Tensor(uninitialized: h.shape, u.dtype)
        let real = u.dtype.real, size = u.dtype.byteCount, toU = du.uninitializedPointer, toH = dh.uninitializedPointer,
            n = length
        let forth = FourierPlans.plan(u.dtype, n, inverse: false), back = FourierPlans.plan(u.dtype, n, inverse: true)
        blocks(u.dtype) { c, width in
            let signal = Storage(byteCount: n * 64), filter = Storage(byteCount: n * 64), sum = Storage(byteCount: n * 64)
            let input = Storage(byteCount: n * 64), gradient = Storage(byteCount: n * 64)
            defer { withExtendedLifetime((signal, filter, sum, input, gradient)) {} }
            nstm_lanes_load(real, h.pointer + c * size, nil, channels, used, width, n, signal.base)
            nstm_fourier_run(forth, signal.base, filter.base)
            for b in stride(from: 0, to: batch, by: 2) {
                let (re, im) = pair(u.pointer, b, c, size), (gRe, gIm) = pair(dy.pointer, b, c, size)
                nstm_lanes_load(real, re, im, channels, time, width, n, signal.base)
                nstm_fourier_run(forth, signal.base, input.base)
                nstm_lanes_load(real, gRe, gIm, channels, time, width, n, signal.base)
                nstm_fourier_run(forth, signal.base, gradient.base)
                // The real part of (g₁ + i g₂)·conj(u₁ + i u₂) is the required sum over both sequences.
                nstm_lanes_multiply(real, gradient.base, input.base, 1, b > 0 ? 1 : 0, sum.base, n)
                nstm_lanes_multiply(real, gradient.base, filter.base, 1, 0, gradient.base, n)
                nstm_fourier_run(back, gradient.base, signal.base)
                let (toRe, toIm) = pair(toU, b, c, size)
                nstm_lanes_store(
                    real, signal.base, 1 / Double(n), UnsafeMutableRawPointer(mutating: toRe),
                    toIm.map { UnsafeMutableRawPointer(mutating: $0) }, channels, time, width)
            }
            nstm_fourier_run(back, sum.base, signal.base)
            nstm_lanes_store(real, signal.base, 1 / Double(n), toH + c * size, nil, channels, used, width)
        }
        withExtendedLifetime((u, h, dy)) {}
        return (du, dh)
    }
}
