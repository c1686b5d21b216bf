import NSTMTensor

/// The weights of a model's linear maps in bfloat16, for passes without gradients: half the memory traffic, which limits the
/// speed of streaming.
///
/// The parameters are unchanged; later changes of the parameters have no effect.
///
///     let weights = BFloat16Weights(of: model.parameters.all)
///     let logits = model(token, state: &state, ForwardContext(.evaluate, weights: weights))
///
/// The relative error of a weight is at most 2⁻⁸; sums, states and everything else are float32.
public final class BFloat16Weights: Sendable {
    /// Matrices by the index of their parameter.
    private let matrices: [BFloat16Matrix?]
    /// Size of the matrices, in bytes.
    public let byteCount: Int

    public init(of parameters: [Parameter]) {
        let held = parameters.filter { $0.value.rank == 2 && $0.value.dtype == .float32 }
        byteCount = held.reduce(0) { $0 + BFloat16Matrix.byteCount(of: $1.value) }
        // All of them are read for every token: contiguous on large pages, they are distributed evenly over the sets of the L2
        // cache.
        let memory = Storage(onLargePages: byteCount)
        var matrices = [BFloat16Matrix?](repeating: nil, count: (held.map(\.index).max() ?? -1) + 1), offset = 0
        for p in held {
            matrices[p.index] = BFloat16Matrix(p.value, in: memory, at: offset)
            offset += BFloat16Matrix.byteCount(of: p.value)
        }
        self.matrices = matrices
    }

    subscript(_ parameter: Parameter) -> BFloat16Matrix? {
        parameter.index < matrices.count ? matrices[parameter.index] : nil
    }
}
