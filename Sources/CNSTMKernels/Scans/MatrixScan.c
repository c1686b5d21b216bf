#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
// Only float32 has kernels compiled for certain sizes.
#define FORMS_FOR_SIZES
#include "SmallProducts.inc"
#include "MatrixChunk.inc"
#include "MatrixScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#undef FORMS_FOR_SIZES
#define REAL double
#define NSTM_SUFFIX _f64
#include "SmallProducts.inc"
#include "MatrixChunk.inc"
#include "MatrixScan.inc"

ptrdiff_t nstm_matrix_scan_padded(ptrdiff_t width) { return (width + 15) / 16 * 16; }
ptrdiff_t nstm_matrix_scan_scratch(ptrdiff_t dk, ptrdiff_t dv, int channels, int backward) {
    ptrdiff_t C = NSTM_MATRIX_CHUNK, K = nstm_matrix_scan_padded(dk), V = nstm_matrix_scan_padded(dv);
    ptrdiff_t both = C * (9 * K + 3 * V + 5 * C);
    if (!backward) return both;
    return both + C * (6 * K + 5 * V + 2 * C) + (channels ? C * C * K : 0);
}
/// Multiplications of the preparation of a chunk of m tokens, without products of matrices, which count themselves.
static ptrdiff_t prepared(const nstm_matrix_scan *p, ptrdiff_t m) {
    ptrdiff_t C = NSTM_MATRIX_CHUNK, K = nstm_matrix_scan_padded(p->dk), V = nstm_matrix_scan_padded(p->dv);
    ptrdiff_t keys = p->beta ? 2 : 1, sum = 0;
    // Decays to both ends; then weights per channel, or the decays between all pairs and their products with q·k and k·k.
    if (p->channels) sum += (keys + 1) * m * K + keys * 2 * m * p->dk * C + (p->bonus ? 2 * m * p->dk : 0);
    else sum += m + C * m + keys * m * C;
    // The triangle of the delta rule.
    if (p->beta) sum += m * (m - 1) / 2 * V + 2 * m * V;
    return sum;
}
/// The same for the forward pass after the preparation: keys decayed to the end, queries or their reads decayed from the start.
static ptrdiff_t answered(const nstm_matrix_scan *p, ptrdiff_t m) {
    ptrdiff_t K = nstm_matrix_scan_padded(p->dk), V = nstm_matrix_scan_padded(p->dv);
    return m * K + m * (p->channels ? K : V);
}
/// The same for the backward pass after the preparation.
static ptrdiff_t followed(const nstm_matrix_scan *p, int decays, ptrdiff_t m) {
    ptrdiff_t C = NSTM_MATRIX_CHUNK, K = nstm_matrix_scan_padded(p->dk), V = nstm_matrix_scan_padded(p->dv);
    ptrdiff_t delta = p->beta ? 1 : 0, below = m * (m - 1) / 2, sum = delta * (below * V + 3 * m * V);
    if (p->channels) {
        sum += (6 + 3 * delta) * m * K + K * V + 5 * m * K;
        // Pairs of tokens: keys decayed up to reads, then gradients of reads decayed back to keys.
        sum += below * K * (2 + delta) + (p->bonus ? 6 * m * p->dk : m * K);
        sum += (below + m) * K * (2 + delta) + below * K;
    } else {
        sum += m * V + (3 + 2 * delta) * m * K + m * C * (1 + delta);
        if (decays) sum += (2 + delta) * m * K + K * V + m * C * (3 + delta) + 2 * m;
    }
    return sum;
}
/// Bytes of `keys` rows of dk and `values` rows of dv per token, and of `states` times the state.
static ptrdiff_t moved(nstm_real t, const nstm_matrix_scan *p, ptrdiff_t m, ptrdiff_t keys, ptrdiff_t values, ptrdiff_t states) {
    if (p->decay) keys += p->channels ? keys / 2 : 0;
    return (m * (keys * p->dk + values * p->dv) + states * p->dk * p->dv) * NSTM_BYTES(t);
}

void nstm_matrix_scan_chunk(nstm_real t, const nstm_matrix_scan *scan, const void *start, void *end, void *o, ptrdiff_t o_stride,
    ptrdiff_t length, void *scratch) {
    NSTM_WORK(prepared(scan, length) + answered(scan, length), 0, moved(t, scan, length, 2, 2, 2));
    NSTM_DISPATCH(t, matrix_scan, scan, start, end, o, o_stride, length, scratch);
}
void nstm_matrix_scan_chunk_backward(nstm_real t, const nstm_matrix_scan *scan, const nstm_matrix_scan_gradient *to,
    const void *start, const void *d_o, ptrdiff_t o_stride, void *d_state, ptrdiff_t length, void *scratch) {
    NSTM_WORK(prepared(scan, length) + followed(scan, to->decay != 0, length), 0, moved(t, scan, length, 4, 3, 3));
    NSTM_DISPATCH(t, matrix_scan_backward, scan, to, start, d_o, o_stride, d_state, length, scratch);
}
