// Functions of nstm_indexing.h. Those with other types do not run for each element type.
#include "kernels.h"

#define ONCE if (t != NSTM_F32) return
#define EACH_TYPE for (int type = NSTM_FLOAT32; type <= NSTM_BOOL; type++)
#define EACH_SIZE for (ptrdiff_t bytes = 1; bytes <= 8; bytes = bytes == 1 ? 4 : 2 * bytes)
/// Columns of an array that is indexed along its middle axis, all or some.
#define EACH_INNER(...)                                                                                   \
    {                                                                                                     \
        static const ptrdiff_t inners[] = {0, 1, 2, 17, 70};                                              \
        for (int i = 0; i < 5; i++) {                                                                     \
            ptrdiff_t inner = inners[i], first = inner > 2 ? 1 : 0, last = inner > 2 ? inner - 1 : inner; \
            __VA_ARGS__;                                                                                  \
            release();                                                                                    \
        }                                                                                                 \
    }

// MARK: Conversion, strides
CHECK(nstm_convert, {
    ONCE;
    EACH_TYPE for (int to = NSTM_FLOAT32; to <= NSTM_BOOL; to++)
        nstm_convert((nstm_dtype)type, (nstm_dtype)to, elements((nstm_dtype)type, n), block(n, bytes_of((nstm_dtype)to)), n);
})
CHECK(nstm_move_strided, {
    ONCE;
    EACH_SIZE {
        size_t size = (size_t)bytes;
        int32_t r = (int32_t)rows, c = (int32_t)n;
        ptrdiff_t all = rows * n, last = all > 0 ? all - 1 : 0;
        int32_t sizes[] = {r, c}, dense[] = {c, 1}, transposed[] = {1, r}, back[] = {-c, -1}, gaps[] = {-2 * c, -2};
        nstm_move_strided(bytes, 2, sizes, dense, block(all, size), transposed, block(all, size));
        nstm_move_strided(bytes, 2, sizes, transposed, block(all, size), dense, block(all, size));
        nstm_move_strided(bytes, 2, sizes, back, (char *)block(all, size) + last * bytes, dense, block(all, size));
        nstm_move_strided(bytes, 2, sizes, transposed, block(all, size), gaps,
                          (char *)block(all > 0 ? 2 * last + 1 : 0, size) + 2 * last * bytes);
        nstm_move_strided(bytes, 0, sizes, dense, block(1, size), dense, block(1, size));
        int32_t cube[] = {2, r, c}, from[] = {r * c, 1, r}, to[] = {1, 2, 2 * r};
        nstm_move_strided(bytes, 3, cube, from, block(2 * all, size), to, block(2 * all, size));
        // The maximum number of axes.
        int32_t many[] = {1, 2, 1, 2, r, 1, c, 1}, straight[] = {4 * r * c, 2 * r * c, 5, r * c, c, 7, 1, 1};
        int32_t mixed[] = {3, 1, -1, 2 * r, 2, 9, 4 * r, 1};
        nstm_move_strided(bytes, 8, many, straight, block(4 * all, size), mixed, block(4 * all, size));
    }
})

