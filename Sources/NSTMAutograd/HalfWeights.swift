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

    public init(of parameters: [Parameter]) {
        var matrices: [HalfMatrix?] = []
        for p in parameters where p.value.rank == 2 && p.value.dtype == .float32 {
            if p.index >= matrices.count { matrices += Array(repeating: nil, count: p.index + 1 - matrices.count) }
            matrices[p.index] = HalfMatrix(p.value)
        }
        self.matrices = matrices
    }
    /// What they take, in bytes.
    public var byteCount: Int { matrices.reduce(0) { $0 + ($1?.byteCount ?? 0) } }

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
