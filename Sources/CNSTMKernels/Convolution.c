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

void nstm_conv(nstm_real t, const void *x, ptrdiff_t x_stride, ptrdiff_t left, const void *w, ptrdiff_t w_stride,
    const void *bias, int silu, void *y, ptrdiff_t y_stride, ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels) {
    NSTM_DISPATCH(t, conv, x, x_stride, left, w, w_stride, bias, silu, y, y_stride, width, length, channels);
}
void nstm_conv_backward(nstm_real t, const void *dy, ptrdiff_t dy_stride, const void *x, ptrdiff_t x_stride,
    ptrdiff_t left, const void *w, ptrdiff_t w_stride, const void *bias, int silu, void *dx, ptrdiff_t dx_stride,
    void *dw, void *dbias, ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels) {
    NSTM_DISPATCH(t, conv_backward, dy, dy_stride, x, x_stride, left, w, w_stride, bias, silu, dx, dx_stride, dw,
        dbias, width, length, channels);
}
