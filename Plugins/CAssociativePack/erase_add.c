#include "erase_add.h"

#define KERNELS(real, name, backward)                                                                                           \
    void name(                                                                                                                  \
        long tokens, long n, long d, long stride, const real *w, const real *r, const real *e, const real *a, real *v, real *o, \
        real *saved) {                                                                                                          \
        for (long t = 0; t < tokens; t++, w += n, r += n, e += stride, a += stride, o += stride) {                              \
            for (long i = 0; i < d; i++) o[i] = 0;                                                                              \
            for (long m = 0; m < n; m++) {                                                                                      \
                real *row = v + m * stride;                                                                                     \
                if (saved) {                                                                                                    \
                    for (long i = 0; i < d; i++) saved[(t * n + m) * d + i] = row[i];                                           \
                }                                                                                                               \
                if (w[m] != 0) {                                                                                                \
                    for (long i = 0; i < d; i++) row[i] += w[m] * e[i] * (a[i] - row[i]);                                       \
                }                                                                                                               \
                for (long i = 0; i < d; i++) o[i] += r[m] * row[i];                                                             \
            }                                                                                                                   \
        }                                                                                                                       \
    }                                                                                                                           \
    void backward(                                                                                                              \
        long tokens, long n, long d, long stride, const real *w, const real *r, const real *e, const real *a,                   \
        const real *saved, const real *d_o, real *d_v, real *d_w, real *d_r, real *d_e, real *d_a) {                            \
        for (long t = tokens - 1; t >= 0; t--) {                                                                                \
            const real *et = e + t * stride, *at = a + t * stride, *g = d_o + t * stride;                                       \
            real *to_e = d_e + t * stride, *to_a = d_a + t * stride;                                                            \
            for (long i = 0; i < d; i++) to_e[i] = to_a[i] = 0;                                                                 \
            for (long m = 0; m < n; m++) {                                                                                      \
                const real wm = w[t * n + m], rm = r[t * n + m], *before = saved + (t * n + m) * d;                             \
                real *dv = d_v + m * stride, sum_w = 0, sum_r = 0;                                                              \
                for (long i = 0; i < d; i++) {                                                                                  \
                    const real gap = at[i] - before[i];                                                                         \
                    sum_r += g[i] * (before[i] + wm * et[i] * gap);                                                             \
                    const real dx = dv[i] + rm * g[i];                                                                          \
                    sum_w += dx * et[i] * gap;                                                                                  \
                    to_e[i] += dx * wm * gap;                                                                                   \
                    to_a[i] += dx * wm * et[i];                                                                                 \
                    dv[i] = dx * (1 - wm * et[i]);                                                                              \
                }                                                                                                               \
                d_w[t * n + m] = sum_w;                                                                                         \
                d_r[t * n + m] = sum_r;                                                                                         \
            }                                                                                                                   \
        }                                                                                                                       \
    }

KERNELS(float, erase_add_f32, erase_add_backward_f32)
KERNELS(double, erase_add_f64, erase_add_backward_f64)
