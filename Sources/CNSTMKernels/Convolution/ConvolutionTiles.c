#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "ConvolutionTiles.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "ConvolutionTiles.inc"

void nstm_conv_pixels(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const int32_t *taps,
                      const int32_t *which, const void *w, void *out, const int32_t *rows) {
    NSTM_WORK(p->count * p->tap_count * p->channels * p->columns, 0,
        (p->count * (p->channels + p->columns) + p->tap_count * p->channels * p->columns) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_pixels, p, x, pixels, taps, which, w, out, rows);
}
void nstm_conv_weights(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const void *dy,
                       const int32_t *rows, void *out, int accumulate) {
    NSTM_WORK(p->count * p->channels * p->columns, 0,
        (p->count * (p->channels + p->columns) + p->channels * p->columns) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_weights, p, x, pixels, dy, rows, out, accumulate);
}
void nstm_depthwise_pixels(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const int32_t *taps,
                           const int32_t *which, const void *w, void *out, const int32_t *rows) {
    NSTM_WORK(p->count * p->tap_count * p->columns, 0, (2 * p->count + p->tap_count) * p->columns * NSTM_BYTES(t));
    NSTM_DISPATCH(t, depthwise_pixels, p, x, pixels, taps, which, w, out, rows);
}
void nstm_depthwise_weights(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const void *dy,
                            const int32_t *rows, void *out, int accumulate) {
    NSTM_WORK(p->count * p->columns, 0, (2 * p->count + 1) * p->columns * NSTM_BYTES(t));
    NSTM_DISPATCH(t, depthwise_weights, p, x, pixels, dy, rows, out, accumulate);
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
