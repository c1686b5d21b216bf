#include "Dispatch.h"
#include "VectorMath.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Derivatives.inc"
#include "FastFunctions.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Derivatives.inc"
#include "FastFunctions.inc"

void nstm_unary_fast(nstm_real t, nstm_unary_fast_op op, const void *x, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 2);
    NSTM_DISPATCH(t, unary_fast, op, x, y, n);
}
void nstm_unary_fast_backward(nstm_real t, nstm_unary_fast_op op, const void *dy, const void *x, const void *y, void *dx, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, unary_fast_backward, op, dy, x, y, dx, n);
}
void nstm_unary_fast_with_derivative(nstm_real t, nstm_unary_fast_op op, const void *x, void *y, void *derivative, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, unary_fast_with_derivative, op, x, y, derivative, n);
}
void nstm_binary_broadcast(nstm_real t, nstm_binary_broadcast_op op, const void *a, ptrdiff_t ao, ptrdiff_t ai, const void *b, ptrdiff_t bo,
              ptrdiff_t bi, void *y, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, binary_broadcast, op, a, ao, ai, b, bo, bi, y, rows, columns);
}
void nstm_affine(nstm_real t, double alpha, const void *x, double beta, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 2);
    NSTM_DISPATCH(t, affine, alpha, x, beta, y, n);
}
void nstm_axpy(nstm_real t, double alpha, const void *x, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, axpy, alpha, x, y, n);
}
void nstm_clamp(nstm_real t, const void *x, double low, double high, void *y, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 2);
    NSTM_DISPATCH(t, clamp, x, low, high, y, n);
}
void nstm_clamp_backward(nstm_real t, const void *dy, const void *x, double low, double high, void *dx, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, clamp_backward, dy, x, low, high, dx, n);
}
