#include "Dispatch.h"
#include "VectorMath.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Convolution.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Convolution.inc"

/// Number of (tap, row) pairs over all tokens: the first tokens have fewer rows before them.
static ptrdiff_t taps_used(ptrdiff_t width, ptrdiff_t left, ptrdiff_t length) {
    ptrdiff_t sum = length * width;
    for (ptrdiff_t t = 0; t < length && t + left + 1 < width; t++) sum -= width - (t + left + 1);
    return sum;
}

void nstm_causal_conv_forward(nstm_real t, const nstm_causal_conv *g, const void *x, const void *w, const void *bias, void *y) {
    NSTM_WORK(g->channels * taps_used(g->width, g->left, g->length), g->length * g->channels,
        (2 * g->length + (g->left < g->width ? g->left : g->width - 1)) * g->channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv, g, x, w, bias, y);
}
void nstm_causal_conv_backward(nstm_real t, const nstm_causal_conv *g, const void *dy, const void *x, const void *w,
    const void *bias, void *dx, void *dw, void *dbias) {
    // Recomputes the values before silu; then the sums for the taps, and dx of these rows and of earlier ones that a tap reaches.
    NSTM_WORK(g->channels * g->width * ((g->silu ? 2 : 1) * g->length + g->length + (g->left < g->width ? g->left : g->width - 1)),
        g->length * g->channels, (3 * g->length + 2 * g->left) * g->channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, conv_backward, g, dy, x, w, bias, dx, dw, dbias);
}
