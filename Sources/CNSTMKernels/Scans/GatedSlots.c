#include "Dispatch.h"
#include "Vectors.h"

// Rows of vectors that the forward pass needs for one token: x, y, r.
enum { SLOT_ROWS = 3 };

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowReductions.inc"
#include "SlotRows.inc"
#include "GatedSlots.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowReductions.inc"
#include "SlotRows.inc"
#include "GatedSlots.inc"

ptrdiff_t nstm_slots_scratch(ptrdiff_t n, ptrdiff_t d, ptrdiff_t length, int backward) {
    // Rows in whole vectors of the wider type, a number for each state, and two lists of states.
    ptrdiff_t rows = backward ? 0 : SLOT_ROWS * round_up(d, 16), states = n + 16 + 2 * (n + 1);
    // Every version of a state, and for each token the states that it writes and their versions before.
    return rows + states + (backward ? (length + 1) * n * 2 * d + length * (2 * n + 1) : 0);
}
void nstm_slots_forward(nstm_real t, const nstm_slots *scan, void *keys, void *values, void *p, void *o, ptrdiff_t length,
                        void *scratch) {
    NSTM_DISPATCH(t, slots, scan, keys, values, p, o, length, scratch);
}
void nstm_slots_backward(nstm_real t, const nstm_slots *scan, const nstm_slots_gradient *to, const void *keys, const void *values,
                         const void *p, const void *d_o, ptrdiff_t length, void *scratch) {
    NSTM_DISPATCH(t, slots_backward, scan, to, keys, values, p, d_o, length, scratch);
}
