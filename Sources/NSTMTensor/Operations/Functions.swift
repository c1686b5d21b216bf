import CNSTMKernels

// Element functions. Those of `nstm_unary_precise_op` compute float32 in double and round once (half a unit in the last place);
// the errors of the others are in the tests.

extension Tensor {
    /// Applies one of the further element functions; `p` is the parameter of those that have one.
    package func apply(_ f: nstm_unary_precise_op, _ p: Double = 0) -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), real = dtype.real, size = dtype.byteCount,
            to = y.uninitializedPointer
        Parallel.blocks(count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_unary_precise(real, f, p, x.pointer + o, to + o, r.count)
        }
        return y
    }
    /// dx = dy · f'(x).
    package static func applyBackward(_ f: nstm_unary_precise_op, _ p: Double, dy: Tensor, x: Tensor) -> Tensor {
        let dy = dy.contiguous(), x = x.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
        let real = x.dtype.real, size = x.dtype.byteCount
        Parallel.blocks(x.count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_unary_precise_backward(real, f, p, dy.pointer + o, x.pointer + o, to + o, r.count)
        }
        return dx
    }
    /// Applies one of the functions of two elements, with broadcasting.
    package static func pair(_ f: nstm_binary_precise_op, _ u: Tensor, _ v: Tensor, _ p: Double = 0, name: String) -> Tensor {
        guard u.dtype == v.dtype else { nstmFatal(.dtype(op: name, got: v.dtype, want: "\(u.dtype), as the other operand")) }
        guard let shape = Shape.broadcast(u.shape, v.shape) else { nstmFatal(.broadcast(op: name, u.shape, v.shape)) }
        let u = u.broadcast(to: shape).contiguous(), v = v.broadcast(to: shape).contiguous()
        let y = Tensor(uninitialized: shape, u.dtype), to = y.uninitializedPointer, real = u.dtype.real, size = u.dtype.byteCount
        Parallel.blocks(shape.count, of: elementwiseBlock) { r in
            let o = r.lowerBound * size
            nstm_binary_precise(real, f, p, u.pointer + o, v.pointer + o, to + o, r.count)
        }
        return y
    }

    /// xʸ with C's rules for signs; the exponents broadcast.
    public func pow(_ exponents: Tensor) -> Tensor { .pair(NSTM_BINARY_POW, self, exponents, name: "pow") }

    /// eˣ.
    public func exp() -> Tensor { map(NSTM_EXP) }
    /// 2ˣ.
    public func exp2() -> Tensor { apply(NSTM_EXP2) }
    /// eˣ − 1, accurate near 0.
    public func expm1() -> Tensor { apply(NSTM_EXPM1) }
    /// Natural logarithm.
    public func log() -> Tensor { map(NSTM_LOG) }
    /// Logarithm to base 2.
    public func log2() -> Tensor { apply(NSTM_LOG2) }
    /// Logarithm to base 10.
    public func log10() -> Tensor { apply(NSTM_LOG10) }
    /// log(1 + x), accurate near 0.
    public func log1p() -> Tensor { apply(NSTM_LOG1P) }
    /// √x.
    public func sqrt() -> Tensor { map(NSTM_SQRT) }
    /// 1/√x.
    public func rsqrt() -> Tensor { map(NSTM_RSQRT) }
    /// x².
    public func squared() -> Tensor { map(NSTM_SQUARE) }
    /// 1/x.
    public func reciprocal() -> Tensor { map(NSTM_RECIPROCAL) }
    /// |x|; the derivative at 0 is 0.
    public func absolute() -> Tensor { map(NSTM_ABS) }
    /// Sine of radians.
    public func sin() -> Tensor { map(NSTM_SIN) }
    /// Cosine of radians.
    public func cos() -> Tensor { map(NSTM_COS) }
    /// Tangent of radians.
    public func tan() -> Tensor { apply(NSTM_TAN) }
    /// Inverse sine, in radians.
    public func asin() -> Tensor { apply(NSTM_ASIN) }
    /// Inverse cosine, in radians.
    public func acos() -> Tensor { apply(NSTM_ACOS) }
    /// Inverse tangent, in radians.
    public func atan() -> Tensor { apply(NSTM_ATAN) }
    /// Hyperbolic sine.
    public func sinh() -> Tensor { apply(NSTM_SINH) }
    /// Hyperbolic cosine.
    public func cosh() -> Tensor { apply(NSTM_COSH) }
    /// Hyperbolic tangent.
    public func tanh() -> Tensor { map(NSTM_TANH) }
    /// Inverse hyperbolic sine.
    public func asinh() -> Tensor { apply(NSTM_ASINH) }
    /// Inverse hyperbolic cosine.
    public func acosh() -> Tensor { apply(NSTM_ACOSH) }
    /// Inverse hyperbolic tangent.
    public func atanh() -> Tensor { apply(NSTM_ATANH) }
    /// Error function, 2/√π · ∫₀ˣ exp(−t²) dt.
    public func erf() -> Tensor { apply(NSTM_ERF) }
    /// 1 − erf(x), accurate in the tail.
    public func erfc() -> Tensor { apply(NSTM_ERFC) }
    /// 1/(1 + e⁻ˣ).
    public func sigmoid() -> Tensor { map(NSTM_SIGMOID) }
    /// log σ(x), without overflow.
    public func logSigmoid() -> Tensor { map(NSTM_LOGSIGMOID) }
    /// log(1 + eˣ), without overflow.
    public func softplus() -> Tensor { map(NSTM_SOFTPLUS) }
    /// max(x, 0).
    public func relu() -> Tensor { map(NSTM_RELU) }
    /// max(x, 0)² (So et al., 2021).
    public func squaredReLU() -> Tensor { map(NSTM_RELU2) }
    /// λx for x > 0, else λα(eˣ − 1), with the fixed λ and α of Klambauer et al., 2017.
    public func selu() -> Tensor { apply(NSTM_SELU) }
    /// x·σ(x) (swish).
    public func silu() -> Tensor { map(NSTM_SILU) }
    /// x·Φ(x), the exact form (Hendrycks & Gimpel 2016).
    public func gelu() -> Tensor { map(NSTM_GELU) }
    /// GELU by its tanh approximation, ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    public func geluTanh() -> Tensor { apply(NSTM_GELU_TANH) }
    /// x·tanh(log(1 + eˣ)) (Misra 2019).
    public func mish() -> Tensor { apply(NSTM_MISH) }
    /// x/(1 + |x|).
    public func softsign() -> Tensor { apply(NSTM_SOFTSIGN) }
    /// x/6 + ½ limited to 0 … 1.
    public func hardSigmoid() -> Tensor { apply(NSTM_HARD_SIGMOID) }
    /// x · hardSigmoid(x) (Howard et al., 2019).
    public func hardSwish() -> Tensor { apply(NSTM_HARD_SWISH) }
    /// Largest integer not above x; the derivative is 0, as in PyTorch.
    public func floor() -> Tensor { apply(NSTM_FLOOR) }
    /// Smallest integer not below x; the derivative is 0, as in PyTorch.
    public func ceil() -> Tensor { apply(NSTM_CEIL) }
    /// Nearest integer, halves to even; the derivative is 0, as in PyTorch.
    public func round() -> Tensor { apply(NSTM_ROUND) }
    /// x without its fraction; the derivative is 0, as in PyTorch.
    public func trunc() -> Tensor { apply(NSTM_TRUNC) }
    /// −1, 0 or 1; the derivative is 0, as in PyTorch.
    public func sign() -> Tensor { apply(NSTM_SIGN) }
    /// x for x > 0, else slope · x.
    public func leakyReLU(_ slope: Double = 0.01) -> Tensor { apply(NSTM_LEAKY_RELU, slope) }
    /// x for x > 0, else α(eˣ − 1) (Clevert et al., 2016).
    public func elu(alpha: Double = 1) -> Tensor { apply(NSTM_ELU, alpha) }
    /// xᵖ with C's rules for signs: NaN for x < 0 unless p is an integer; 1 for p = 0.
    public func pow(_ exponent: Double) -> Tensor { apply(NSTM_POW, exponent) }
}
