import CNSTMKernels
import NSTMTensor

/// Where content sends tokens: write weights [B, T, N], and how much of each state is in use after the last token, [B, N].
public struct ContentSlotScan {
    public let write: Variable
    public let usage: Variable
}

extension Variable {
    /// Content slots: keys of tokens, `self` [B, T, D], find the states that hold them, or free ones. With sₘ = k·Kₘ/D, the part of a
    /// state that is in reach rₘ and its usage aₘ (0: free),
    ///
    ///     μₘ = rₘ aₘ e^{β sₘ}/Z;  ν = e^{βθ}/Z;  Z = Σ r a e^{βs} + e^{βθ}          known, or new
    ///     φₘ = rₘ (1 − aₘ) Π_{j<m} (1 − rⱼ (1 − aⱼ))                              the first free state
    ///     uₘ = e (μₘ + ν φₘ);  Kₘ ← Kₘ + uₘ (k − Kₘ);  aₘ ← (aₘ + uₘ (1 − aₘ)) (1 − rₘ f)
    ///
    /// What the weights write beside keys is up to the caller. A state with r of exactly 0 is left exactly as it was; that costs nothing, and no
    /// gradient comes from it.
    ///
    /// `self` are the keys [B, T, D] of the tokens, of length √D, so that sₘ is a cosine where Kₘ has that length too.
    ///
    /// - Parameters:
    ///   - routing: r [B, T, N] in 0 ... 1.
    ///   - strength: e [B, T] in 0 ... 1.
    ///   - forget: f [B, T] in 0 ... 1.
    ///   - keys: keys of the states before the first token, [B, N, D].
    ///   - usage: usage of the states before the first token, [B, N].
    ///   - sharpness: β, one element.
    ///   - threshold: θ, one element.
    public func contentSlotScan(
        routing: Variable, strength: Variable, forget: Variable, keys: Variable, usage: Variable, sharpness: Variable,
        threshold: Variable
    ) -> ContentSlotScan {
        let place = path(of: self, routing, keys)
        guard shape.rank == 3, routing.shape.rank == 3, keys.shape == [shape[0], routing.shape[2], shape[2]],
            routing.shape == [shape[0], shape[1], keys.shape[1]], strength.shape == [shape[0], shape[1]],
            forget.shape == strength.shape, usage.shape == [shape[0], keys.shape[1]], sharpness.shape.count == 1,
            threshold.shape.count == 1
        else {
            nstmFatal(
                .other(
                    op: "contentSlotScan",
                    "keys of tokens \(shape), routing \(routing.shape), strength \(strength.shape), forget \(forget.shape), keys "
                        + "\(keys.shape), usage \(usage.shape), sharpness \(sharpness.shape), threshold \(threshold.shape); "
                        + "needs [B, T, D], [B, T, N], [B, T] twice, [B, N, D], [B, N] and one element twice"),
                at: place)
        }
        let inputs = [self, routing, strength, forget, keys, usage, sharpness, threshold]
        requireSameType("contentSlotScan", self, routing, strength, forget, keys, usage, sharpness, threshold)
        let job = ContentJob(inputs.map(\.value), keepsStates: inputs.contains { $0.isRecorded })
        let result = job.forward(), shapes = inputs.map(\.shape.dims)
        let outputs = record("contentSlotScan", inputs, [result.write, result.usage]) { g, sink in
            for (i, d) in job.backward(result, dWrite: g[0], dUsage: g[1]).enumerated() {
                sink.add(i, d.reshaped(shapes[i]))
            }
        }
        return ContentSlotScan(write: outputs[0], usage: outputs[1])
    }
}

