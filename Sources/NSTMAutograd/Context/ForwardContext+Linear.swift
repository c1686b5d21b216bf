import NSTMTensor

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
