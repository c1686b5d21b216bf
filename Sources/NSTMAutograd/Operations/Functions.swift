import CNSTMKernels
import NSTMTensor

// Element functions and their derivatives.

extension Variable {
    private func mapped(_ name: StaticString, _ op: nstm_unary_fast_op) -> Variable {
        let x = value, y = x.map(op)
        return record(name, self, keeping: x, y, code: op.rawValue, y) { g, x, y, op, to in
            to.add(0, .mapBackward(nstm_unary_fast_op(op), dy: g, x: x, y: y))
        }
    }
    /// The derivative needs the exponential that the value needs: computed with it, when it will be wanted.
    private func mappedWithDerivative(_ name: StaticString, _ op: nstm_unary_fast_op) -> Variable {
        guard isRecorded else { return record(name, [self], value.map(op), .undefined("constants have no gradient")) }
        let (y, derivative) = value.mapWithDerivative(op)
        return record(name, self, y, keeping: derivative) { g, derivative, to in to.add(0, g * derivative.pointee) }
    }
    private func applied(_ name: StaticString, _ f: nstm_unary_precise_op, _ p: Double = 0) -> Variable {
        let x = value
        return record(name, self, x.apply(f, p)) { g, to in to.add(0, .applyBackward(f, p, dy: g, x: x)) }
    }
    /// eˣ.
    public func exp() -> Variable { mapped("exp", NSTM_EXP) }
    /// 2ˣ.
    public func exp2() -> Variable { applied("exp2", NSTM_EXP2) }
    /// eˣ − 1, accurate near 0.
    public func expm1() -> Variable { applied("expm1", NSTM_EXPM1) }
    /// Natural logarithm.
    public func log() -> Variable { mapped("log", NSTM_LOG) }
    /// Logarithm to base 2.
    public func log2() -> Variable { applied("log2", NSTM_LOG2) }
    /// Logarithm to base 10.
    public func log10() -> Variable { applied("log10", NSTM_LOG10) }
    /// log(1 + x), accurate near 0.
    public func log1p() -> Variable { applied("log1p", NSTM_LOG1P) }
    /// √x.
    public func sqrt() -> Variable { mapped("sqrt", NSTM_SQRT) }
    /// 1/√x.
    public func rsqrt() -> Variable { mapped("rsqrt", NSTM_RSQRT) }
    /// x².
    public func squared() -> Variable { mapped("squared", NSTM_SQUARE) }
    /// 1/x.
    public func reciprocal() -> Variable { mapped("reciprocal", NSTM_RECIPROCAL) }
    /// |x|; the derivative at 0 is 0.
    public func absolute() -> Variable { mapped("absolute", NSTM_ABS) }
    /// Sine of radians.
    public func sin() -> Variable { mapped("sin", NSTM_SIN) }
    /// Cosine of radians.
    public func cos() -> Variable { mapped("cos", NSTM_COS) }
    /// Tangent of radians.
    public func tan() -> Variable { applied("tan", NSTM_TAN) }
    /// Inverse sine, in radians.
    public func asin() -> Variable { applied("asin", NSTM_ASIN) }
    /// Inverse cosine, in radians.
    public func acos() -> Variable { applied("acos", NSTM_ACOS) }
    /// Inverse tangent, in radians.
    public func atan() -> Variable { applied("atan", NSTM_ATAN) }
    /// Hyperbolic sine.
    public func sinh() -> Variable { applied("sinh", NSTM_SINH) }
    /// Hyperbolic cosine.
    public func cosh() -> Variable { applied("cosh", NSTM_COSH) }
    /// Hyperbolic tangent.
    public func tanh() -> Variable { mapped("tanh", NSTM_TANH) }
    /// Inverse hyperbolic sine.
    public func asinh() -> Variable { applied("asinh", NSTM_ASINH) }
    /// Inverse hyperbolic cosine.
    public func acosh() -> Variable { applied("acosh", NSTM_ACOSH) }
    /// Inverse hyperbolic tangent.
    public func atanh() -> Variable { applied("atanh", NSTM_ATANH) }
    /// Error function, 2/√π · ∫₀ˣ exp(−t²) dt.
    public func erf() -> Variable { applied("erf", NSTM_ERF) }
    /// 1 − erf(x), accurate in the tail.
    public func erfc() -> Variable { applied("erfc", NSTM_ERFC) }
    /// 1/(1 + e⁻ˣ).
    public func sigmoid() -> Variable { mapped("sigmoid", NSTM_SIGMOID) }
    /// log σ(x), without overflow.
    public func logSigmoid() -> Variable { mapped("logSigmoid", NSTM_LOGSIGMOID) }
    /// log(1 + eˣ), without overflow.
    public func softplus() -> Variable { mapped("softplus", NSTM_SOFTPLUS) }
    /// max(x, 0).
    public func relu() -> Variable { mapped("relu", NSTM_RELU) }
    /// max(x, 0)² (So et al. 2021).
    public func squaredReLU() -> Variable { mapped("squaredReLU", NSTM_RELU2) }
    /// λx for x > 0, else λα(eˣ − 1), with the fixed λ and α of Klambauer et al. 2017.
    public func selu() -> Variable { applied("selu", NSTM_SELU) }
    /// x·σ(x) (swish).
    public func silu() -> Variable { mappedWithDerivative("silu", NSTM_SILU) }
    /// x·Φ(x), the exact form (Hendrycks & Gimpel 2016).
    public func gelu() -> Variable { mappedWithDerivative("gelu", NSTM_GELU) }
    /// GELU by its tanh approximation, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    public func geluTanh() -> Variable { applied("geluTanh", NSTM_GELU_TANH) }
    /// x·tanh(log(1 + eˣ)) (Misra 2019).
    public func mish() -> Variable { applied("mish", NSTM_MISH) }
    /// x/(1 + |x|).
    public func softsign() -> Variable { applied("softsign", NSTM_SOFTSIGN) }
    /// x/6 + ½ limited to 0 ... 1.
    public func hardSigmoid() -> Variable { applied("hardSigmoid", NSTM_HARD_SIGMOID) }
    /// x · hardSigmoid(x) (Howard et al. 2019).
    public func hardSwish() -> Variable { applied("hardSwish", NSTM_HARD_SWISH) }
    /// Largest integer not above x; the derivative is 0, as in PyTorch.
    public func floor() -> Variable { applied("floor", NSTM_FLOOR) }
    /// Smallest integer not below x; the derivative is 0, as in PyTorch.
    public func ceil() -> Variable { applied("ceil", NSTM_CEIL) }
    /// Nearest integer, halves to even; the derivative is 0, as in PyTorch.
    public func round() -> Variable { applied("round", NSTM_ROUND) }
    /// x without its fraction; the derivative is 0, as in PyTorch.
    public func trunc() -> Variable { applied("trunc", NSTM_TRUNC) }
    /// −1, 0 or 1; the derivative is 0, as in PyTorch.
    public func sign() -> Variable { applied("sign", NSTM_SIGN) }
    /// x for x > 0, else slope · x.
    public func leakyReLU(_ slope: Double = 0.01) -> Variable { applied("leakyReLU", NSTM_LEAKY_RELU, slope) }
    /// x for x > 0, else α(eˣ − 1) (Clevert et al. 2016).
    public func elu(alpha: Double = 1) -> Variable { applied("elu", NSTM_ELU, alpha) }
    /// xᵖ with C's rules for signs: not a number for x < 0 unless p is whole; 1 for p = 0.
    public func pow(_ exponent: Double) -> Variable { applied("pow", NSTM_POW, exponent) }

