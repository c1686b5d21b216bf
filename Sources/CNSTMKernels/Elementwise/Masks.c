#include "Common.h"

// A row of two operands: the common strides are constants, so that their loops vectorize; the last case is general.
#define ROWS(a, b, row)                                                          \
    for (ptrdiff_t r = 0; r < rows; r++, a += a_outer, b += b_outer, y += columns) { \
        if (a_inner == 1 && b_inner == 1) row(a, 1, b, 1);                       \
        else if (a_inner == 1 && b_inner == 0) row(a, 1, b, 0);                  \
        else if (a_inner == 0 && b_inner == 1) row(a, 0, b, 1);                  \
        else row(a, a_inner, b, b_inner);                                        \
    }

#define COMPARE(name, TYPE)                                                                                              \
    NSTM_KERNEL static void name(nstm_comparison op, const TYPE *restrict a, ptrdiff_t a_outer, ptrdiff_t a_inner,       \
                                 const TYPE *restrict b, ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *restrict y,      \
                                 ptrdiff_t rows, ptrdiff_t columns) {                                                    \
        switch (op) {                                                                                                    \
        case NSTM_EQ: ROWS(a, b, ROW_EQ) break;                                                                          \
        case NSTM_NE: ROWS(a, b, ROW_NE) break;                                                                          \
        case NSTM_LT: ROWS(a, b, ROW_LT) break;                                                                          \
        case NSTM_LE: ROWS(a, b, ROW_LE) break;                                                                          \
        }                                                                                                                \
    }
#define ROW(p, i, op, q, j) for (ptrdiff_t c = 0; c < columns; c++) y[c] = (p)[c * (i)] op (q)[c * (j)]
#define ROW_EQ(p, i, q, j) ROW(p, i, ==, q, j)
#define ROW_NE(p, i, q, j) ROW(p, i, !=, q, j)
#define ROW_LT(p, i, q, j) ROW(p, i, <, q, j)
#define ROW_LE(p, i, q, j) ROW(p, i, <=, q, j)
COMPARE(compare_f32, float)
COMPARE(compare_f64, double)
COMPARE(compare_i32, int32_t)
COMPARE(compare_u8, uint8_t)

