// Addressing and writing of an external memory: content, location, usage and temporal links, for one sequence and one step.
//
// A memory has n rows of `width` elements; weights of `heads` heads over the rows are [heads, n].

#ifndef NSTM_ADDRESSING_H
#define NSTM_ADDRESSING_H

#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// Number of rows, their width, and number of heads.
typedef struct {
    ptrdiff_t n, width, heads;
} nstm_memory_shape;

/// similarity [heads, n] ← cosine of each key [heads, width] and row [n, width], in whose squared norms ε is added.
///
/// mask [heads, width]: factors of the elements of both; null: 1.
void nstm_cosine_forward(nstm_real t, const nstm_memory_shape *shape, const void *keys, const void *rows,
                         const void *_Nullable mask, double epsilon, void *similarity);
/// Adds to the gradients of keys, rows and mask, given that of the similarity.
void nstm_cosine_backward(nstm_real t, const nstm_memory_shape *shape, const void *keys, const void *rows,
                          const void *_Nullable mask, double epsilon, const void *similarity, const void *d_similarity,
                          void *d_keys, void *d_rows, void *_Nullable d_mask);

/// y[h, i] ← Σⱼ x[h, (i − j) mod n] s[h, j] over the offsets j = −r … r of s [heads, 2r + 1].
void nstm_circular_shift_forward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, ptrdiff_t offsets, const void *x, const void *s,
                                 void *y);
/// dx and ds are written.
void nstm_circular_shift_backward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, ptrdiff_t offsets, const void *x, const void *s,
                                  const void *dy, void *dx, void *ds);

/// y[h] ← softmax(exponent[h] · log(x[h] + ε)): x^exponent, scaled to a sum of 1.
void nstm_sharpen_forward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, const void *x, const void *exponent, void *y);
/// dx and d_exponent are written.
void nstm_sharpen_backward(nstm_real t, ptrdiff_t heads, ptrdiff_t n, const void *x, const void *exponent, const void *y,
                           const void *dy, void *dx, void *d_exponent);

/// The operands of a write: weights [heads, n], erase and add vectors [heads, width], and factors of the rows [n] (null: 1).
typedef struct {
    const void *weights, *erase, *add;
    const void *_Nullable retention;
} nstm_memory_write;
/// Gradients of a write, all written.
typedef struct {
    void *rows, *weights, *erase, *add;
    void *_Nullable retention;
} nstm_memory_write_gradient;
/// y ← rows ∘ retention ∘ Πₕ(1 − wₕ eₕᵀ) + Σₕ wₕ aₕᵀ.
void nstm_erase_add_forward(nstm_real t, const nstm_memory_shape *shape, const nstm_memory_write *write, const void *rows, void *y);
/// scratch: (heads + 2) · width elements.
void nstm_erase_add_backward(nstm_real t, const nstm_memory_shape *shape, const nstm_memory_write *write, const void *rows,
                             const void *dy, const nstm_memory_write_gradient *to, void *scratch);

/// a ← allocation weights of usages u [n], in ascending order of usage (the first of equal ones first): a = (1 − uᵢ) Π uⱼ over
/// the rows j before i.
///
/// order [n]: receives that order. scratch: n integers.
void nstm_allocation_forward(nstm_real t, ptrdiff_t n, const void *u, int32_t *order, int32_t *scratch, void *a);
/// du is written. The order counts as constant.
void nstm_allocation_backward(nstm_real t, ptrdiff_t n, const void *u, const int32_t *order, const void *da, void *du);

/// y [n, n] ← (1 − wᵢ − wⱼ) x + wᵢ pⱼ with a zero diagonal, for the write weights w [n] and the precedence p [n] before them.
void nstm_links_forward(nstm_real t, ptrdiff_t n, const void *x, const void *w, const void *p, void *y);
/// dx, dw and dp are written.
void nstm_links_backward(nstm_real t, ptrdiff_t n, const void *x, const void *w, const void *p, const void *dy, void *dx, void *dw,
                         void *dp);

/// indices [k] ← those of the k largest of n elements, the largest first, and of equal ones the first; NaN counts as −∞. k ≤ n.
///
/// scratch: k elements.
void nstm_largest(nstm_real t, ptrdiff_t n, ptrdiff_t k, const void *x, int32_t *indices, void *scratch);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
