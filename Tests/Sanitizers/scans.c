// Gated slots and the scans of the state families.
#include "kernels.h"

// MARK: Gated slots
/// n states, `rows` tokens or five; heads of several widths. Most states are not routed, some are inactive.
#define EACH_SLOTS(...)                                                                                                       \
    static const ptrdiff_t heads[] = {1, 7, 16, 17, 32, 33, 64};                                                              \
    for (int h = 0; h < 7; h++)                                                                                               \
        for (int i = 0; i < 6; i++) {                                                                                         \
            ptrdiff_t d = heads[h], length = i & 1 ? rows : 5, qs = d + 1, us = n + 2, ps = n + 1, os = d + 3;                 \
            if (n * d > 20000) continue;                                                                                      \
            void *q = some(span(length, d, qs)), *k = some(span(length, d, qs)), *v = some(span(length, d, qs));              \
            void *u = with(share(span(length, n, us)), span(length, n, us), 0, 0.6);                                          \
            void *bias = i / 2 ? with(some(n), n, -INFINITY, i / 2 == 1 ? 0.3 : 1) : NULL;                                    \
            ptrdiff_t ks = d + h % 3;                                                                                         \
            void *gate = i & 1 ? share(span(length, d, d + 2)) : NULL;                                                        \
            nstm_slots scan = {.q = q, .k = k, .v = v, .u = u, .gate = gate, .bias = bias, .scale = 0.3, .key_scale = i & 1 ? 2 : 0,\
                               .qkv_stride = qs, .u_stride = us, .gate_stride = d + 2, .state_stride = ks, .p_stride = ps,    \
                               .o_stride = os, .n = n, .d = d};                                                           \
            __VA_ARGS__;                                                                                                      \
            release();                                                                                                        \
        }
#define SLOT_SCRATCH(backward) aligned(nstm_slots_scratch(n, d, length, backward) * (ptrdiff_t)width(), 64)
CHECK(nstm_slots_scratch, if (nstm_slots_scratch(n, 3, 1, 0) < 3 * n / 2) abort())
CHECK(nstm_slots_forward, {
    EACH_SLOTS({
        void *p = blank(span(length, n, ps)), *o = blank(span(length, d, os));
        nstm_slots_forward(t, &scan, share(span(n, d, ks)), share(span(n, d, ks)), p, o, length, SLOT_SCRATCH(0));
        expect_numbers(p, length, n, ps);
        expect_numbers(o, length, d, os);
    })
})
CHECK(nstm_slots_backward, {
    EACH_SLOTS({
        nstm_slots_gradient to = {
            .q = blank(span(length, d, qs)), .k = blank(span(length, d, qs)), .v = blank(span(length, d, qs)),
            .u = blank(span(length, n, us)), .keys = some(n * d), .values = some(n * d),
            .gate = gate ? blank(span(length, d, d + 1)) : NULL, .bias = bias ? some(n) : NULL, .qkv_stride = qs, .u_stride = us,
            .gate_stride = d + 1};
        nstm_slots_backward(t, &scan, &to, some(span(n, d, ks)), some(span(n, d, ks)), share(span(length, n, ps)),
                            some(span(length, d, os)), length, SLOT_SCRATCH(1));
        expect_numbers(to.q, length, d, qs);
        expect_numbers(to.k, length, d, qs);
        expect_numbers(to.v, length, d, qs);
        expect_numbers(to.u, length, n, us);
        if (gate) expect_numbers(to.gate, length, d, d + 1);
        expect_numbers(to.keys, n, d, d);
        expect_numbers(to.values, n, d, d);
    })
})

