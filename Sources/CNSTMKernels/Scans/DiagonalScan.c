#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "DiagonalScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "DiagonalScan.inc"

void nstm_diagonal_scan_forward(nstm_real t, const nstm_diagonal_scan *scan, void *h, void *h_im, void *state, void *state_im) {
    ptrdiff_t planes = scan->a_im ? 2 : 1, rows = scan->a_stride == 0 ? 2 : 3, n = scan->length * scan->channels;
    NSTM_WORK(planes * planes * n, 0, planes * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, diagonal, scan, h, h_im, state, state_im);
}
void nstm_diagonal_scan_backward(nstm_real t, const nstm_diagonal_scan *scan, const nstm_diagonal_states *states,
                                 const nstm_diagonal_gradient *to) {
    ptrdiff_t planes = scan->a_im ? 2 : 1, rows = (scan->a_stride == 0 ? 2 : 4) + (states->dh ? 1 : 0);
    ptrdiff_t n = scan->length * scan->channels;
    NSTM_WORK(2 * planes * planes * n, 0, planes * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, diagonal_backward, scan, states, to);
}
