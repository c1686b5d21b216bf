// Attention of one head of one sequence, without a matrix of all scores in memory. (Attention.c)

#ifndef NSTM_ATTENTION_H
#define NSTM_ATTENTION_H

#include <stddef.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// One head of one sequence: softmax(scale·q·kᵀ + bias)·v with rows of `width` elements, one every `stride`, and of
/// the result and its gradient one every `o_stride`.
///
/// q has `queries` rows, at most as many as k and v, which have `keys` rows. Query r is aligned with key t = r + keys − queries
/// and attends to keys low ≤ j < high, where high = causal ? t + 1 : keys and low = window > 0 ? max(0, t + 1 − window) : 0.
/// `bias` [keys] is added to the scores; −∞ masks a key, null means 0.
typedef struct {
    const void *q, *k, *v;
    const void *_Nullable bias;
    ptrdiff_t stride, o_stride, queries, keys, width;
    int causal;
    ptrdiff_t window;
    double scale;
} nstm_attention;
/// Number of (query, key) pairs that are computed; forward takes two products over the width for each, backward five.
///
/// These are the visible pairs, rounded up to blocks of 32 queries and to keys from a multiple of 32 on.
ptrdiff_t nstm_attention_pairs(int causal, ptrdiff_t window, ptrdiff_t queries, ptrdiff_t keys);
/// Elements of 64-byte aligned scratch memory that the forward pass (backward pass if `backward` ≠ 0) needs.
ptrdiff_t nstm_attention_scratch(nstm_real t, const nstm_attention *a, int backward);
/// o [queries, width] ← softmax(scores)·v; lse [queries] ← logsumexp of the scores.
///
/// A query without visible keys gets o = 0 and lse = ∞. NaN among its scores makes the row NaN.
void nstm_attention_forward(nstm_real t, const nstm_attention *a, void *o, void *lse, void *scratch);
/// Gradients by some of the keys: of q [queries, width] (a row every `q_stride`), all rows; of k and v (a row every `stride` of the
/// inputs) and bias [keys] or null, the rows of these keys. All are written.
typedef struct {
    void *q, *k, *v;
    void *_Nullable bias;
    ptrdiff_t q_stride;
} nstm_attention_gradient;
/// The backward pass through keys begin ≤ j < end, where `begin` is a multiple of 32, given o and lse of the forward pass.
void nstm_attention_backward(nstm_real t, const nstm_attention *a, const nstm_attention_gradient *to, ptrdiff_t begin,
                             ptrdiff_t end, const void *o, const void *d_o, const void *lse, void *scratch);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
