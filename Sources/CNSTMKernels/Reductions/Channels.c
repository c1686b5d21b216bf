#include "Dispatch.h"
#include "Common.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Channels.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Channels.inc"

void nstm_channel_sums(nstm_real t, const void *dy, const void *x, const double *center, double *first_sum, double *second_sum,
                       ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t size, ptrdiff_t first, ptrdiff_t last) {
    NSTM_ELEMENTS(t, batch * (last - first) * size, dy ? 2 : 1);
    NSTM_DISPATCH(t, channel_sums, dy, x, center, first_sum, second_sum, batch, channels, size, first, last);
}
void nstm_channel_affine(nstm_real t, const void *dy, const void *x, const double *center, const double *dy_scale,
                      const double *x_scale, const double *offset, void *y, ptrdiff_t batch, ptrdiff_t channels,
                      ptrdiff_t size) {
    NSTM_ELEMENTS(t, batch * channels * size, dy ? 3 : 2);
    NSTM_DISPATCH(t, channel_affine, dy, x, center, dy_scale, x_scale, offset, y, batch, channels, size);
}
