// The smallest form of Winograd's convolution, F(2 × 2, 3 × 3) (Lavin & Gray 2016): four outputs of a kernel of nine weights from
// sixteen products per channel instead of thirty-six. The transforms before and after the products only add and halve, and the
// sums of products are shorter than those over all taps, so float32 loses no accuracy. This file has the three transforms of the
// forward pass, and those of the gradient of the weights, which is the same product summed over tiles; the products are those of
// any convolution with a single tap.

#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32

enum { SIDE = 4, FREQUENCIES = SIDE * SIDE };

/// Bᵀ d, in place: rows 0 − 2, 1 + 2, 2 − 1, 1 − 3.
NSTM_INLINE void into_frequencies(VEC *d, const int step) {
    VEC a = d[0] - d[2 * step], b = d[step] + d[2 * step], c = d[2 * step] - d[step], e = d[step] - d[3 * step];
    d[0] = a, d[step] = b, d[2 * step] = c, d[3 * step] = e;
}

NSTM_INLINE void input_transform_body(const float *x, ptrdiff_t x_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                                        ptrdiff_t out_step) {
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < columns; c++, out += pixel) {
            const float *corner = x + (2 * r * x_columns + 2 * c) * pixel;
            for (ptrdiff_t k = 0; k < pixel; k += LANES) {
                VEC d[FREQUENCIES];
                NSTM_UNROLL for (int i = 0; i < FREQUENCIES; i++)
                    d[i] = T(load)(corner + (i / SIDE * x_columns + i % SIDE) * pixel + k);
                NSTM_UNROLL for (int j = 0; j < SIDE; j++) into_frequencies(d + j, SIDE);
                NSTM_UNROLL for (int i = 0; i < SIDE; i++) into_frequencies(d + i * SIDE, 1);
                NSTM_UNROLL for (int f = 0; f < FREQUENCIES; f++) T(store)(out + f * out_step + k, d[f]);
            }
        }
}
NSTM_KERNEL static void input_transform(const float *x, ptrdiff_t x_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel,
                                        float *out, ptrdiff_t out_step) {
    input_transform_body(x, x_columns, rows, columns, pixel, out, out_step);
}

NSTM_INLINE void weight_transform_body(const float *w, ptrdiff_t depth, int rotated, float *out) {
    const ptrdiff_t row = 2 * LANES, tap = depth * row;
    for (ptrdiff_t k = 0; k < tap; k += LANES) {
        VEC g[9], t[SIDE][3];
        NSTM_UNROLL for (int i = 0; i < 9; i++) g[i] = T(load)(w + (rotated ? 8 - i : i) * tap + k);
        NSTM_UNROLL for (int j = 0; j < 3; j++) {
            VEC ends = 0.5f * (g[j] + g[6 + j]), middle = 0.5f * g[3 + j];
            t[0][j] = g[j], t[1][j] = ends + middle, t[2][j] = ends - middle, t[3][j] = g[6 + j];
        }
        NSTM_UNROLL for (int i = 0; i < SIDE; i++) {
            VEC ends = 0.5f * (t[i][0] + t[i][2]), middle = 0.5f * t[i][1];
            float *o = out + i * SIDE * tap + k;
            T(store)(o, t[i][0]);
            T(store)(o + tap, ends + middle);
            T(store)(o + 2 * tap, ends - middle);
            T(store)(o + 3 * tap, t[i][2]);
        }
    }
}
NSTM_KERNEL static void weight_transform(const float *w, ptrdiff_t depth, int rotated, float *out) {
    weight_transform_body(w, depth, rotated, out);
}

NSTM_INLINE void output_transform_body(const float *m, ptrdiff_t m_step, ptrdiff_t pixel, ptrdiff_t rows, ptrdiff_t columns, float *out) {
    for (ptrdiff_t r = 0; r < rows; r += 2)
        for (ptrdiff_t c = 0; c < columns; c += 2, m += pixel) {
            float *corner = out + (r * columns + c) * pixel;
            for (ptrdiff_t k = 0; k < pixel; k += LANES) {
                VEC t[2][SIDE];
                NSTM_UNROLL for (int j = 0; j < SIDE; j++) {
                    const float *p = m + j * m_step + k;
                    VEC second = T(load)(p + SIDE * m_step), third = T(load)(p + 2 * SIDE * m_step);
                    t[0][j] = T(load)(p) + (second + third);
                    t[1][j] = (second - third) - T(load)(p + 3 * SIDE * m_step);
                }
                for (int i = 0; i < 2 && r + i < rows; i++) {
                    T(store)(corner + i * columns * pixel + k, t[i][0] + (t[i][1] + t[i][2]));
                    if (c + 1 < columns) T(store)(corner + (i * columns + 1) * pixel + k, (t[i][1] - t[i][2]) - t[i][3]);
                }
            }
        }
}
NSTM_KERNEL static void output_transform(const float *m, ptrdiff_t m_step, ptrdiff_t pixel, ptrdiff_t rows, ptrdiff_t columns,
                                         float *out) {
    output_transform_body(m, m_step, pixel, rows, columns, out);
}