// MARK: Content slots
/// n states and keys of several widths, most states with weight 0; usages and all gates in 0 ... 1.
#define EACH_CONTENT(...)                                                                                             \
    static const ptrdiff_t widths[] = {1, 7, 16, 17, 64, 128};                                                        \
    for (int h = 0; h < 6; h++) {                                                                                     \
        ptrdiff_t d = widths[h], length = h & 1 ? 5 : rows, ks = d + 1;                                               \
        if (n * d > 20000) continue;                                                                                  \
        nstm_content_slots scan = {.k = some(span(length, d, ks)),                                                    \
                                   .routing = with(share(length * n), length * n, 0, 0.6), .strength = share(length), \
                                   .forget = share(length), .beta = 7, .theta = 0.5, .k_stride = ks, .n = n, .d = d};  \
        void *keys = some(n * d), *usage = share(n);                                                                  \
        __VA_ARGS__;                                                                                                  \
        release();                                                                                                    \
    }
CHECK(nstm_content_slots_forward, {
    EACH_CONTENT({
        void *u = blank(length * n);
        nstm_content_slots_forward(t, &scan, keys, usage, u, length,
                                   aligned(nstm_content_slots_scratch(n, d, length, 0) * (ptrdiff_t)width(), 64));
        expect_numbers(u, length, n, n);
        expect_numbers(usage, 1, n, n);
        expect_numbers(keys, n, d, d);
    })
})
CHECK(nstm_content_slots_backward, {
    EACH_CONTENT({
        void *d_keys = some(n * d), *d_usage = some(n);
        nstm_content_slots_gradient to = {
            .k = blank(span(length, d, ks)), .routing = blank(length * n), .strength = blank(length), .forget = blank(length),
            .beta = some(1), .theta = some(1), .keys = d_keys, .usage = d_usage, .k_stride = ks};
        nstm_content_slots_backward(t, &scan, &to, keys, usage, some(length * n), length,
                                    aligned(nstm_content_slots_scratch(n, d, length, 1) * (ptrdiff_t)width(), 64));
        expect_numbers(to.k, length, d, ks);
        expect_numbers(to.routing, length, n, n);
        expect_numbers(to.strength, 1, length, length);
        expect_numbers(to.forget, 1, length, length);
        expect_numbers(to.beta, 1, 1, 1);
        expect_numbers(to.theta, 1, 1, 1);
        expect_numbers(d_keys, n, d, d);
        expect_numbers(d_usage, 1, n, n);
    })
})
CHECK(nstm_content_slots_scratch, if (nstm_content_slots_scratch(n, 3, 1, 0) < n) abort())

// MARK: Matrix state
/// A padded state with the alignment of the contract.
static void *matrix_state(ptrdiff_t dk, ptrdiff_t dv) {
    ptrdiff_t K = nstm_matrix_scan_padded(dk), W = nstm_matrix_scan_padded(dv);
    char *x = aligned(K * W * (ptrdiff_t)width(), 64), *row = some(dv);
    memset(x, 0, (size_t)(K * W) * width());
    for (ptrdiff_t r = 0; r < dk; r++) memcpy(x + (size_t)(r * W) * width(), row, (size_t)dv * width());
    return x;
}
/// Without decay, with one per token and with one per channel, each with and without the delta rule; and with a bonus. Keys have
/// n channels, a chunk has 1, 7, 15 or 16 tokens; also the sizes for which kernels are compiled.
#define EACH_MATRIX(...)                                                                                                     \
    static const ptrdiff_t widths[] = {1, 7, 16, 40}, lengths[] = {1, 7, 15, 16};                                            \
    if (n > 0 && n < 100)                                                                                                    \
        for (int i = 0; i < 6; i++)                                                                                          \
            for (int kind = 0; kind < 7; kind++) {                                                                           \
                ptrdiff_t dk = i < 4 ? n : 32 * (i - 3), dv = i < 4 ? widths[i] : dk, length = lengths[rows];                 \
                ptrdiff_t qs = dk + 1, vs = dv + 2, os = dv + 3, as = dk + 2;                                                \
                int channels = kind >= 4, decays = kind >= 2, delta = kind < 6 && kind & 1, extra = kind == 6;               \
                ptrdiff_t decay = channels ? dk : 1;                                                                         \
                nstm_matrix_scan scan = {                                                                                    \
                    .dk = dk, .dv = dv, .q = share(span(length, dk, qs)), .k = numbers(span(length, dk, qs), -0.2, 0.2),      \
                    .v = some(span(length, dv, vs)), .q_stride = qs, .k_stride = qs, .v_stride = vs,                         \
                    .decay = decays ? with(share(span(length, decay, as)), span(length, decay, as), 0, 0.1) : NULL,          \
                    .decay_stride = as, .channels = channels, .beta = delta ? share(span(length, 1, 3)) : NULL,              \
                    .beta_stride = 3, .bonus = extra ? some(dk) : NULL};                                                     \
                void *start = matrix_state(dk, dv);                                                                          \
                ptrdiff_t padded = nstm_matrix_scan_padded(dk) * nstm_matrix_scan_padded(dv);                                \
                __VA_ARGS__;                                                                                                 \
                release();                                                                                                   \
            }
