import NSTMTensor

// Element functions and their derivatives.

extension Variable {
    private func mapped(_ name: StaticString, _ f: UnaryFunction) -> Variable {
        let y = value.map(f)
        return record(name, self, value: y, saving: (value, y, f)) { g, saved, gradients in
            let (x, y, f) = saved.pointee
            gradients.add(0, .mapBackward(f, dy: g, x: x, y: y))
        }
    }
    /// Applies an element function whose derivative needs the same exponential, and computes both together if the derivative is
    /// needed.
    private func mappedWithDerivative(_ name: StaticString, _ f: UnaryFunction) -> Variable {
        let (y, derivative) = isRecorded ? value.mapWithDerivative(f) : (value.map(f), nil)
        return record(name, self, value: y, saving: derivative!) { g, derivative, gradients in
            gradients.add(0, g * derivative.pointee)
        }
    }
    private func applied(_ name: StaticString, _ f: ElementFunction, _ p: Double = 0) -> Variable {
        record(name, self, value: value.apply(f, p), saving: (value, f, p)) { g, saved, gradients in
            let (x, f, p) = saved.pointee
            gradients.add(0, .applyBackward(f, p, dy: g, x: x))
        }
    }
    /// eˣ.
    public func exp() -> Variable { mapped("exp", .exp) }
    /// 2ˣ.
    public func exp2() -> Variable { applied("exp2", .exp2) }
    /// eˣ − 1, accurate near 0.
    public func expm1() -> Variable { applied("expm1", .expm1) }
    /// Natural logarithm.
    public func log() -> Variable { mapped("log", .log) }
    /// Logarithm to base 2.
    public func log2() -> Variable { applied("log2", .log2) }
    /// Logarithm to base 10.
    public func log10() -> Variable { applied("log10", .log10) }
    /// log(1 + x), accurate near 0.
    public func log1p() -> Variable { applied("log1p", .log1p) }
    /// √x.
    public func sqrt() -> Variable { mapped("sqrt", .sqrt) }
    /// 1/√x.
    public func rsqrt() -> Variable { mapped("rsqrt", .rsqrt) }
    /// x².
    public func squared() -> Variable { mapped("squared", .square) }
    /// 1/x.
    public func reciprocal() -> Variable { mapped("reciprocal", .reciprocal) }
    /// |x|; the derivative at 0 is 0.
    public func absolute() -> Variable { mapped("absolute", .abs) }
    /// Sine of radians.
    public func sin() -> Variable { mapped("sin", .sin) }
    /// Cosine of radians.
    public func cos() -> Variable { mapped("cos", .cos) }
    /// Tangent of radians.
    public func tan() -> Variable { applied("tan", .tan) }
    /// Inverse sine, in radians.
    public func asin() -> Variable { applied("asin", .asin) }
    /// Inverse cosine, in radians.
    public func acos() -> Variable { applied("acos", .acos) }
    /// Inverse tangent, in radians.
    public func atan() -> Variable { applied("atan", .atan) }
    /// Hyperbolic sine.
    public func sinh() -> Variable { applied("sinh", .sinh) }
    /// Hyperbolic cosine.
    public func cosh() -> Variable { applied("cosh", .cosh) }
    /// Hyperbolic tangent.
    public func tanh() -> Variable { mapped("tanh", .tanh) }
    /// Inverse hyperbolic sine.
    public func asinh() -> Variable { applied("asinh", .asinh) }
    /// Inverse hyperbolic cosine.
    public func acosh() -> Variable { applied("acosh", .acosh) }
    /// Inverse hyperbolic tangent.
    public func atanh() -> Variable { applied("atanh", .atanh) }
    /// Error function, 2/√π · ∫₀ˣ exp(−t²) dt.
    public func erf() -> Variable { applied("erf", .erf) }
    /// 1 − erf(x), accurate in the tail.
    public func erfc() -> Variable { applied("erfc", .erfc) }
    /// 1/(1 + e⁻ˣ).
    public func sigmoid() -> Variable { mapped("sigmoid", .sigmoid) }
    /// log σ(x), without overflow.
    public func logSigmoid() -> Variable { mapped("logSigmoid", .logSigmoid) }
    /// log(1 + eˣ), without overflow.
    public func softplus() -> Variable { mapped("softplus", .softplus) }
    /// max(x, 0).
    public func relu() -> Variable { mapped("relu", .relu) }
    /// max(x, 0)² (So et al., 2021).
    public func squaredReLU() -> Variable { mapped("squaredReLU", .squaredReLU) }
    /// λx for x > 0, else λα(eˣ − 1), with the fixed λ and α of Klambauer et al., 2017.
    public func selu() -> Variable { applied("selu", .selu) }
    /// x·σ(x) (swish).
    public func silu() -> Variable { mappedWithDerivative("silu", .silu) }
    /// x·Φ(x), the exact form (Hendrycks & Gimpel 2016).
    public func gelu() -> Variable { mappedWithDerivative("gelu", .gelu) }
    /// GELU by its tanh approximation, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    public func geluTanh() -> Variable { applied("geluTanh", .geluTanh) }
    /// x·tanh(log(1 + eˣ)) (Misra 2019).
    public func mish() -> Variable { applied("mish", .mish) }
    /// x/(1 + |x|).
    public func softsign() -> Variable { applied("softsign", .softsign) }
    /// x/6 + ½ limited to 0 … 1.
    public func hardSigmoid() -> Variable { applied("hardSigmoid", .hardSigmoid) }
    /// x · hardSigmoid(x) (Howard et al., 2019).
    public func hardSwish() -> Variable { applied("hardSwish", .hardSwish) }
    /// Largest integer not above x; the derivative is 0, as in PyTorch.
    public func floor() -> Variable { applied("floor", .floor) }
    /// Smallest integer not below x; the derivative is 0, as in PyTorch.
    public func ceil() -> Variable { applied("ceil", .ceil) }
    /// Nearest integer, halves to even; the derivative is 0, as in PyTorch.
    public func round() -> Variable { applied("round", .round) }
    /// x without its fraction; the derivative is 0, as in PyTorch.
    public func trunc() -> Variable { applied("trunc", .trunc) }
    /// −1, 0 or 1; the derivative is 0, as in PyTorch.
    public func sign() -> Variable { applied("sign", .sign) }
    /// x for x > 0, else slope · x.
    public func leakyReLU(_ slope: Double = 0.01) -> Variable { applied("leakyReLU", .leakyReLU, slope) }
    /// x for x > 0, else α(eˣ − 1) (Clevert et al., 2016).
    public func elu(alpha: Double = 1) -> Variable { applied("elu", .elu, alpha) }
    /// xᵖ with C's rules for signs: NaN for x < 0 unless p is an integer; 1 for p = 0.
    public func pow(_ exponent: Double) -> Variable { applied("pow", .pow, exponent) }

