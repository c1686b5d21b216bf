import NSTMTensor

/// The weights of a model's linear maps in bfloat16, for passes that record nothing: half the memory to read, which is what a token of
/// a stream waits for. Parameters stay as they are, and what they become later does not show here.
///
///     let weights = HalfWeights(of: model.parameters.all)
///     let logits = model(token, state: &state, ForwardContext(.evaluate, weights: weights))
///
/// Every weight is off by at most 2⁻⁸ of itself; sums, states and everything else are float32.
public final class HalfWeights: Sendable {
    /// By the index of their parameter.
    private let matrices: [HalfMatrix?]
    /// What they take, in bytes.
    public let byteCount: Int

    public init(of parameters: [Parameter]) {
        let held = parameters.filter { $0.value.rank == 2 && $0.value.dtype == .float32 }
        byteCount = held.reduce(0) { $0 + HalfMatrix.byteCount(of: $1.value) }
        // All of them are read for every token: next to each other on large pages, they share out the second cache evenly.
        let memory = Storage(onLargePages: byteCount)
        var matrices = [HalfMatrix?](repeating: nil, count: (held.map(\.index).max() ?? -1) + 1), offset = 0
        for p in held {
            matrices[p.index] = HalfMatrix(p.value, in: memory, at: offset)
            offset += HalfMatrix.byteCount(of: p.value)
        }
        self.matrices = matrices
    }

    subscript(_ parameter: Parameter) -> HalfMatrix? {
        parameter.index < matrices.count ? matrices[parameter.index] : nil
    }
}

extension ForwardContext {
    /// act(x Wᵀ + b) for rows of x, a parameter W [out, in] or what this pass has in its place, and b [out]: [..., in] → [..., out].
    public func linear(_ x: Variable, _ weight: Parameter, bias: Variable? = nil, activation: Activation = .none) -> Variable {
        guard let half = weights?[weight], x.dtype == .float32, x.shape[-1] == half.columns else {
            return x.linear(self[weight], bias: bias, activation: activation)
        }
        let y = half.linear(x.value, bias: bias?.value, activation.kernel)
        return unrecorded(y, of: x, isRecorded: false)
            ?? record("linear", [x], y, .undefined("weights in bfloat16 are not recorded"))
    }
}