CHECK(nstm_matrix_scan_padded, if (nstm_matrix_scan_padded(n) < n) abort())
CHECK(nstm_matrix_scan_scratch, if (nstm_matrix_scan_scratch(n, rows, 0, 0) > nstm_matrix_scan_scratch(n, rows, 1, 1)) abort())
CHECK(nstm_matrix_scan_chunk, {
    EACH_MATRIX({
        void *scratch = aligned(nstm_matrix_scan_scratch(dk, dv, channels, 0) * (ptrdiff_t)width(), 64);
        void *end = kind & 1 ? start : aligned(padded * (ptrdiff_t)width(), 64), *o = blank(span(length, dv, os));
        nstm_matrix_scan_chunk(t, &scan, start, end, o, os, length, scratch);
        expect_numbers(o, length, dv, os);
        expect_numbers(end, 1, padded, padded);
    })
})
CHECK(nstm_matrix_scan_chunk_backward, {
    EACH_MATRIX({
        void *scratch = aligned(nstm_matrix_scan_scratch(dk, dv, channels, 1) * (ptrdiff_t)width(), 64);
        void *d_o = some(span(length, dv, os)), *d_state = matrix_state(dk, dv);
        nstm_matrix_scan_gradient to = {
            .q = blank(span(length, dk, as)), .k = blank(span(length, dk, as)), .v = blank(span(length, dv, os)), .q_stride = as,
            .k_stride = as, .v_stride = os, .decay = decays ? blank(span(length, decay, qs)) : NULL, .decay_stride = qs,
            .beta = delta ? blank(span(length, 1, 2)) : NULL, .beta_stride = 2, .bonus = extra ? some(dk) : NULL};
        nstm_matrix_scan_chunk_backward(t, &scan, &to, start, d_o, os, d_state, length, scratch);
        expect_numbers(to.q, length, dk, as);
        expect_numbers(to.k, length, dk, as);
        expect_numbers(to.v, length, dv, os);
        if (decays) expect_numbers(to.decay, length, decay, qs);
        if (delta) expect_numbers(to.beta, length, 1, 2);
        if (extra) expect_numbers(to.bonus, 1, dk, dk);
        expect_numbers(d_state, 1, padded, padded);
    })
})

