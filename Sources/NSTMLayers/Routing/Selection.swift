import NSTMAutograd
import NSTMTensor

extension Tensor {
    /// 1 for the k largest of each row (the last axis) and 0 for the others; ties: lower index first.
    func largest(_ k: Int) -> Tensor {
        guard k < shape[-1] else { return Tensor(repeating: 1, shape, dtype: dtype) }
        let places = topK(k).indices
        return Tensor(repeating: 0, shape, dtype: dtype).scatter(
            axis:
                rank - 1, places, Tensor(repeating: 1, places.shape, dtype: dtype))
    }
}

extension Variable {
    /// Scores with −∞ wherever a mask of numbers, which broadcasts to their shape, is 0.
    func keeping(_ mask: Tensor) -> Variable {
        // The −∞ come in as a constant: they are meant.
        let hidden = Tensor(mask.doubles().map { $0 > 0 ? 0 : -Double.infinity }, mask.shape).cast(to: dtype)
        return self + Variable(hidden)
    }
    /// A value of the same shape in place of this one's, with the gradient passed on as if nothing had been replaced (the
    /// straight-through estimator: Bengio, Léonard & Courville 2013).
    func straightThrough(_ other: Tensor) -> Variable {
        record("straightThrough", [self], other, .pullback { g, to in to.add(0, g) })
    }
}
