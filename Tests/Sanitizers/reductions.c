// Reductions, rows, attention.
#include "kernels.h"

// MARK: Reductions
CHECK(nstm_sum, nstm_sum(t, some(n), n))
CHECK(nstm_sum_squares, nstm_sum_squares(t, some(n), n))
CHECK(nstm_first_nonfinite, {
    nstm_first_nonfinite(t, some(n), n);
    nstm_first_nonfinite(t, with(some(n), n, INFINITY, 0.01), n);
})
CHECK(nstm_sum_axis, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17, 33};
    for (int i = 0; i < 5; i++)
        for (int add = 0; add < 2; add++) {
            nstm_sum_axis(t, some(rows * n * inners[i]), some(rows * inners[i]), rows, n, inners[i], add);
            nstm_sum_axis(t, some(rows * inners[i] * n), some(rows * n), rows, inners[i], n, add);
        }
})
CHECK(nstm_extreme_axis, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17};
    for (int i = 0; i < 4; i++) {
        ptrdiff_t count = rows * inners[i];
        nstm_extreme_axis(t, i & 1, some(count * n), blank(count), integers(count, 1), rows, n, inners[i]);
        nstm_extreme_axis(t, 0, with(some(count * n), count * n, NAN, 0.1), blank(count), integers(count, 1), rows, n, inners[i]);
    }
})
CHECK(nstm_reduce, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17, 70};
    for (int op = NSTM_REDUCE_ABSOLUTE; op <= NSTM_REDUCE_ABSOLUTE_MAX; op++)
        for (int i = 0; i < 5; i++) {
            ptrdiff_t count = rows * inners[i], from = inners[i] > 2 ? 1 : 0;
            // The reductions that use `shift` are consecutive.
            const double *shift = op >= NSTM_REDUCE_POWERS && op <= NSTM_REDUCE_ABSOLUTE_EQUAL ? doubles(count) : NULL;
            nstm_reduce(t, (nstm_reduction)op, some(count * n), shift, doubles(count), rows, n, inners[i], from, inners[i]);
            release();
        }
})
CHECK(nstm_reduce_backward, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17};
    for (int op = NSTM_GRADIENT_CENTERED; op <= NSTM_GRADIENT_ABSOLUTE_EQUAL; op++)
        for (int i = 0; i < 4; i++) {
            ptrdiff_t count = rows * inners[i];
            nstm_reduce_backward(
                t, (nstm_reduction_gradient)op, 1.5, doubles(count), some(count * n), doubles(count), blank(count * n), rows, n, inners[i]);
        }
})
CHECK(nstm_product_backward, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17};
    for (int i = 0; i < 4; i++) {
        ptrdiff_t count = rows * inners[i];
        nstm_product_backward(t, doubles(count), some(count * n), blank(count * n), doubles(n), rows, n, inners[i]);
    }
})

// MARK: Norms over channels
CHECK(nstm_channel_sums, {
    for (ptrdiff_t size = 0; size <= 3; size++) {
        ptrdiff_t all = rows * n * size, first = n > 1 ? 1 : 0;
        nstm_channel_sums(t, NULL, some(all), doubles(n), doubles(n), doubles(n), rows, n, size, 0, n);
        nstm_channel_sums(t, some(all), some(all), doubles(n), doubles(n), doubles(n), rows, n, size, first, n);
    }
})
CHECK(nstm_channel_affine, {
    for (ptrdiff_t size = 0; size <= 3; size++) {
        ptrdiff_t all = rows * n * size;
        double *a = doubles(n), *b = doubles(n), *c = doubles(n), *d = doubles(n);
        nstm_channel_affine(t, NULL, some(all), a, b, c, d, blank(all), rows, n, size);
        nstm_channel_affine(t, some(all), some(all), a, b, c, d, blank(all), rows, n, size);
    }
})

// MARK: Rows
CHECK(nstm_softmax, {
    nstm_softmax(t, some(rows * n), blank(rows * n), rows, n);
    void *x = with(some(rows * n), rows * n, -INFINITY, 0.2);
    nstm_softmax(t, x, x, rows, n);
})
CHECK(nstm_softmax_backward, nstm_softmax_backward(t, some(rows * n), share(rows * n), blank(rows * n), rows, n))
CHECK(nstm_log_softmax, nstm_log_softmax(t, some(rows * n), blank(rows * n), rows, n))
CHECK(nstm_log_softmax_backward, nstm_log_softmax_backward(t, some(rows * n), some(rows * n), blank(rows * n), rows, n))
CHECK(nstm_norm, for (int i = 0; i < 8; i++) {
    nstm_norm(t, i & 1, some(rows * n), i & 2 ? some(n) : NULL, i & 4 ? some(n) : NULL, 1e-5, blank(rows * n),
              i < 7 ? blank(rows) : NULL, i < 7 ? blank(rows) : NULL, rows, n);
})
CHECK(nstm_norm_backward, for (int i = 0; i < 16; i++) {
    nstm_norm_backward(t, i & 1, some(rows * n), some(rows * n), i & 2 ? some(n) : NULL, some(rows), share(rows), blank(rows * n),
                       i & 4 ? blank(n) : NULL, i & 8 ? blank(n) : NULL, rows, n);
})
CHECK(nstm_gated_norm, for (int i = 0; i < 2; i++) {
    nstm_gated_norm(t, some(rows * n), some(n), some(rows * n), 1e-5, blank(rows * n), i ? blank(rows) : NULL, rows, n);
})
CHECK(nstm_gated_norm_backward, nstm_gated_norm_backward(t, some(rows * n), some(rows * n), some(n), some(rows * n), share(rows),
                                                         blank(rows * n), blank(n), blank(rows * n), rows, n))
