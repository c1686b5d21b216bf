#include "Both.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "MatrixChunk.inc"
#include "MatrixScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "MatrixChunk.inc"
#include "MatrixScan.inc"

ptrdiff_t nstm_matrix_scan_padded(ptrdiff_t width) { return (width + 15) / 16 * 16; }
ptrdiff_t nstm_matrix_scan_scratch(ptrdiff_t dk, ptrdiff_t dv, int channels, int backward) {
    ptrdiff_t C = NSTM_MATRIX_CHUNK, K = nstm_matrix_scan_padded(dk), V = nstm_matrix_scan_padded(dv);
    ptrdiff_t both = C * (11 * K + 3 * V + 5 * C);
    if (!backward) return both;
    return both + C * (8 * K + 4 * V + 5 * C) + 2 * K * V + (channels ? C * C * K : 0);
}
void nstm_matrix_scan_chunk(nstm_real t, const nstm_matrix_scan *scan, const void *start, void *end, void *o, ptrdiff_t o_stride,
    ptrdiff_t length, void *scratch) {
    NSTM_DISPATCH(t, matrix_scan, scan, start, end, o, o_stride, length, scratch);
}
void nstm_matrix_scan_chunk_backward(nstm_real t, const nstm_matrix_scan *scan, const nstm_matrix_scan_gradient *to,
    const void *start, const void *d_o, ptrdiff_t o_stride, void *d_state, ptrdiff_t length, void *scratch) {
    NSTM_DISPATCH(t, matrix_scan_backward, scan, to, start, d_o, o_stride, d_state, length, scratch);
}
