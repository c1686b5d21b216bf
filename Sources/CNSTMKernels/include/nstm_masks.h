// Comparisons, logic and selection: a mask has one byte per element, 0 or 1. (Masks.c)
//
// Element [r, c] of an operand a is a[r·a_outer + c·a_inner]; results [rows, columns] are dense.

#ifndef NSTM_MASKS_H
#define NSTM_MASKS_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// Comparisons of two elements.
typedef enum { NSTM_EQ, NSTM_NE, NSTM_LT, NSTM_LE } nstm_comparison;
/// Logic of two masks.
typedef enum { NSTM_AND, NSTM_OR, NSTM_XOR } nstm_logic;
/// y[r, c] ← a[r, c] op b[r, c].
void nstm_compare(nstm_dtype t, nstm_comparison op, const void *a, ptrdiff_t a_outer, ptrdiff_t a_inner, const void *b,
                  ptrdiff_t b_outer, ptrdiff_t b_inner, uint8_t *y, ptrdiff_t rows, ptrdiff_t columns);
/// y[r, c] ← a[r, c] op b[r, c] for bytes of which every value but 0 is true.
void nstm_combine(nstm_logic op, const uint8_t *a, ptrdiff_t a_outer, ptrdiff_t a_inner, const uint8_t *b, ptrdiff_t b_outer,
                  ptrdiff_t b_inner, uint8_t *y, ptrdiff_t rows, ptrdiff_t columns);
/// y[r, c] ← mask[r, c] ≠ 0 ? a[r, c] : b[r, c]. `element_bytes` is 1, 4 or 8.
void nstm_select(ptrdiff_t element_bytes, const uint8_t *mask, ptrdiff_t m_outer, ptrdiff_t m_inner, const void *a,
                 ptrdiff_t a_outer, ptrdiff_t a_inner, const void *b, ptrdiff_t b_outer, ptrdiff_t b_inner, void *y, ptrdiff_t rows,
                 ptrdiff_t columns);
/// y[o, i] ← all of x[o, r, i] over r (NSTM_AND), or any (otherwise); true, or false, if reduce = 0.
void nstm_combine_axis(nstm_logic op, const uint8_t *x, uint8_t *y, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner);
/// y ← x where column − row ≤ diagonal (≥ diagonal if `lower` = 0), else 0, for `count` dense matrices [rows, columns].
void nstm_triangle(ptrdiff_t element_bytes, int lower, ptrdiff_t diagonal, const void *x, void *y, ptrdiff_t count,
                   ptrdiff_t rows, ptrdiff_t columns);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
