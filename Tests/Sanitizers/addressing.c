// Addressing and writing of an external memory.
#include "kernels.h"

/// n rows of several widths, one to three heads; every second time with the optional operand.
#define EACH_MEMORY(...)                                                                                                       \
    static const ptrdiff_t widths[] = {1, 7, 16, 20, 33};                                                                     \
    for (int i = 0; i < 10; i++) {                                                                                            \
        nstm_memory_shape shape = {.n = n, .width = widths[i / 2], .heads = rows > 0 ? rows : 1};                             \
        ptrdiff_t d = shape.width, heads = shape.heads;                                                                       \
        int optional = i & 1;                                                                                                 \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_cosine_forward, EACH_MEMORY({
    void *c = blank(heads * n);
    nstm_cosine_forward(t, &shape, some(heads * d), some(n * d), optional ? share(heads * d) : NULL, 1e-6, c);
    expect_numbers(c, heads, n, n);
}))
CHECK(nstm_cosine_backward, EACH_MEMORY({
    void *dk = some(heads * d), *dr = some(n * d), *dm = optional ? some(heads * d) : NULL;
    nstm_cosine_backward(t, &shape, some(heads * d), some(n * d), optional ? share(heads * d) : NULL, 1e-6, some(heads * n),
                         some(heads * n), dk, dr, dm);
    expect_numbers(dk, heads, d, d);
    expect_numbers(dr, n, d, d);
    if (dm) expect_numbers(dm, heads, d, d);
}))
CHECK(nstm_circular_shift_forward, for (ptrdiff_t offsets = 1; offsets < 8; offsets += 2) {
    void *y = blank(rows * n);
    nstm_circular_shift_forward(t, rows, n, offsets, share(rows * n), share(rows * offsets), y);
    expect_numbers(y, rows, n, n);
    release();
})
CHECK(nstm_circular_shift_backward, for (ptrdiff_t offsets = 1; offsets < 8; offsets += 2) {
    void *dx = blank(rows * n), *ds = blank(rows * offsets);
    nstm_circular_shift_backward(t, rows, n, offsets, share(rows * n), share(rows * offsets), some(rows * n), dx, ds);
    expect_numbers(dx, rows, n, n);
    expect_numbers(ds, rows, offsets, offsets);
    release();
})
CHECK(nstm_sharpen_forward, {
    void *y = blank(rows * n);
    nstm_sharpen_forward(t, rows, n, with(share(rows * n), rows * n, 0, 0.3), numbers(rows, 1, 30), y);
    expect_numbers(y, rows, n, n);
})
CHECK(nstm_sharpen_backward, {
    void *dx = blank(rows * n), *de = blank(rows);
    nstm_sharpen_backward(t, rows, n, with(share(rows * n), rows * n, 0, 0.3), numbers(rows, 1, 30), share(rows * n),
                          some(rows * n), dx, de);
    expect_numbers(dx, rows, n, n);
    expect_numbers(de, 1, rows, rows);
})
CHECK(nstm_erase_add_forward, EACH_MEMORY({
    nstm_memory_write write = {.weights = share(heads * n), .erase = share(heads * d), .add = some(heads * d),
                               .retention = optional ? share(n) : NULL};
    void *y = blank(n * d);
    nstm_erase_add_forward(t, &shape, &write, some(n * d), y);
    expect_numbers(y, n, d, d);
}))
CHECK(nstm_erase_add_backward, EACH_MEMORY({
    nstm_memory_write write = {.weights = share(heads * n), .erase = share(heads * d), .add = some(heads * d),
                               .retention = optional ? share(n) : NULL};
    nstm_memory_write_gradient to = {.rows = blank(n * d), .weights = blank(heads * n), .erase = blank(heads * d),
                                     .add = blank(heads * d), .retention = optional ? blank(n) : NULL};
    nstm_erase_add_backward(t, &shape, &write, some(n * d), some(n * d), &to, blank((heads + 2) * d));
    expect_numbers(to.rows, n, d, d);
    expect_numbers(to.weights, heads, n, n);
    expect_numbers(to.erase, heads, d, d);
    expect_numbers(to.add, heads, d, d);
    if (optional) expect_numbers(to.retention, 1, n, n);
}))
CHECK(nstm_allocation_forward, {
    void *a = blank(n);
    nstm_allocation_forward(t, n, with(share(n), n, 0, 0.3), integers(n, 1), integers(n, 1), a);
    expect_numbers(a, 1, n, n);
})
CHECK(nstm_allocation_backward, {
    void *u = with(share(n), n, 0, 0.3), *du = blank(n);
    int32_t *order = integers(n, 1);
    nstm_allocation_forward(t, n, u, order, integers(n, 1), blank(n));
    nstm_allocation_backward(t, n, u, order, some(n), du);
    expect_numbers(du, 1, n, n);
})
CHECK(nstm_links_forward, if (n <= 33) {
    void *y = blank(n * n);
    nstm_links_forward(t, n, share(n * n), share(n), share(n), y);
    expect_numbers(y, n, n, n);
})
CHECK(nstm_links_backward, if (n <= 33) {
    void *dx = blank(n * n), *dw = blank(n), *dp = blank(n);
    nstm_links_backward(t, n, share(n * n), share(n), share(n), some(n * n), dx, dw, dp);
    expect_numbers(dx, n, n, n);
    expect_numbers(dw, 1, n, n);
    expect_numbers(dp, 1, n, n);
})
CHECK(nstm_largest, for (ptrdiff_t k = 0; k <= n && k < 20; k++) {
    int32_t *found = integers(k, 1);
    nstm_largest(t, n, k, some(n), found, blank(k));
    for (ptrdiff_t i = 0; i < k; i++) if (found[i] < 0 || found[i] >= n) abort();
    release();
})
