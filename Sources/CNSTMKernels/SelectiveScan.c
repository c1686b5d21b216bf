#include "Both.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "SelectiveScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "SelectiveScan.inc"

void nstm_selective_scan_forward(nstm_real t, const nstm_selective_scan *scan, void *y, ptrdiff_t y_stride, void *state,
    void *starts) {
    NSTM_DISPATCH(t, selective, scan, y, y_stride, state, starts);
}
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *scan, const nstm_selective_gradient *to, const void *dy,
    ptrdiff_t dy_stride, const void *starts) {
    NSTM_DISPATCH(t, selective_backward, scan, to, dy, dy_stride, starts);
}
