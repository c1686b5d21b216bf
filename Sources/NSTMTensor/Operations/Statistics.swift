import CNSTMKernels

// Reductions over any set of axes (all when nil). A reduced axis disappears unless `keepDims`.

extension AxisReduction {
    /// Σ(x − mean)²/(n − correction), in two passes.
    package func variance(mean: Tensor, correction: Int) -> Tensor {
        let n = Double(max(0, reduce - correction))
        return run(NSTM_REDUCE_CENTERED, shift: mean).mapped { $0 / n }
    }
    /// (Σ|x|ᵖ)^(1/p); the largest |x| when p is infinite.
    package func norm(_ p: Double) -> Tensor {
        switch p {
        case .infinity: return run(NSTM_REDUCE_ABSOLUTE_MAX)
        case 1: return run(NSTM_REDUCE_ABSOLUTE)
        case 2: return run(NSTM_REDUCE_SQUARES).mapped { $0.squareRoot() }
        default:
            guard p > 0 else { nstmFatal(.other(op: "norm", "order \(p), needs a number above 0")) }
            let powers = run(NSTM_REDUCE_POWERS, shift: .init(repeating: p, [max(1, resultCount)], dtype: .float64))
            return Tensor.pair(NSTM_BINARY_POW, powers, .scalar(1 / p, dtype: .float64), name: "norm")
        }
    }
    /// log Σ eˣ; −∞ where all elements are −∞, or there are none.
    package func logSumExp() -> Tensor {
        let largest = run(NSTM_REDUCE_MAX), sum = run(NSTM_REDUCE_EXP, shift: largest)
        return Tensor.mapped(largest, sum.map(NSTM_LOG)) { $0.isFinite ? $0 + $1 : $0 }
    }
}

extension Tensor {
    /// Variance over axes, Σ(x − mean)²/(n − correction), computed in two passes in double.
    ///
    /// A correction of 1 (as in PyTorch) is for a sample, 0 (as in NumPy) for a population. NaN if n ≤ correction.
    public func variance(axes: [Int]? = nil, correction: Int = 1, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        return r.result(r.variance(mean: r.mean(), correction: correction), keepDims: keepDims)
    }
    /// Square root of the variance; see `variance`.
    public func standardDeviation(axes: [Int]? = nil, correction: Int = 1, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        return r.result(r.variance(mean: r.mean(), correction: correction).mapped { $0.squareRoot() }, keepDims: keepDims)
    }
    /// Largest element over axes (`amax`).
    ///
    /// NaN counts as largest. Stops the program if there are no elements.
    public func maximum(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        r.requireElements("maximum")
        return r.result(r.run(NSTM_REDUCE_MAX), keepDims: keepDims)
    }
    /// Smallest element over axes (`amin`).
    ///
    /// NaN counts as smallest. Stops the program if there are no elements.
    public func minimum(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        r.requireElements("minimum")
        return r.result(r.run(NSTM_REDUCE_MIN), keepDims: keepDims)
    }
    /// Product over axes (`prod`), in double; 1 when there is nothing to multiply.
    public func product(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        return r.result(r.run(NSTM_REDUCE_PRODUCT), keepDims: keepDims)
    }
    /// Lᵖ norm over axes, (Σ|x|ᵖ)^(1/p) with p = `order` > 0; the largest |x| when `order` is infinite.
    ///
    /// Sums are in double: squares of float32 do not overflow.
    public func norm(axes: [Int]? = nil, order: Double = 2, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        return r.result(r.norm(order), keepDims: keepDims)
    }
    /// log Σ eˣ over axes without overflow; −∞ where all elements are −∞.
    public func logSumExp(axes: [Int]? = nil, keepDims: Bool = false) -> Tensor {
        let r = AxisReduction(self, axes)
        return r.result(r.logSumExp(), keepDims: keepDims)
    }
}
