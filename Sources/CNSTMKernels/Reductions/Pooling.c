#include "Dispatch.h"
#include "Common.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Pooling.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Pooling.inc"

/// Inputs of all windows along one axis.
static ptrdiff_t pooled(const int32_t *bounds, ptrdiff_t n) {
    ptrdiff_t sum = 0;
    for (ptrdiff_t i = 0; i < n; i++) sum += bounds[2 * i + 1] - bounds[2 * i];
    return sum;
}

void nstm_max_pool(nstm_real t, const void *x, ptrdiff_t width, const int32_t *rows, ptrdiff_t out_height, const int32_t *columns,
    ptrdiff_t out_width, void *y, int32_t *indices) {
    NSTM_WORK(0, pooled(rows, out_height) * pooled(columns, out_width), (pooled(rows, out_height) * pooled(columns,
        out_width) + out_height * out_width) * NSTM_BYTES(t) + 4 * out_height * out_width);
    NSTM_DISPATCH(t, max_pool, x, width, rows, out_height, columns, out_width, y, indices);
}
void nstm_max_pool_backward(nstm_real t, const void *dy, const int32_t *indices, ptrdiff_t n, void *dx, ptrdiff_t plane) {
    NSTM_WORK(0, n, (2 * n + plane) * NSTM_BYTES(t) + 4 * n);
    NSTM_DISPATCH(t, max_pool_backward, dy, indices, n, dx, plane);
}
void nstm_average_pool(nstm_real t, const void *x, ptrdiff_t width, const int32_t *rows, ptrdiff_t out_height,
    const int32_t *columns, ptrdiff_t out_width, ptrdiff_t divisor, void *y) {
    NSTM_WORK(0, pooled(rows, out_height) * pooled(columns, out_width), (pooled(rows, out_height) * pooled(columns,
        out_width) + out_height * out_width) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, average_pool, x, width, rows, out_height, columns, out_width, divisor, y);
}
void nstm_average_pool_backward(nstm_real t, const void *dy, ptrdiff_t height, ptrdiff_t width, const int32_t *rows,
    ptrdiff_t out_height, const int32_t *columns, ptrdiff_t out_width, ptrdiff_t divisor, void *dx) {
    NSTM_WORK(0, pooled(rows, out_height) * pooled(columns, out_width),
        (height * width + out_height * out_width) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, average_pool_backward, dy, height, width, rows, out_height, columns, out_width, divisor, dx);
}
