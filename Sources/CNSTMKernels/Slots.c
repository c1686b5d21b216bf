#include "Both.h"
#include "Math.h"

// Vectors are passed between inlined functions only, so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

// A row of a head in vectors of 64 bytes, whatever the machine's own width is.
typedef float slot_vec_f32 __attribute__((vector_size(64)));
typedef double slot_vec_f64 __attribute__((vector_size(64)));

// Lane l of the result is the sum over the lanes of v[l]: a tree of shuffles instead of one reduction a row.
NSTM_INLINE slot_vec_f32 slot_transpose_sum_f32(const slot_vec_f32 *v) {
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
    slot_vec_f32 a[8], b[4], c[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++)
        a[i] = MIX(v[2 * i], v[2 * i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
               MIX(v[2 * i], v[2 * i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++)
        b[i] = MIX(a[2 * i], a[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
               MIX(a[2 * i], a[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++)
        c[i] = MIX(b[2 * i], b[2 * i + 1], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
               MIX(b[2 * i], b[2 * i + 1], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    return MIX(c[0], c[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           MIX(c[0], c[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
NSTM_INLINE slot_vec_f64 slot_transpose_sum_f64(const slot_vec_f64 *v) {
    slot_vec_f64 a[4], b[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++)
        a[i] = MIX(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) + MIX(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++)
        b[i] = MIX(a[2 * i], a[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) + MIX(a[2 * i], a[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return MIX(b[0], b[1], 0, 1, 2, 3, 8, 9, 10, 11) + MIX(b[0], b[1], 4, 5, 6, 7, 12, 13, 14, 15);
#undef MIX
}

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowParts.inc"
#include "Slots.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowParts.inc"
#include "Slots.inc"

void nstm_slots(nstm_real t, const void *q, const void *k, const void *v, ptrdiff_t qkv_stride, const void *u,
    ptrdiff_t u_stride, const void *bias, double scale, double key_scale, void *keys, void *values, void *p, ptrdiff_t p_stride,
    void *o, ptrdiff_t o_stride, ptrdiff_t length, ptrdiff_t n, ptrdiff_t d) {
    NSTM_DISPATCH(t, slots, q, k, v, qkv_stride, u, u_stride, bias, scale, key_scale, keys, values, p, p_stride, o, o_stride,
        length, n, d);
}
void nstm_slots_backward(nstm_real t, const void *d_o, ptrdiff_t do_stride, const void *q, const void *k,
    const void *v, ptrdiff_t qkv_stride, const void *u, ptrdiff_t u_stride, const void *bias, double scale, double key_scale,
    const void *p, ptrdiff_t p_stride, void *keys, void *values, void *dkeys, void *dvalues, void *dq, void *dk,
    void *dv, ptrdiff_t dqkv_stride, void *du, ptrdiff_t du_stride, void *dbias, void *log, int32_t *index,
    ptrdiff_t length, ptrdiff_t n, ptrdiff_t d) {
    NSTM_DISPATCH(t, slots_backward, d_o, do_stride, q, k, v, qkv_stride, u, u_stride, bias, scale, key_scale, p, p_stride,
        keys, values, dkeys, dvalues, dq, dk, dv, dqkv_stride, du, du_stride, dbias, log, index, length, n, d);
}