/// The work is split over sequences.
private struct ContentJob {
    let k: StridedRows
    let routing: Tensor, strength: Tensor, forget: Tensor, keys: Tensor, usage: Tensor
    let beta: Double, theta: Double
    let B: Int, T: Int, D: Int, N: Int
    let keepsStates: Bool
    private let type: DType
    private let real: nstm_real
    private let size: Int
    private static let chunk = Int(NSTM_CONTENT_CHUNK)
    private var chunks: Int { (T + ContentJob.chunk - 1) / ContentJob.chunk }
    /// Bytes of the keys, and of the keys and usages, of one sequence.
    private var keyBytes: Int { N * D * size }
    private var bank: Int { N * (D + 1) * size }

    struct Result {
        let write: Tensor, usage: Tensor
        /// Keys and usages before each chunk, [B, chunks, N · (D + 1)].
        let starts: Tensor?
    }

    init(_ x: [Tensor], keepsStates: Bool) {
        k = StridedRows(x[0])
        (routing, strength, forget) = (x[1].contiguous(), x[2].contiguous(), x[3].contiguous())
        (keys, usage, beta, theta) = (x[4].contiguous(), x[5].contiguous(), x[6].item(), x[7].item())
        B = x[0].shape[0]
        T = x[0].shape[1]
        D = x[0].shape[2]
        N = x[4].shape[1]
        self.keepsStates = keepsStates
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

    func forward() -> Result {
        let write = Tensor(uninitialized: [B, T, N], type), last = Tensor(uninitialized: [B, N], type)
        let starts = keepsStates ? Tensor(uninitialized: [B, max(1, chunks), N * (D + 1)], type) : nil
        let toWrite = write.uninitializedPointer, toLast = last.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B) { b in
            let memory = Storage(byteCount: bank), state = memory.base, used = state + keyBytes
            defer { withExtendedLifetime(memory) {} }
            state.copyMemory(from: keys.pointer + b * keyBytes, byteCount: keyBytes)
            used.copyMemory(from: usage.pointer + b * N * size, byteCount: N * size)
            for c in 0..<chunks {
                if let toStarts { (toStarts + (b * chunks + c) * bank).copyMemory(from: state, byteCount: bank) }
                let t = c * ContentJob.chunk
                var scan = kernel(b, t)
                nstm_content_slots_forward(
                    real, &scan, state, used, toWrite + (b * T + t) * N * size, min(ContentJob.chunk, T - t))
            }
            (toLast + b * N * size).copyMemory(from: used, byteCount: N * size)
        }
        return Result(write: write, usage: last, starts: starts)
    }

    /// Gradients in the order of the inputs.
    func backward(_ r: Result, dWrite: Tensor?, dUsage: Tensor?) -> [Tensor] {
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
        let span = min(ContentJob.chunk, max(1, T))
        Parallel.for(B) { b in
            let memory = Storage(byteCount: bank), index = Storage(byteCount: span * (N + 1) * 4)
            let scratch = Storage(byteCount: span * nstm_content_slots_scratch(N, D) * size)
            defer { withExtendedLifetime((memory, index, scratch)) {} }
            (toUsed + b * N * size).copyMemory(from: dUsage.pointer + b * N * size, byteCount: N * size)
            for c in stride(from: chunks - 1, through: 0, by: -1) {
                let t = c * ContentJob.chunk, token = (b * T + t) * size
                memory.base.copyMemory(from: starts.pointer + (b * chunks + c) * bank, byteCount: bank)
                var scan = kernel(b, t)
                var to = nstm_content_slots_gradient(
                    k: toK + token * D, routing: toRouting + token * N, strength: toStrength + token, forget: toForget + token,
                    beta: toBeta + b * size, theta: toTheta + b * size, k_stride: D)
                nstm_content_slots_backward(
                    real, &scan, &to, memory.base, memory.base + keyBytes, dWrite.pointer + token * N,
                    toKeys + b * keyBytes, toUsed + b * N * size, scratch.base,
                    index.base.assumingMemoryBound(to: Int32.self), min(ContentJob.chunk, T - t))
            }
        }
        return [dk, dRouting, dStrength, dForget, dKeys, dUsed, dBeta.sum(axes: [0]), dTheta.sum(axes: [0])]
    }
}
