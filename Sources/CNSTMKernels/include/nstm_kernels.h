// Kernels of NSTM: plain C, no allocation, no threads, no knowledge of Swift.
//
// Every function takes the element type first and untyped pointers after; both types are compiled from one source
// (`*.inc`), so a float64 check exercises the code that float32 runs. Arrays are dense and row-major unless strides are given.
// `n`, `rows` and so on count elements. Callers split work over threads.
#ifndef NSTM_KERNELS_H
#define NSTM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { NSTM_F32 = 0, NSTM_F64 = 1 } nstm_real;

/// Tells the processor that this is a spin loop.
static inline void nstm_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Name of the instruction set that the kernels run on: "x86-64-v4", "x86-64-v3", "default".
const char *_Nonnull nstm_kernel_set(void);

// MARK: Memory (Memory.c)
void nstm_fill(nstm_real t, void *_Nonnull x, double value, ptrdiff_t n);
void nstm_fill_bytes(void *_Nonnull x, int byte, ptrdiff_t n);
/// out (dense) ← x (strided). Sizes and strides in elements, at most 8 axes.
void nstm_copy_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *_Nonnull sizes,
                       const int32_t *_Nonnull strides, const void *_Nonnull x, void *_Nonnull out);
void nstm_cast(nstm_real from, nstm_real to, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);

// MARK: Element-wise (Elementwise.c)
typedef enum {
    NSTM_NEG, NSTM_ABS, NSTM_EXP, NSTM_LOG, NSTM_SQRT, NSTM_RSQRT, NSTM_SQUARE, NSTM_RECIPROCAL,
    NSTM_TANH, NSTM_SIGMOID, NSTM_SILU, NSTM_GELU, NSTM_RELU, NSTM_RELU2, NSTM_SOFTPLUS, NSTM_SIN, NSTM_COS,
    NSTM_LOGSIGMOID
} nstm_unary;
typedef enum {
    NSTM_ADD, NSTM_SUB, NSTM_MUL, NSTM_DIV, NSTM_MAX, NSTM_MIN
} nstm_binary;

void nstm_map(nstm_real t, nstm_unary op, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);
/// dx ← dy · f'(x), with y = f(x).
void nstm_map_backward(nstm_real t, nstm_unary op, const void *_Nonnull dy, const void *_Nonnull x,
                       const void *_Nonnull y, void *_Nonnull dx, ptrdiff_t n);
/// y[i,j] ← a[i,j] op b[i,j] for an operand with outer stride (elements per row) and inner stride 0 or 1.
void nstm_zip(nstm_real t, nstm_binary op, const void *_Nonnull a, ptrdiff_t a_outer, ptrdiff_t a_inner,
              const void *_Nonnull b, ptrdiff_t b_outer, ptrdiff_t b_inner, void *_Nonnull y, ptrdiff_t rows,
              ptrdiff_t columns);
/// y ← alpha·x + beta
void nstm_affine(nstm_real t, double alpha, const void *_Nonnull x, double beta, void *_Nonnull y, ptrdiff_t n);
/// y ← y + alpha·x
void nstm_axpy(nstm_real t, double alpha, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);
/// y ← clamp(x, low, high)
void nstm_clamp(nstm_real t, const void *_Nonnull x, double low, double high, void *_Nonnull y, ptrdiff_t n);
/// dx ← dy where low < x < high (and at the bounds), else 0
void nstm_clamp_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull x, double low, double high,
                         void *_Nonnull dx, ptrdiff_t n);

// MARK: Reductions (Reduce.c)
double nstm_sum(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
double nstm_sum_squares(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
double nstm_dot(nstm_real t, const void *_Nonnull x, const void *_Nonnull y, ptrdiff_t n);
/// Index of the first element that is NaN or infinite, or -1.
ptrdiff_t nstm_first_nonfinite(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
/// y[o,i] ← Σ_r x[o,r,i]; adds to y when accumulate ≠ 0.
void nstm_sum_axis(nstm_real t, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t outer, ptrdiff_t reduce,
                   ptrdiff_t inner, int accumulate);
/// y[o,i] ← max_r x[o,r,i], and its index when `arg` is given.
void nstm_max_axis(nstm_real t, const void *_Nonnull x, void *_Nonnull y, int32_t *_Nullable arg, ptrdiff_t outer,
                   ptrdiff_t reduce, ptrdiff_t inner);

#ifdef __cplusplus
}
#endif
#endif
