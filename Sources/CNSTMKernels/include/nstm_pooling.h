// Pooling of one plane [height, width]. (Pooling.c)
//
// `rows` [out_height, 2] and `columns` [out_width, 2] hold the first input and one past the last input of every output.

#ifndef NSTM_POOLING_H
#define NSTM_POOLING_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// y [out_height, out_width] ← maximum of each window, and indices ← its index in the plane: the first of equals; NaN is largest.
void nstm_max_pool(nstm_real t, const void *x, ptrdiff_t width, const int32_t *rows, ptrdiff_t out_height, const int32_t *columns,
                   ptrdiff_t out_width, void *y, int32_t *indices);
/// dx [plane] ← 0, plus dy[i] at indices[i] for n outputs.
void nstm_max_pool_backward(nstm_real t, const void *dy, const int32_t *indices, ptrdiff_t n, void *dx, ptrdiff_t plane);
/// y [out_height, out_width] ← sum of each window / divisor, or its mean if `divisor` is 0.
void nstm_average_pool(nstm_real t, const void *x, ptrdiff_t width, const int32_t *rows, ptrdiff_t out_height,
                       const int32_t *columns, ptrdiff_t out_width, ptrdiff_t divisor, void *y);
/// dx [height, width] of `nstm_average_pool`, written.
void nstm_average_pool_backward(nstm_real t, const void *dy, ptrdiff_t height, ptrdiff_t width, const int32_t *rows,
                                ptrdiff_t out_height, const int32_t *columns, ptrdiff_t out_width, ptrdiff_t divisor, void *dx);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
