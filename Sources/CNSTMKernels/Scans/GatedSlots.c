#include "Dispatch.h"
#include "Vectors.h"

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

void nstm_slots(nstm_real t, const void *q, const void *k, const void *v, ptrdiff_t qkv_stride, const void *u,
    ptrdiff_t u_stride, const void *gate, ptrdiff_t gate_stride, const void *bias, double scale, double key_scale, void *keys,
    void *values, ptrdiff_t state_stride, void *p, ptrdiff_t p_stride, void *o, ptrdiff_t o_stride, ptrdiff_t length, ptrdiff_t n, ptrdiff_t d) {
    NSTM_DISPATCH(t, slots, q, k, v, qkv_stride, u, u_stride, gate, gate_stride, bias, scale, key_scale, keys, values,
        state_stride, p, p_stride, o, o_stride, length, n, d);
}
void nstm_slots_backward(nstm_real t, const void *d_o, ptrdiff_t do_stride, const void *q, const void *k,
    const void *v, ptrdiff_t qkv_stride, const void *u, ptrdiff_t u_stride, const void *gate, ptrdiff_t gate_stride,
    const void *bias, double scale, double key_scale, const void *p, ptrdiff_t p_stride, const void *keys, const void *values, ptrdiff_t state_stride, void *dkeys,
    void *dvalues, void *dq, void *dk, void *dv, ptrdiff_t dqkv_stride, void *du, ptrdiff_t du_stride, void *dgate,
    ptrdiff_t dgate_stride, void *dbias, void *log, int32_t *index, ptrdiff_t length, ptrdiff_t n, ptrdiff_t d) {
    NSTM_DISPATCH(t, slots_backward, d_o, do_stride, q, k, v, qkv_stride, u, u_stride, gate, gate_stride, bias, scale,
        key_scale, p, p_stride, keys, values, state_stride, dkeys, dvalues, dq, dk, dv, dqkv_stride, du, du_stride, dgate, dgate_stride,
        dbias, log, index, length, n, d);
}
