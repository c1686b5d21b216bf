// Calls every kernel of nstm_kernels.h at sizes around the widths of vectors, on heap blocks of exactly the size that the contract
// asks for: built with the address and undefined-behaviour sanitizers, a read or write beyond a block ends the program.
// `Scripts/sanitize-kernels` builds and runs it, and fails when the header declares a function without a CHECK here.
//
//     CHECK(name, statements)
//
// runs the statements for every element type, number of rows, size and alignment. They use
//     t, rows, n        element type, 0 ... 3 rows, and a size of 0, 1, 7, 15, 16, 17, 33 or 1000
//     some(count)       a block of `count` random elements in −2 ... 2; `share(count)` in 0 ... 1
//     blank(count)      a block to be written, full of NaN
//     integers(count, below)
//     span(rows, columns, stride)   how many elements rows at a stride take
// Blocks are released after each run.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nstm_kernels.h"

static nstm_real t;
static ptrdiff_t rows, n;

/// Elements by which blocks begin later than malloc's alignment: vectors must not count on more than the element's.
static size_t shift;
static void *blocks[256];
static int block_count;
static uint64_t state = 1;

static double uniform(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}
static char *block(ptrdiff_t count, size_t size) {
    if (block_count == sizeof blocks / sizeof *blocks) {
        fprintf(stderr, "too many blocks in one check\n");
        exit(2);
    }
    char *base = malloc((size_t)count * size + shift * size);
    blocks[block_count++] = base;
    return base + shift * size;
}
static void release(void) {
    while (block_count > 0) free(blocks[--block_count]);
}
static size_t width(void) { return t == NSTM_F32 ? sizeof(float) : sizeof(double); }
static void *numbers(ptrdiff_t count, double low, double high) {
    char *x = block(count, width());
    for (ptrdiff_t i = 0; i < count; i++) {
        double v = low + (high - low) * uniform();
        if (t == NSTM_F32) ((float *)x)[i] = (float)v;
        else ((double *)x)[i] = v;
    }
    return x;
}
static void *some(ptrdiff_t count) { return numbers(count, -2, 2); }
static void *share(ptrdiff_t count) { return numbers(count, 0, 1); }
static void *blank(ptrdiff_t count) { return numbers(count, NAN, NAN); }
static int32_t *integers(ptrdiff_t count, ptrdiff_t below) {
    int32_t *x = (int32_t *)block(count, sizeof(int32_t));
    for (ptrdiff_t i = 0; i < count; i++) x[i] = (int32_t)(uniform() * (double)below);
    return x;
}
/// Weights or biases of which some have a special value.
static void *with(void *x, ptrdiff_t count, double value, double probability) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (uniform() < probability) {
            if (t == NSTM_F32) ((float *)x)[i] = (float)value;
            else ((double *)x)[i] = value;
        }
    return x;
}
static ptrdiff_t span(ptrdiff_t count, ptrdiff_t columns, ptrdiff_t stride) { return count > 0 ? (count - 1) * stride + columns : 0; }

typedef struct {
    const char *name;
    void (*run)(void);
} Check;
static Check checks[512];
static int check_count;

#define CHECK(function, ...)                                                     \
    static void check_##function(void) { __VA_ARGS__; }                         \
    __attribute__((constructor)) static void register_##function(void) {        \
        checks[check_count++] = (Check){#function, check_##function};           \
    }

