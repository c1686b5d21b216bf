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
    // For each token, channel and state ΔA, a·h, B·Δx and C·h; for each token and channel Δx and D·x.
    ptrdiff_t pairs = scan->length * scan->channels;
    NSTM_WORK(pairs * (4 * scan->n + 2), pairs * scan->n, (3 * pairs + 2 * scan->length * scan->n) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, selective, scan, y, y_stride, state, starts);
}
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *scan, const nstm_selective_gradient *to, const void *dy,
    ptrdiff_t dy_stride, const void *starts) {
    // The states of a chunk again (3 and 1), then what the comment above the kernel lists (8 and 5).
    ptrdiff_t pairs = scan->length * scan->channels;
    NSTM_WORK(pairs * (11 * scan->n + 6), pairs * scan->n, (5 * pairs + 4 * scan->length * scan->n) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, selective_backward, scan, to, dy, dy_stride, starts);
}
