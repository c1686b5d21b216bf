#include "Dispatch.h"
#include "Vectors.h"
#include "Work.h"

// Rows do not overlap. The compiler checks that once for the ranges of all rows, which do overlap if rows of several arrays are
// interleaved, and then does not vectorize. In float64 it does not either, because the functions are calls.
#define NSTM_DISJOINT _Pragma("clang loop vectorize(assume_safety)")
#define REAL float
#define NSTM_SUFFIX _f32
#include "RecurrentCells.inc"
#undef NSTM_DISJOINT
#undef REAL
#undef NSTM_SUFFIX
#define NSTM_DISJOINT
#define REAL double
#define NSTM_SUFFIX _f64
#include "RecurrentCells.inc"

void nstm_lstm_step(nstm_real t, const void *x, ptrdiff_t x_row, const void *product, void *gates, ptrdiff_t gate_row, void *cell,
    void *cells, ptrdiff_t cell_row, void *hidden, void *y, ptrdiff_t y_row, ptrdiff_t rows, ptrdiff_t n) {
    NSTM_ELEMENTS(t, rows * n, 12);
    NSTM_WORK(2 * rows * n, 5 * rows * n, (gates ? 17 : 12) * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, lstm_step, x, x_row, product, gates, gate_row, cell, cells, cell_row, hidden, y, y_row, rows, n);
}
void nstm_lstm_step_backward(nstm_real t, const void *dy, ptrdiff_t dy_row, const void *gates, ptrdiff_t gate_row,
    const void *before, ptrdiff_t before_row, const void *after, ptrdiff_t after_row, const void *d_hidden, void *d_cell,
    void *d_gates, void *to, ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n) {
    NSTM_ELEMENTS(t, rows * n, 15);
    NSTM_WORK(4 * rows * n, 5 * rows * n, 18 * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, lstm_step_backward, dy, dy_row, gates, gate_row, before, before_row, after, after_row, d_hidden, d_cell,
        d_gates, to, to_row, rows, n);
}
void nstm_gru_step(nstm_real t, const void *x, ptrdiff_t x_row, const void *product, const void *bias, void *gates,
    ptrdiff_t gate_row, void *hidden, void *y, ptrdiff_t y_row, ptrdiff_t rows, ptrdiff_t n) {
    NSTM_ELEMENTS(t, rows * n, 9);
    NSTM_WORK(2 * rows * n, 3 * rows * n, (gates ? 13 : 9) * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, gru_step, x, x_row, product, bias, gates, gate_row, hidden, y, y_row, rows, n);
}
void nstm_gru_step_backward(nstm_real t, const void *dy, ptrdiff_t dy_row, const void *gates, ptrdiff_t gate_row,
    const void *before, ptrdiff_t before_row, void *d_hidden, void *d_product, void *to, ptrdiff_t to_row, void *to_q,
    ptrdiff_t q_row, ptrdiff_t rows, ptrdiff_t n) {
    NSTM_ELEMENTS(t, rows * n, 12);
    NSTM_WORK(4 * rows * n, 4 * rows * n, 15 * rows * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, gru_step_backward, dy, dy_row, gates, gate_row, before, before_row, d_hidden, d_product, to, to_row, to_q,
        q_row, rows, n);
}