void nstm_compare(nstm_dtype t, nstm_comparison op, const void *a, ptrdiff_t a_outer, ptrdiff_t a_inner, const void *b,
                  ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *y, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_WORK(0, rows * columns,
        rows * columns * (2 * (t == NSTM_FLOAT64 ? 8 : t == NSTM_UINT8 || t == NSTM_BOOL ? 1 : 4) + 1));
    switch (t) {
    case NSTM_FLOAT32: compare_f32(op, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    case NSTM_FLOAT64: compare_f64(op, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    case NSTM_INT32: compare_i32(op, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    case NSTM_UINT8:
    case NSTM_BOOL: compare_u8(op, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    }
}

#define TRUTHS(p, i, op, q, j) for (ptrdiff_t c = 0; c < columns; c++) y[c] = ((p)[c * (i)] != 0) op ((q)[c * (j)] != 0)
#define ROW_AND(p, i, q, j) TRUTHS(p, i, &, q, j)
#define ROW_OR(p, i, q, j) TRUTHS(p, i, |, q, j)
#define ROW_XOR(p, i, q, j) TRUTHS(p, i, ^, q, j)
NSTM_KERNEL static void combine(nstm_logic op, const uint8_t *restrict a, ptrdiff_t a_outer, ptrdiff_t a_inner,
                                const uint8_t *restrict b, ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *restrict y,
                                ptrdiff_t rows, ptrdiff_t columns) {
    switch (op) {
    case NSTM_AND: ROWS(a, b, ROW_AND) break;
    case NSTM_OR: ROWS(a, b, ROW_OR) break;
    case NSTM_XOR: ROWS(a, b, ROW_XOR) break;
    }
}
void nstm_combine(nstm_logic op, const uint8_t *a, ptrdiff_t a_outer, ptrdiff_t a_inner, const uint8_t *b, ptrdiff_t b_outer,
                  ptrdiff_t b_inner, uint8_t *y, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_WORK(0, rows * columns, 3 * rows * columns);
    combine(op, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns);
}

#define CHOOSE(p, i, q, j)                                                                                      \
    if (m_inner == 1) for (ptrdiff_t c = 0; c < columns; c++) y[c] = mask[c] ? (p)[c * (i)] : (q)[c * (j)];     \
    else for (ptrdiff_t c = 0; c < columns; c++) y[c] = mask[c * m_inner] ? (p)[c * (i)] : (q)[c * (j)]
#define SELECT(name, TYPE)                                                                                               \
    NSTM_KERNEL static void name(const uint8_t *restrict mask, ptrdiff_t m_outer, ptrdiff_t m_inner, const TYPE *a,      \
                                 ptrdiff_t a_outer, ptrdiff_t a_inner, const TYPE *b, ptrdiff_t b_outer,                 \
                                 ptrdiff_t b_inner, TYPE *restrict y, ptrdiff_t rows, ptrdiff_t columns) {               \
        for (ptrdiff_t r = 0; r < rows; r++, mask += m_outer, a += a_outer, b += b_outer, y += columns) {                \
            if (a_inner == 1 && b_inner == 1) { CHOOSE(a, 1, b, 1); }                                                    \
            else if (a_inner == 1 && b_inner == 0) { CHOOSE(a, 1, b, 0); }                                               \
            else if (a_inner == 0 && b_inner == 1) { CHOOSE(a, 0, b, 1); }                                               \
            else { CHOOSE(a, a_inner, b, b_inner); }                                                                     \
        }                                                                                                                \
    }
SELECT(select_4, uint32_t)
SELECT(select_8, uint64_t)
SELECT(select_1, uint8_t)
void nstm_select(ptrdiff_t element_bytes, const uint8_t *mask, ptrdiff_t m_outer, ptrdiff_t m_inner, const void *a,
                 ptrdiff_t a_outer, ptrdiff_t a_inner, const void *b, ptrdiff_t b_outer, ptrdiff_t b_inner, void *y,
                 ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_WORK(0, rows * columns, rows * columns * (3 * element_bytes + 1));
    switch (element_bytes) {
    case 4: select_4(mask, m_outer, m_inner, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    case 8: select_8(mask, m_outer, m_inner, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    default: select_1(mask, m_outer, m_inner, a, a_outer, a_inner, b, b_outer, b_inner, y, rows, columns); break;
    }
}

NSTM_KERNEL static void combine_axis(int all, const uint8_t *restrict x, uint8_t *restrict y, ptrdiff_t outer, ptrdiff_t reduce,
                                     ptrdiff_t inner) {
    for (ptrdiff_t o = 0; o < outer; o++, x += reduce * inner, y += inner) {
        if (inner == 1) {
            uint8_t found = 0;
            for (ptrdiff_t r = 0; r < reduce; r++) found |= (x[r] != 0) != all;
            y[0] = found != all;
            continue;
        }
        for (ptrdiff_t i = 0; i < inner; i++) y[i] = (uint8_t)all;
        for (ptrdiff_t r = 0; r < reduce; r++) {
            const uint8_t *row = x + r * inner;
            if (all) for (ptrdiff_t i = 0; i < inner; i++) y[i] &= row[i] != 0;
            else for (ptrdiff_t i = 0; i < inner; i++) y[i] |= row[i] != 0;
        }
    }
}
void nstm_combine_axis(nstm_logic op, const uint8_t *x, uint8_t *y, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner) {
    NSTM_WORK(0, outer * reduce * inner, outer * (reduce + 1) * inner);
    combine_axis(op == NSTM_AND, x, y, outer, reduce, inner);
}

void nstm_triangle(ptrdiff_t size, int lower, ptrdiff_t diagonal, const void *x, void *y, ptrdiff_t count, ptrdiff_t rows,
                   ptrdiff_t columns) {
    NSTM_MOVED(2 * count * rows * columns * size);
    const char *from = x;
    char *to = y;
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t r = 0; r < rows; r++, from += columns * size, to += columns * size) {
            // `edge`: the first column on the right side of the diagonal.
            ptrdiff_t edge = r + diagonal + (lower ? 1 : 0);
            edge = edge < 0 ? 0 : (edge > columns ? columns : edge);
            size_t left = (size_t)(edge * size), right = (size_t)((columns - edge) * size);
            if (lower) {
                memcpy(to, from, left);
                memset(to + left, 0, right);
            } else {
                memset(to, 0, left);
                memcpy(to + left, from + left, right);
            }
        }
}
