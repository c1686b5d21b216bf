import NSTMTensor

/// The weights of a model's linear maps in bfloat16, for passes that record nothing: half the memory to read, which is what a
/// token of a stream waits for.
///
/// Parameters stay as they are, and what they become later does not show here.
///
///     let weights = BFloat16Weights(of: model.parameters.all)
///     let logits = model(token, state: &state, ForwardContext(.evaluate, weights: weights))
///
/// Every weight is off by at most 2⁻⁸ of itself; sums, states and everything else are float32.
public final class BFloat16Weights: Sendable {
    /// By the index of their parameter.
    private let matrices: [BFloat16Matrix?]
    /// What they take, in bytes.
    public let byteCount: Int

    public init(of parameters: [Parameter]) {
        let held = parameters.filter { $0.value.rank == 2 && $0.value.dtype == .float32 }
        byteCount = held.reduce(0) { $0 + BFloat16Matrix.byteCount(of: $1.value) }
        // All of them are read for every token: next to each other on large pages, they share out the second cache evenly.
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