    /// xʸ with C's rules for signs; base and exponents broadcast. The derivative by the base is 0 where the exponent is 0, the
    /// one by the exponent 0 where the base is 0 and the exponent not negative.
    public func pow(_ exponents: Variable) -> Variable {
        Variable.fit("pow", self, exponents)
        let x = value, e = exponents.value
        return record(
            "pow", [self, exponents], x.pow(e),
            .pullback { g, to in
                to.add(0, (g * .pair(NSTM_BINARY_POW_BASE_DERIVATIVE, x, e, name: "pow")).sum(to: x.shape))
                to.add(1, (g * .pair(NSTM_BINARY_POW_EXPONENT_DERIVATIVE, x, e, name: "pow")).sum(to: e.shape))
            })
    }
    /// The larger of two, element by element; NaN wins. On a tie each gets half of the gradient, as in PyTorch.
    public static func maximum(_ a: Variable, _ b: Variable) -> Variable {
        chosen("maximum", a, b, { .maximum($0, $1) }, NSTM_BINARY_MAX_DERIVATIVE)
    }
    /// The smaller of two, element by element; NaN wins. On a tie each gets half of the gradient, as in PyTorch.
    public static func minimum(_ a: Variable, _ b: Variable) -> Variable {
        chosen("minimum", a, b, { .minimum($0, $1) }, NSTM_BINARY_MIN_DERIVATIVE)
    }
    private static func chosen(
        _ name: StaticString, _ a: Variable, _ b: Variable, _ choose: (Tensor, Tensor) -> Tensor, _ share: nstm_binary_precise_op
    ) -> Variable {
        fit(name, a, b)
        let va = a.value, vb = b.value
        return record(
            name, [a, b], choose(va, vb),
            .pullback { g, to in
                let part = g * Tensor.pair(share, va, vb, name: "\(name)")
                to.add(0, part.sum(to: va.shape))
                to.add(1, (g - part).sum(to: vb.shape))
            })
    }
    /// Elements limited to low ... high, which broadcast and get the gradients of the elements they replace; `high` counts where
    /// low > high. An element on a bound shares its gradient with it.
    public func clamped(min low: Variable, max high: Variable) -> Variable { .minimum(.maximum(self, low), high) }
}
