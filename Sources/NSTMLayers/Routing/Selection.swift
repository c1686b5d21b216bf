import NSTMAutograd
import NSTMTensor

extension Tensor {
    /// 1 for the k largest elements of each row (the last axis) and 0 for the others; of equal elements the first is selected.
    func largest(_ k: Int) -> Tensor {
        guard k < shape[-1] else { return Tensor(repeating: 1, shape, dtype: dtype) }
        let indices = topK(k).indices
        return Tensor(repeating: 0, shape, dtype: dtype).scatter(
            axis:
                rank - 1, indices, Tensor(repeating: 1, indices.shape, dtype: dtype))
    }
}

extension Variable {
    /// Scores with −∞ wherever a numeric mask, which broadcasts to their shape, is 0.
    func keeping(_ mask: Tensor) -> Variable {
        // The −∞ are a constant, so that the check for non-finite values accepts them.
        let hidden = Tensor(mask.doubles().map { $0 > 0 ? 0 : -Double.infinity }, mask.shape).cast(to: dtype)
        return self + Variable(hidden)
    }
    /// Another value of the same shape, with the gradient of this one (the straight-through estimator: Bengio, Léonard &
    /// Courville 2013).
    func straightThrough(_ other: Tensor) -> Variable {
        record("straightThrough", [self], other, .pullback { g, to in to.add(0, g) })
    }
}
