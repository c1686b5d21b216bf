import NSTMTensor

// Reductions over any set of axes (all when nil) and their derivatives. A reduced axis disappears unless `keepDims`.

extension Variable {
    /// Variance over axes, Σ(x − mean)²/(n − correction), computed in two passes in double.
    ///
    /// A correction of 1 (as in PyTorch) is for a sample, 0 (as in NumPy) for a population. NaN if n ≤ correction.
    public func variance(axes: [Int]? = nil, correction: Int = 1, keepDims: Bool = false) -> Variable {
        let r = AxisReduction(value, axes), mean = r.mean(), scale = 2 / Double(max(0, r.reduce - correction))
        return record(
            "variance", [self], r.result(r.variance(mean: mean, correction: correction), keepDims: keepDims),
            .pullback { g, gradients in
                gradients.add(0, r.spread(.centered, factor: r.gradient(g).affine(scale), shift: mean))
            })
    }
    /// Square root of the variance; see `variance`.
    ///
    /// The derivative is 0 where the standard deviation is 0.
    public func standardDeviation(axes: [Int]? = nil, correction: Int = 1, keepDims: Bool = false) -> Variable {
        let r = AxisReduction(value, axes), mean = r.mean(), n = Double(max(0, r.reduce - correction))
        let y = r.variance(mean: mean, correction: correction).sqrt()
        return record(
            "standardDeviation", [self], r.result(y, keepDims: keepDims),
            .pullback { g, gradients in
                let factor = Tensor.mapped(r.gradient(g), y) { g, y in y == 0 ? 0 : g / (y * n) }
                gradients.add(0, r.spread(.centered, factor: factor, shift: mean))
            })
    }
    /// Largest element over axes (`amax`).
    ///
    /// NaN counts as largest. Equal elements share the gradient evenly, as in PyTorch and JAX.
    public func maximum(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        extreme("maximum", .max, axes, keepDims)
    }
    /// Smallest element over axes (`amin`).
    ///
    /// NaN counts as smallest. Equal elements share the gradient evenly, as in PyTorch and JAX.
    public func minimum(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        extreme("minimum", .min, axes, keepDims)
    }
    private func extreme(_ name: StaticString, _ op: ReductionKind, _ axes: [Int]?, _ keepDims: Bool) -> Variable {
        let r = AxisReduction(value, axes)
        r.requireElements("\(name)")
        let y = r.run(op)
        return record(
            name, [self], r.result(y, keepDims: keepDims),
            .pullback { g, gradients in
                let share = Tensor.mapped(r.gradient(g), r.run(.equal, shift: y)) { $0 / max(1, $1) }
                gradients.add(0, r.spread(.equal, factor: share, shift: y))
            })
    }
    /// Product over axes (`prod`), in double; 1 when there is nothing to multiply.
    ///
    /// The derivative is correct for elements that are 0.
    public func product(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let r = AxisReduction(value, axes)
        return record(
            "product", [self], r.result(r.run(.product), keepDims: keepDims),
            .pullback { g, gradients in gradients.add(0, r.spreadProduct(r.gradient(g))) })
    }
    /// Lᵖ norm over axes, (Σ|x|ᵖ)^(1/p) with p = `order` > 0; the largest |x| when `order` is infinite.
    ///
    /// The derivative is 0 where an element (p < 2) or the norm is 0; equal elements share that of the infinite norm.
    public func norm(axes: [Int]? = nil, order p: Double = 2, keepDims: Bool = false) -> Variable {
        let r = AxisReduction(value, axes), y = r.norm(p)
        return record(
            "norm", [self], r.result(y, keepDims: keepDims),
            .pullback { g, gradients in
                let g = r.gradient(g)
                switch p {
                case 1: gradients.add(0, r.spread(.sign, factor: g, shift: y))
                case 2:
                    gradients.add(0, r.spread(.value, factor: .mapped(g, y) { g, y in y == 0 ? 0 : g / y }, shift: y))
                case .infinity:
                    let share = Tensor.mapped(g, r.run(.absoluteEqual, shift: y)) { $0 / max(1, $1) }
                    gradients.add(0, r.spread(.absoluteEqual, factor: share, shift: y))
                default: gradients.add(0, r.spread(.power, order: p, factor: g, shift: y))
                }
            })
    }
    /// log Σ eˣ over axes without overflow; −∞, with derivative 0, where all elements are −∞.
    public func logSumExp(axes: [Int]? = nil, keepDims: Bool = false) -> Variable {
        let r = AxisReduction(value, axes), y = r.logSumExp()
        return record(
            "logSumExp", [self], r.result(y, keepDims: keepDims),
            .pullback { g, gradients in gradients.add(0, r.spread(.exp, factor: r.gradient(g), shift: y)) })
    }
}