    /// xʸ with C's rules for signs; base and exponents broadcast.
    ///
    /// The derivative with respect to the base is 0 where the exponent is 0; that with respect to the exponent is 0 where the
    /// base is 0 and the exponent is not negative.
    public func pow(_ exponents: Variable) -> Variable {
        Variable.fit("pow", self, exponents)
        let x = value, e = exponents.value
        return record(
            "pow", [self, exponents], x.pow(e),
            .pullback { g, gradients in
                gradients.add(0, (g * .pair(.powBaseDerivative, x, e, name: "pow")).sum(to: x.shape))
                gradients.add(1, (g * .pair(.powExponentDerivative, x, e, name: "pow")).sum(to: e.shape))
            })
    }
    /// The elementwise maximum of two variables; NaN if one is NaN.
    ///
    /// On a tie each gets half of the gradient, as in PyTorch.
    public static func maximum(_ a: Variable, _ b: Variable) -> Variable {
        chosen("maximum", a, b, { .maximum($0, $1) }, .maximumDerivative)
    }
    /// The elementwise minimum of two variables; NaN if one is NaN.
    ///
    /// On a tie each gets half of the gradient, as in PyTorch.
    public static func minimum(_ a: Variable, _ b: Variable) -> Variable {
        chosen("minimum", a, b, { .minimum($0, $1) }, .minimumDerivative)
    }
    private static func chosen(
        _ name: StaticString, _ a: Variable, _ b: Variable, _ choose: (Tensor, Tensor) -> Tensor, _ share: PairFunction
    ) -> Variable {
        fit(name, a, b)
        let va = a.value, vb = b.value
        return record(
            name, [a, b], choose(va, vb),
            .pullback { g, gradients in
                let part = g * Tensor.pair(share, va, vb, name: "\(name)")
                gradients.add(0, part.sum(to: va.shape))
                gradients.add(1, (g - part).sum(to: vb.shape))
            })
    }
    /// Elements limited to low … high, which are broadcast; `high` has precedence if low > high.
    ///
    /// The gradient of a limited element goes to the bound, and is shared by both on a tie.
    public func clamped(min low: Variable, max high: Variable) -> Variable { .minimum(.maximum(self, low), high) }
}
