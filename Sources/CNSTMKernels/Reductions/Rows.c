#include "Dispatch.h"
#include "VectorMath.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowReductions.inc"
#include "Derivatives.inc"
#include "Rows.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowReductions.inc"
#include "Derivatives.inc"
#include "Rows.inc"

void nstm_softmax(nstm_real t, const void *x, void *y, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, softmax, x, y, rows, columns);
}
void nstm_softmax_backward(nstm_real t, const void *dy, const void *y, void *dx, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, softmax_backward, dy, y, dx, rows, columns);
}
void nstm_log_softmax(nstm_real t, const void *x, void *y, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, log_softmax, x, y, rows, columns);
}
void nstm_log_softmax_backward(nstm_real t, const void *dy, const void *y, void *dx, ptrdiff_t rows,
    ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, log_softmax_backward, dy, y, dx, rows, columns);
}
void nstm_norm(nstm_real t, int center, const void *x, const void *gain, const void *bias, double epsilon, void *y,
    void *mean, void *rstd, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, norm, center, x, gain, bias, epsilon, y, mean, rstd, rows, columns);
}
void nstm_norm_backward(nstm_real t, int center, const void *dy, const void *x, const void *gain, const void *mean,
    const void *rstd, void *dx, void *dgain, void *dbias, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, norm_backward, center, dy, x, gain, mean, rstd, dx, dgain, dbias, rows, columns);
}
void nstm_gated_norm(nstm_real t, const void *x, const void *gain, const void *gate, double epsilon, void *y,
    void *rstd, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, gated_norm, x, gain, gate, epsilon, y, rstd, rows, columns);
}
void nstm_gated_norm_backward(nstm_real t, const void *dy, const void *x, const void *gain, const void *gate,
    const void *rstd, void *dx, void *dgain, void *dgate, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 5);
    NSTM_DISPATCH(t, gated_norm_backward, dy, x, gain, gate, rstd, dx, dgain, dgate, rows, columns);
}
void nstm_l2_norm(nstm_real t, const void *x, double scale, double epsilon, void *y, void *inverse, ptrdiff_t rows,
    ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, l2_norm, x, scale, epsilon, y, inverse, rows, columns);
}
void nstm_l2_norm_backward(nstm_real t, const void *dy, const void *x, const void *inverse, double scale, void *dx,
    ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, l2_norm_backward, dy, x, inverse, scale, dx, rows, columns);
}
void nstm_cross_entropy(nstm_real t, const void *x, const int32_t *targets, const void *weights, void *losses,
    void *lse, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 1);
    NSTM_DISPATCH(t, cross_entropy, x, targets, weights, losses, lse, rows, columns);
}
void nstm_cross_entropy_backward(nstm_real t, double scale, const void *x, const int32_t *targets,
    const void *weights, const void *lse, void *dx, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, cross_entropy_backward, scale, x, targets, weights, lse, dx, rows, columns);
}
void nstm_top_k_gates(nstm_real t, const void *logits, void *gates, ptrdiff_t k, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, top_k_gates, logits, gates, k, rows, columns);
}
void nstm_activate(nstm_real t, int op, void *x, const void *bias, void *y, int differentiate, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, op < 0 ? 2 : differentiate ? 3 : 2);
    NSTM_DISPATCH(t, activate, op, x, bias, y, differentiate, rows, columns);
}
