// Attention of one head of one sequence, without a matrix of all scores in memory. (Attention.c)

#ifndef NSTM_ATTENTION_H
#define NSTM_ATTENTION_H

#include <stddef.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// One head of one sequence: softmax(scale·q·kᵀ + bias)·v with rows of `width` elements, one every `stride`.
///
/// q has `queries` rows, at most as many as k and v, which have `keys` rows. Query r is aligned with key t = r + keys − queries
/// and attends to keys low ≤ j < high, where high = causal ? t + 1 : keys and low = window > 0 ? max(0, t + 1 − window) : 0.
/// `bias` [keys] is added to the scores; −∞ masks a key, null means 0.
typedef struct {
    const void *q, *k, *v;
    const void *_Nullable bias;
    ptrdiff_t stride, queries, keys, width;
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
/// o [queries, width] ← softmax(scores)·v, with a row every `o_stride`; lse [queries] ← logsumexp of the scores.
///
/// A query without visible keys gets o = 0 and lse = ∞. NaN among its scores makes the row NaN.
void nstm_attention_forward(nstm_real t, const nstm_attention *a, void *o, ptrdiff_t o_stride, void *lse, void *scratch);
/// The backward pass through keys begin ≤ j < end, where `begin` is a multiple of 32, given o and lse of the forward pass.
///
/// Overwrites dq [queries, width] (a row every `dq_stride`) with the contribution of these keys, and of dk, dv [keys, width] (a
/// row every a->stride) and dbias [keys] the rows of these keys. o and d_o have a row every `o_stride`.
void nstm_attention_backward(nstm_real t, const nstm_attention *a, ptrdiff_t begin, ptrdiff_t end, const void *o, const void *d_o,
                             ptrdiff_t o_stride, const void *lse, void *dq, ptrdiff_t dq_stride, void *dk, void *dv,
                             void *_Nullable dbias, void *scratch);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
