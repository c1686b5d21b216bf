// Convolution, pooling, Fourier transforms.
#include "kernels.h"

// MARK: Convolution
/// `rows` rows of history; sequences of 0, 1, 3 and 9 tokens; widths of 1, 3, 4 and 5 taps.
#define EACH_CONVOLUTION(...)                                                                        \
    static const ptrdiff_t lengths[] = {0, 1, 3, 9}, widths[] = {1, 3, 4, 5};                        \
    for (int l = 0; l < 4; l++)                                                                      \
        for (int w = 0; w < 4; w++)                                                                  \
            for (int i = 0; i < 4; i++) {                                                            \
                ptrdiff_t length = lengths[l], taps = widths[w], left = 2 * rows, xs = n + 1, ws = n + 2, ys = n + 3; \
                char *x = some(length > 0 ? span(left + length, n, xs) : left * xs);                 \
                void *weights = some(span(taps, n, ws)), *bias = i & 1 ? some(n) : NULL;             \
                x += (size_t)(left * xs) * width();                                                  \
                nstm_causal_conv conv = {.width = taps, .length = length, .channels = n, .left = left, \
                                         .x_stride = xs, .w_stride = ws, .y_stride = ys, .silu = i & 2}; \
                __VA_ARGS__;                                                                         \
                release();                                                                           \
            }
CHECK(nstm_causal_conv_forward, {
    EACH_CONVOLUTION(nstm_causal_conv_forward(t, &conv, x, weights, bias, blank(span(length, n, ys))))
})
CHECK(nstm_causal_conv_backward, {
    EACH_CONVOLUTION(nstm_causal_conv_backward(t, &conv, some(span(length, n, ys)), x, weights, bias,
                                               blank(span(left + length, n, xs)), blank(span(taps, n, ws)), bias ? blank(n) : NULL))
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
                  nstm_region region = {.channels = channels, .height = 3, .width = n, .row = -1, .rows = 5, .column = -2,
                                        .columns = n + 3, .pixel = pixel};
                  nstm_region_pack(t, &region, x, x + (size_t)(channels * 3 * n) * width(), blank(5 * (n + 3) * pixel)))
})
CHECK(nstm_region_unpack, {
    EACH_CHANNELS(ptrdiff_t from = n > 2 ? rows % 2 : 0; ptrdiff_t count = n - from;
                  nstm_region region = {.channels = channels, .height = 3, .width = n, .row = 1, .rows = 2, .column = from,
                                        .columns = count, .pixel = pixel};
                  nstm_region_unpack(t, &region, some(2 * count * pixel), rows > 1 ? some(channels) : NULL,
                                     blank(channels * 3 * n)))
})
/// Pixels of n channels (padded to whole vectors: `columns`), two taps, one to three vectors of output channels.
#define EACH_TILE(...)                                                                                                        \
    for (ptrdiff_t v = 1; v <= 3; v++) {                                                                                      \
        ptrdiff_t columns = v * lanes(), pixels = rows * 7, panel = 2 * n * 2 * lanes();                                      \
        nstm_pixel_products p = {.count = pixels, .tap_count = 2, .channels = n, .columns = columns, .output_row = columns};   \
        (void)panel;                                                                                                          \
        __VA_ARGS__;                                                                                                          \
        release();                                                                                                            \
    }
CHECK(nstm_conv_pixels, {
    EACH_TILE(p.weight_stride = panel;
              nstm_conv_pixels(t, &p, some((pixels + 1) * n), steps(pixels, n), steps(2, n), steps(2, 1),
                               some((v + 1) / 2 * panel), blank(pixels * columns), steps(pixels, 1)))
})
/// Tiles of 2 × 2 outputs, n per row, of n channels padded to whole vectors.
#define EACH_WINOGRAD(...)                                                                                                    \
    if (t == NSTM_F32) {                                                                                                      \
        ptrdiff_t pixel = (n / 16 + 1) * 16, tiles = rows * n;                                                                \
        (void)pixel, (void)tiles;                                                                                             \
        __VA_ARGS__;                                                                                                          \
    }
CHECK(nstm_winograd_input, EACH_WINOGRAD(nstm_winograd_input(some((2 * rows + 2) * (2 * n + 2) * pixel), 2 * n + 2, rows, n, pixel,
                                                             blank(16 * tiles * pixel), tiles * pixel)))
