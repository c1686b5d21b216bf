import CNSTMKernels

/// A memory of N keys of d channels that is written by weights, and scored by queries before each write.
///
///     sₙ = q·Kₙ, then Kₙ ← Kₙ + uₙ (k − Kₙ)
///
/// Keys are saved every `chunk` tokens and calculated again inside a chunk in the backward pass.
package struct KeyMemoryScan {
    /// Queries [B, T, H, d], keys [B, T, d] and write weights u [B, T, N].
    private let queries: Tensor, keys: Tensor, write: Tensor
    private let savesKeys: Bool
    private static let chunk = 16
    private var B: Int { queries.shape[0] }
    private var T: Int { queries.shape[1] }
    private var H: Int { queries.shape[2] }
    private var d: Int { queries.shape[3] }
    private var N: Int { write.shape[2] }
    private var chunks: Int { (T + Self.chunk - 1) / Self.chunk }
    private var size: Int { queries.dtype.byteCount }

    package struct Result {
        /// Scores with the keys before each token, [B, H, T, N], and the keys after the last one, [B, d, N].
        package let scores: Tensor, end: Tensor
        /// Keys at the start of each chunk, [B, chunks, d, N].
        fileprivate let starts: Tensor?
    }
    package struct Gradients {
        package let queries: Tensor, keys: Tensor, write: Tensor, start: Tensor
    }

    /// - Parameter savesKeys: whether a backward pass will follow.
    package init(queries: Tensor, keys: Tensor, write: Tensor, savesKeys: Bool) {
        self.queries = queries.contiguous()
        self.keys = keys.contiguous()
        self.write = write.contiguous()
        self.savesKeys = savesKeys
    }
    /// The inputs of tokens t ..< t + length of a sequence.
    private func kernel(_ b: Int, _ t: Int, _ length: Int) -> nstm_key_memory {
        let row = b * T + t
        return nstm_key_memory(
            q: queries.pointer + row * H * d * size, k: keys.pointer + row * d * size, u: write.pointer + row * N * size,
            length: length, heads: H, d: d, n: N, score_stride: T * N)
    }

    /// - Parameter start: keys before the first token, [B, d, N].
    package func forward(_ start: Tensor) -> Result {
        let type = queries.dtype, from = start.contiguous(), bank = d * N * size
        let scores = Tensor(uninitialized: [B, H, T, N], type), end = Tensor(uninitialized: [B, d, N], type)
        let starts = savesKeys ? Tensor(uninitialized: [B, chunks, d, N], type) : nil
        let toScores = scores.uninitializedPointer, toEnd = end.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B, work: (H + 1) * B * T * N * d) { b in
            let k = toEnd + b * bank
            k.copyMemory(from: from.pointer + b * bank, byteCount: bank)
            for c in 0..<chunks {
                if let toStarts { (toStarts + (b * chunks + c) * bank).copyMemory(from: k, byteCount: bank) }
                let t = c * Self.chunk
                var scan = kernel(b, t, min(Self.chunk, T - t))
                nstm_key_memory_forward(type.real, &scan, k, toScores + (b * H * T + t) * N * size)
            }
        }
        withExtendedLifetime(from) {}
        return Result(scores: scores, end: end, starts: starts)
    }
    /// Gradients from those of the scores and of the last keys; nil counts as 0.
    package func backward(_ result: Result, dScores: Tensor?, dEnd: Tensor?) -> Gradients {
        guard let starts = result.starts else { nstmFatal(.other(op: "keyMemoryScan", "backward without stored keys")) }
        let type = queries.dtype, bank = d * N * size
        let dS = (dScores ?? .zeros([B, H, T, N], dtype: type)).contiguous()
        let dE = (dEnd ?? .zeros([B, d, N], dtype: type)).contiguous()
        let dQ = Tensor(uninitialized: queries.shape, type), dK = Tensor(uninitialized: keys.shape, type)
        let dU = Tensor(uninitialized: write.shape, type), dStart = Tensor(uninitialized: [B, d, N], type)
        let toQ = dQ.uninitializedPointer, toK = dK.uninitializedPointer, toU = dU.uninitializedPointer,
            toStart = dStart.uninitializedPointer
        Parallel.for(B, work: (4 + 2 * H) * B * T * N * d) { b in
            withScratch(byteCount: min(Self.chunk, T) * bank) { scratch in
                let running = toStart + b * bank
                running.copyMemory(from: dE.pointer + b * bank, byteCount: bank)
                for c in stride(from: chunks - 1, through: 0, by: -1) {
                    let t = c * Self.chunk, row = b * T + t
                    var scan = kernel(b, t, min(Self.chunk, T - t))
                    var to = nstm_key_memory_gradient(
                        q: toQ + row * H * d * size, k: toK + row * d * size, u: toU + row * N * size, keys: running)
                    nstm_key_memory_backward(
                        type.real, &scan, &to, starts.pointer + (b * chunks + c) * bank,
                        dS.pointer + (b * H * T + t) * N * size, scratch)
                }
            }
        }
        withExtendedLifetime((dS, dE)) {}
        return Gradients(queries: dQ, keys: dK, write: dU, start: dStart)
    }

    /// Multiply-adds of one token per state and channel.
    package static func multiplyAdds(heads: Int) -> Int { heads + 1 }
}
