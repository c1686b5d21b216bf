// Matrix products: float32 in panels, float32 by bfloat16 matrix tiles, one row times a matrix, weights in bfloat16.

#ifndef NSTM_GEMM_H
#define NSTM_GEMM_H

#include <stddef.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Float32 in panels (Gemm.c), for AVX-512 and AVX2

/// Operands of C [m, n] ← A [m, k] · B [k, n], plus C if `accumulate` ≠ 0.
///
/// A[i, p] is a[i·a_row + p·a_step], C[i, j] is c[i·ldc + j]. B is given in panels of w = `nstm_gemm_panel()` columns: panel j
/// begins at b + j·panel_stride and has a row every `b_step` floats. Packed panels have panel_stride = k·w and b_step = w; an
/// ordinary row-major matrix has panel_stride = w and b_step = its row length.
typedef struct {
    const float *a;
    ptrdiff_t a_row, a_step;
    const float *b;
    ptrdiff_t panel_stride, b_step;
    float *c;
    ptrdiff_t ldc, m, n, k;
    int accumulate;
} nstm_gemm;

/// Columns of a panel of B: 32 with AVX-512, 16 with AVX2, 0 if the processor has neither.
int nstm_gemm_panel(void);
/// out [k, w] ← columns panel·w ... panel·w + w − 1 of op(B) [k, n], filled up with zeros; written at out + panel·k·w.
///
/// B is stored as [k, n], or as [n, k] if `transposed` ≠ 0, with a row every `ldb` floats. Does nothing if there are no panels.
void nstm_gemm_pack(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel, float *out);
/// C ← A · B (+ C). Each element is one sum in order of p, so rows may be split among calls. Does nothing if there are no panels.
void nstm_gemm_rows(const nstm_gemm *product);

// MARK: Float32 by matrix tiles of bfloat16 (GemmAMX.inc), to about 16 significant bits

/// Bytes of a packed panel of 32 columns of op(B) [k, n]; 0 if the processor has no such tiles, and the two functions below do
/// nothing.
ptrdiff_t nstm_gemm_split_bytes(ptrdiff_t k);
/// Packed panel number `panel` of op(B) [k, n], written at out + panel·nstm_gemm_split_bytes(k) bytes; `out` is best 64-byte
/// aligned.
void nstm_gemm_split_pack(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel, void *out);
/// C ← A · B (+ C) with the product's fields but `b`, `panel_stride` and `b_step`: B is given packed. One of A's steps is 1, and
/// k ≥ 1.
///
/// Parts of operands below 2⁻¹²⁶ count as 0. Infinite operands, and those that bfloat16 rounds to infinity, give NaN.
void nstm_gemm_split_rows(const nstm_gemm *product, const void *packed);

// MARK: One row times a matrix (Gemv.c)

/// y [n] ← x [k] · op(B), reading B once: B is [k, n], or [n, k] if `transposed` ≠ 0, with a row every `ldb` elements.
void nstm_gemv(nstm_real t, int transposed, const void *x, const void *b, ptrdiff_t ldb, void *y, ptrdiff_t n, ptrdiff_t k);

// MARK: Weights in bfloat16 (BFloat16Products.c)

/// Bytes of packed bfloat16 weights [n, k].
ptrdiff_t nstm_bf16_bytes(ptrdiff_t n, ptrdiff_t k);
/// out ← w [n, k] (a row every `ldw`) rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
///
/// `out` has nstm_bf16_bytes(n, k) bytes and is 4-byte aligned.
void nstm_bf16_pack(const float *w, ptrdiff_t ldw, ptrdiff_t n, ptrdiff_t k, void *out);
/// y [m, n] ← x [m, k] · wᵀ, summed in float32; reads the packed weights `w` once per row of x.
void nstm_bf16_rows(const float *x, ptrdiff_t m, const void *w, float *y, ptrdiff_t n, ptrdiff_t k);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
