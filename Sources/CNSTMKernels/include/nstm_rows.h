// Softmax, norms, losses, gates and activations over the last axis: arrays are [rows, columns]. (Rows.c, PreciseFunctions.c)

#ifndef NSTM_ROWS_H
#define NSTM_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Softmax

/// y ← softmax(x) per row; x may be y.
void nstm_softmax(nstm_real t, const void *x, void *y, ptrdiff_t rows, ptrdiff_t columns);
/// dx ← y ⊙ (dy − Σ dy⊙y) per row.
void nstm_softmax_backward(nstm_real t, const void *dy, const void *y, void *dx, ptrdiff_t rows, ptrdiff_t columns);
/// y ← log softmax(x) per row.
void nstm_log_softmax(nstm_real t, const void *x, void *y, ptrdiff_t rows, ptrdiff_t columns);
/// dx ← dy − e^y · Σ dy per row, with y = log softmax(x).
void nstm_log_softmax_backward(nstm_real t, const void *dy, const void *y, void *dx, ptrdiff_t rows, ptrdiff_t columns);

// MARK: Norms

/// y ← (x − mean)·rstd ⊙ gain + bias per row, with rstd = 1/√(mean((x − mean)²) + epsilon).
///
/// LayerNorm if `center` is 1; RMSNorm, with a mean of 0, if it is 0. gain and bias are [columns]; mean and rstd [rows] are saved
/// for the backward pass.
void nstm_norm(nstm_real t, int center, const void *x, const void *_Nullable gain, const void *_Nullable bias, double epsilon,
               void *y, void *_Nullable mean, void *_Nullable rstd, ptrdiff_t rows, ptrdiff_t columns);
/// dx of `nstm_norm`, and dgain and dbias [columns] summed over these rows (written, not added to).
void nstm_norm_backward(nstm_real t, int center, const void *dy, const void *x, const void *_Nullable gain, const void *mean,
                        const void *rstd, void *dx, void *_Nullable dgain, void *_Nullable dbias, ptrdiff_t rows, ptrdiff_t columns);
/// y ← RMSNorm(x) ⊙ gain ⊙ silu(gate) per row; rstd [rows] is saved.
void nstm_gated_norm(nstm_real t, const void *x, const void *gain, const void *gate, double epsilon, void *y,
                     void *_Nullable rstd, ptrdiff_t rows, ptrdiff_t columns);
/// dx and dgate of `nstm_gated_norm`, and dgain [columns] summed over these rows (written, not added to).
void nstm_gated_norm_backward(nstm_real t, const void *dy, const void *x, const void *gain, const void *gate, const void *rstd,
                              void *dx, void *dgain, void *dgate, ptrdiff_t rows, ptrdiff_t columns);
/// y ← scale · x/√(Σx² + epsilon) per row; inverse [rows] ← 1/√(Σx² + epsilon).
void nstm_l2_norm(nstm_real t, const void *x, double scale, double epsilon, void *y, void *inverse, ptrdiff_t rows,
                  ptrdiff_t columns);
/// dx of `nstm_l2_norm`.
void nstm_l2_norm_backward(nstm_real t, const void *dy, const void *x, const void *inverse, double scale, void *dx,
                           ptrdiff_t rows, ptrdiff_t columns);

// MARK: Losses

/// losses[r] ← weights[r]·(logsumexp(x[r]) − x[r, targets[r]]), 0 where targets[r] < 0; lse[r] ← logsumexp(x[r]).
void nstm_cross_entropy(nstm_real t, const void *x, const int32_t *targets, const void *_Nullable weights, void *losses,
                        void *lse, ptrdiff_t rows, ptrdiff_t columns);
/// dx[r] ← scale·weights[r]·(softmax(x[r]) − onehot(targets[r])), 0 where targets[r] < 0.
void nstm_cross_entropy_backward(nstm_real t, double scale, const void *x, const int32_t *targets, const void *_Nullable weights,
                                 const void *lse, void *dx, ptrdiff_t rows, ptrdiff_t columns);
/// losses[r] ← weights[r]·Σ_c q_c·classes[c]·(logsumexp(x[r]) − x[r, c]), with q = (1 − smoothing)·onehot + smoothing/columns.
///
/// Null `weights` or `classes` count as 1; the loss is 0 where targets[r] < 0; lse[r] ← logsumexp(x[r]). Computed in double.
void nstm_smoothed_cross_entropy(nstm_real t, const void *x, const int32_t *targets, const void *_Nullable weights,
                                 const void *_Nullable classes, double smoothing, void *losses, void *lse, ptrdiff_t rows,
                                 ptrdiff_t columns);
/// dx of scale·Σ losses of `nstm_smoothed_cross_entropy`.
void nstm_smoothed_cross_entropy_backward(nstm_real t, double scale, const void *x, const int32_t *targets,
                                          const void *_Nullable weights, const void *_Nullable classes, double smoothing,
                                          const void *lse, void *dx, ptrdiff_t rows, ptrdiff_t columns);

// MARK: Gates and activations

/// gates ← σ(logits) for the k largest logits of each row (ties: lower index first), else exactly 0.
void nstm_top_k_gates(nstm_real t, const void *logits, void *gates, ptrdiff_t k, ptrdiff_t rows, ptrdiff_t columns);
/// y ← f(x + bias), with bias [columns] added to every row; x is overwritten.
///
/// `op` is a `nstm_unary_fast_op`: NSTM_TANH, NSTM_SIGMOID, NSTM_SILU, NSTM_GELU, NSTM_RELU or NSTM_RELU2; or negative for x ← x
/// + bias alone, without y. If `differentiate` ≠ 0, x becomes f'(x + bias). If y is null, x becomes f(x + bias), and
/// `differentiate` is 0.
void nstm_activate(nstm_real t, int op, void *x, const void *_Nullable bias, void *_Nullable y, int differentiate, ptrdiff_t rows,
                   ptrdiff_t columns);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
