// Kernels that move elements by place or by index, convert, compare, order and scan them; the rules of nstm_kernels.h hold.
//
// Where only the size of an element matters, `element_bytes` (1, 4 or 8) stands for its type. Indices are int32 and were checked
// with `nstm_first_outside`.
#ifndef NSTM_INDEXING_H
#define NSTM_INDEXING_H

#include "nstm_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// All element types, numbered like Swift's `DType`.
typedef enum { NSTM_FLOAT32 = 0, NSTM_FLOAT64 = 1, NSTM_INT32 = 2, NSTM_UINT8 = 3, NSTM_BOOL = 4 } nstm_dtype;

// MARK: Conversion (Convert.c)
/// y ← x in another type. To integers: toward zero, limited to the type's range, NaN to 0. To bool: x ≠ 0 (NaN is true).
void nstm_convert(nstm_dtype from, nstm_dtype to, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);

// MARK: Places (Memory.c)
/// y ← x, both strided (in elements, of any sign; at most 8 axes). x and y do not overlap.
void nstm_move_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *_Nonnull sizes, const int32_t *_Nonnull x_strides,
                       const void *_Nonnull x, const int32_t *_Nonnull y_strides, void *_Nonnull y);

// MARK: Indices (Index.c)
/// Position of the first index outside 0 ..< bound, or -1.
ptrdiff_t nstm_first_outside(const int32_t *_Nonnull indices, ptrdiff_t n, int32_t bound);
/// y[i] ← x[indices[i]] for m rows of row_bytes bytes.
void nstm_take_rows(ptrdiff_t row_bytes, const void *_Nonnull x, const int32_t *_Nonnull indices, void *_Nonnull y,
                    ptrdiff_t m);
/// y[indices[i]] ← y[indices[i]] + alpha · x[i] for rows of `columns` elements, in order of i, of the indices in low ..< high.
void nstm_add_rows(nstm_real t, double alpha, const void *_Nonnull x, const int32_t *_Nonnull indices, ptrdiff_t m, int32_t low,
                   int32_t high, void *_Nonnull y, ptrdiff_t columns);
/// y[o,k,j] ← x[o, indices[o,k,j], j]: x is [outer, n, inner]; y and indices [outer, m, inner]. Columns first ..< last of inner.
void nstm_gather(ptrdiff_t element_bytes, const void *_Nonnull x, const int32_t *_Nonnull indices, void *_Nonnull y,
                 ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// y[o, indices[o,k,j], j] ← x[o,k,j], in order of k: y is [outer, n, inner]; x and indices [outer, m, inner].
void nstm_scatter(ptrdiff_t element_bytes, const void *_Nonnull x, const int32_t *_Nonnull indices, void *_Nonnull y,
                  ptrdiff_t outer, ptrdiff_t n, ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// The same, added to y.
void nstm_scatter_add(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull indices, void *_Nonnull y, ptrdiff_t outer,
                      ptrdiff_t n, ptrdiff_t m, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);

// MARK: Masks (Masks.c): a byte an element, 0 or 1
typedef enum { NSTM_EQ, NSTM_NE, NSTM_LT, NSTM_LE } nstm_comparison;
typedef enum { NSTM_AND, NSTM_OR, NSTM_XOR } nstm_logic;
/// y[r,c] ← a[r,c] op b[r,c] for operands with any outer (row) and inner strides; y is dense.
void nstm_compare(nstm_dtype t, nstm_comparison op, const void *_Nonnull a, ptrdiff_t a_outer, ptrdiff_t a_inner,
                  const void *_Nonnull b, ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *_Nonnull y, ptrdiff_t rows,
                  ptrdiff_t columns);
/// The same for bytes of which any value but 0 is true.
void nstm_combine(nstm_logic op, const uint8_t *_Nonnull a, ptrdiff_t a_outer, ptrdiff_t a_inner, const uint8_t *_Nonnull b,
                  ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *_Nonnull y, ptrdiff_t rows, ptrdiff_t columns);
/// y[r,c] ← mask[r,c] ≠ 0 ? a[r,c] : b[r,c]
void nstm_select(ptrdiff_t element_bytes, const uint8_t *_Nonnull mask, ptrdiff_t m_outer, ptrdiff_t m_inner,
                 const void *_Nonnull a, ptrdiff_t a_outer, ptrdiff_t a_inner, const void *_Nonnull b, ptrdiff_t b_outer,
                 ptrdiff_t b_inner, void *_Nonnull y, ptrdiff_t rows, ptrdiff_t columns);
/// y[o,i] ← any (or, with NSTM_AND, all) of x[o,r,i] over r; false (true) when there is none.
void nstm_combine_axis(nstm_logic op, const uint8_t *_Nonnull x, uint8_t *_Nonnull y, ptrdiff_t outer, ptrdiff_t reduce,
                       ptrdiff_t inner);
/// y ← x where column − row ≤ diagonal (lower ≠ 0) or ≥ diagonal, else 0, for `count` dense matrices.
void nstm_triangle(ptrdiff_t element_bytes, int lower, ptrdiff_t diagonal, const void *_Nonnull x, void *_Nonnull y,
                   ptrdiff_t count, ptrdiff_t rows, ptrdiff_t columns);

// MARK: Order (Sort.c)
/// The k first of n elements in stable order: ascending or descending, NaN as the largest, −0 equal to 0.
/// Writes their values and places. `scratch` holds nstm_sort_scratch(t, n) bytes, aligned to 16.
void nstm_sort(nstm_dtype t, int descending, const void *_Nonnull x, ptrdiff_t n, ptrdiff_t k,
               void *_Nonnull values, int32_t *_Nonnull indices, void *_Nonnull scratch);
ptrdiff_t nstm_sort_scratch(nstm_dtype t, ptrdiff_t n);

// MARK: Scans (Cumulative.c): along the middle axis of [outer, n, inner], columns first ..< last; `reversed` runs from the end
typedef enum { NSTM_CUMULATIVE_SUM, NSTM_CUMULATIVE_PRODUCT, NSTM_CUMULATIVE_LOG_SUM_EXP } nstm_cumulation;
void nstm_cumulate(nstm_real t, nstm_cumulation op, int reversed, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t outer,
                   ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// The largest so far and its place along the axis: the first met of equals; NaN is larger than everything.
void nstm_cumulate_max(nstm_real t, int reversed, const void *_Nonnull x, void *_Nonnull y, int32_t *_Nonnull indices,
                       ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
/// dx of a product or a log-sum-exp with result y. The product is not divided by: zeros are exact.
void nstm_cumulate_backward(nstm_real t, nstm_cumulation op, int reversed, const void *_Nonnull dy, const void *_Nonnull x,
                            const void *_Nonnull y, void *_Nonnull dx, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner,
                            ptrdiff_t first, ptrdiff_t last);

#ifdef __cplusplus
}
#endif
#endif
