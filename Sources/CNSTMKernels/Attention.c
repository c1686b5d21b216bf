#include "Both.h"
#include "Math.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowParts.inc"
#include "Attention.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowParts.inc"
#include "Attention.inc"

void nstm_attention_rows(nstm_real t, double scale, void *s, ptrdiff_t stride, const void *bias, int causal, ptrdiff_t offset,
    ptrdiff_t window, void *lse, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, attention_rows, scale, s, stride, bias, causal, offset, window, lse, rows, columns);
}
void nstm_attention_rows_again(nstm_real t, double scale, void *s, ptrdiff_t stride, const void *bias, int causal,
    ptrdiff_t offset, ptrdiff_t window, const void *lse, ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 2);
    NSTM_DISPATCH(t, attention_rows_again, scale, s, stride, bias, causal, offset, window, lse, rows, columns);
}
void nstm_attention_rows_backward(nstm_real t, double scale, const void *p, void *dp, ptrdiff_t stride, const void *delta,
    ptrdiff_t rows, ptrdiff_t columns) {
    NSTM_ELEMENTS(t, rows * columns, 3);
    NSTM_DISPATCH(t, attention_rows_backward, scale, p, dp, stride, delta, rows, columns);
}
void nstm_row_dots(nstm_real t, const void *a, ptrdiff_t a_stride, const void *b, ptrdiff_t b_stride, void *y, ptrdiff_t rows,
    ptrdiff_t n) {
    NSTM_ELEMENTS(t, rows * n, 2);
    NSTM_DISPATCH(t, row_dots, a, a_stride, b, b_stride, y, rows, n);
}
