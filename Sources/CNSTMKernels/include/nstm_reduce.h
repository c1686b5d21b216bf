// Reductions over all elements and along an axis, norms over channels, cumulative scans, sorting.
//
// A reduction along an axis sees its operand as [outer, reduce, inner] and reduces the middle axis.

#ifndef NSTM_REDUCE_H
#define NSTM_REDUCE_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Reductions (Reduce.c)

/// Σ x over n elements, summed in double over blocks of 1024.
double nstm_sum(nstm_real t, const void *x, ptrdiff_t n);
/// Σ x² over n elements, summed in double over blocks of 1024.
double nstm_sum_squares(nstm_real t, const void *x, ptrdiff_t n);
/// Index of the first of n elements that is NaN or infinite, or −1.
ptrdiff_t nstm_first_nonfinite(nstm_real t, const void *x, ptrdiff_t n);
/// y[o, i] ← Σ_r x[o, r, i], plus y if `accumulate` ≠ 0.
void nstm_sum_axis(nstm_real t, const void *x, void *y, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner, int accumulate);
/// y[o, i] ← max_r x[o, r, i] (min_r if `least` ≠ 0) and arg[o, i] ← the first r that has it; NaN counts as the extreme.
void nstm_extreme_axis(nstm_real t, int least, const void *x, void *y, int32_t *arg, ptrdiff_t outer, ptrdiff_t reduce,
                       ptrdiff_t inner);

/// Reductions of v = x[o, r, i] with w = shift[o, i].
typedef enum {
    /// Σ|v|, Σv², Σ|v|ᵖ with p = w, Σ(v − w)².
    NSTM_REDUCE_ABSOLUTE, NSTM_REDUCE_SQUARES, NSTM_REDUCE_POWERS, NSTM_REDUCE_CENTERED,
    /// Σe^(v − w), with 0 for v = −∞ and 1 for v = w.
    NSTM_REDUCE_EXP,
    /// Number of v with v = w, and with |v| = w.
    NSTM_REDUCE_EQUAL, NSTM_REDUCE_ABSOLUTE_EQUAL,
    /// Σv in double, Πv, max v, min v, max |v|; NaN is the result of an extreme if there is one.
    NSTM_REDUCE_SUM, NSTM_REDUCE_PRODUCT, NSTM_REDUCE_MAX, NSTM_REDUCE_MIN, NSTM_REDUCE_ABSOLUTE_MAX
} nstm_reduction;
/// y[o, i] ← reduction of x[o, r, i] over r, in double for both element types, for columns low ≤ i < high.
///
/// `low` and `high` are 0 and 1 if inner = 1. `shift` [outer, inner] may be null if the reduction does not use w.
void nstm_reduce(nstm_real t, nstm_reduction op, const void *x, const double *_Nullable shift, double *y, ptrdiff_t outer,
                 ptrdiff_t reduce, ptrdiff_t inner, ptrdiff_t low, ptrdiff_t high);
/// Gradients of reductions, from v = x[o, r, i], w = shift[o, i] and g = factor[o, i].
typedef enum {
    /// g(v − w), g·v, g·sign v.
    NSTM_GRADIENT_CENTERED, NSTM_GRADIENT_VALUE, NSTM_GRADIENT_SIGN,
    /// g·sign v·(|v|/w)^(p−1), 0 where v = 0.
    NSTM_GRADIENT_POWER,
    /// g·e^(v − w), 0 where w = −∞, g where v = w.
    NSTM_GRADIENT_EXP,
    /// g where v = w, else 0; g·sign v where |v| = w, else 0.
    NSTM_GRADIENT_EQUAL, NSTM_GRADIENT_ABSOLUTE_EQUAL
} nstm_reduction_gradient;
/// dx[o, r, i] ← gradient from x, shift and factor, with factor and shift [outer, inner].
void nstm_reduce_backward(nstm_real t, nstm_reduction_gradient op, double p, const double *factor, const void *x,
                          const double *shift, void *dx, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner);
/// dx[o, r, i] ← g[o, i] · Π_{s≠r} x[o, s, i], by products from both ends: without division, so exact where x has zeros.
///
/// `scratch` holds `reduce` doubles.
void nstm_product_backward(nstm_real t, const double *g, const void *x, void *dx, double *scratch, ptrdiff_t outer,
                           ptrdiff_t reduce, ptrdiff_t inner);

// MARK: Norms over channels (Channels.c)

/// Per channel c of x [batch, channels, size]: first_sum[c] ← Σ a and second_sum[c] ← Σ a·(x − center[c]) over batch and size.
///
/// a is dy, or x − center[c] if `dy` is null. Only channels first ≤ c < last are computed and written.
void nstm_channel_sums(nstm_real t, const void *_Nullable dy, const void *x, const double *center, double *first_sum,
                       double *second_sum, ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t size, ptrdiff_t first, ptrdiff_t last);
/// y ← dy·dy_scale[c] + (x − center[c])·x_scale[c] + offset[c] for x, dy, y [batch, channels, size]; no first term if `dy` is
/// null.
void nstm_channel_affine(nstm_real t, const void *_Nullable dy, const void *x, const double *center, const double *dy_scale,
                         const double *x_scale, const double *offset, void *y, ptrdiff_t batch, ptrdiff_t channels,
                         ptrdiff_t size);

// MARK: Cumulative scans (Cumulative.c), along the middle axis of [outer, n, inner]

/// What a cumulative scan accumulates.
typedef enum { NSTM_CUMULATIVE_SUM, NSTM_CUMULATIVE_PRODUCT, NSTM_CUMULATIVE_LOG_SUM_EXP } nstm_cumulation;
/// y[o, k, i] ← accumulation of x[o, j, i] over j ≤ k (j ≥ k if `reversed` ≠ 0), for columns first ≤ i < last.
void nstm_cumulate(nstm_real t, nstm_cumulation op, int reversed, const void *x, void *y, ptrdiff_t outer, ptrdiff_t n,
                   ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// y ← running maximum along the axis and indices ← its index: the first met of equals; NaN is larger than every number.
void nstm_cumulate_max(nstm_real t, int reversed, const void *x, void *y, int32_t *indices, ptrdiff_t outer, ptrdiff_t n,
                       ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// dx of a cumulative product or log-sum-exp with result y. `reversed` is that of the forward scan; does not divide by x.
void nstm_cumulate_backward(nstm_real t, nstm_cumulation op, int reversed, const void *dy, const void *x, const void *y, void *dx,
                            ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);

// MARK: Sorting (Sort.c)

/// values [k] and indices [k] ← the first k of n elements in stable order, ascending or descending.
///
/// NaN is larger than every number, and −0 equals 0. `scratch` has nstm_sort_scratch(t, n) bytes, 16-byte aligned.
void nstm_sort(nstm_dtype t, int descending, const void *x, ptrdiff_t n, ptrdiff_t k, void *values, int32_t *indices,
               void *scratch);
/// Bytes of scratch memory that `nstm_sort` needs.
ptrdiff_t nstm_sort_scratch(nstm_dtype t, ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
