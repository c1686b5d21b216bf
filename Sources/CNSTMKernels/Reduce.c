#include "Both.h"
#include "Math.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Reduce.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Reduce.inc"

double nstm_sum(nstm_real t, const void *x, ptrdiff_t n) { NSTM_DISPATCH_RETURN(t, sum, x, n); }
double nstm_sum_squares(nstm_real t, const void *x, ptrdiff_t n) { NSTM_DISPATCH_RETURN(t, dot, x, x, n); }
ptrdiff_t nstm_first_nonfinite(nstm_real t, const void *x, ptrdiff_t n) { NSTM_DISPATCH_RETURN(t, first_nonfinite, x, n); }
void nstm_sum_axis(nstm_real t, const void *x, void *y, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner, int accumulate) {
    NSTM_DISPATCH(t, sum_axis, x, y, outer, reduce, inner, accumulate);
}
void nstm_max_axis(nstm_real t, const void *x, void *y, int32_t *arg, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner) {
    NSTM_DISPATCH(t, max_axis, x, y, arg, outer, reduce, inner);
}
