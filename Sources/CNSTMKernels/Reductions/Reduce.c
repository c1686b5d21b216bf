#include "Dispatch.h"
#include "VectorMath.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Reduce.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Reduce.inc"

double nstm_sum(nstm_real t, const void *x, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 1);
    NSTM_DISPATCH_RETURN(t, sum, x, n);
}
double nstm_sum_squares(nstm_real t, const void *x, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 1);
    NSTM_DISPATCH_RETURN(t, dot, x, x, n);
}
ptrdiff_t nstm_first_nonfinite(nstm_real t, const void *x, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 1);
    NSTM_DISPATCH_RETURN(t, first_nonfinite, x, n);
}
void nstm_sum_axis(nstm_real t, const void *x, void *y, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner, int accumulate) {
    NSTM_WORK(0, outer * reduce * inner, outer * (reduce + (accumulate ? 2 : 1)) * inner * NSTM_BYTES(t));
    NSTM_DISPATCH(t, sum_axis, x, y, outer, reduce, inner, accumulate);
}
void nstm_extreme_axis(nstm_real t, int least, const void *x, void *y, int32_t *arg, ptrdiff_t outer, ptrdiff_t reduce,
                       ptrdiff_t inner) {
    NSTM_WORK(0, outer * reduce * inner, outer * inner * ((reduce + 1) * NSTM_BYTES(t) + 4));
    NSTM_DISPATCH(t, extreme_axis, least, x, y, arg, outer, reduce, inner);
}
void nstm_reduce(nstm_real t, nstm_reduction op, const void *x, const double *shift, double *y, ptrdiff_t outer,
                 ptrdiff_t reduce_count, ptrdiff_t inner, ptrdiff_t low, ptrdiff_t high) {
    NSTM_WORK(0, outer * reduce_count * (inner == 1 ? 1 : high - low),
        outer * (inner == 1 ? 1 : high - low) * (reduce_count * NSTM_BYTES(t) + 8));
    NSTM_DISPATCH(t, reduce, op, x, shift, y, outer, reduce_count, inner, low, high);
}
void nstm_reduce_backward(nstm_real t, nstm_reduction_gradient op, double p, const double *factor, const void *x, const double *shift,
                          void *dx, ptrdiff_t outer, ptrdiff_t reduce_count, ptrdiff_t inner) {
    NSTM_ELEMENTS(t, outer * reduce_count * inner, 2);
    NSTM_DISPATCH(t, reduce_backward, op, p, factor, x, shift, dx, outer, reduce_count, inner);
}
void nstm_product_backward(nstm_real t, const double *g, const void *x, void *dx, double *scratch, ptrdiff_t outer,
                           ptrdiff_t reduce_count, ptrdiff_t inner) {
    NSTM_ELEMENTS(t, outer * reduce_count * inner, 2);
    NSTM_DISPATCH(t, product_backward, g, x, dx, scratch, outer, reduce_count, inner);
}
