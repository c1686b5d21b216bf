#include "Dispatch.h"
#include "Common.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "FourierLanes.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "FourierLanes.inc"

void nstm_lanes_load(nstm_real t, const void *re, const void *im, ptrdiff_t stride, ptrdiff_t length, ptrdiff_t channels,
    ptrdiff_t n, void *out) {
    NSTM_MOVED(length * channels * (im ? 2 : 1) * NSTM_BYTES(t) + 64 * n);
    NSTM_DISPATCH(t, lanes_load, re, im, stride, length, channels, n, out);
}
void nstm_lanes_store(nstm_real t, const void *x, double scale, void *re, void *im, ptrdiff_t stride, ptrdiff_t length,
    ptrdiff_t channels) {
    NSTM_MOVED(length * channels * (im ? 2 : 1) * 2 * NSTM_BYTES(t));
    NSTM_DISPATCH(t, lanes_store, x, scale, re, im, stride, length, channels);
}
void nstm_lanes_multiply(nstm_real t, const void *x, const void *y, int conjugate, int accumulate, void *out, ptrdiff_t n) {
    NSTM_WORK(4 * n * (32 / NSTM_BYTES(t)), 0, 64 * (accumulate ? 4 : 3) * n);
    NSTM_DISPATCH(t, lanes_multiply, x, y, conjugate, accumulate, out, n);
}
