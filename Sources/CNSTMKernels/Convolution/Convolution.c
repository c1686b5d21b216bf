#include "Both.h"
#include "Math.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Convolution.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Convolution.inc"

/// Taps that meet a row, over all tokens: the first ones have less behind them.
static ptrdiff_t taps_used(ptrdiff_t width, ptrdiff_t left, ptrdiff_t length) {
    ptrdiff_t sum = length * width;
    for (ptrdiff_t t = 0; t < length && t + left + 1 < width; t++) sum -= width - (t + left + 1);
    return sum;
}

void nstm_conv(nstm_real t, const void *x, ptrdiff_t x_stride, ptrdiff_t left, const void *w, ptrdiff_t w_stride,
    const void *bias, int silu, void *y, ptrdiff_t y_stride, ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels) {
    NSTM_WORK(channels * taps_used(width, left, length), length * channels,
        (2 * length + (left < width ? left : width - 1)) * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv, x, x_stride, left, w, w_stride, bias, silu, y, y_stride, width, length, channels);
}
void nstm_conv_backward(nstm_real t, const void *dy, ptrdiff_t dy_stride, const void *x, ptrdiff_t x_stride,
    ptrdiff_t left, const void *w, ptrdiff_t w_stride, const void *bias, int silu, void *dx, ptrdiff_t dx_stride,
    void *dw, void *dbias, ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels) {
    // The values before silu again, the sums for the taps, and dx of these rows and of those before that a tap reaches.
    NSTM_WORK(channels * width * ((silu ? 2 : 1) * length + length + (left < width ? left : width - 1)), length * channels,
        (3 * length + 2 * left) * channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_backward, dy, dy_stride, x, x_stride, left, w, w_stride, bias, silu, dx, dx_stride, dw,
        dbias, width, length, channels);
}
