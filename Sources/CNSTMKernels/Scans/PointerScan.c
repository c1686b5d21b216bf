#include "Dispatch.h"
#include "Common.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "PointerScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "PointerScan.inc"

void nstm_pointer_scan_forward(nstm_real t, const nstm_pointer_scan *scan, void *w, void *r) {
    // Two products per position of the write head, four per position of the read head.
    NSTM_WORK(6 * scan->length * scan->count, 0, 4 * scan->length * scan->positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer, scan, w, r);
}
void nstm_pointer_scan_backward(nstm_real t, const nstm_pointer_scan *scan, const nstm_pointer_gradient *to, const void *w,
                                const void *r, const void *dw, const void *dr) {
    NSTM_WORK(12 * scan->length * scan->count, 0,
              (4 + (dw ? 1 : 0) + (dr ? 1 : 0)) * scan->length * scan->positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer_backward, scan, to, w, r, dw, dr);
}
