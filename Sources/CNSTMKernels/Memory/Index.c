#include "Dispatch.h"
#include "Common.h"

NSTM_KERNEL static int any_outside(const int32_t *indices, ptrdiff_t n, int32_t bound) {
    // As unsigned numbers, negative indices are large.
    int bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) bad |= (uint32_t)indices[i] >= (uint32_t)bound;
    return bad;
}
ptrdiff_t nstm_first_outside(const int32_t *indices, ptrdiff_t n, int32_t bound) {
    NSTM_WORK(0, n, 4 * n);
    if (!any_outside(indices, n, bound)) return -1;
    ptrdiff_t i = 0;
    while (indices[i] >= 0 && indices[i] < bound) i++;
    return i;
}

// Rows of bytes may have any alignment.
typedef uint32_t loose_32 __attribute__((aligned(1)));
typedef uint64_t loose_64 __attribute__((aligned(1)));
void nstm_take_rows(ptrdiff_t row_bytes, const void *x, const int32_t *indices, void *y, ptrdiff_t m) {
    NSTM_MOVED(m * (2 * row_bytes + 4));
    if (row_bytes == 4) {
        const loose_32 *from = x;
        loose_32 *to = y;
        for (ptrdiff_t i = 0; i < m; i++) to[i] = from[indices[i]];
    } else if (row_bytes == 8) {
        const loose_64 *from = x;
        loose_64 *to = y;
        for (ptrdiff_t i = 0; i < m; i++) to[i] = from[indices[i]];
    } else {
        const char *from = x;
        char *to = y;
        for (ptrdiff_t i = 0; i < m; i++, to += row_bytes) memcpy(to, from + indices[i] * row_bytes, (size_t)row_bytes);
    }
}

// If there is one column, the inner loop runs over indices.
#define LOOP(statement)                                                     \
    if (inner == 1)                                                         \
        for (ptrdiff_t o = 0; o < outer; o++)                               \
            for (ptrdiff_t k = 0; k < m; k++) {                             \
                const int32_t *at = indices + o * m + k;                    \
                const ptrdiff_t inner = 1, j = 0;                           \
                statement;                                                  \
            }                                                               \
    else                                                                    \
        for (ptrdiff_t o = 0; o < outer; o++)                               \
            for (ptrdiff_t k = 0; k < m; k++) {                             \
                const int32_t *at = indices + (o * m + k) * inner;          \
                for (ptrdiff_t j = first; j < last; j++) { statement; }     \
            }
#define MOVE(TYPE, statement)                                               \
    {                                                                       \
        const TYPE *x = from;                                               \
        TYPE *y = to;                                                       \
        LOOP(statement)                                                     \
        break;                                                              \
    }
#define MOVES(statement)                                                    \
    switch (element_bytes) {                                                \
    case 4: MOVE(uint32_t, statement)                                       \
    case 8: MOVE(uint64_t, statement)                                       \
    default: MOVE(uint8_t, statement)                                       \
    }
NSTM_KERNEL static void gather(ptrdiff_t element_bytes, const void *from, const int32_t *indices, void *to, ptrdiff_t outer,
                               ptrdiff_t n, ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    MOVES(y[(o * m + k) * inner + j] = x[(o * n + at[j]) * inner + j])
}
void nstm_gather(ptrdiff_t element_bytes, const void *from, const int32_t *indices, void *to, ptrdiff_t outer, ptrdiff_t n,
                 ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_MOVED(outer * m * (inner == 1 ? 1 : last - first) * (2 * element_bytes + 4));
    gather(element_bytes, from, indices, to, outer, n, m, inner, first, last);
}
void nstm_scatter(ptrdiff_t element_bytes, const void *from, const int32_t *indices, void *to, ptrdiff_t outer, ptrdiff_t n,
                  ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_MOVED(outer * m * (inner == 1 ? 1 : last - first) * (2 * element_bytes + 4));
    MOVES(y[(o * n + at[j]) * inner + j] = x[(o * m + k) * inner + j])
}
void nstm_scatter_add(nstm_real t, const void *from, const int32_t *indices, void *to, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m,
                      ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {
    NSTM_WORK(0, outer * m * (inner == 1 ? 1 : last - first),
        outer * m * (inner == 1 ? 1 : last - first) * (3 * NSTM_BYTES(t) + 4));
    switch (t) {
    case NSTM_F32: MOVE(float, y[(o * n + at[j]) * inner + j] += x[(o * m + k) * inner + j])
    case NSTM_F64: MOVE(double, y[(o * n + at[j]) * inner + j] += x[(o * m + k) * inner + j])
    }
}

/// Returns the number of rows that were added.
#define ADD_ROWS(name, REAL)                                                                                              \
    NSTM_KERNEL static ptrdiff_t name(REAL alpha, const REAL *restrict x, const int32_t *restrict indices, ptrdiff_t m,   \
                                      int32_t low, int32_t high, REAL *restrict y, ptrdiff_t columns) {                   \
        ptrdiff_t added = 0;                                                                                              \
        for (ptrdiff_t i = 0; i < m; i++, x += columns) {                                                                 \
            if (indices[i] < low || indices[i] >= high) continue;                                                         \
            REAL *row = y + indices[i] * columns;                                                                         \
            for (ptrdiff_t j = 0; j < columns; j++) row[j] += alpha * x[j];                                               \
            added++;                                                                                                      \
        }                                                                                                                 \
        return added;                                                                                                     \
    }
ADD_ROWS(add_rows_f32, float)
ADD_ROWS(add_rows_f64, double)
void nstm_add_rows(nstm_real t, double alpha, const void *x, const int32_t *indices, ptrdiff_t m, int32_t low, int32_t high,
                   void *y, ptrdiff_t columns) {
    ptrdiff_t added = t == NSTM_F32 ? add_rows_f32((float)alpha, x, indices, m, low, high, y, columns)
                                    : add_rows_f64(alpha, x, indices, m, low, high, y, columns);
    NSTM_ELEMENTS(t, added * columns, 3);
}
