#include "Dispatch.h"
#include "Vectors.h"

// BLOCK: query rows computed at a time; few, so that a causal block skips most keys it cannot attend to. PART: keys whose scores
// for a block fit in the L1 cache. PANEL: granularity of the first key of a block, and of transposed panels.
enum { BLOCK = 32, PART = 128, PANEL = 32 };

/// Number of keys packed at a time: 128 KB of each of five matrices, in the L2 cache; PART of them if they are used only once.
static ptrdiff_t packed_keys(const nstm_attention *a, size_t size) {
    ptrdiff_t most = 131072 / (ptrdiff_t)size / (a->width > 0 ? a->width : 1) / PART * PART;
    if (most < PART || a->queries <= BLOCK) most = PART;
    return a->keys < most ? (a->keys + PANEL - 1) / PANEL * PANEL : most;
}
/// Keys low ≤ j < high that m query rows from `row` on attend to, from a multiple of PANEL on.
static void nstm_attention_range(int causal, ptrdiff_t window, ptrdiff_t queries, ptrdiff_t keys, ptrdiff_t row, ptrdiff_t m,
                                 ptrdiff_t *low, ptrdiff_t *high) {
    ptrdiff_t shift = keys - queries, h = causal ? row + m + shift : keys, l = window > 0 ? row + shift + 1 - window : 0;
    *high = h > keys ? keys : h;
    *low = l < 0 ? 0 : l / PANEL * PANEL;
}

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowReductions.inc"
#include "SmallProducts.inc"
#include "Attention.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowReductions.inc"
#include "SmallProducts.inc"
#include "Attention.inc"

/// Pairs with keys in [begin, end).
static ptrdiff_t pairs_with(int causal, ptrdiff_t window, ptrdiff_t queries, ptrdiff_t keys, ptrdiff_t begin, ptrdiff_t end) {
    ptrdiff_t sum = 0, low, high;
    for (ptrdiff_t i = 0; i < queries; i += BLOCK) {
        ptrdiff_t m = queries - i < BLOCK ? queries - i : BLOCK;
        nstm_attention_range(causal, window, queries, keys, i, m, &low, &high);
        if (low < begin) low = begin;
        if (high > end) high = end;
        if (low < high) sum += m * (high - low);
    }
    return sum;
}
ptrdiff_t nstm_attention_pairs(int causal, ptrdiff_t window, ptrdiff_t queries, ptrdiff_t keys) {
    return pairs_with(causal, window, queries, keys, 0, keys);
}
ptrdiff_t nstm_attention_scratch(nstm_real t, const nstm_attention *a, int backward) {
    ptrdiff_t lanes = 64 / NSTM_BYTES(t), W = (a->width + lanes - 1) / lanes * lanes;
    ptrdiff_t S = packed_keys(a, (size_t)NSTM_BYTES(t));
    if (backward) return (5 * S + 3 * BLOCK) * W + 2 * BLOCK * PART + a->queries;
    return (3 * S + 2 * BLOCK) * W + BLOCK * PART + BLOCK + a->queries * lanes;
}
static ptrdiff_t pairs_of(const nstm_attention *a, ptrdiff_t begin, ptrdiff_t end) {
    return pairs_with(a->causal, a->window, a->queries, a->keys, begin, end);
}

void nstm_attention_forward(nstm_real t, const nstm_attention *a, void *o, void *lse, void *scratch) {
    NSTM_WORK(2 * pairs_of(a, 0, a->keys) * a->width, pairs_of(a, 0, a->keys), (2 * (a->queries + a->keys) * a->width + a->queries) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, attention_forward, a, o, lse, scratch);
}
void nstm_attention_backward(nstm_real t, const nstm_attention *a, const nstm_attention_gradient *to, ptrdiff_t begin,
                             ptrdiff_t end, const void *o, const void *d_o, const void *lse, void *scratch) {
    NSTM_WORK(5 * pairs_of(a, begin, end) * a->width, 2 * pairs_of(a, begin, end) + a->queries * a->width,
        (4 * (a->queries + end - begin) * a->width + a->queries) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, attention_backward, a, to, begin, end, o, d_o, lse, scratch);
}