/// A y: rows 0, 0 + 1, 0 − 1, −1 of two.
NSTM_INLINE void from_outputs(const VEC *y, const int y_step, VEC *out, const int step) {
    out[0] = y[0], out[step] = y[0] + y[y_step], out[2 * step] = y[0] - y[y_step], out[3 * step] = -y[y_step];
}

NSTM_INLINE void gradient_transform_body(const float *dy, ptrdiff_t dy_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                                           ptrdiff_t out_step) {
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < columns; c++, out += pixel) {
            const float *corner = dy + (2 * r * dy_columns + 2 * c) * pixel;
            for (ptrdiff_t k = 0; k < pixel; k += LANES) {
                VEC y[4], half[2 * SIDE], d[FREQUENCIES];
                NSTM_UNROLL for (int i = 0; i < 4; i++) y[i] = T(load)(corner + (i / 2 * dy_columns + i % 2) * pixel + k);
                NSTM_UNROLL for (int j = 0; j < 2; j++) from_outputs(y + j, 2, half + j, 2);
                NSTM_UNROLL for (int i = 0; i < SIDE; i++) from_outputs(half + 2 * i, 1, d + i * SIDE, 1);
                NSTM_UNROLL for (int f = 0; f < FREQUENCIES; f++) T(store)(out + f * out_step + k, d[f]);
            }
        }
}
NSTM_KERNEL static void gradient_transform(const float *dy, ptrdiff_t dy_columns, ptrdiff_t rows, ptrdiff_t columns,
                                           ptrdiff_t pixel, float *out, ptrdiff_t out_step) {
    gradient_transform_body(dy, dy_columns, rows, columns, pixel, out, out_step);
}

/// Gᵀ m: three of four.
NSTM_INLINE void to_weights(const VEC *m, const int m_step, VEC *g, const int step) {
    VEC sum = 0.5f * (m[m_step] + m[2 * m_step]);
    g[0] = m[0] + sum, g[step] = 0.5f * (m[m_step] - m[2 * m_step]), g[2 * step] = sum + m[3 * m_step];
}

NSTM_INLINE void weight_sums_transform_body(const float *m, ptrdiff_t depth, float *dw) {
    const ptrdiff_t tap = depth * 2 * LANES;
    for (ptrdiff_t k = 0; k < tap; k += LANES) {
        VEC all[FREQUENCIES], t[3 * SIDE], g[9];
        NSTM_UNROLL for (int f = 0; f < FREQUENCIES; f++) all[f] = T(load)(m + f * tap + k);
        NSTM_UNROLL for (int j = 0; j < SIDE; j++) to_weights(all + j, SIDE, t + j, SIDE);
        NSTM_UNROLL for (int i = 0; i < 3; i++) to_weights(t + i * SIDE, 1, g + 3 * i, 1);
        NSTM_UNROLL for (int i = 0; i < 9; i++) T(store)(dw + i * tap + k, g[i]);
    }
}
NSTM_KERNEL static void weight_sums_transform(const float *m, ptrdiff_t depth, float *dw) {
    weight_sums_transform_body(m, depth, dw);
}

void nstm_winograd_input(const float *x, ptrdiff_t x_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                         ptrdiff_t out_step) {
    NSTM_WORK(0, rows * columns * FREQUENCIES * pixel, 8 * rows * columns * FREQUENCIES * pixel);
    input_transform(x, x_columns, rows, columns, pixel, out, out_step);
}
void nstm_winograd_weights(const float *w, ptrdiff_t depth, int rotated, float *out) {
    NSTM_WORK(0, FREQUENCIES * depth * 2 * LANES, 4 * (9 + FREQUENCIES) * depth * 2 * LANES);
    weight_transform(w, depth, rotated, out);
}
void nstm_winograd_output(const float *m, ptrdiff_t m_step, ptrdiff_t pixel, ptrdiff_t rows, ptrdiff_t columns, float *out) {
    NSTM_WORK(0, rows * columns * pixel, 4 * (FREQUENCIES / 4 + 1) * rows * columns * pixel);
    output_transform(m, m_step, pixel, rows, columns, out);
}
void nstm_winograd_gradient(const float *dy, ptrdiff_t dy_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel, float *out,
                            ptrdiff_t out_step) {
    NSTM_WORK(0, rows * columns * FREQUENCIES * pixel, 4 * rows * columns * (4 + FREQUENCIES) * pixel);
    gradient_transform(dy, dy_columns, rows, columns, pixel, out, out_step);
}
void nstm_winograd_weight_sums(const float *m, ptrdiff_t depth, float *dw) {
    NSTM_WORK(0, 9 * depth * 2 * LANES, 4 * (9 + FREQUENCIES) * depth * 2 * LANES);
    weight_sums_transform(m, depth, dw);
}
