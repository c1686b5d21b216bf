import CAssociativePack
import NSTM

/// The fused scan of `EraseAddUpdate`: an operation with several outputs and a kernel of its own, built with the public API
/// alone.
///
/// - Parameters:
///   - write: w [B, T, N]; erase, add: e and a [B, T, D].
///   - reads: weights r of the reads, [B, H, T, N].
///   - values: V before the first token, [B, N, D].
/// - Returns: reads [B, T, D], and V after the last token [B, N, D].
func eraseAddScan(
    write: Variable, erase: Variable, add: Variable, reads: Variable, values: Variable
) -> (output: Variable, values: Variable) {
    let scan = EraseAddScan(
        write: write.value, erase: erase.value, add: add.value, reads: reads.value, values: values.value)
    let inputs = [write, erase, add, reads, values], result = scan.forward(saving: inputs.contains(where: \.isRecorded))
    let outputs = record("eraseAddScan", inputs, [result.output, result.values]) { outputs, gradients in
        let all = scan.backward(saved: result.saved!, dOutput: outputs[0], dValues: outputs[1])
        for (i, gradient) in all.enumerated() { gradients.add(i, gradient) }
    }
    return (outputs[0], outputs[1])
}

/// The work is split over sequences and heads.
///
/// The values before every token are saved for the backward pass, [B, H, T, N, d]; a scan for long sequences would save some of
/// them and recompute the others.
private struct EraseAddScan {
    let write: Tensor, erase: Tensor, add: Tensor, reads: Tensor, values: Tensor
    var B: Int { write.shape[0] }
    var T: Int { write.shape[1] }
    var N: Int { write.shape[2] }
    var D: Int { erase.shape[2] }
    var H: Int { reads.shape[1] }
    var d: Int { D / H }
    private var isDouble: Bool { write.dtype == .float64 }

    func forward(saving: Bool) -> (output: Tensor, values: Tensor, saved: Tensor?) {
        isDouble ? forward(Double.self, saving, erase_add_f64) : forward(Float.self, saving, erase_add_f32)
    }
    func backward(saved: Tensor, dOutput: Tensor?, dValues: Tensor?) -> [Tensor] {
        let dO = dOutput ?? .zeros([B, T, D], dtype: write.dtype), dV = dValues ?? .zeros([B, N, D], dtype: write.dtype)
        return isDouble
            ? backward(Double.self, saved, dO, dV, erase_add_backward_f64)
            : backward(Float.self, saved, dO, dV, erase_add_backward_f32)
    }

    private typealias Read<T> = UnsafePointer<T>?
    private typealias Write<T> = UnsafeMutablePointer<T>?

    private func forward<R: Element>(
        _ type: R.Type, _ saving: Bool,
        _ kernel: (Int, Int, Int, Int, Read<R>, Read<R>, Read<R>, Read<R>, Write<R>, Write<R>, Write<R>) -> Void
    ) -> (output: Tensor, values: Tensor, saved: Tensor?) {
        let (B, T, N, D, H, d) = (B, T, N, D, H, d)
        let made = Tensor.withElements(of: type, [write, reads, erase, add, values]) { from in
            Tensor.initializing(type, [[B, T, D], [B, N, D], saving ? [B, H, T, N, d] : [0]]) { to in
                to[1].update(from: from[4], count: B * N * D)
                Parallel.for(B * H) { i in
                    let b = i / H, c = i % H * d, token = b * T * D + c
                    kernel(
                        T, N, d, D, from[0] + b * T * N, from[1] + i * T * N, from[2] + token, from[3] + token,
                        to[1] + b * N * D + c, to[0] + token, saving ? to[2] + i * T * N * d : nil)
                }
            }
        }
        return (made[0], made[1], saving ? made[2] : nil)
    }

    /// Gradients of write weights, erase and add vectors, read weights and values.
    private func backward<R: Element>(
        _ type: R.Type, _ saved: Tensor, _ dO: Tensor, _ dV: Tensor,
        _ kernel: (
            Int, Int, Int, Int, Read<R>, Read<R>, Read<R>, Read<R>, Read<R>, Read<R>, Write<R>, Write<R>, Write<R>, Write<R>,
            Write<R>
        ) -> Void
    ) -> [Tensor] {
        let (B, T, N, D, H, d) = (B, T, N, D, H, d)
        let made = Tensor.withElements(of: type, [write, reads, erase, add, saved, dO, dV]) { from in
            // Write weights are shared by the heads: a gradient for each head, summed afterwards.
            Tensor.initializing(type, [[B, H, T, N], [B, T, D], [B, T, D], [B, H, T, N], [B, N, D]]) { to in
                to[4].update(from: from[6], count: B * N * D)
                Parallel.for(B * H) { i in
                    let b = i / H, c = i % H * d, token = b * T * D + c, weights = i * T * N
                    kernel(
                        T, N, d, D, from[0] + b * T * N, from[1] + weights, from[2] + token, from[3] + token,
                        from[4] + weights * d, from[5] + token, to[4] + b * N * D + c, to[0] + weights, to[3] + weights,
                        to[1] + token, to[2] + token)
                }
            }
        }
        return [made[0].sum(axes: [1])] + made[1...]
    }
}