// MARK: Indices
CHECK(nstm_first_outside, {
    ONCE;
    int32_t *x = integers(n, 5);
    if (nstm_first_outside(x, n, 5) != -1) abort();
    if (n == 0) return;
    if (nstm_first_outside(x, n, 0) != 0) abort();
    x[n - 1] = rows & 1 ? -1 : 5;
    if (nstm_first_outside(x, n, 5) != n - 1) abort();
})
CHECK(nstm_take_rows, {
    ONCE;
    // Also rows of bytes, with any alignment.
    for (ptrdiff_t bytes = 0; bytes <= 12; bytes += 4) {
        ptrdiff_t m = rows > 0 ? n : 0;
        nstm_take_rows(bytes, block(rows * bytes, 1), integers(m, rows), block(m * bytes, 1), m);
    }
})
CHECK(nstm_add_rows, {
    ptrdiff_t m = 7;
    int32_t *indices = integers(m, rows + 2);
    indices[0] = -1;
    void *y = some(rows * n);
    nstm_add_rows(t, 0.5, some(m * n), indices, m, 0, (int32_t)rows, y, n);
    if (rows > 1) nstm_add_rows(t, 0.5, some(m * n), indices, m, 1, 2, y, n);
    expect_numbers(y, rows, n, n);
})
CHECK(nstm_gather, {
    ONCE;
    ptrdiff_t m = n > 0 ? 3 : 0;
    EACH_SIZE EACH_INNER(size_t size = (size_t)bytes; ptrdiff_t count = rows * m * inner; int32_t *indices = integers(count, n);
                         void *x = block(rows * n * inner, size); void *y = block(count, size);
                         nstm_gather(bytes, x, indices, y, rows, n, m, inner, 0, inner);
                         nstm_gather(bytes, x, indices, y, rows, n, m, inner, first, last))
})
CHECK(nstm_scatter, {
    ONCE;
    ptrdiff_t m = n > 0 ? 3 : 0;
    EACH_SIZE EACH_INNER(size_t size = (size_t)bytes; ptrdiff_t count = rows * m * inner; int32_t *indices = integers(count, n);
                         void *x = block(count, size); void *y = block(rows * n * inner, size);
                         nstm_scatter(bytes, x, indices, y, rows, n, m, inner, 0, inner);
                         nstm_scatter(bytes, x, indices, y, rows, n, m, inner, first, last))
})
CHECK(nstm_scatter_add, {
    ptrdiff_t m = n > 0 ? 3 : 0;
    EACH_INNER(ptrdiff_t count = rows * m * inner; int32_t *indices = integers(count, n); void *x = some(count);
               void *y = some(rows * n * inner);
               nstm_scatter_add(t, x, indices, y, rows, n, m, inner, 0, inner);
               nstm_scatter_add(t, x, indices, y, rows, n, m, inner, first, last))
})

// MARK: Masks
typedef struct {
    char *base;
    ptrdiff_t outer, inner;
} Operand;
enum { LAYOUTS = 7 };
/// Rows of elements, one element per row, one row for all, one element for all; every second, transposed, reversed. If the
/// result is empty, so are the operands.
static Operand operand(int layout, nstm_dtype type) {
    ptrdiff_t outer[] = {n, 1, 0, 0, 2 * n, 1, -n}, inner[] = {1, 0, 1, 0, 2, rows, -1}, all = rows * n;
    ptrdiff_t count[] = {all, rows, n, 1, 2 * all - 1, all, all}, start = layout == 6 && all > 0 ? all - 1 : 0;
    char *x = elements(type, all > 0 ? count[layout] : 0);
    return (Operand){x + start * (ptrdiff_t)bytes_of(type), outer[layout], inner[layout]};
}
#define EACH_PAIR(of, ...)                                          \
    for (int i = 0; i < LAYOUTS; i++)                               \
        for (int j = 0; j < LAYOUTS; j++) {                         \
            Operand a = operand(i, of), b = operand(j, of);         \
            __VA_ARGS__;                                            \
            release();                                              \
        }
CHECK(nstm_compare, {
    ONCE;
    EACH_TYPE for (int op = NSTM_EQ; op <= NSTM_LE; op++)
        EACH_PAIR((nstm_dtype)type, nstm_compare((nstm_dtype)type, (nstm_comparison)op, a.base, a.outer, a.inner, b.base, b.outer,
                                                 b.inner, block(rows * n, 1), rows, n))
})
CHECK(nstm_combine, {
    ONCE;
    for (int op = NSTM_AND; op <= NSTM_XOR; op++)
        EACH_PAIR(NSTM_UINT8, nstm_combine((nstm_logic)op, (uint8_t *)a.base, a.outer, a.inner, (uint8_t *)b.base, b.outer,
                                           b.inner, block(rows * n, 1), rows, n))
})
CHECK(nstm_select, {
    ONCE;
    EACH_TYPE EACH_PAIR((nstm_dtype)type, {
        size_t size = bytes_of((nstm_dtype)type);
        // With the layout of either operand, and with another one.
        int layouts[] = {i, j, (i + 2 * j + 1) % LAYOUTS};
        for (int k = 0; k < 3; k++) {
            Operand mask = operand(layouts[k], NSTM_BOOL);
            nstm_select((ptrdiff_t)size, (uint8_t *)mask.base, mask.outer, mask.inner, a.base, a.outer, a.inner, b.base, b.outer,
                        b.inner, block(rows * n, size), rows, n);
        }
    })
})
CHECK(nstm_combine_axis, {
    ONCE;
    EACH_INNER((void)first; (void)last; for (int op = NSTM_AND; op <= NSTM_OR; op++) {
        nstm_combine_axis((nstm_logic)op, elements(NSTM_UINT8, rows * n * inner), block(rows * inner, 1), rows, n, inner);
        nstm_combine_axis((nstm_logic)op, elements(NSTM_UINT8, rows * inner * n), block(rows * n, 1), rows, inner, n);
    })
})
CHECK(nstm_triangle, {
    ONCE;
    ptrdiff_t diagonals[] = {-n - 5, -1, 0, 1, n + 5}, all = 2 * rows * n;
    EACH_SIZE for (int i = 0; i < 5; i++)
        for (int lower = 0; lower < 2; lower++) {
            nstm_triangle(bytes, lower, diagonals[i], block(all, (size_t)bytes), block(all, (size_t)bytes), 2, rows, n);
            nstm_triangle(bytes, lower, diagonals[i], block(all, (size_t)bytes), block(all, (size_t)bytes), 2, n, rows);
            release();
        }
})

