#include "Both.h"
#include "Math.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Optimizer.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Optimizer.inc"

void nstm_adamw(nstm_real t, void *p, const void *g, void *m, void *v, double g_scale, double rate, double beta1,
    double beta2, double epsilon, double decay, double correction1, double correction2, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 7);
    NSTM_DISPATCH(t, adamw, p, g, m, v, g_scale, rate, beta1, beta2, epsilon, decay, correction1, correction2, n);
}
void nstm_sgd(nstm_real t, void *p, const void *g, void *m, double g_scale, double rate, double momentum,
    int nesterov, double decay, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, m ? 5 : 3);
    NSTM_DISPATCH(t, sgd, p, g, m, g_scale, rate, momentum, nesterov, decay, n);
}
void nstm_rmsprop(nstm_real t, void *p, const void *g, void *square, void *mean, void *step, double g_scale,
    double rate, double rho, double momentum, double epsilon, double decay, ptrdiff_t n) {
    NSTM_ELEMENTS(t, n, 9);
    NSTM_DISPATCH(t, rmsprop, p, g, square, mean, step, g_scale, rate, rho, momentum, epsilon, decay, n);
}
