import CNSTMKernels

// Names of the kernels' functions, for the targets above, which do not import the kernels.

/// Element functions with kernels of their own for float32.
package typealias UnaryFunction = nstm_unary_fast_op
extension UnaryFunction {
    package static var exp: UnaryFunction { NSTM_EXP }
    package static var log: UnaryFunction { NSTM_LOG }
    package static var sqrt: UnaryFunction { NSTM_SQRT }
    package static var rsqrt: UnaryFunction { NSTM_RSQRT }
    package static var square: UnaryFunction { NSTM_SQUARE }
    package static var reciprocal: UnaryFunction { NSTM_RECIPROCAL }
    package static var abs: UnaryFunction { NSTM_ABS }
    package static var sin: UnaryFunction { NSTM_SIN }
    package static var cos: UnaryFunction { NSTM_COS }
    package static var tanh: UnaryFunction { NSTM_TANH }
    package static var sigmoid: UnaryFunction { NSTM_SIGMOID }
    package static var logSigmoid: UnaryFunction { NSTM_LOGSIGMOID }
    package static var softplus: UnaryFunction { NSTM_SOFTPLUS }
    package static var relu: UnaryFunction { NSTM_RELU }
    package static var squaredReLU: UnaryFunction { NSTM_RELU2 }
    package static var silu: UnaryFunction { NSTM_SILU }
    package static var gelu: UnaryFunction { NSTM_GELU }
}

/// Element functions that are computed in double and rounded once.
package typealias ElementFunction = nstm_unary_precise_op
extension ElementFunction {
    package static var exp2: ElementFunction { NSTM_EXP2 }
    package static var expm1: ElementFunction { NSTM_EXPM1 }
    package static var log2: ElementFunction { NSTM_LOG2 }
    package static var log10: ElementFunction { NSTM_LOG10 }
    package static var log1p: ElementFunction { NSTM_LOG1P }
    package static var tan: ElementFunction { NSTM_TAN }
    package static var asin: ElementFunction { NSTM_ASIN }
    package static var acos: ElementFunction { NSTM_ACOS }
    package static var atan: ElementFunction { NSTM_ATAN }
    package static var sinh: ElementFunction { NSTM_SINH }
    package static var cosh: ElementFunction { NSTM_COSH }
    package static var asinh: ElementFunction { NSTM_ASINH }
    package static var acosh: ElementFunction { NSTM_ACOSH }
    package static var atanh: ElementFunction { NSTM_ATANH }
    package static var erf: ElementFunction { NSTM_ERF }
    package static var erfc: ElementFunction { NSTM_ERFC }
    package static var selu: ElementFunction { NSTM_SELU }
    package static var geluTanh: ElementFunction { NSTM_GELU_TANH }
    package static var mish: ElementFunction { NSTM_MISH }
    package static var softsign: ElementFunction { NSTM_SOFTSIGN }
    package static var hardSigmoid: ElementFunction { NSTM_HARD_SIGMOID }
    package static var hardSwish: ElementFunction { NSTM_HARD_SWISH }
    package static var floor: ElementFunction { NSTM_FLOOR }
    package static var ceil: ElementFunction { NSTM_CEIL }
    package static var round: ElementFunction { NSTM_ROUND }
    package static var trunc: ElementFunction { NSTM_TRUNC }
    package static var sign: ElementFunction { NSTM_SIGN }
    package static var leakyReLU: ElementFunction { NSTM_LEAKY_RELU }
    package static var elu: ElementFunction { NSTM_ELU }
    package static var pow: ElementFunction { NSTM_POW }
}

/// Functions of two elements: losses, and derivatives.
package typealias PairFunction = nstm_binary_precise_op
extension PairFunction {
    package static var klDivergence: PairFunction { NSTM_BINARY_KL }
    package static var klTargetDerivative: PairFunction { NSTM_BINARY_KL_TARGET_DERIVATIVE }
    package static var powBaseDerivative: PairFunction { NSTM_BINARY_POW_BASE_DERIVATIVE }
    package static var powExponentDerivative: PairFunction { NSTM_BINARY_POW_EXPONENT_DERIVATIVE }
    package static var maximumDerivative: PairFunction { NSTM_BINARY_MAX_DERIVATIVE }
    package static var minimumDerivative: PairFunction { NSTM_BINARY_MIN_DERIVATIVE }
    package static var binaryCrossEntropy: PairFunction { NSTM_BINARY_BCE }
    package static var binaryCrossEntropyDerivative: PairFunction { NSTM_BINARY_BCE_DERIVATIVE }
    package static var absolute: PairFunction { NSTM_BINARY_ABSOLUTE }
    package static var absoluteDerivative: PairFunction { NSTM_BINARY_ABSOLUTE_DERIVATIVE }
    package static var huber: PairFunction { NSTM_BINARY_HUBER }
    package static var huberDerivative: PairFunction { NSTM_BINARY_HUBER_DERIVATIVE }
}

/// Scans along an axis.
package typealias Cumulation = nstm_cumulation
extension Cumulation {
    package static var product: Cumulation { NSTM_CUMULATIVE_PRODUCT }
    package static var logSumExp: Cumulation { NSTM_CUMULATIVE_LOG_SUM_EXP }
}

/// What a reduction computes.
package typealias ReductionKind = nstm_reduction
extension ReductionKind {
    package static var max: ReductionKind { NSTM_REDUCE_MAX }
    package static var min: ReductionKind { NSTM_REDUCE_MIN }
    package static var equal: ReductionKind { NSTM_REDUCE_EQUAL }
    package static var product: ReductionKind { NSTM_REDUCE_PRODUCT }
    package static var absoluteEqual: ReductionKind { NSTM_REDUCE_ABSOLUTE_EQUAL }
}

/// How the gradient of a reduction is distributed over its elements.
package typealias ReductionGradient = nstm_reduction_gradient
extension ReductionGradient {
    package static var centered: ReductionGradient { NSTM_GRADIENT_CENTERED }
    package static var equal: ReductionGradient { NSTM_GRADIENT_EQUAL }
    package static var sign: ReductionGradient { NSTM_GRADIENT_SIGN }
    package static var value: ReductionGradient { NSTM_GRADIENT_VALUE }
    package static var absoluteEqual: ReductionGradient { NSTM_GRADIENT_ABSOLUTE_EQUAL }
    package static var power: ReductionGradient { NSTM_GRADIENT_POWER }
    package static var exp: ReductionGradient { NSTM_GRADIENT_EXP }
}
