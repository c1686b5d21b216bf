// Kernels that copy elements by strides or by index.
//
// Where only the size of an element matters, `element_bytes` (1, 4 or 8) is its type. Indices are int32; `nstm_first_outside`
// checks them, the other kernels do not.

#ifndef NSTM_INDEXING_H
#define NSTM_INDEXING_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Copies (Memory.c)

/// y [rows, bytes] ← x, with strides between rows in bytes: for rows too short to be worth a call of memcpy each.
void nstm_move_rows(ptrdiff_t rows, ptrdiff_t bytes, const void *x, ptrdiff_t x_stride, void *y, ptrdiff_t y_stride);
/// out (dense) ← x (strided). Sizes and strides of at most 8 axes, in elements.
void nstm_copy_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *sizes, const int32_t *strides, const void *x,
                       void *out);
/// y ← x, both strided with strides of any sign. At most 8 axes, in elements.
void nstm_move_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *sizes, const int32_t *x_strides, const void *x,
                       const int32_t *y_strides, void *y);

// MARK: Indices (Index.c)

/// Index of the first of n indices that is not in 0 ..< bound, or −1.
ptrdiff_t nstm_first_outside(const int32_t *indices, ptrdiff_t n, int32_t bound);
/// y[i] ← x[indices[i]] for m rows of `row_bytes` bytes.
void nstm_take_rows(ptrdiff_t row_bytes, const void *x, const int32_t *indices, void *y, ptrdiff_t m);
/// y[indices[i]] ← y[indices[i]] + alpha · x[i] for m rows of `columns` elements, in order of i, for indices in low ..< high.
void nstm_add_rows(nstm_real t, double alpha, const void *x, const int32_t *indices, ptrdiff_t m, int32_t low, int32_t high,
                   void *y, ptrdiff_t columns);
/// y[o, k, j] ← x[o, indices[o, k, j], j] with x [outer, n, inner] and y, indices [outer, m, inner], for first ≤ j < last.
void nstm_gather(ptrdiff_t element_bytes, const void *x, const int32_t *indices, void *y, ptrdiff_t outer, ptrdiff_t n,
                 ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// y[o, indices[o, k, j], j] ← x[o, k, j], in order of k, with y [outer, n, inner] and x, indices [outer, m, inner].
void nstm_scatter(ptrdiff_t element_bytes, const void *x, const int32_t *indices, void *y, ptrdiff_t outer, ptrdiff_t n,
                  ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// y[o, indices[o, k, j], j] ← y + x[o, k, j], in order of k, with y [outer, n, inner] and x, indices [outer, m, inner].
void nstm_scatter_add(nstm_real t, const void *x, const int32_t *indices, void *y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m,
                      ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