// MARK: Order
CHECK(nstm_sort, {
    ONCE;
    // Long enough for every sorting algorithm; few, many and all kept; with repeated values, and with one value only.
    ptrdiff_t m = n == 1000 ? n + 700 * rows : n;
    EACH_TYPE for (int descending = 0; descending < 2; descending++) {
        ptrdiff_t kept[] = {0, m < 1 ? m : 1, m / 17, m / 2, m};
        size_t size = bytes_of((nstm_dtype)type);
        for (int i = 0; i < 5; i++)
            for (int same = 0; same < 2; same++) {
                char *x = elements((nstm_dtype)type, m);
                if (same) memset(x, 0, (size_t)m * size);
                ptrdiff_t k = kept[i];
                int32_t *indices = integers(k, 1);
                nstm_sort((nstm_dtype)type, descending, x, m, k, block(k, size), indices,
                          aligned(nstm_sort_scratch((nstm_dtype)type, m), 16));
                if (nstm_first_outside(indices, k, (int32_t)m) != -1) abort();
            }
        release();
    }
})
CHECK(nstm_sort_scratch, EACH_TYPE if (nstm_sort_scratch((nstm_dtype)type, n) < n) abort())

// MARK: Cumulative functions
/// With one column there are more rows, which are processed together.
#define EACH_SCAN(...)                                                                        \
    EACH_INNER(ptrdiff_t outer = inner == 1 ? 5 * rows : rows; ptrdiff_t count = outer * n * inner; \
               for (int reversed = 0; reversed < 2; reversed++) {                             \
                   __VA_ARGS__;                                                               \
               })
CHECK(nstm_cumulate, for (int op = NSTM_CUMULATIVE_SUM; op <= NSTM_CUMULATIVE_LOG_SUM_EXP; op++) {
    EACH_SCAN({
        void *x = with(some(count), count, -INFINITY, op == NSTM_CUMULATIVE_LOG_SUM_EXP ? 0.1 : 0), *y = blank(count);
        nstm_cumulate(t, (nstm_cumulation)op, reversed, x, y, outer, n, inner, first, last);
        nstm_cumulate(t, (nstm_cumulation)op, reversed, x, y, outer, n, inner, 0, inner);
    })
})
CHECK(nstm_cumulate_max, {
    EACH_SCAN({
        void *x = with(some(count), count, NAN, 0.02), *y = blank(count);
        int32_t *indices = integers(count, 1);
        nstm_cumulate_max(t, reversed, x, y, indices, outer, n, inner, first, last);
        nstm_cumulate_max(t, reversed, x, y, indices, outer, n, inner, 0, inner);
        if (nstm_first_outside(indices, count, (int32_t)n) != -1) abort();
    })
})
CHECK(nstm_cumulate_backward, for (int op = NSTM_CUMULATIVE_PRODUCT; op <= NSTM_CUMULATIVE_LOG_SUM_EXP; op++) {
    EACH_SCAN({
        void *dy = some(count), *x = some(count), *y = some(count), *dx = blank(count);
        nstm_cumulate_backward(t, (nstm_cumulation)op, reversed, dy, x, y, dx, outer, n, inner, first, last);
        nstm_cumulate_backward(t, (nstm_cumulation)op, reversed, dy, x, y, dx, outer, n, inner, 0, inner);
    })
})
