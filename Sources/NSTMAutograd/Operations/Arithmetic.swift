import NSTMTensor

// Arithmetic with broadcasting.

extension Variable {
    @inline(__always) static func fit(_ op: StaticString, _ a: Variable, _ b: Variable) {
        if a.shape != b.shape { fitByBroadcasting(op, a, b) }
    }
    @inline(never) private static func fitByBroadcasting(_ op: StaticString, _ a: Variable, _ b: Variable) {
        if Shape.broadcast(a.shape, b.shape) == nil { nstmFatal(.broadcast(op: "\(op)", a.shape, b.shape), at: path(of: a, b)) }
    }
    /// The elementwise sum, with broadcasting.
    public static func + (a: Variable, b: Variable) -> Variable {
        fit("add", a, b)
        if a.shape == b.shape {
            return record("add", a, b, value: a.value + b.value, saving: ()) { g, _, gradients in
                gradients.add(0, g)
                gradients.add(1, g)
            }
        }
        return record("add", a, b, value: a.value + b.value, saving: (a.shape, b.shape)) { g, shapes, gradients in
            gradients.add(0, g.sum(to: shapes.pointee.0))
            gradients.add(1, g.sum(to: shapes.pointee.1))
        }
    }
    /// The elementwise difference, with broadcasting.
    public static func - (a: Variable, b: Variable) -> Variable {
        fit("subtract", a, b)
        return record("subtract", a, b, value: a.value - b.value, saving: (a.shape, b.shape)) { g, shapes, gradients in
            gradients.add(0, g.sum(to: shapes.pointee.0))
            gradients.add(1, (-g).sum(to: shapes.pointee.1))
        }
    }
    /// The elementwise product, with broadcasting.
    public static func * (a: Variable, b: Variable) -> Variable {
        fit("multiply", a, b)
        if a.shape == b.shape {
            return record("multiply", a, b, value: a.value * b.value, saving: (a.value, b.value)) { g, saved, gradients in
                gradients.add(0, g * saved.pointee.1)
                gradients.add(1, g * saved.pointee.0)
            }
        }
        return record("multiply", a, b, value: a.value * b.value, saving: (a.value, b.value)) { g, saved, gradients in
            let (x, y) = saved.pointee
            gradients.add(0, (g * y).sum(to: x.shape))
            gradients.add(1, (g * x).sum(to: y.shape))
        }
    }
    /// The elementwise quotient, with broadcasting.
    public static func / (a: Variable, b: Variable) -> Variable {
        fit("divide", a, b)
        return record("divide", a, b, value: a.value / b.value, saving: (a.value, b.value)) { g, saved, gradients in
            let (x, y) = saved.pointee
            gradients.add(0, (g / y).sum(to: x.shape))
            gradients.add(1, (-g * x / (y * y)).sum(to: y.shape))
        }
    }
    /// alpha · x + beta, element by element.
    public func affine(_ alpha: Double, _ beta: Double = 0) -> Variable {
        record("affine", self, value: value.affine(alpha, beta), saving: alpha) { g, alpha, gradients in
            gradients.add(0, g.affine(alpha.pointee))
        }
    }
    /// The sum of each element and a number.
    public static func + (a: Variable, b: Double) -> Variable { a.affine(1, b) }
    /// The difference of each element and a number.
    public static func - (a: Variable, b: Double) -> Variable { a.affine(1, -b) }
    /// The difference of a number and each element.
    public static func - (a: Double, b: Variable) -> Variable { b.affine(-1, a) }
    /// The product of each element and a number.
    public static func * (a: Variable, b: Double) -> Variable { a.affine(b) }
    /// The product of a number and each element.
    public static func * (a: Double, b: Variable) -> Variable { b.affine(a) }
    /// The quotient of each element and a number.
    public static func / (a: Variable, b: Double) -> Variable { a.affine(1 / b) }
    public static prefix func - (a: Variable) -> Variable { a.affine(-1) }

    /// Elements limited to low … high; the gradient of limited elements is 0.
    public func clamped(min low: Double, max high: Double) -> Variable {
        record("clamp", self, value: value.clamped(min: low, max: high), saving: (value, low, high)) { g, saved, gradients in
            let (x, low, high) = saved.pointee
            gradients.add(0, g.masked(whereClamped: x, low, high))
        }
    }

    /// Sets elements to zero at random with probability `rate` and scales the rest by 1/(1 − rate), in training only (Srivastava
    /// et al., 2014).
    ///
    /// The mask depends on the context's key, path and purpose, not on the order of calls.
    public func dropout(_ rate: Double, _ context: ForwardContext, purpose: String = "dropout") -> Variable {
        guard rate >= 0, rate <= 1 else { nstmFatal(.other(op: "dropout", "rate \(rate), needs 0 ... 1"), at: context.path) }
        guard context.isTraining, rate > 0 else { return self }
        let mask = Tensor.dropoutMask(shape, rate: rate, key: context.random(purpose))
        return self * Variable(mask.cast(to: dtype))
    }
}
