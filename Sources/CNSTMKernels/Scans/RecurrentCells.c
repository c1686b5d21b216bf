#include "Dispatch.h"
#include "Vectors.h"
#include "Work.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "RecurrentCells.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RecurrentCells.inc"

void nstm_lstm_step_forward(nstm_real t, const nstm_lstm_step *step) {
    ptrdiff_t n = step->rows * step->n;
    NSTM_ELEMENTS(t, n, 12);
    NSTM_WORK(2 * n, 5 * n, (step->gates ? 17 : 12) * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, lstm_step, step);
}
void nstm_lstm_step_backward(nstm_real t, const nstm_lstm_step_gradient *step) {
    ptrdiff_t n = step->rows * step->n;
    NSTM_ELEMENTS(t, n, 15);
    NSTM_WORK(4 * n, 5 * n, 18 * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, lstm_step_backward, step);
}
void nstm_gru_step_forward(nstm_real t, const nstm_gru_step *step) {
    ptrdiff_t n = step->rows * step->n;
    NSTM_ELEMENTS(t, n, 9);
    NSTM_WORK(2 * n, 3 * n, (step->gates ? 13 : 9) * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, gru_step, step);
}
void nstm_gru_step_backward(nstm_real t, const nstm_gru_step_gradient *step) {
    ptrdiff_t n = step->rows * step->n;
    NSTM_ELEMENTS(t, n, 12);
    NSTM_WORK(4 * n, 4 * n, 15 * n * NSTM_BYTES(t));
    NSTM_DISPATCH(t, gru_step_backward, step);
}