// MARK: Pointers
/// n states after the rest position; all of them, or every second one. Few moves and all.
#define EACH_POINTER(...)                                                                                          \
    for (int i = 0; i < 6; i++) {                                                                                  \
        static const ptrdiff_t lengths[] = {0, 1, 2, 9};                                                           \
        static const nstm_pointer_columns sets[] = {{0, 1, -1, -1, -1, -1, -1, 2},                                 \
                                                    {0, 1, 2, 3, 4, -1, -1, 5},                                    \
                                                    {6, 5, 4, 3, 2, 1, 0, 7}};                                     \
        nstm_pointer_columns columns = sets[i / 2];                                                                \
        int some_of_them = i & 1, targeted = i / 2 > 0, finds = i / 2 == 2;                                        \
        ptrdiff_t length = lengths[rows], positions = n + 1, count = some_of_them ? 1 + (n + 1) / 2 : positions;   \
        int32_t *order = some_of_them ? block(count, sizeof(int32_t)) : NULL;                                      \
        for (ptrdiff_t j = 0; order && j < count; j++) order[j] = (int32_t)(j == 0 ? 0 : 2 * j - 1);               \
        void *heads = blank(length * positions);                                                                   \
        nstm_pointer_scan scan = {.moves = share(columns.count * length), .start = share(positions),               \
                                  .target = targeted ? share(length * positions) : NULL,                           \
                                  .match = finds ? share(length * n) : NULL, .order = order, .columns = columns,   \
                                  .count = count, .length = length, .positions = positions};                       \
        nstm_pointer_scan_forward(t, &scan, heads);                                                                \
        __VA_ARGS__;                                                                                               \
        release();                                                                                                 \
    }
CHECK(nstm_pointer_scan_forward, { EACH_POINTER({ expect_numbers(heads, length, positions, positions); }) })
CHECK(nstm_pointer_scan_backward, {
    EACH_POINTER({
        void *d_moves = blank(columns.count * length), *d_start = blank(positions);
        nstm_pointer_gradient to = {.moves = d_moves, .start = d_start, .target = targeted ? blank(length * positions) : NULL,
                                    .match = finds ? blank(length * n) : NULL};
        nstm_pointer_scan_backward(t, &scan, &to, heads, some(length * positions), blank(positions));
        expect_numbers(d_moves, length, columns.count, columns.count);
        expect_numbers(d_start, 1, positions, positions);
        if (targeted) expect_numbers(to.target, length, positions, positions);
        if (finds) expect_numbers(to.match, length, n, n);
    })
})
/// n states and keys of several widths, one head or two.
#define EACH_KEY_MEMORY(...)                                                                                       \
    static const ptrdiff_t widths[] = {1, 7, 16};                                                                  \
    for (int i = 0; i < 6; i++) {                                                                                  \
        ptrdiff_t d = widths[i / 2], heads = 1 + (i & 1), length = rows > 9 ? 9 : rows, stride = length * n + 3;   \
        if (n * d > 20000) continue;                                                                               \
        nstm_key_memory scan = {.q = some(length * heads * d), .k = some(length * d), .u = share(length * n),      \
                                .length = length, .heads = heads, .d = d, .n = n, .score_stride = stride};         \
        ptrdiff_t scores = (heads - 1) * stride + length * n;                                                      \
        __VA_ARGS__;                                                                                               \
        release();                                                                                                 \
    }
CHECK(nstm_key_memory_forward, {
    EACH_KEY_MEMORY({
        void *keys = some(d * n), *to = blank(scores);
        nstm_key_memory_forward(t, &scan, keys, to);
        expect_numbers(keys, d, n, n);
        expect_numbers(to, 1, length * n, length * n);
    })
})
CHECK(nstm_key_memory_backward, {
    EACH_KEY_MEMORY({
        nstm_key_memory_gradient to = {.q = blank(length * heads * d), .k = blank(length * d), .u = blank(length * n), .keys = some(d * n)};
        nstm_key_memory_backward(t, &scan, &to, some(d * n), some(scores), blank(length * d * n));
        expect_numbers(to.q, length, heads * d, heads * d);
        expect_numbers(to.k, length, d, d);
        expect_numbers(to.u, length, n, n);
        expect_numbers(to.keys, d, n, n);
    })
})

