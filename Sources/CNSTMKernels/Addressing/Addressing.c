#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowReductions.inc"
#include "../Scans/SlotRows.inc"
#include "Addressing.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowReductions.inc"
#include "../Scans/SlotRows.inc"
#include "Addressing.inc"

void nstm_cosine_forward(nstm_real t, const nstm_memory_shape *shape, const void *keys, const void *rows, const void *mask,
                         double epsilon, void *similarity) {
    // A product of the key with each row; the norm of each row, which depends on the head with a mask.
    const ptrdiff_t heads = shape->heads, n = shape->n, width = shape->width, norms = mask ? heads : 1;
    NSTM_WORK((heads + norms) * (n + 1) * width, heads * n, (n * width + heads * (n + width)) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, cosine, shape, keys, rows, mask, epsilon, similarity);
}
void nstm_cosine_backward(nstm_real t, const nstm_memory_shape *shape, const void *keys, const void *rows, const void *mask,
                          double epsilon, const void *similarity, const void *d_similarity, void *d_keys, void *d_rows,
                          void *d_mask) {
    const ptrdiff_t heads = shape->heads, n = shape->n, width = shape->width;
    NSTM_WORK((mask ? 6 : 4) * heads * n * width, heads * n, (3 * n * width + 2 * heads * (n + width)) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, cosine_backward, shape, keys, rows, mask, epsilon, similarity, d_similarity, d_keys, d_rows, d_mask);
}
void nstm_circular_shift_forward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, ptrdiff_t offsets, const void *x, const void *s,
                                 void *y) {
    NSTM_WORK(heads * n * offsets, 0, 2 * heads * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, circular_shift, heads, n, offsets, x, s, y);
}
void nstm_circular_shift_backward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, ptrdiff_t offsets, const void *x, const void *s,
                                  const void *dy, void *dx, void *ds) {
    NSTM_WORK(2 * heads * n * offsets, 0, 3 * heads * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, circular_shift_backward, heads, n, offsets, x, s, dy, dx, ds);
}
void nstm_sharpen_forward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, const void *x, const void *exponent, void *y) {
    NSTM_ELEMENTS(t, heads * n, 2);
    NSTM_DISPATCH(t, sharpen, heads, n, x, exponent, y);
}
void nstm_sharpen_backward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, const void *x, const void *exponent, const void *y,
                           const void *dy, void *dx, void *d_exponent) {
    NSTM_ELEMENTS(t, heads * n, 4);
    NSTM_DISPATCH(t, sharpen_backward, heads, n, x, exponent, y, dy, dx, d_exponent);
}
void nstm_erase_add_forward(nstm_real t, const nstm_memory_shape *shape, const nstm_memory_write *write, const void *rows,
                            void *y) {
    // Per head and element: the erase factor, its product and the added value.
    NSTM_WORK(3 * shape->heads * shape->n * shape->width, 0, 2 * shape->n * shape->width * NSTM_BYTES(t));
    NSTM_DISPATCH(t, erase_add, shape, write, rows, y);
}
void nstm_erase_add_backward(nstm_real t, const nstm_memory_shape *shape, const nstm_memory_write *write, const void *rows,
                             const void *dy, const nstm_memory_write_gradient *to, void *scratch) {
    NSTM_WORK(8 * shape->heads * shape->n * shape->width, 0, 3 * shape->n * shape->width * NSTM_BYTES(t));
    NSTM_DISPATCH(t, erase_add_backward, shape, write, rows, dy, to, scratch);
}
void nstm_allocation_forward(nstm_real t, ptrdiff_t n, const void *u, int32_t *order, int32_t *scratch, void *a) {
    NSTM_ELEMENTS(t, n, 2);
    NSTM_DISPATCH(t, allocation, n, u, order, scratch, a);
}
void nstm_allocation_backward(nstm_real t, ptrdiff_t n, const void *u, const int32_t *order, const void *da, void *du) {
    NSTM_ELEMENTS(t, n, 3);
    NSTM_DISPATCH(t, allocation_backward, n, u, order, da, du);
}
void nstm_links_forward(nstm_real t, ptrdiff_t n, const void *x, const void *w, const void *p, void *y) {
    NSTM_WORK(2 * n * n, 0, 2 * n * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, links, n, x, w, p, y);
}
void nstm_links_backward(nstm_real t, ptrdiff_t n, const void *x, const void *w, const void *p, const void *dy, void *dx, void *dw,
                         void *dp) {
    NSTM_WORK(5 * n * n, 0, 3 * n * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, links_backward, n, x, w, p, dy, dx, dw, dp);
}
void nstm_largest(nstm_real t, ptrdiff_t n, ptrdiff_t k, const void *x, int32_t *indices, void *scratch) {
    NSTM_ELEMENTS(t, n, 1);
    NSTM_DISPATCH(t, largest, n, k, x, indices, scratch);
}
