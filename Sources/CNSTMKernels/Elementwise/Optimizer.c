#include "Dispatch.h"
#include "VectorMath.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Optimizer.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Optimizer.inc"

void nstm_adamw_step(nstm_real t, const nstm_adamw *settings, void *p, const void *g, void *m, void *v, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 7);
    NSTM_DISPATCH(t, adamw, settings, p, g, m, v, n);
}
void nstm_sgd_step(nstm_real t, const nstm_sgd *settings, void *p, const void *g, void *m, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, m ? 5 : 3);
    NSTM_DISPATCH(t, sgd, settings, p, g, m, n);
}
void nstm_rmsprop_step(nstm_real t, const nstm_rmsprop *settings, void *p, const void *g, void *square, void *mean, void *step,
                       ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 9);
    NSTM_DISPATCH(t, rmsprop, settings, p, g, square, mean, step, n);
}