// MARK: Memory
CHECK(nstm_pause, nstm_pause())
CHECK(nstm_kernel_set, if (strlen(nstm_kernel_set()) == 0) abort())
CHECK(nstm_fill, nstm_fill(t, blank(n), 3, n))
CHECK(nstm_fill_bytes, nstm_fill_bytes(block(n, 1), 255, n))
CHECK(nstm_cast, {
    nstm_real own = t;
    for (int to = NSTM_F32; to <= NSTM_F64; to++) {
        t = own;
        void *x = some(n);
        t = (nstm_real)to;
        nstm_cast(own, t, x, blank(n), n);
    }
    t = own;
})
CHECK(nstm_copy_strided, {
    // Elements of 1, 4 and 8 bytes; dense, transposed, every second, repeated.
    for (size_t bytes = 1; bytes <= 8; bytes = bytes == 1 ? 4 : bytes * 2) {
        int32_t size = (int32_t)n, count = (int32_t)rows, sizes[2] = {count, size};
        int32_t dense[2] = {size, 1}, transposed[2] = {1, count}, second[2] = {2 * size, 2}, repeated[2] = {0, 1};
        ptrdiff_t all = rows * n;
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, dense, block(all, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, transposed, block(all, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, second, block(all > 0 ? 2 * all - 1 : 0, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, repeated, block(rows > 0 ? n : 0, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 0, sizes, dense, block(1, bytes), block(1, bytes));
        int32_t cube[3] = {2, count, size}, steps[3] = {size * count, 1, count};
        nstm_copy_strided((ptrdiff_t)bytes, 3, cube, steps, block(2 * all, bytes), block(2 * all, bytes));
    }
})

// MARK: Matrix product
CHECK(nstm_gemm_available, (void)nstm_gemm_available())
CHECK(nstm_gemm_pack, {
    if (t != NSTM_F32 || !nstm_gemm_available()) return;
    static const ptrdiff_t depths[] = {0, 1, 15, 17, 33};
    for (int d = 0; d < 5; d++) {
        ptrdiff_t k = depths[d], panels = (n + 31) / 32;
        float *straight = blank(panels * k * 32), *turned = blank(panels * k * 32);
        float *b = some(span(k, n, n + rows)), *c = some(span(n, k, k + rows));
        for (ptrdiff_t p = 0; p < panels; p++) {
            nstm_gemm_pack(0, b, n + rows, k, n, p, straight);
            nstm_gemm_pack(1, c, k + rows, k, n, p, turned);
        }
    }
})
CHECK(nstm_gemm_rows, {
    if (t != NSTM_F32 || !nstm_gemm_available()) return;
    static const ptrdiff_t depths[] = {0, 1, 17, 300}, heights[] = {0, 1, 5, 11, 12, 13, 25};
    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 7; h++) {
            ptrdiff_t k = depths[d], m = heights[h], panels = (n + 31) / 32, ldc = n + rows;
            float *c = some(span(m, n, ldc)), *packed = some(panels * k * 32), *plain = some(span(k, n, n + rows));
            // A as it lies, and turned.
            nstm_gemm_rows(some(span(m, k, k + 1)), k + 1, 1, packed, 32 * k, 32, c, ldc, m, n, k, h & 1);
            nstm_gemm_rows(some(span(k, m, m + 1)), 1, m + 1, plain, 32, n + rows, c, ldc, m, n, k, d & 1);
            release();
        }
})

// MARK: Element-wise
CHECK(nstm_map, for (int op = NSTM_NEG; op <= NSTM_LOGSIGMOID; op++) nstm_map(t, (nstm_unary)op, some(n), blank(n), n))
CHECK(nstm_map_backward, for (int op = NSTM_NEG; op <= NSTM_LOGSIGMOID; op++)
          nstm_map_backward(t, (nstm_unary)op, some(n), some(n), some(n), blank(n), n))
CHECK(nstm_zip, {
    for (int op = NSTM_ADD; op <= NSTM_MIN; op++) {
        // Rows of elements, one element for each row, one row for all, one element for all.
        ptrdiff_t outer[] = {n, 1, 0, 0}, inner[] = {1, 0, 1, 0}, count[] = {rows * n, rows, n, 1};
        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++) {
                // Where the result is empty, nothing may be read either.
                int empty = rows * n == 0;
                nstm_zip(t, (nstm_binary)op, some(empty && inner[a] ? 0 : count[a]), outer[a], inner[a],
                         some(empty && inner[b] ? 0 : count[b]), outer[b], inner[b], blank(rows * n), rows, n);
            }
        release();
    }
})
CHECK(nstm_affine, nstm_affine(t, 0.5, some(n), 1, blank(n), n))
CHECK(nstm_axpy, nstm_axpy(t, 0.5, some(n), some(n), n))
CHECK(nstm_clamp, nstm_clamp(t, some(n), -1, 1, blank(n), n))
CHECK(nstm_clamp_backward, nstm_clamp_backward(t, some(n), some(n), -1, 1, blank(n), n))

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
CHECK(nstm_max_axis, {
    static const ptrdiff_t inners[] = {0, 1, 2, 17};
    for (int i = 0; i < 4; i++) {
        ptrdiff_t count = rows * inners[i];
        nstm_max_axis(t, some(count * n), blank(count), integers(count, 1), rows, n, inners[i]);
        nstm_max_axis(t, with(some(count * n), count * n, NAN, 0.1), blank(count), NULL, rows, n, inners[i]);
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
    nstm_norm(t, i & 1, some(rows * n), i & 2 ? some(n) : NULL, i & 4 ? some(n) : NULL, 1e-5, blank(rows * n), blank(rows),
              blank(rows), rows, n);
})
CHECK(nstm_norm_backward, for (int i = 0; i < 16; i++) {
    nstm_norm_backward(t, i & 1, some(rows * n), some(rows * n), i & 2 ? some(n) : NULL, some(rows), share(rows), blank(rows * n),
                       i & 4 ? blank(n) : NULL, i & 8 ? blank(n) : NULL, rows, n);
})
CHECK(nstm_gated_norm,
      nstm_gated_norm(t, some(rows * n), some(n), some(rows * n), 1e-5, blank(rows * n), blank(rows), rows, n))
CHECK(nstm_gated_norm_backward, nstm_gated_norm_backward(t, some(rows * n), some(rows * n), some(n), some(rows * n), share(rows),
                                                         blank(rows * n), blank(n), blank(rows * n), rows, n))
CHECK(nstm_l2_norm, nstm_l2_norm(t, some(rows * n), 2, 1e-6, blank(rows * n), blank(rows), rows, n))
CHECK(nstm_l2_norm_backward,
      nstm_l2_norm_backward(t, some(rows * n), some(rows * n), share(rows), 2, blank(rows * n), rows, n))
/// Classes 0 ... n − 1; every third is ignored, and so are all where there are none.
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
CHECK(nstm_top_k_gates, for (ptrdiff_t k = 0; k < 6; k++) {
    ptrdiff_t m = rows * n;
    nstm_top_k_gates(t, with(with(some(m), m, -INFINITY, 0.3), m, NAN, 0.05), blank(m), k, rows, n);
})
CHECK(nstm_activate, for (int op = -1; op <= NSTM_RELU2; op++) {
    // The activations there are; the others are element-wise functions only.
    if (op >= 0 && op != NSTM_TANH && op != NSTM_SIGMOID && op < NSTM_SILU) continue;
    for (int i = 0; i < 4; i++)
        nstm_activate(t, op, some(rows * n), i & 1 ? some(n) : NULL, op < 0 ? NULL : blank(rows * n), i & 2, rows, n);
    release();
})

// MARK: Attention
#define EACH_MASK(...)                                                            \
    for (int causal = 0; causal < 2; causal++)                                    \
        for (ptrdiff_t window = 0; window < 5; window += 2)                       \
            for (ptrdiff_t offset = -2; offset < 6; offset += 4)                  \
                for (int bias = 0; bias < 3; bias++) {                            \
                    void *b = bias ? with(some(n), n, -INFINITY, bias - 0.5) : NULL; \
                    void *s = some(span(rows, n, n + 3));                         \
                    __VA_ARGS__;                                                  \
                    release();                                                    \
                }
CHECK(nstm_attention_rows,
      EACH_MASK(nstm_attention_rows(t, 0.3, s, n + 3, b, causal, offset, window, blank(rows), rows, n)))
CHECK(nstm_attention_rows_again,
      EACH_MASK(nstm_attention_rows_again(t, 0.3, s, n + 3, b, causal, offset, window, some(rows), rows, n)))
CHECK(nstm_attention_rows_backward, nstm_attention_rows_backward(t, 0.3, share(span(rows, n, n + 3)), some(span(rows, n, n + 3)),
                                                                 n + 3, some(rows), rows, n))
CHECK(nstm_row_dots, nstm_row_dots(t, some(span(rows, n, n + 1)), n + 1, some(span(rows, n, n + 2)), n + 2, blank(rows), rows, n))

// MARK: Convolution
/// `rows` more rows before the first one; sequences of 0, 1, 3 and 9 tokens; taps of width 1, 3, 4 and 5.
#define EACH_CONVOLUTION(...)                                                                        \
    static const ptrdiff_t lengths[] = {0, 1, 3, 9}, widths[] = {1, 3, 4, 5};                        \
    for (int l = 0; l < 4; l++)                                                                      \
        for (int w = 0; w < 4; w++)                                                                  \
            for (int i = 0; i < 4; i++) {                                                            \
                ptrdiff_t length = lengths[l], taps = widths[w], left = 2 * rows, xs = n + 1, ws = n + 2, ys = n + 3; \
                char *x = some(length > 0 ? span(left + length, n, xs) : left * xs);                 \
                void *weights = some(span(taps, n, ws)), *bias = i & 1 ? some(n) : NULL;             \
                x += (size_t)(left * xs) * width();                                                  \
                __VA_ARGS__;                                                                         \
                release();                                                                           \
            }
CHECK(nstm_conv, {
    EACH_CONVOLUTION(nstm_conv(t, x, xs, left, weights, ws, bias, i & 2, blank(span(length, n, ys)), ys, taps, length, n))
})
CHECK(nstm_conv_backward, {
    EACH_CONVOLUTION(nstm_conv_backward(t, some(span(length, n, ys)), ys, x, xs, left, weights, ws, bias, i & 2,
                                        blank(span(left + length, n, xs)), xs, blank(span(taps, n, ws)), bias ? blank(n) : NULL,
                                        taps, length, n))
})

// MARK: Convolution over planes, pooling, lanes
static ptrdiff_t lanes(void) { return 64 / (ptrdiff_t)width(); }
static int32_t *steps(ptrdiff_t count, ptrdiff_t step) {
    int32_t *x = (int32_t *)block(count, sizeof(int32_t));
    for (ptrdiff_t i = 0; i < count; i++) x[i] = (int32_t)(i * step);
    return x;
}
/// Planes [channels, 3, n] and a region of them that overlaps every edge.
#define EACH_CHANNELS(...)                                                                                                    \
    static const ptrdiff_t counts[] = {0, 1, 3, 16, 17};                                                                      \
    for (int i = 0; i < 5; i++) {                                                                                             \
        ptrdiff_t channels = counts[i], pixel = (channels / lanes() + 1) * lanes();                                           \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_region_pack, {
    EACH_CHANNELS(char *x = some(channels * 3 * n);
                  nstm_region_pack(t, x, x + (size_t)(channels * 3 * n) * width(), channels, 3, n, -1, 5, -2, n + 3,
                                   blank(5 * (n + 3) * pixel), pixel))
})
CHECK(nstm_region_unpack, {
    EACH_CHANNELS(ptrdiff_t from = n > 2 ? rows % 2 : 0; ptrdiff_t count = n - from;
                  nstm_region_unpack(t, some(2 * count * pixel), pixel, rows > 1 ? some(channels) : NULL,
                                     blank(channels * 3 * n), channels, 3, n, 1, 2, from, count))
})
/// Pixels of n channels (of whole vectors: `columns`), two taps, one to three vectors of output channels.
#define EACH_TILE(...)                                                                                                        \
    for (ptrdiff_t v = 1; v <= 3; v++) {                                                                                      \
        ptrdiff_t columns = v * lanes(), pixels = rows * 7, panel = 2 * n * 2 * lanes();                                      \
        (void)panel;                                                                                                          \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_conv_pixels, {
    EACH_TILE(nstm_conv_pixels(t, some((pixels + 1) * n), steps(pixels, n), pixels, steps(2, n), steps(2, 1), 2, n,
                               some((v + 1) / 2 * panel), panel, blank(pixels * columns), steps(pixels, 1), columns, columns))
})
CHECK(nstm_conv_weights, {
    EACH_TILE(nstm_conv_weights(t, some(pixels * n), steps(pixels, n), some(pixels * columns), steps(pixels, 1), columns, pixels, n,
                                columns, v == 2 ? some(n * columns) : blank(n * columns), columns, v == 2))
})
CHECK(nstm_depthwise_pixels, {
    EACH_TILE(nstm_depthwise_pixels(t, some((pixels + 1) * columns), steps(pixels, columns), pixels, steps(2, columns), steps(2, 1),
                                    2, some(2 * columns), columns, blank(pixels * columns), steps(pixels, 1), columns, columns))
})
CHECK(nstm_depthwise_weights, {
    EACH_TILE(nstm_depthwise_weights(t, some(pixels * columns), steps(pixels, columns), some(pixels * columns), steps(pixels, 1),
                                     columns, pixels, columns, v == 2 ? some(columns) : blank(columns), v == 2))
})
/// A panel of up to 128 bytes of output channels, and more taps than are worked on at a time.
#define EACH_PANEL(...)                                                                                                       \
    for (ptrdiff_t taps = 1; taps <= 19; taps += 9) {                                                                         \
        ptrdiff_t count = n < 2 * lanes() ? n : 2 * lanes();                                                                  \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_conv_weights_pack, {
    EACH_PANEL(nstm_conv_weights_pack(t, some(count * rows * taps), rows, taps, count, rows * taps, taps,
                                      blank(taps * rows * 2 * lanes())))
})
CHECK(nstm_conv_weights_unpack, {
    EACH_PANEL(nstm_conv_weights_unpack(t, some(taps * rows * 2 * lanes()), taps, rows, count, blank(count * rows * taps)))
})
/// A plane of 5 × n in 2 × 2 windows.
#define EACH_WINDOW(...)                                                                                                      \
    if (n > 0) {                                                                                                              \
        int32_t down[] = {0, 2, 1, 5}, across[] = {0, (int32_t)n, (int32_t)n - 1, (int32_t)n};                                \
        __VA_ARGS__;                                                                                                          \
    }
CHECK(nstm_max_pool, {
    EACH_WINDOW(nstm_max_pool(t, some(5 * n), n, down, 2, across, 2, blank(4), steps(4, 0)))
})
CHECK(nstm_max_pool_backward, {
    if (n > 0) nstm_max_pool_backward(t, some(4), integers(4, 5 * n), 4, blank(5 * n), 5 * n);
})
CHECK(nstm_average_pool, {
    EACH_WINDOW(nstm_average_pool(t, some(5 * n), n, down, 2, across, 2, rows, blank(4)))
})
CHECK(nstm_average_pool_backward, {
    EACH_WINDOW(nstm_average_pool_backward(t, some(4), 5, n, down, 2, across, 2, rows, blank(5 * n)))
})
/// `rows` rows of one channel up to a whole vector, n elements altogether.
#define EACH_LANES(...)                                                                                                       \
    for (ptrdiff_t channels = 1; channels <= lanes() / 2; channels++) {                                                       \
        ptrdiff_t length = rows < n ? rows : n, stride = channels + 1, size = span(length, channels, stride);                 \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_lanes_load, {
    EACH_LANES(nstm_lanes_load(t, some(size), channels % 2 ? NULL : some(size), stride, length, channels, n, blank(n * lanes())))
})
CHECK(nstm_lanes_store, {
    EACH_LANES(nstm_lanes_store(t, some(n * lanes()), 0.5, blank(size), channels % 2 ? NULL : blank(size), stride, length, channels))
})
CHECK(nstm_lanes_multiply, {
    for (int i = 0; i < 4; i++) {
        nstm_lanes_multiply(t, some(n * lanes()), some(n * lanes()), i & 1, i & 2, some(n * lanes()), n);
        release();
    }
})

// MARK: Gated slots
/// n states, tokens as many as `rows` and five; heads of several widths. Most states are not routed, some are inactive.
#define EACH_SLOTS(...)                                                                                                       \
    static const ptrdiff_t heads[] = {1, 7, 16, 17, 32, 33, 64};                                                              \
    for (int h = 0; h < 7; h++)                                                                                               \
        for (int i = 0; i < 6; i++) {                                                                                         \
            ptrdiff_t d = heads[h], length = i & 1 ? rows : 5, qs = d + 1, us = n + 2, ps = n + 1, os = d + 3;                 \
            if (n * d > 20000) continue;                                                                                      \
            void *q = some(span(length, d, qs)), *k = some(span(length, d, qs)), *v = some(span(length, d, qs));              \
            void *u = with(share(span(length, n, us)), span(length, n, us), 0, 0.6);                                          \
            void *bias = i / 2 ? with(some(n), n, -INFINITY, i / 2 == 1 ? 0.3 : 1) : NULL;                                    \
            void *keys = some(n * d), *values = some(n * d);                                                                  \
            double length_of_keys = i & 1 ? 2 : 0;                                                                            \
            __VA_ARGS__;                                                                                                      \
            release();                                                                                                        \
        }
CHECK(nstm_slots, {
    EACH_SLOTS(nstm_slots(t, q, k, v, qs, u, us, bias, 0.3, length_of_keys, keys, values, blank(span(length, n, ps)), ps,
                          blank(span(length, d, os)), os, length, n, d))
})
CHECK(nstm_slots_backward, {
    EACH_SLOTS(nstm_slots_backward(t, some(span(length, d, os)), os, q, k, v, qs, u, us, bias, 0.3, length_of_keys,
                                   share(span(length, n, ps)), ps, keys, values, some(n * d), some(n * d),
                                   blank(span(length, d, qs)), blank(span(length, d, qs)), blank(span(length, d, qs)), qs,
                                   blank(span(length, n, us)), us, bias ? some(n) : NULL, blank(length * n * 2 * d),
                                   integers(length * (n + 1), 1), length, n, d))
})

// MARK: Optimizers
CHECK(nstm_adamw, nstm_adamw(t, some(n), some(n), some(n), share(n), 0.5, 1e-3, 0.9, 0.99, 1e-8, 0.1, 0.1, 0.01, n))
CHECK(nstm_sgd, for (int i = 0; i < 3; i++) nstm_sgd(t, some(n), some(n), i ? some(n) : NULL, 0.5, 1e-3, 0.9, i == 2, 0.1, n))
CHECK(nstm_rmsprop, nstm_rmsprop(t, some(n), some(n), share(n), some(n), some(n), 0.5, 1e-3, 0.95, 0.9, 1e-4, 0.1, n))

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--list") == 0) {
        for (int i = 0; i < check_count; i++) puts(checks[i].name);
        return 0;
    }
    static const ptrdiff_t sizes[] = {0, 1, 7, 15, 16, 17, 33, 1000};
    for (int i = 0; i < check_count; i++)
        for (int type = NSTM_F32; type <= NSTM_F64; type++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                for (rows = 0; rows <= 3; rows++) {
                    t = (nstm_real)type;
                    n = sizes[s];
                    shift = (size_t)(rows + (ptrdiff_t)s) % 3;
                    checks[i].run();
                    release();
                }
    printf("%d functions ran; the processor has %s\n", check_count, nstm_kernel_set());
    return 0;
}
