#include "Both.h"
#include "Tiles.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "ConvolutionTiles.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "ConvolutionTiles.inc"

void nstm_conv_pixels(nstm_real t, const void *x, const int32_t *pixels, ptrdiff_t count, const int32_t *taps,
    const int32_t *which, ptrdiff_t tap_count, ptrdiff_t channels, const void *w, ptrdiff_t panel_stride, void *out,
    const int32_t *places, ptrdiff_t out_row, ptrdiff_t columns) {
    NSTM_WORK(count * tap_count * channels * columns, 0,
        (count * (channels + columns) + tap_count * channels * columns) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_pixels, x, pixels, count, taps, which, tap_count, channels, w, panel_stride, out, places, out_row,
                  columns);
}
void nstm_conv_weights(nstm_real t, const void *x, const int32_t *pixels, const void *dy, const int32_t *places, ptrdiff_t dy_row,
    ptrdiff_t count, ptrdiff_t channels, ptrdiff_t columns, void *out, ptrdiff_t out_row, int accumulate) {
    NSTM_WORK(count * channels * columns, 0, (count * (channels + columns) + channels * columns) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_weights, x, pixels, dy, places, dy_row, count, channels, columns, out, out_row, accumulate);
}
void nstm_depthwise_pixels(nstm_real t, const void *x, const int32_t *pixels, ptrdiff_t count, const int32_t *taps,
    const int32_t *which, ptrdiff_t tap_count, const void *w, ptrdiff_t w_row, void *out, const int32_t *places,
    ptrdiff_t out_row, ptrdiff_t columns) {
    NSTM_WORK(count * tap_count * columns, 0, (2 * count + tap_count) * columns * NSTM_BYTES(t));
    NSTM_DISPATCH(t, depthwise_pixels, x, pixels, count, taps, which, tap_count, w, w_row, out, places, out_row, columns);
}
void nstm_depthwise_weights(nstm_real t, const void *x, const int32_t *pixels, const void *dy, const int32_t *places,
    ptrdiff_t dy_row, ptrdiff_t count, ptrdiff_t columns, void *out, int accumulate) {
    NSTM_WORK(count * columns, 0, (2 * count + 1) * columns * NSTM_BYTES(t));
    NSTM_DISPATCH(t, depthwise_weights, x, pixels, dy, places, dy_row, count, columns, out, accumulate);
}
void nstm_conv_weights_pack(nstm_real t, const void *w, ptrdiff_t depth, ptrdiff_t depth_stride, ptrdiff_t columns,
    ptrdiff_t column_stride, ptrdiff_t taps, void *out) {
    NSTM_MOVED(2 * taps * depth * columns * NSTM_BYTES(t));
    NSTM_DISPATCH(t, weights_pack, w, depth, depth_stride, columns, column_stride, taps, out);
}
void nstm_conv_weights_unpack(nstm_real t, const void *w, ptrdiff_t taps, ptrdiff_t channels, ptrdiff_t count, void *out) {
    NSTM_MOVED(2 * taps * channels * count * NSTM_BYTES(t));
    NSTM_DISPATCH(t, weights_unpack, w, taps, channels, count, out);
}
