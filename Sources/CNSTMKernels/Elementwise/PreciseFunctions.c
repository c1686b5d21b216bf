#include "VectorMath.h"
#include "Dispatch.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "PreciseFunctions.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "PreciseFunctions.inc"

void nstm_unary_precise(nstm_real t, nstm_unary_precise_op op, double parameter, const void *x, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 2);
    NSTM_DISPATCH(t, unary_precise, op, parameter, x, y, n);
}
void nstm_unary_precise_backward(nstm_real t, nstm_unary_precise_op op, double parameter, const void *dy, const void *x, void *dx, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, unary_precise_backward, op, parameter, dy, x, dx, n);
}
void nstm_binary_precise(nstm_real t, nstm_binary_precise_op op, double parameter, const void *x, const void *target, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, binary_precise, op, parameter, x, target, y, n);
}
void nstm_smoothed_cross_entropy(nstm_real t, const void *x, const int32_t *targets, const void *weights, const void *classes,
                                 double smoothing, void *losses, void *lse, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 1);
    NSTM_DISPATCH(t, smoothed_cross_entropy, x, targets, weights, classes, smoothing, losses, lse, rows, columns);
}
void nstm_smoothed_cross_entropy_backward(nstm_real t, double scale, const void *x, const int32_t *targets, const void *weights,
                                          const void *classes, double smoothing, const void *lse, void *dx, ptrdiff_t rows,
                                          ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, smoothed_cross_entropy_backward, scale, x, targets, weights, classes, smoothing, lse, dx, rows, columns);
}
