// Convolutions: causal depthwise over a sequence, over planes, by Winograd's transforms, and operands of Fourier transforms.

#ifndef NSTM_CONV_H
#define NSTM_CONV_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Causal depthwise convolution of one sequence (Convolution.c)

/// Geometry of a causal depthwise convolution over `length` tokens and `channels` channels, with `width` taps.
///
/// x (and dx) have a row every `x_stride` elements, y (and dy) every `y_stride`; w (and dw) are [width, w_stride]. `left` rows
/// before the first token are readable; rows before those count as 0. The output passes through silu if `silu` ≠ 0.
typedef struct {
    ptrdiff_t width, length, channels, left, x_stride, w_stride, y_stride;
    int silu;
} nstm_causal_conv;
/// y[t, c] ← act(bias[c] + Σ_j w[j, c]·x[t − width + 1 + j, c]). `x` points to the row of t = 0.
void nstm_causal_conv_forward(nstm_real t, const nstm_causal_conv *conv, const void *x, const void *w, const void *_Nullable bias,
                              void *y);
/// dx [left + length, channels], dw [width, channels] and dbias [channels] of this sequence, all written. `dx` points to row
/// −left.
void nstm_causal_conv_backward(nstm_real t, const nstm_causal_conv *conv, const void *dy, const void *x, const void *w,
                               const void *_Nullable bias, void *dx, void *dw, void *_Nullable dbias);

// MARK: Regions of planes (Regions.c)

/// A rectangle of planes [channels, height, width], and its packed form: pixels [rows, columns] of `pixel` elements each.
///
/// The rectangle begins at (row, column). A pixel holds its channels contiguously; `pixel` is a multiple of 64 bytes, at least
/// `channels`.
typedef struct {
    ptrdiff_t channels, height, width, row, rows, column, columns, pixel;
} nstm_region;
/// out[r, c, k] ← x[k, row + r, column + c], 0 outside the planes and for k ≥ channels. Reads nothing at or beyond `limit`.
void nstm_region_pack(nstm_real t, const nstm_region *region, const void *x, const void *limit, void *out);
/// y[k, row + r, column + c] ← x[r, c, k] + bias[k], for a rectangle inside the planes.
void nstm_region_unpack(nstm_real t, const nstm_region *region, const void *x, const void *_Nullable bias, void *y);

// MARK: Products over packed pixels (ConvolutionTiles.c)

/// Sizes of a product between packed pixels and weights.
///
/// `count` pixels with `channels` input channels; `tap_count` taps; `columns` output channels, a multiple of 64 bytes; an output
/// row every `output_row` elements. `weight_stride`: elements between panels of weights [taps, channels, 128 bytes], or between
/// rows of depthwise weights, or of the gradient of weights.
typedef struct {
    ptrdiff_t count, tap_count, channels, columns, output_row, weight_stride;
} nstm_pixel_products;
/// out[rows[i]·output_row + j] ← Σ_t Σ_c x[pixels[i] + taps[t] + c] · w[which[t], c, j], with w in panels of 128 bytes of columns
/// j.
void nstm_conv_pixels(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const int32_t *taps,
                      const int32_t *which, const void *w, void *out, const int32_t *rows);
/// out[c·weight_stride + j] ← Σ_i x[pixels[i] + c] · dy[rows[i]·output_row + j], plus out if `accumulate` ≠ 0: one tap's
/// gradient.
void nstm_conv_weights(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const void *dy,
                       const int32_t *rows, void *out, int accumulate);
/// out[rows[i]·output_row + j] ← Σ_t x[pixels[i] + taps[t] + j] · w[which[t]·weight_stride + j], each channel by itself.
void nstm_depthwise_pixels(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const int32_t *taps,
                           const int32_t *which, const void *w, void *out, const int32_t *rows);
/// out[j] ← Σ_i x[pixels[i] + j] · dy[rows[i]·output_row + j], plus out if `accumulate` ≠ 0: one tap's gradient.
void nstm_depthwise_weights(nstm_real t, const nstm_pixel_products *p, const void *x, const int32_t *pixels, const void *dy,
                            const int32_t *rows, void *out, int accumulate);
/// out [taps, depth, 128 bytes] ← w[k·depth_stride + j·column_stride + t] at out[t, k, j], 0 for j ≥ columns: one panel.
void nstm_conv_weights_pack(nstm_real t, const void *w, ptrdiff_t depth, ptrdiff_t depth_stride, ptrdiff_t columns,
                            ptrdiff_t column_stride, ptrdiff_t taps, void *out);
/// out[o, c, t] ← w[t, c, o] of one panel w [taps, channels, 128 bytes], for `count` output channels o.
void nstm_conv_weights_unpack(nstm_real t, const void *w, ptrdiff_t taps, ptrdiff_t channels, ptrdiff_t count, void *out);

// MARK: Transforms of Winograd's convolution F(2 × 2, 3 × 3) (Winograd.c)
//
// Each tile of 2 × 2 outputs has sixteen transformed values ("frequencies"). Element k of frequency f of tile i is at
// f·step + i·pixel + k.

/// out ← transformed inputs of rows × columns tiles; x is a region with rows of `x_columns` pixels, beginning at the first tile.
void nstm_winograd_input(const float *x, ptrdiff_t x_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                         ptrdiff_t out_step);
/// out [16, depth, 128 bytes] ← transformed weights of one panel w [9, depth, 128 bytes]; kernels rotated by 180° if `rotated` ≠
/// 0.
void nstm_winograd_weights(const float *w, ptrdiff_t depth, int rotated, float *out);
/// out [rows, columns, pixel] ← outputs of transformed products m, whose tiles are in row-major order.
void nstm_winograd_output(const float *m, ptrdiff_t m_step, ptrdiff_t pixel, ptrdiff_t rows, ptrdiff_t columns, float *out);
/// out ← transformed gradients of the outputs of rows × columns tiles; dy is a region with rows of `dy_columns` pixels.
void nstm_winograd_gradient(const float *dy, ptrdiff_t dy_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                            ptrdiff_t out_step);
/// dw [9, depth, 128 bytes] ← gradient of the weights, from one panel m [16, depth, 128 bytes] of products summed over tiles.
void nstm_winograd_weight_sums(const float *m, ptrdiff_t depth, float *dw);

// MARK: Operands of the Fourier transforms of CNSTMFourier (FourierLanes.c)
//
// A complex element is a vector of 32 bytes of real parts, one per channel, and one of imaginary parts.

/// out [n, 2, 32 bytes] ← rows re and im [length, channels] (a row every `stride`) as real and imaginary parts, 0 elsewhere.
///
/// `channels` is at most 32 bytes of elements, `length` at most n; a null `im` counts as 0.
void nstm_lanes_load(nstm_real t, const void *re, const void *_Nullable im, ptrdiff_t stride, ptrdiff_t length,
                     ptrdiff_t channels, ptrdiff_t n, void *out);
/// re and im [length, channels] (a row every `stride`) ← scale · the first `length` elements of x.
void nstm_lanes_store(nstm_real t, const void *x, double scale, void *re, void *_Nullable im, ptrdiff_t stride, ptrdiff_t length,
                      ptrdiff_t channels);
/// out ← x·y, or x·ȳ if `conjugate` ≠ 0, plus out if `accumulate` ≠ 0, for n complex elements; out may be x or y.
void nstm_lanes_multiply(nstm_real t, const void *x, const void *y, int conjugate, int accumulate, void *out, ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
