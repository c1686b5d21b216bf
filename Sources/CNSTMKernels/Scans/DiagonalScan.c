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

void nstm_diagonal_scan(nstm_real t, const void *a, const void *a_im, ptrdiff_t a_stride, const void *b, const void *b_im,
    void *h, void *h_im, ptrdiff_t stride, void *state, void *state_im, ptrdiff_t length, ptrdiff_t channels) {
    ptrdiff_t planes = a_im ? 2 : 1, rows = a_stride == 0 ? 2 : 3;
    NSTM_WORK(planes * planes * length * channels, 0, planes * rows * length * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, diagonal, a, a_im, a_stride, b, b_im, h, h_im, stride, state, state_im, length, channels);
}
void nstm_diagonal_scan_backward(nstm_real t, const void *a, const void *a_im, ptrdiff_t a_stride, const void *start,
    const void *start_im, const void *h, const void *h_im, const void *dh, const void *dh_im, void *da, void *da_im, void *db,
    void *db_im, ptrdiff_t stride, void *d_state, void *d_state_im, ptrdiff_t length, ptrdiff_t channels) {
    ptrdiff_t planes = a_im ? 2 : 1, rows = (a_stride == 0 ? 2 : 4) + (dh ? 1 : 0);
    NSTM_WORK(2 * planes * planes * length * channels, 0, planes * rows * length * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, diagonal_backward, a, a_im, a_stride, start, start_im, h, h_im, dh, dh_im, da, da_im, db, db_im, stride,
        d_state, d_state_im, length, channels);
}
