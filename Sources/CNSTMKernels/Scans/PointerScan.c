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

void nstm_pointer_scan(nstm_real t, const void *write_moves, const void *read_moves, const int32_t *order, ptrdiff_t count,
                       const void *start, void *w, void *r, ptrdiff_t length, ptrdiff_t positions) {
    // Two products per position of the write head, four per position of the read head.
    NSTM_WORK(6 * length * count, 0, 4 * length * positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer, write_moves, read_moves, order, count, start, w, r, length, positions);
}
void nstm_pointer_scan_backward(nstm_real t, const void *write_moves, const void *read_moves, const int32_t *order,
                                ptrdiff_t count, const void *start, const void *w, const void *r, const void *dw, const void *dr,
                                void *d_write_moves, void *d_read_moves, void *d_start, ptrdiff_t length, ptrdiff_t positions) {
    NSTM_WORK(12 * length * count, 0, (4 + (dw ? 1 : 0) + (dr ? 1 : 0)) * length * positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer_backward, write_moves, read_moves, order, count, start, w, r, dw, dr, d_write_moves, d_read_moves,
                  d_start, length, positions);
}
