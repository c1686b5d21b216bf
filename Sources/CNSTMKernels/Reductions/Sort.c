#include "Common.h"

#define KEY uint32_t
#define BITS 32
#define NSTM_SUFFIX _32
#include "Sort.inc"
#undef KEY
#undef BITS
#undef NSTM_SUFFIX
#define KEY uint64_t
#define BITS 64
#define NSTM_SUFFIX _64
#include "Sort.inc"

// Unsigned keys in the order of the numbers: −0 becomes 0, every NaN the largest key.
NSTM_INLINE uint32_t key_f32(float v) {
    uint32_t b;
    v = v == 0 ? 0.0f : v;
    memcpy(&b, &v, 4);
    return v != v ? UINT32_MAX : (b >> 31 ? ~b : b | 0x80000000u);
}
NSTM_INLINE uint64_t key_f64(double v) {
    uint64_t b;
    v = v == 0 ? 0.0 : v;
    memcpy(&b, &v, 8);
    return v != v ? UINT64_MAX : (b >> 63 ? ~b : b | 0x8000000000000000u);
}
#define KEY_I32(v) ((uint32_t)(v) ^ 0x80000000u)
#define KEY_U8(v) ((uint32_t)(v))

#define LOAD_KEYS(TYPE, key_of)                                  \
    for (ptrdiff_t i = 0; i < n; i++) {                     \
        a[i].key = key_of(((const TYPE *)x)[i]) ^ flip; \
        a[i].at = (uint32_t)i;                              \
    }
#define STORE_SORTED(TYPE)                                                                                     \
    for (ptrdiff_t i = 0; i < k; i++) {                                                                 \
        ((TYPE *)values)[i] = ((const TYPE *)x)[(ptrdiff_t)sorted[i].at];             \
        indices[i] = (int32_t)sorted[i].at;                                                    \
    }
void nstm_sort(nstm_dtype t, int descending, const void *x, ptrdiff_t n, ptrdiff_t k, void *values,
               int32_t *indices, void *scratch) {
    NSTM_WORK(0, n, (n + k) * (t == NSTM_FLOAT64 ? 8 : t == NSTM_FLOAT32 || t == NSTM_INT32 ? 4 : 1) + 4 * k);
    if (t == NSTM_FLOAT64) {
        record_64 *a = scratch;
        uint64_t flip = descending ? UINT64_MAX : 0;
        LOAD_KEYS(double, key_f64)
        const record_64 *sorted = order_64(a, n, k);
        STORE_SORTED(uint64_t)
        return;
    }
    record_32 *a = scratch;
    uint32_t flip = descending ? UINT32_MAX : 0;
    if (t == NSTM_FLOAT32) LOAD_KEYS(float, key_f32)
    else if (t == NSTM_INT32) LOAD_KEYS(int32_t, KEY_I32)
    else LOAD_KEYS(uint8_t, KEY_U8)
    const record_32 *sorted = order_32(a, n, k);
    if (t == NSTM_FLOAT32 || t == NSTM_INT32) STORE_SORTED(uint32_t)
    else STORE_SORTED(uint8_t)
}

ptrdiff_t nstm_sort_scratch(nstm_dtype t, ptrdiff_t n) {
    return 2 * n * (ptrdiff_t)(t == NSTM_FLOAT64 ? sizeof(record_64) : sizeof(record_32));
}
