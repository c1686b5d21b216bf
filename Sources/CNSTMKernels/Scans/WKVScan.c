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

void nstm_wkv_scan_forward(nstm_real t, const nstm_wkv_scan *scan, void *y, void *state, void *starts) {
    ptrdiff_t n = scan->length * scan->channels;
    NSTM_WORK(6 * n, n, 3 * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, wkv, scan, y, state, starts);
}
void nstm_wkv_scan_backward(nstm_real t, const nstm_wkv_scan *scan, const nstm_wkv_gradient *to, const void *dy,
                            const void *starts) {
    ptrdiff_t n = scan->length * scan->channels;
    NSTM_WORK(28 * n, n, 5 * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, wkv_backward, scan, to, dy, starts);
}