CHECK(nstm_l2_norm, nstm_l2_norm(t, some(rows * n), 2, 1e-6, blank(rows * n), blank(rows), rows, n))
CHECK(nstm_l2_norm_backward,
      nstm_l2_norm_backward(t, some(rows * n), some(rows * n), share(rows), 2, blank(rows * n), rows, n))
/// Classes 0 ... n − 1; every third is ignored, and all if there are no classes.
static int32_t *targets(void) {
    int32_t *x = integers(rows, n);
    for (ptrdiff_t i = 0; i < rows; i++) if (i % 3 == 1 || n == 0) x[i] = -1;
    return x;
}
CHECK(nstm_cross_entropy, for (int i = 0; i < 2; i++) {
    nstm_cross_entropy(t, some(rows * n), targets(), i ? share(rows) : NULL, blank(rows), blank(rows), rows, n);
})
CHECK(nstm_cross_entropy_backward, for (int i = 0; i < 2; i++) {
    nstm_cross_entropy_backward(t, 0.5, some(rows * n), targets(), i ? share(rows) : NULL, some(rows), blank(rows * n), rows, n);
})
CHECK(nstm_smoothed_cross_entropy, for (int i = 0; i < 4; i++) {
    nstm_smoothed_cross_entropy(t, some(rows * n), targets(), i & 1 ? share(rows) : NULL, i & 2 ? share(n) : NULL, 0.1,
                                blank(rows), blank(rows), rows, n);
})
CHECK(nstm_smoothed_cross_entropy_backward, for (int i = 0; i < 4; i++) {
    nstm_smoothed_cross_entropy_backward(t, 0.5, some(rows * n), targets(), i & 1 ? share(rows) : NULL, i & 2 ? share(n) : NULL,
                                         0.1, some(rows), blank(rows * n), rows, n);
})
CHECK(nstm_top_k_gates, for (ptrdiff_t k = 0; k < 6; k++) {
    ptrdiff_t m = rows * n;
    nstm_top_k_gates(t, with(with(some(m), m, -INFINITY, 0.3), m, NAN, 0.05), blank(m), k, rows, n);
})
CHECK(nstm_activate, for (int op = -1; op <= NSTM_RELU2; op++) {
    // The activations; the other functions are element-wise only.
    if (op >= 0 && op != NSTM_TANH && op != NSTM_SIGMOID && op < NSTM_SILU) continue;
    // With the derivative, without it, and in place.
    for (int i = 0; i < 6; i++)
        nstm_activate(t, op, some(rows * n), i & 1 ? some(n) : NULL, op < 0 || i & 4 ? NULL : blank(rows * n), i & 2, rows, n);
    release();
})

// MARK: Attention
#define EACH_HEAD(...)                                                                                                      \
    for (int mask = 0; mask < 2 * 3 * 3; mask++) {                                                                          \
        static const ptrdiff_t widths[] = {1, 3, 8, 33};                                                                   \
        /* Also enough keys for several segments. */                                                                       \
        ptrdiff_t d = widths[rows], keys = n < 1000 ? n : mask == 1 ? 1200 : 300, stride = 3 * d + 1, o_stride = d + 2;    \
        ptrdiff_t i = mask / 2 % 3;                                                                                        \
        nstm_attention a = {.stride = stride, .o_stride = o_stride, .queries = i == 1 && keys > 1 ? keys / 2 : i == 2 ? keys > 0 : keys,         \
                            .keys = keys, .width = d, .causal = mask & 1, .window = mask / 6 * 20, .scale = 0.5};          \
        a.q = some(span(a.queries, d, stride)), a.k = some(span(keys, d, stride)), a.v = some(span(keys, d, stride));      \
        a.bias = mask % 4 ? with(some(keys), keys, -INFINITY, mask % 4 * 0.5 - 0.5) : NULL;                                \
        void *o = some(span(a.queries, d, o_stride)), *lse = some(a.queries);                                              \
        __VA_ARGS__;                                                                                                       \
        release();                                                                                                         \
    }
#define SCRATCH(backward) aligned(nstm_attention_scratch(t, &a, backward) * (ptrdiff_t)width(), 64)
CHECK(nstm_attention_pairs, for (int i = 0; i < 8; i++) nstm_attention_pairs(i & 1, i & 2 ? 3 : 0, i & 4 ? n / 2 : n, n))
CHECK(nstm_attention_scratch, EACH_HEAD(SCRATCH(0), SCRATCH(1)))
CHECK(nstm_attention_forward, EACH_HEAD({
    nstm_attention_forward(t, &a, o, lse, SCRATCH(0));
    expect_numbers(o, a.queries, d, o_stride);
}))
CHECK(nstm_attention_backward, EACH_HEAD({
    void *dq = blank(span(a.queries, d, stride)), *dk = blank(span(keys, d, stride)), *dv = blank(span(keys, d, stride));
    void *g = some(span(a.queries, d, o_stride)), *dbias = mask & 2 ? blank(keys) : NULL, *dq2 = blank(a.queries * d);
    ptrdiff_t cut = keys / 2 / 32 * 32;
    nstm_attention_gradient first = {.q = dq, .k = dk, .v = dv, .bias = dbias, .q_stride = stride};
    nstm_attention_gradient second = {.q = dq2, .k = dk, .v = dv, .bias = dbias, .q_stride = d};
    nstm_attention_backward(t, &a, &first, 0, cut, o, g, lse, SCRATCH(1));
    nstm_attention_backward(t, &a, &second, cut, keys, o, g, lse, SCRATCH(1));
    if (cut) expect_numbers(dq, a.queries, d, stride);
    if (keys) expect_numbers(dq2, a.queries, d, d);
    expect_numbers(dk, keys, d, stride);
    expect_numbers(dv, keys, d, stride);
}))
