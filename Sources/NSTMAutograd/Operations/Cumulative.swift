import NSTMTensor

// Scans along an axis. `reversed` runs from the end, so that the result of an element includes it and later ones.

extension Variable {
    /// Running sum.
    public func cumulativeSum(axis: Int, reversed: Bool = false) -> Variable {
        record(
            "cumulativeSum", [self], value.cumulativeSum(axis: axis, reversed: reversed),
            .pullback { g, gradients in gradients.add(0, g.cumulativeSum(axis: axis, reversed: !reversed)) })
    }
    /// Running product.
    ///
    /// Its derivative needs no division, so that it is correct for elements that are 0.
    public func cumulativeProduct(axis: Int, reversed: Bool = false) -> Variable {
        cumulated(
            "cumulativeProduct", .product, axis, reversed, value.cumulativeProduct(axis: axis, reversed: reversed))
    }
    /// log Σ exp of the elements so far, without overflow.
    public func cumulativeLogSumExp(axis: Int, reversed: Bool = false) -> Variable {
        cumulated(
            "cumulativeLogSumExp", .logSumExp, axis, reversed,
            value.cumulativeLogSumExp(axis: axis, reversed: reversed))
    }
    /// Largest element so far and its index along the axis (int32), of equal elements the first, which has the gradient.
    public func cumulativeMaximum(axis: Int, reversed: Bool = false) -> (values: Variable, indices: Tensor) {
        let (values, indices) = value.cumulativeMaximum(axis: axis, reversed: reversed)
        return (gather("cumulativeMaximum", axis, indices, values), indices)
    }

    private func cumulated(_ name: StaticString, _ op: Cumulation, _ axis: Int, _ reversed: Bool, _ y: Tensor) -> Variable {
        let x = value
        return record(
            name, [self], y,
            .pullback { g, gradients in gradients.add(0, Tensor.cumulateBackward(op, axis, reversed: reversed, dy: g, x: x, y: y))
            })
    }
}