// MARK: Diagonal state
/// n channels; 0 tokens, 1, and more than a chunk.
static ptrdiff_t tokens(void) {
    static const ptrdiff_t lengths[] = {0, 1, 16, 35};
    return lengths[rows];
}
/// Real and complex; a row of decays for each token and one for all.
#define EACH_DIAGONAL(...)                                                                                       \
    for (int i = 0; i < 4; i++) {                                                                                \
        int complex = i & 1, fixed = i & 2;                                                                      \
        ptrdiff_t length = tokens(), stride = n + 1, as = fixed ? 0 : n + 2, all = span(length, n, stride);       \
        ptrdiff_t decays = fixed ? n : span(length, n, as);                                                      \
        void *a = numbers(decays, -0.7, 0.7), *a_im = complex ? numbers(decays, -0.7, 0.7) : NULL, *h = blank(all); \
        void *h_im = complex ? blank(all) : NULL, *start = some(n), *start_im = complex ? some(n) : NULL;         \
        nstm_diagonal_scan scan = {.a = a, .b = some(all), .a_im = a_im, .b_im = complex ? some(all) : NULL,      \
                                   .a_stride = as, .stride = stride, .length = length, .channels = n};           \
        __VA_ARGS__;                                                                                             \
        release();                                                                                               \
    }
CHECK(nstm_diagonal_scan_forward, {
    EACH_DIAGONAL({
        nstm_diagonal_scan_forward(t, &scan, h, h_im, start, start_im);
        expect_numbers(h, length, n, stride);
        if (complex) expect_numbers(h_im, length, n, stride);
    })
})
CHECK(nstm_diagonal_scan_backward, {
    EACH_DIAGONAL(for (int given = 0; given < 2; given++) {
        with(h, all, 0.5, 1);
        if (complex) with(h_im, all, -0.5, 1);
        ptrdiff_t to_a = fixed ? n : all;
        void *da = blank(to_a), *da_im = complex ? blank(to_a) : NULL, *db = blank(all), *db_im = complex ? blank(all) : NULL;
        void *d_state = some(n), *d_state_im = complex ? some(n) : NULL;
        nstm_diagonal_states states = {.start = start, .h = h, .start_im = start_im, .h_im = h_im,
                                       .dh = given ? some(all) : NULL, .dh_im = given && complex ? some(all) : NULL};
        nstm_diagonal_gradient to = {.a = da, .b = db, .state = d_state, .a_im = da_im, .b_im = db_im, .state_im = d_state_im};
        nstm_diagonal_scan_backward(t, &scan, &states, &to);
        expect_numbers(da, fixed ? 1 : length, n, stride);
        expect_numbers(db, length, n, stride);
        if (complex) expect_numbers(da_im, fixed ? 1 : length, n, stride);
        if (complex) expect_numbers(db_im, length, n, stride);
        expect_numbers(d_state, 1, n, n);
    })
})
/// n channels with several numbers of states, with and without a skip, and with and without step sizes per state, some 0.
#define EACH_SELECTIVE(...)                                                                                          \
    static const ptrdiff_t counts[] = {1, 5, 16, 17, 64};                                                            \
    for (int i = 0; i < 5; i++) {                                                                                    \
        ptrdiff_t states = counts[i], length = tokens(), xs = n + 1, ds = n + 2, ys = n + 3;                          \
        ptrdiff_t chunks = (length + NSTM_SELECTIVE_CHUNK - 1) / NSTM_SELECTIVE_CHUNK;                                \
        ptrdiff_t kept = chunks * ((n + 15) / 16 * 16) * states;                                                     \
        nstm_selective_scan scan = {                                                                                 \
            .x = some(span(length, n, xs)), .delta = share(span(length, n, ds)), .a = numbers(n * states, -1, 0),     \
            .b = some(length * states), .c = some(length * states), .skip = i & 1 ? some(n) : NULL, .x_stride = xs,   \
            .step = i & 2 ? share(length * states) : NULL, .delta_stride = ds, .length = length, .channels = n, .n = states};                                       \
        if (n * states > 20000) continue;                                                                            \
        __VA_ARGS__;                                                                                                 \
        release();                                                                                                   \
    }
