#include "Dispatch.h"
#include "VectorMath.h"

/// Columns per tile, so that the running values fit on the stack; rows per tile if there is one column.
enum { SCAN_TILE = 64, SCAN_ROWS = 8 };

// A scan starts at the first element in its direction and advances by `step`. If there are several columns, neighboring columns
// are vectorized; if there is one, several rows are scanned together, so that their sums do not wait for each other.
#define SCAN(tile, ...)                                                                                             \
    if (inner == 1) {                                                                                               \
        ptrdiff_t step = reversed ? -1 : 1, o = 0;                                                                  \
        for (; o + SCAN_ROWS <= outer; o += SCAN_ROWS) {                                                            \
            ptrdiff_t at = o * n + (reversed ? n - 1 : 0);                                                          \
            tile(__VA_ARGS__, at, n, step, n, SCAN_ROWS);                                                           \
        }                                                                                                           \
        for (; o < outer; o++) {                                                                                    \
            ptrdiff_t at = o * n + (reversed ? n - 1 : 0);                                                          \
            tile(__VA_ARGS__, at, n, step, n, 1);                                                                   \
        }                                                                                                           \
    } else {                                                                                                        \
        ptrdiff_t step = reversed ? -inner : inner;                                                                 \
        for (ptrdiff_t o = 0; o < outer; o++)                                                                       \
            for (ptrdiff_t c = first; c < last; c += SCAN_TILE) {                                                   \
                ptrdiff_t at = (o * n + (reversed ? n - 1 : 0)) * inner + c;                                        \
                tile(__VA_ARGS__, at, n, step, 1, last - c < SCAN_TILE ? last - c : SCAN_TILE);                     \
            }                                                                                                       \
    }

#define REAL float
#define NSTM_SUFFIX _f32
#include "Cumulative.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Cumulative.inc"

void nstm_cumulate(nstm_real t, nstm_cumulation op, int reversed, const void *x, void *y, ptrdiff_t outer, ptrdiff_t n,
                   ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_ELEMENTS(t, outer * n * (inner == 1 ? 1 : last - first), 2);
    NSTM_DISPATCH(t, cumulate, op, reversed, x, y, outer, n, inner, first, last);
}
void nstm_cumulate_max(nstm_real t, int reversed, const void *x, void *y, int32_t *indices, ptrdiff_t outer, ptrdiff_t n,
                       ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_WORK(0, outer * n * (inner == 1 ? 1 : last - first),
        outer * n * (inner == 1 ? 1 : last - first) * (2 * NSTM_BYTES(t) + 4));
    NSTM_DISPATCH(t, cumulate_max, reversed, x, y, indices, outer, n, inner, first, last);
}
void nstm_cumulate_backward(nstm_real t, nstm_cumulation op, int reversed, const void *dy, const void *x, const void *y, void *dx,
                            ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_ELEMENTS(t, outer * n * (inner == 1 ? 1 : last - first), op == NSTM_CUMULATIVE_SUM ? 2 : 4);
    // The backward pass runs in the opposite direction.
    NSTM_DISPATCH(t, cumulate_backward, op, !reversed, dy, x, y, dx, outer, n, inner, first, last);
}
