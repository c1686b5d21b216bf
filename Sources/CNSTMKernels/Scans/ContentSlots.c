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

ptrdiff_t nstm_content_slots_scratch(ptrdiff_t n, ptrdiff_t d) { return 6 * (n + 16) + 3 + n * (d + 1); }
void nstm_content_slots_forward(nstm_real t, const nstm_content_slots *scan, void *keys, void *usage, void *u, ptrdiff_t length) {
    NSTM_DISPATCH(t, content_slots, scan, keys, usage, u, length);
}
void nstm_content_slots_backward(nstm_real t, const nstm_content_slots *scan, const nstm_content_slots_gradient *to, void *keys,
    void *usage, const void *du, void *d_keys, void *d_usage, void *scratch, int32_t *indices, ptrdiff_t length) {
    NSTM_DISPATCH(t, content_slots_backward, scan, to, keys, usage, du, d_keys, d_usage, scratch, indices, length);
}