CHECK(nstm_winograd_weights, EACH_WINOGRAD(for (int rotated = 0; rotated < 2; rotated++)
                                               nstm_winograd_weights(some(9 * n * 32), n, rotated, blank(16 * n * 32))))
CHECK(nstm_winograd_output, EACH_WINOGRAD(for (ptrdiff_t odd = 0; odd < 2; odd++) {
    ptrdiff_t down = 2 * rows - (rows ? odd : 0), across = 2 * n - (n ? odd : 0);
    nstm_winograd_output(some(16 * tiles * pixel), tiles * pixel, pixel, down, across, blank(down * across * pixel));
}))
CHECK(nstm_winograd_gradient, EACH_WINOGRAD(nstm_winograd_gradient(some(2 * rows * 2 * n * pixel), 2 * n, rows, n, pixel,
                                                                   blank(16 * tiles * pixel), tiles * pixel)))
CHECK(nstm_winograd_weight_sums, EACH_WINOGRAD(nstm_winograd_weight_sums(some(16 * n * 32), n, blank(9 * n * 32))))
CHECK(nstm_conv_weights, {
    EACH_TILE(p.weight_stride = columns;
              nstm_conv_weights(t, &p, some(pixels * n), steps(pixels, n), some(pixels * columns), steps(pixels, 1),
                                v == 2 ? some(n * columns) : blank(n * columns), v == 2))
})
CHECK(nstm_depthwise_pixels, {
    EACH_TILE(p.weight_stride = columns;
              nstm_depthwise_pixels(t, &p, some((pixels + 1) * columns), steps(pixels, columns), steps(2, columns), steps(2, 1),
                                    some(2 * columns), blank(pixels * columns), steps(pixels, 1)))
})
CHECK(nstm_depthwise_weights, {
    EACH_TILE(nstm_depthwise_weights(t, &p, some(pixels * columns), steps(pixels, columns), some(pixels * columns),
                                     steps(pixels, 1), v == 2 ? some(columns) : blank(columns), v == 2))
})
/// A panel of up to 128 bytes of output channels, and more taps than are processed at a time.
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
/// `rows` rows of one channel up to a whole vector, n elements in total.
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
    EACH_LANES(nstm_lanes_store(t, some(n * lanes()), 0.5, blank(size), channels % 2 ? NULL : blank(size), stride, length,
                                channels))
})
CHECK(nstm_lanes_multiply, {
    for (int i = 0; i < 4; i++) {
        nstm_lanes_multiply(t, some(n * lanes()), some(n * lanes()), i & 1, i & 2, some(n * lanes()), n);
        release();
    }
})

// MARK: Fourier transforms
CHECK(nstm_fourier_lanes, if (nstm_fourier_lanes(t == NSTM_F64) * (ptrdiff_t)width() != 32) abort())
CHECK(nstm_fourier_plan_make, {
    for (int inverse = 0; inverse < 2; inverse++) nstm_fourier_plan_free(nstm_fourier_plan_make(t == NSTM_F64, 30, inverse));
})
CHECK(nstm_fourier_multiply_adds, {
    nstm_fourier_plan *plan = nstm_fourier_plan_make(t == NSTM_F64, rows + 1, 0);
    if (nstm_fourier_multiply_adds(plan) < 0) abort();
    nstm_fourier_plan_free(plan);
})
CHECK(nstm_fourier_plan_free, nstm_fourier_plan_free(nstm_fourier_plan_make(t == NSTM_F64, rows + 1, 0)))
/// The next product of powers of 2, 3 and 5.
static ptrdiff_t transformable(ptrdiff_t length) {
    for (;; length++) {
        ptrdiff_t rest = length;
        for (ptrdiff_t p = 2; p <= 5; p++) while (rest % p == 0) rest /= p;
        if (rest == 1) return length;
    }
}
CHECK(nstm_fourier_run, {
    ptrdiff_t length = transformable((n + 1) * (rows + 1)), count = length * 2 * lanes() / 2;
    for (int inverse = 0; inverse < 2; inverse++) {
        nstm_fourier_plan *plan = nstm_fourier_plan_make(t == NSTM_F64, length, inverse);
        void *in = memcpy(aligned(count * (ptrdiff_t)width(), 32), some(count), (size_t)count * width());
        void *out = aligned(count * (ptrdiff_t)width(), 32);
        nstm_fourier_run(plan, in, out);
        expect_numbers(out, 1, count, count);
        nstm_fourier_plan_free(plan);
    }
})