#define SELECTIVE_SCRATCH(backward) aligned(nstm_selective_scan_scratch(states, backward) * (ptrdiff_t)width(), 64)
CHECK(nstm_selective_scan_scratch, if (nstm_selective_scan_scratch(n, 0) > nstm_selective_scan_scratch(n, 1)) abort())
CHECK(nstm_selective_scan_forward, {
    EACH_SELECTIVE(for (int keeps = 0; keeps < 2; keeps++) {
        void *y = blank(span(length, n, ys)), *state = some(n * states);
        nstm_selective_scan_forward(t, &scan, y, ys, state, keeps ? blank(kept) : NULL, SELECTIVE_SCRATCH(0));
        expect_numbers(y, length, n, ys);
        expect_numbers(state, n, states, states);
    })
})
CHECK(nstm_selective_scan_backward, {
    EACH_SELECTIVE({
        nstm_selective_gradient to = {
            .x = blank(span(length, n, ys)), .delta = blank(span(length, n, ys)), .a = blank(n * states),
            .b = some(length * states), .c = some(length * states), .state = some(n * states),
            .skip = i & 1 ? blank(n) : NULL, .step = i & 2 ? some(length * states) : NULL, .stride = ys};
        nstm_selective_scan_backward(t, &scan, &to, some(span(length, n, ys)), ys, some(kept), SELECTIVE_SCRATCH(1));
        expect_numbers(to.x, length, n, ys);
        expect_numbers(to.delta, length, n, ys);
        expect_numbers(to.a, n, states, states);
        expect_numbers(to.b, length, states, states);
        expect_numbers(to.c, length, states, states);
        expect_numbers(to.state, n, states, states);
        if (to.skip) expect_numbers(to.skip, 1, n, n);
        if (to.step) expect_numbers(to.step, length, states, states);
    })
})
/// Three rows per state; the denominators are not negative.
static void *wkv_states(ptrdiff_t count, ptrdiff_t row) {
    char *x = some(span(3 * count, n, row));
    for (ptrdiff_t i = 0; i < count; i++)
        memcpy(x + (size_t)((3 * i + 1) * row) * width(), share(n), (size_t)n * width());
    return x;
}
CHECK(nstm_wkv_scan_forward, for (int keeps = 0; keeps < 2; keeps++) {
    ptrdiff_t length = tokens(), stride = n + 1, row = n + 2, all = span(length, n, stride);
    ptrdiff_t chunks = (length + NSTM_WKV_CHUNK - 1) / NSTM_WKV_CHUNK;
    void *y = blank(all), *state = wkv_states(1, row), *starts = keeps ? blank(span(3 * chunks, n, row)) : NULL;
    nstm_wkv_scan scan = {.w = numbers(n, -2, 0), .u = some(n), .k = some(all), .v = some(all), .stride = stride, .row = row,
                          .length = length, .channels = n};
    nstm_wkv_scan_forward(t, &scan, y, state, starts);
    expect_numbers(y, length, n, stride);
    expect_numbers(state, 3, n, row);
    if (keeps) expect_numbers(starts, 3 * chunks, n, row);
})
CHECK(nstm_wkv_scan_backward, {
    ptrdiff_t length = tokens(), stride = n + 1, row = n + 2, all = span(length, n, stride);
    ptrdiff_t chunks = (length + NSTM_WKV_CHUNK - 1) / NSTM_WKV_CHUNK;
    void *dw = blank(n), *du = blank(n), *dk = blank(all), *dv = blank(all), *d_state = some(span(3, n, row));
    nstm_wkv_scan scan = {.w = numbers(n, -2, 0), .u = some(n), .k = some(all), .v = some(all), .stride = stride, .row = row,
                          .length = length, .channels = n};
    nstm_wkv_gradient to = {.w = dw, .u = du, .k = dk, .v = dv, .state = d_state};
    nstm_wkv_scan_backward(t, &scan, &to, some(all), wkv_states(chunks, row));
    expect_numbers(dw, 1, n, n);
    expect_numbers(du, 1, n, n);
    expect_numbers(dk, length, n, stride);
    expect_numbers(dv, length, n, stride);
    expect_numbers(d_state, 3, n, row);
})

