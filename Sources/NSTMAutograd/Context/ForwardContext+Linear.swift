import NSTMTensor

extension ForwardContext {
    /// act(x Wᵀ + b) for rows of x, a parameter W [out, in] or its rounded copy of this pass, and b [out]: [..., in] → [...,
    /// out].
    public func linear(_ x: Variable, _ weight: Parameter, bias: Variable? = nil, activation: Activation = .none) -> Variable {
        guard let half = weights?[weight], x.dtype == .float32, x.shape[-1] == half.columns else {
            return x.linear(self[weight], bias: bias, activation: activation)
        }
        let y = half.linear(x.value, bias: bias?.value, activation.kernel)
        // A pass with such weights records nothing.
        return record("linear", x, value: y, saving: ()) { _, _, _ in fatalError("linear: weights in bfloat16 have no gradient") }
    }
}
