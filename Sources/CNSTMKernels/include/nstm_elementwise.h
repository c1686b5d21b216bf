// Functions of elements. "Fast" kernels compute in the element type; "precise" kernels compute float32 in double and round once.

#ifndef NSTM_ELEMENTWISE_H
#define NSTM_ELEMENTWISE_H

#include <stddef.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Fast (FastFunctions.c)

/// Functions of one element, computed in the element type: float32 by vectorized approximations, float64 by libm.
typedef enum {
    NSTM_NEG, NSTM_ABS, NSTM_EXP, NSTM_LOG, NSTM_SQRT, NSTM_RSQRT, NSTM_SQUARE, NSTM_RECIPROCAL,
    NSTM_TANH, NSTM_SIGMOID, NSTM_SILU, NSTM_GELU, NSTM_RELU, NSTM_RELU2, NSTM_SOFTPLUS, NSTM_SIN, NSTM_COS,
    NSTM_LOGSIGMOID
} nstm_unary_fast_op;
/// Functions of two elements. NaN in either operand is the result of maximum and minimum.
typedef enum {
    NSTM_ADD, NSTM_SUB, NSTM_MUL, NSTM_DIV, NSTM_MAX, NSTM_MIN
} nstm_binary_broadcast_op;

/// y [n] ← f(x).
void nstm_unary_fast(nstm_real t, nstm_unary_fast_op op, const void *x, void *y, ptrdiff_t n);
/// dx [n] ← dy · f'(x), with y = f(x).
void nstm_unary_fast_backward(nstm_real t, nstm_unary_fast_op op, const void *dy, const void *x, const void *y, void *dx,
                              ptrdiff_t n);
/// y [n] ← f(x) and derivative [n] ← f'(x) in one pass. Only NSTM_SILU and NSTM_GELU, whose derivative needs the same
/// exponential.
void nstm_unary_fast_with_derivative(nstm_real t, nstm_unary_fast_op op, const void *x, void *y, void *derivative, ptrdiff_t n);
/// y[r, c] ← a[r, c] op b[r, c], with y [rows, columns] dense and operands broadcast by strides.
///
/// a[r, c] is a[r·a_outer + c·a_inner], with any outer stride and an inner stride of 0 or 1; the same for b.
void nstm_binary_broadcast(nstm_real t, nstm_binary_broadcast_op op, const void *a, ptrdiff_t a_outer, ptrdiff_t a_inner,
                           const void *b, ptrdiff_t b_outer, ptrdiff_t b_inner, void *y, ptrdiff_t rows, ptrdiff_t columns);
/// y [n] ← alpha·x + beta.
void nstm_affine(nstm_real t, double alpha, const void *x, double beta, void *y, ptrdiff_t n);
/// y [n] ← y + alpha·x.
void nstm_axpy(nstm_real t, double alpha, const void *x, void *y, ptrdiff_t n);
/// y [n] ← min(max(x, low), high).
void nstm_clamp(nstm_real t, const void *x, double low, double high, void *y, ptrdiff_t n);
/// dx [n] ← dy where low ≤ x ≤ high, else 0.
void nstm_clamp_backward(nstm_real t, const void *dy, const void *x, double low, double high, void *dx, ptrdiff_t n);
/// x [n] ← value.
void nstm_fill(nstm_real t, void *x, double value, ptrdiff_t n);

// MARK: Precise (PreciseFunctions.c)

/// Functions of one element x; `p` is the parameter of those that have one.
typedef enum {
    /// x for x > 0, else p·x (Maas et al. 2013).
    NSTM_LEAKY_RELU,
    /// x for x > 0, else p(eˣ − 1) (Clevert et al. 2016); the second with fixed constants (Klambauer et al. 2017).
    NSTM_ELU, NSTM_SELU,
    NSTM_GELU_TANH, NSTM_SOFTSIGN, NSTM_HARD_SIGMOID, NSTM_HARD_SWISH, NSTM_MISH,
    NSTM_ERF, NSTM_ERFC, NSTM_EXP2, NSTM_EXPM1, NSTM_LOG2, NSTM_LOG10, NSTM_LOG1P,
    /// xᵖ with C's rules for signs.
    NSTM_POW,
    NSTM_TAN, NSTM_SINH, NSTM_COSH, NSTM_ASIN, NSTM_ACOS, NSTM_ATAN, NSTM_ASINH, NSTM_ACOSH, NSTM_ATANH,
    /// Piecewise constant functions, with derivative 0 everywhere. NSTM_ROUND rounds ties to even.
    NSTM_FLOOR, NSTM_CEIL, NSTM_ROUND, NSTM_TRUNC, NSTM_SIGN
} nstm_unary_precise_op;
/// Functions of two elements u and v, and their derivatives.
typedef enum {
    /// uᵛ; its derivative by u (0 where v = 0); its derivative by v (0 where u = 0 and v ≥ 0).
    NSTM_BINARY_POW, NSTM_BINARY_POW_BASE_DERIVATIVE, NSTM_BINARY_POW_EXPONENT_DERIVATIVE,
    /// Derivative by u of max(u, v) and of min(u, v): 1, 0, or ½ if both are equal.
    NSTM_BINARY_MAX_DERIVATIVE, NSTM_BINARY_MIN_DERIVATIVE,
    /// |u − v|, and Huber's loss with threshold p, of a value u against a target v; their derivatives by u.
    NSTM_BINARY_ABSOLUTE, NSTM_BINARY_ABSOLUTE_DERIVATIVE, NSTM_BINARY_HUBER, NSTM_BINARY_HUBER_DERIVATIVE,
    /// Binary cross-entropy of a logit u against a target v in [0, 1]; its derivative by u.
    NSTM_BINARY_BCE, NSTM_BINARY_BCE_DERIVATIVE,
    /// Kullback–Leibler term eᵛ(v − u) of log-probabilities; its derivative by the target v.
    NSTM_BINARY_KL, NSTM_BINARY_KL_TARGET_DERIVATIVE
} nstm_binary_precise_op;

/// y [n] ← f(x; p).
void nstm_unary_precise(nstm_real t, nstm_unary_precise_op op, double p, const void *x, void *y, ptrdiff_t n);
/// dx [n] ← dy · f'(x; p).
void nstm_unary_precise_backward(nstm_real t, nstm_unary_precise_op op, double p, const void *dy, const void *x, void *dx,
                                 ptrdiff_t n);
/// y [n] ← f(u, v; p), without broadcasting.
void nstm_binary_precise(nstm_real t, nstm_binary_precise_op op, double p, const void *u, const void *v, void *y, ptrdiff_t n);

// MARK: Conversion (Convert.c)

/// y [n] ← x converted from type `from` to type `to`.
///
/// To integers: toward zero, limited to the range of the type, NaN to 0. To bool: x ≠ 0 (NaN is true).
void nstm_convert(nstm_dtype from, nstm_dtype to, const void *x, void *y, ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