// MARK: Gated recurrent cells
CHECK(nstm_lstm_step_forward, for (int keeps = 0; keeps < 2; keeps++) {
    void *gates = keeps ? blank(span(rows, 4 * n, 4 * n + 1)) : NULL, *cells = keeps ? blank(span(rows, n, n + 2)) : NULL;
    void *hidden = blank(rows * n), *y = blank(span(rows, n, n + 3)), *cell = some(rows * n);
    nstm_lstm_step step = {.x = some(span(rows, 4 * n, 4 * n + 4)), .product = some(rows * 4 * n), .cell = cell, .hidden = hidden,
                           .y = y, .gates = gates, .cells = cells, .x_row = 4 * n + 4, .y_row = n + 3, .gate_row = 4 * n + 1,
                           .cell_row = n + 2, .rows = rows, .n = n};
    nstm_lstm_step_forward(t, &step);
    if (keeps) expect_numbers(gates, rows, 4 * n, 4 * n + 1);
    if (keeps) expect_numbers(cells, rows, n, n + 2);
    expect_numbers(hidden, rows, n, n);
    expect_numbers(y, rows, n, n + 3);
})
CHECK(nstm_lstm_step_backward, {
    void *d_gates = blank(rows * 4 * n), *to = blank(span(rows, 4 * n, 4 * n + 3));
    nstm_lstm_step_gradient step = {
        .dy = some(span(rows, n, n + 1)), .gates = share(span(rows, 4 * n, 4 * n + 1)), .before = some(span(rows, n, n + 2)),
        .after = some(span(rows, n, n + 2)), .d_hidden = some(rows * n), .d_cell = some(rows * n), .d_gates = d_gates, .to = to,
        .dy_row = n + 1, .gate_row = 4 * n + 1, .cell_row = n + 2, .to_row = 4 * n + 3, .rows = rows, .n = n};
    nstm_lstm_step_backward(t, &step);
    expect_numbers(d_gates, rows, 4 * n, 4 * n);
    expect_numbers(to, rows, 4 * n, 4 * n + 3);
})
CHECK(nstm_gru_step_forward, for (int keeps = 0; keeps < 2; keeps++) {
    void *gates = keeps ? blank(span(rows, 4 * n, 4 * n + 1)) : NULL, *hidden = some(rows * n), *y = blank(span(rows, n, n + 3));
    nstm_gru_step step = {.x = some(span(rows, 3 * n, 3 * n + 4)), .product = some(rows * 3 * n), .bias = some(3 * n),
                          .hidden = hidden, .y = y, .gates = gates, .x_row = 3 * n + 4, .y_row = n + 3, .gate_row = 4 * n + 1,
                          .rows = rows, .n = n};
    nstm_gru_step_forward(t, &step);
    if (keeps) expect_numbers(gates, rows, 4 * n, 4 * n + 1);
    expect_numbers(hidden, rows, n, n);
    expect_numbers(y, rows, n, n + 3);
})
CHECK(nstm_gru_step_backward, {
    void *d_product = blank(rows * 3 * n), *to = blank(span(rows, 3 * n, 3 * n + 3)), *q = blank(span(rows, n, n + 1));
    nstm_gru_step_gradient step = {
        .dy = some(span(rows, n, n + 1)), .gates = share(span(rows, 4 * n, 4 * n + 1)), .before = some(span(rows, n, n + 2)),
        .d_hidden = some(rows * n), .d_product = d_product, .to = to, .to_q = q, .dy_row = n + 1, .gate_row = 4 * n + 1,
        .before_row = n + 2, .to_row = 3 * n + 3, .q_row = n + 1, .rows = rows, .n = n};
    nstm_gru_step_backward(t, &step);
    expect_numbers(d_product, rows, 3 * n, 3 * n);
    expect_numbers(to, rows, 3 * n, 3 * n + 3);
    expect_numbers(q, rows, n, n + 1);
})
