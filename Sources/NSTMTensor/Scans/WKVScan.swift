import CNSTMKernels

/// RWKV-4's weighted sum of values (Peng et al., 2023, equation 16; kernel family 3); `Variable.wkvScan` has the equations.
///
/// The work is split over sequences and blocks of channels.
package struct WKVScan {
    private let k: Tensor, v: Tensor, w: Tensor, u: Tensor, initial: Tensor
    private let B: Int, T: Int, D: Int
    private let savesStates: Bool
    private let type: DType
    private let real: nstm_real
    private let size: Int
    private static let block = 64, chunk = Int(NSTM_WKV_CHUNK)
    private var blocks: Int { (D + WKVScan.block - 1) / WKVScan.block }
    private var chunks: Int { (T + WKVScan.chunk - 1) / WKVScan.chunk }

    package struct Result {
        /// Outputs [B, T, D], and the states after the last token [B, 3, D].
        package let y: Tensor, state: Tensor
        /// States before each chunk, [B, chunks, 3, D].
        fileprivate let starts: Tensor?
    }
    package struct Gradients {
        package let keys: Tensor, values: Tensor, decay: Tensor, bonus: Tensor, state: Tensor
    }

    /// - Parameters:
    ///   - keys, values: [B, T, D]; decay, bonus: [D].
    ///   - state: numerator, denominator and exponent before the first token [B, 3, D]; nil: the start of a sequence.
    ///   - savesStates: whether a backward pass will follow.
    package init(keys: Tensor, values: Tensor, decay: Tensor, bonus: Tensor, state: Tensor?, savesStates: Bool) {
        (k, v, w, u) = (keys.contiguous(), values.contiguous(), decay.contiguous(), bonus.contiguous())
        (B, T, D) = (keys.shape[0], keys.shape[1], keys.shape[2])
        type = keys.dtype
        real = type.real
        size = type.byteCount
        self.savesStates = savesStates
        let empty = Tensor.concatenate(
            [.zeros([1, 2, 1], dtype: type), Tensor(repeating: -1e38, [1, 1, 1], dtype: type)], axis: 1)
        initial = state?.contiguous() ?? empty.broadcast(to: [B, 3, D]).contiguous()
    }

    /// `width` channels of sequence n from channel c on.
    private func kernel(_ n: Int, _ c: Int, _ width: Int) -> nstm_wkv_scan {
        let row = (n * T * D + c) * size
        return nstm_wkv_scan(
            w: w.pointer + c * size, u: u.pointer + c * size, k: k.pointer + row, v: v.pointer + row, stride: D, row: D,
            length: T,
            channels: width)
    }
    /// Copies the three rows of a piece's channels.
    private func copy(_ from: Tensor, _ n: Int, _ c: Int, _ width: Int, _ to: UnsafeMutableRawPointer) {
        for r in 0..<3 {
            let at = ((n * 3 + r) * D + c) * size
            (to + at).copyMemory(from: from.pointer + at, byteCount: width * size)
        }
    }

    package func forward() -> Result {
        let y = Tensor(uninitialized: k.shape, type), last = Tensor(uninitialized: [B, 3, D], type)
        let starts = savesStates ? Tensor(uninitialized: [B, chunks, 3, D], type) : nil
        let toY = y.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, c = i % blocks * WKVScan.block, width = min(WKVScan.block, D - c), row = (n * T * D + c) * size
            copy(initial, n, c, width, toLast)
            var scan = kernel(n, c, width)
            nstm_wkv_scan_forward(
                real, &scan, toY + row, toLast + (n * 3 * D + c) * size, toStarts.map { $0 + (n * chunks * 3 * D + c) * size })
        }
        return Result(y: y, state: last, starts: starts)
    }

    /// Gradients from those of the outputs and of the last states; nil counts as 0.
    package func backward(_ r: Result, dY: Tensor?, dState: Tensor?) -> Gradients {
        guard let starts = r.starts else { nstmFatal(.other(op: "wkvScan", "backward without stored states")) }
        let dy = (dY ?? .zeros(k.shape, dtype: type)).contiguous()
        let dLast = (dState ?? .zeros([B, 3, D], dtype: type)).contiguous()
        let dk = Tensor(uninitialized: k.shape, type), dv = Tensor(uninitialized: k.shape, type)
        let dw = Tensor(uninitialized: [B, D], type), du = Tensor(uninitialized: [B, D], type)
        let running = Tensor(uninitialized: [B, 3, D], type)
        let toK = dk.uninitializedPointer, toV = dv.uninitializedPointer, toW = dw.uninitializedPointer,
            toU = du.uninitializedPointer, toState = running.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, c = i % blocks * WKVScan.block, width = min(WKVScan.block, D - c), row = (n * T * D + c) * size
            copy(dLast, n, c, width, toState)
            var scan = kernel(n, c, width)
            var to = nstm_wkv_gradient(
                w: toW + (n * D + c) * size, u: toU + (n * D + c) * size, k: toK + row, v: toV + row,
                state: toState + (n * 3 * D + c) * size)
            nstm_wkv_scan_backward(
                real, &scan, &to, dy.pointer + row, starts.pointer + (n * chunks * 3 * D + c) * size)
        }
        withExtendedLifetime((dy, dLast, starts)) {}
        return Gradients(keys: dk, values: dv, decay: dw.partialSums(), bonus: du.partialSums(), state: running)
    }
}
