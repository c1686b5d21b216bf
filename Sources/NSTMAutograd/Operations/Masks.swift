import NSTMTensor

// Comparisons return masks, which are tensors and have no gradient.

extension Variable {
    /// A mask of the elements where `a` equals `b`, with broadcasting.
    public static func .== (a: Variable, b: Variable) -> Tensor { a.value .== b.value }
    /// A mask of the elements where `a` differs from `b`, with broadcasting.
    public static func .!= (a: Variable, b: Variable) -> Tensor { a.value .!= b.value }
    /// A mask of the elements where `a` is less than `b`, with broadcasting.
    public static func .< (a: Variable, b: Variable) -> Tensor { a.value .< b.value }
    /// A mask of the elements where `a` is at most `b`, with broadcasting.
    public static func .<= (a: Variable, b: Variable) -> Tensor { a.value .<= b.value }
    /// A mask of the elements where `a` is greater than `b`, with broadcasting.
    public static func .> (a: Variable, b: Variable) -> Tensor { a.value .> b.value }
    /// A mask of the elements where `a` is at least `b`, with broadcasting.
    public static func .>= (a: Variable, b: Variable) -> Tensor { a.value .>= b.value }
    /// A mask of the elements where `a` equals a number.
    public static func .== (a: Variable, b: Double) -> Tensor { a.value .== b }
    /// A mask of the elements where `a` differs from a number.
    public static func .!= (a: Variable, b: Double) -> Tensor { a.value .!= b }
    /// A mask of the elements where `a` is less than a number.
    public static func .< (a: Variable, b: Double) -> Tensor { a.value .< b }
    /// A mask of the elements where `a` is at most a number.
    public static func .<= (a: Variable, b: Double) -> Tensor { a.value .<= b }
    /// A mask of the elements where `a` is greater than a number.
    public static func .> (a: Variable, b: Double) -> Tensor { a.value .> b }
    /// A mask of the elements where `a` is at least a number.
    public static func .>= (a: Variable, b: Double) -> Tensor { a.value .>= b }

    /// Elements of `a` where the mask is true and of `b` where it is not; all three broadcast.
    ///
    /// An element that is not selected has gradient 0, also if it is NaN.
    public static func `where`(_ mask: Tensor, _ a: Variable, _ b: Variable) -> Variable {
        requireSameType("where", a, b)
        let sa = a.shape, sb = b.shape
        return record(
            "where", [a, b], .where(mask, a.value, b.value),
            .pullback { g, gradients in
                let zero = Tensor.scalar(0, dtype: g.dtype)
                gradients.add(0, Tensor.where(mask, g, zero).sum(to: sa))
                gradients.add(1, Tensor.where(mask, zero, g).sum(to: sb))
            })
    }
    /// This variable with a number where the mask, which broadcasts to its shape, is true.
    public func maskedFill(_ mask: Tensor, _ number: Double) -> Variable {
        record(
            "maskedFill", [self], value.maskedFill(mask, number),
            .pullback { g, gradients in gradients.add(0, g.maskedFill(mask, 0)) })
    }

    /// The matrices of the last two axes with 0 outside the lower triangle (as `torch.tril`).
    public func lowerTriangle(diagonal: Int = 0) -> Variable {
        record(
            "lowerTriangle", [self], value.lowerTriangle(diagonal: diagonal),
            .pullback { g, gradients in gradients.add(0, g.lowerTriangle(diagonal: diagonal)) })
    }
    /// The matrices of the last two axes with 0 outside the upper triangle (as `torch.triu`).
    public func upperTriangle(diagonal: Int = 0) -> Variable {
        record(
            "upperTriangle", [self], value.upperTriangle(diagonal: diagonal),
            .pullback { g, gradients in gradients.add(0, g.upperTriangle(diagonal: diagonal)) })
    }

    /// The same numbers in another floating-point type; the gradient has the original type.
    public func cast(to target: DType) -> Variable {
        if target == dtype { return self }
        let from = dtype
        return record(
            "cast", [self], value.cast(to: target),
            target.isFloatingPoint && from.isFloatingPoint
                ? .pullback { g, gradients in gradients.add(0, g.cast(to: from)) }
                : .undefined("integers and masks have no gradient"))
    }
}
