import CNSTMKernels

/// Content slots (kernel family 1): keys of tokens find the states that store them, or free ones; `Variable.contentSlotScan` has
/// the equations.
///
/// The work is split over sequences.
package struct ContentSlotScan {
    private let k: StridedRows
    private let routing: Tensor, strength: Tensor, forget: Tensor, keys: Tensor, usage: Tensor
    private let beta: Double, theta: Double
    private let B: Int, T: Int, D: Int, N: Int
    private let savesStates: Bool
    private let type: DType
    private let real: nstm_real
    private let size: Int
    private static let chunk = Int(NSTM_CONTENT_CHUNK)
    private var chunks: Int { (T + ContentSlotScan.chunk - 1) / ContentSlotScan.chunk }
    /// Bytes of the keys, and of the keys and usages, of one sequence.
    private var keyBytes: Int { N * D * size }
    private var bank: Int { N * (D + 1) * size }

    package struct Result {
        /// Write weights [B, T, N], and the usage of the states after the last token [B, N].
        package let write: Tensor, usage: Tensor
        /// Keys and usages before each chunk, [B, chunks, N · (D + 1)].
        fileprivate let starts: Tensor?
    }

    /// - Parameters:
    ///   - x: keys of the tokens [B, T, D]; r [B, T, N]; e and f [B, T]; keys and usage of the states [B, N, D] and [B, N]; β and
    ///     θ, one element each.
    ///   - savesStates: whether a backward pass will follow.
    package init(_ x: [Tensor], savesStates: Bool) {
        k = StridedRows(x[0])
        (routing, strength, forget) = (x[1].contiguous(), x[2].contiguous(), x[3].contiguous())
        (keys, usage, beta, theta) = (x[4].contiguous(), x[5].contiguous(), x[6].item(), x[7].item())
        B = x[0].shape[0]
        T = x[0].shape[1]
        D = x[0].shape[2]
        N = x[4].shape[1]
        self.savesStates = savesStates
        type = x[0].dtype
        real = type.real
        size = type.byteCount
    }
    private func kernel(_ b: Int, _ t: Int) -> nstm_content_slots {
        nstm_content_slots(
            k: k.at(b, t, 0), routing: routing.pointer + (b * T + t) * N * size,
            strength: strength.pointer + (b * T + t) * size, forget: forget.pointer + (b * T + t) * size, beta: beta,
            theta: theta, k_stride: k.row, n: N, d: D)
    }

    package func forward() -> Result {
        let write = Tensor(uninitialized: [B, T, N], type), last = Tensor(uninitialized: [B, N], type)
        let starts = savesStates ? Tensor(uninitialized: [B, max(1, chunks), N * (D + 1)], type) : nil
        let toWrite = write.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B) { b in
            let memory = Storage(byteCount: bank), state = memory.base, used = state + keyBytes
            let scratch = Storage(byteCount: nstm_content_slots_scratch(N, D, min(ContentSlotScan.chunk, T), 0) * size)
            defer { withExtendedLifetime((memory, scratch)) {} }
            state.copyMemory(from: keys.pointer + b * keyBytes, byteCount: keyBytes)
            used.copyMemory(from: usage.pointer + b * N * size, byteCount: N * size)
            for c in 0..<chunks {
                if let toStarts { (toStarts + (b * chunks + c) * bank).copyMemory(from: state, byteCount: bank) }
                let t = c * ContentSlotScan.chunk
                var scan = kernel(b, t)
                nstm_content_slots_forward(
                    real, &scan, state, used, toWrite + (b * T + t) * N * size, min(ContentSlotScan.chunk, T - t),
                    scratch.base)
            }
            (toLast + b * N * size).copyMemory(from: used, byteCount: N * size)
        }
        return Result(write: write, usage: last, starts: starts)
    }

    /// Gradients of the inputs, in their order, from those of the outputs; nil counts as 0.
    package func backward(_ r: Result, dWrite: Tensor?, dUsage: Tensor?) -> [Tensor] {
        guard let starts = r.starts else { nstmFatal(.other(op: "contentSlotScan", "backward without stored states")) }
        let dWrite = (dWrite ?? .zeros([B, T, N], dtype: type)).contiguous()
        let dUsage = (dUsage ?? .zeros([B, N], dtype: type)).contiguous()
        func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }
        let dk = fresh([B, T, D]), dRouting = fresh([B, T, N]), dStrength = fresh([B, T]), dForget = fresh([B, T])
        let dKeys = Tensor.zeros([B, N, D], dtype: type), dUsed = fresh([B, N])
        let dBeta = Tensor.zeros([B, 1], dtype: type), dTheta = Tensor.zeros([B, 1], dtype: type)
        let toK = dk.uninitializedPointer, toRouting = dRouting.uninitializedPointer, toStrength = dStrength.uninitializedPointer,
            toForget = dForget.uninitializedPointer
        let toKeys = dKeys.uninitializedPointer, toUsed = dUsed.uninitializedPointer, toBeta = dBeta.uninitializedPointer,
            toTheta = dTheta.uninitializedPointer
        let span = min(ContentSlotScan.chunk, max(1, T))
        Parallel.for(B) { b in
            let memory = Storage(byteCount: bank)
            let scratch = Storage(byteCount: nstm_content_slots_scratch(N, D, span, 1) * size)
            defer { withExtendedLifetime((memory, scratch)) {} }
            (toUsed + b * N * size).copyMemory(from: dUsage.pointer + b * N * size, byteCount: N * size)
            for c in stride(from: chunks - 1, through: 0, by: -1) {
                let t = c * ContentSlotScan.chunk, token = (b * T + t) * size
                memory.base.copyMemory(from: starts.pointer + (b * chunks + c) * bank, byteCount: bank)
                var scan = kernel(b, t)
                var to = nstm_content_slots_gradient(
                    k: toK + token * D, routing: toRouting + token * N, strength: toStrength + token, forget: toForget + token,
                    beta: toBeta + b * size, theta: toTheta + b * size, keys: toKeys + b * keyBytes,
                    usage: toUsed + b * N * size, k_stride: D)
                nstm_content_slots_backward(
                    real, &scan, &to, memory.base, memory.base + keyBytes, dWrite.pointer + token * N,
                    min(ContentSlotScan.chunk, T - t), scratch.base)
            }
        }
        return [dk, dRouting, dStrength, dForget, dKeys, dUsed, dBeta.sum(axes: [0]), dTheta.sum(axes: [0])]
    }
}
