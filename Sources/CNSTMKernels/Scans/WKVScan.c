#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "WKVScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "WKVScan.inc"

void nstm_wkv_scan(nstm_real t, const void *w, const void *u, const void *k, const void *v, void *y, ptrdiff_t stride,
    void *state, void *starts, ptrdiff_t row, ptrdiff_t length, ptrdiff_t channels) {
    NSTM_WORK(6 * length * channels, length * channels, 3 * length * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, wkv, w, u, k, v, y, stride, state, starts, row, length, channels);
}
void nstm_wkv_scan_backward(nstm_real t, const void *w, const void *u, const void *k, const void *v, const void *dy, void *dw,
    void *du, void *dk, void *dv, ptrdiff_t stride, void *d_state, const void *starts, ptrdiff_t row, ptrdiff_t length,
    ptrdiff_t channels) {
    NSTM_WORK(28 * length * channels, length * channels, 5 * length * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, wkv_backward, w, u, k, v, dy, dw, du, dk, dv, stride, d_state, starts, row, length, channels);
}
