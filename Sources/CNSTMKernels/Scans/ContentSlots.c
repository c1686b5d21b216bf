#include "Dispatch.h"
#include "Vectors.h"
#include "Work.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "SlotRows.inc"
#include "ContentSlots.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "SlotRows.inc"
#include "ContentSlots.inc"

ptrdiff_t nstm_content_slots_scratch(ptrdiff_t n, ptrdiff_t d, ptrdiff_t length, int backward) {
    ptrdiff_t token = 6 * (n + 16), list = n + 1;
    return backward ? list + length * (token + 3 + n * (d + 1) + list) : round_up(d, 16) + token + list;
}
void nstm_content_slots_forward(nstm_real t, const nstm_content_slots *scan, void *keys, void *usage, void *u, ptrdiff_t length,
                                void *scratch) {
    NSTM_DISPATCH(t, content_slots, scan, keys, usage, u, length, scratch);
}
void nstm_content_slots_backward(nstm_real t, const nstm_content_slots *scan, const nstm_content_slots_gradient *to, void *keys,
                                 void *usage, const void *du, ptrdiff_t length, void *scratch) {
    NSTM_DISPATCH(t, content_slots_backward, scan, to, keys, usage, du, length, scratch);
}
