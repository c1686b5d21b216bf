#include "Dispatch.h"
#include "Vectors.h"

// Vectors that the bodies need for each state: h and A; and A, dA, g, part, db, dc, dw, and the states and decays of a chunk.
enum { SELECTIVE_ROWS = 2, SELECTIVE_ROWS_BACKWARD = 7 + 2 * NSTM_SELECTIVE_CHUNK + 1 };

#define REAL float
#define NSTM_SUFFIX _f32
#include "SelectiveScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "SelectiveScan.inc"

/// Number of (token, state) pairs that are decayed and written: those whose step is not 0.
static ptrdiff_t stepped(nstm_real t, const nstm_selective_scan *p) {
    ptrdiff_t count = p->length * p->n, written = 0;
    if (!p->step) return count;
    for (ptrdiff_t i = 0; i < count; i++) written += t == NSTM_F32 ? ((const float *)p->step)[i] != 0 : ((const double *)p->step)[i] != 0;
    return written;
}

ptrdiff_t nstm_selective_scan_scratch(ptrdiff_t n, int backward) {
    return (backward ? SELECTIVE_ROWS_BACKWARD : SELECTIVE_ROWS) * n * 16;
}
void nstm_selective_scan_forward(nstm_real t, const nstm_selective_scan *scan, void *y, ptrdiff_t y_stride, void *state,
    void *starts, void *scratch) {
    // Per token, channel and state C·h, and, if it is written, ΔA, a·h, B·Δx and the step; per token and channel Δx and D·x.
    ptrdiff_t pairs = scan->length * scan->channels, rows = scan->length * scan->n, own = scan->step ? 1 : 0;
    NSTM_WORK(pairs * (scan->n + 2) + scan->channels * (3 + own) * stepped(t, scan), scan->channels * stepped(t, scan),
        (3 * pairs + (2 + own) * rows) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, selective, scan, y, y_stride, state, starts, scratch);
}
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *scan, const nstm_selective_gradient *to, const void *dy,
    ptrdiff_t dy_stride, const void *starts, void *scratch) {
    // The states of a chunk again (3 and 1), then the products of the comment above the kernel (8 and 5), of which 2 also if the
    // state is not written; steps of states add four products.
    ptrdiff_t pairs = scan->length * scan->channels, rows = scan->length * scan->n, own = scan->step ? 1 : 0;
    NSTM_WORK(pairs * (2 * scan->n + 6) + scan->channels * (9 + 4 * own) * stepped(t, scan), scan->channels * stepped(t, scan),
        (5 * pairs + (4 + 2 * own) * rows) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, selective_backward, scan, to, dy, dy_stride, starts, scratch);
}
