import NSTM

/// The Euclidean projection of the rows of x [..., N] onto the probability simplex (Martins & Astudillo 2016, "From softmax to
/// sparsemax").
///
///     p = max(x − τ, 0) with τ such that Σ p = 1;   dx = s ⊙ (dp − Σ s ⊙ dp / Σ s),  s = 1 where p > 0
///
/// Small entries are exactly 0, and so are entries of −∞.
public func sparsemax(_ x: Variable) -> Variable {
    let probabilities = sparsemax(x.value)
    return record(
        "sparsemax", [x], probabilities,
        .pullback { g, gradients in
            let support = (probabilities .> 0).cast(to: g.dtype)
            let mean = (support * g).sum(axes: [-1], keepDims: true) / support.sum(axes: [-1], keepDims: true)
            gradients.add(0, support * (g - mean))
        })
}

private func sparsemax(_ x: Tensor) -> Tensor {
    let shifted = x - x.maximum(axes: [-1], keepDims: true)
    let sorted = shifted.sorted(descending: true).values
    // 1, 2, …, N: entry k is in the support if 1 + k z(k) > z(1) + … + z(k).
    let ranks = Tensor.ones(sorted.shape, dtype: x.dtype).cumulativeSum(axis: -1)
    let support = (ranks * sorted).affine(1, 1) .> sorted.cumulativeSum(axis: -1)
    let sum = Tensor.where(support, sorted, .zeros(sorted.shape, dtype: x.dtype)).sum(axes: [-1], keepDims: true)
    let count = support.cast(to: x.dtype).sum(axes: [-1], keepDims: true)
    return (shifted - sum.affine(1, -1) / count).relu()
}
