// Vectors of 64 bytes for both element types, and what kernels do with them: one register with AVX-512, two with AVX2, four with
// NEON or SSE.
#ifndef NSTM_VECTORS_H
#define NSTM_VECTORS_H

#include "VectorMath.h"

// Vectors are passed between inlined functions only, so their calling convention does not matter. A kernel that is compiled for
// several instruction sets must not pass them itself: it is a thin function around an inlined body.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float nstm_vec_f32 __attribute__((vector_size(64)));
typedef double nstm_vec_f64 __attribute__((vector_size(64)));
typedef float nstm_unaligned_vec_f32 __attribute__((vector_size(64), aligned(4)));
typedef double nstm_unaligned_vec_f64 __attribute__((vector_size(64), aligned(8)));

/// The vector of the element type being compiled, and its number of elements.
#define VEC T(nstm_vec)
#define LANES ((ptrdiff_t)(64 / sizeof(REAL)))
/// The loop over i = 0, 1, ... below n, and over i = 0, LANES, 2·LANES, ... below n.
#define FOR(i, n) for (ptrdiff_t i = 0; i < (n); i++)
#define FOR_VECTORS(i, n) for (ptrdiff_t i = 0; i < (n); i += LANES)

#define NSTM_VECTOR_FUNCTIONS(suffix)                                                                                      \
    /* The vector at p, at any alignment. */                                                                              \
    NSTM_INLINE nstm_vec##suffix load##suffix(const REAL *p) { return *(const nstm_unaligned_vec##suffix *)p; }           \
    NSTM_INLINE void store##suffix(REAL *p, nstm_vec##suffix v) { *(nstm_unaligned_vec##suffix *)p = v; }                 \
    /* The first `count` elements of a vector, at most LANES; the others count as 0, and memory beyond is not touched. */ \
    NSTM_INLINE nstm_vec##suffix load_first##suffix(const REAL *p, ptrdiff_t count) {                                     \
        nstm_vec##suffix v = {0};                                                                                         \
        if (count >= LANES) memcpy(&v, p, sizeof v);                                                                      \
        else memcpy(&v, p, (size_t)count * sizeof(REAL));                                                                 \
        return v;                                                                                                         \
    }                                                                                                                     \
    NSTM_INLINE void store_first##suffix(REAL *p, nstm_vec##suffix v, ptrdiff_t count) {                                  \
        if (count >= LANES) memcpy(p, &v, sizeof v);                                                                      \
        else memcpy(p, &v, (size_t)count * sizeof(REAL));                                                                 \
    }                                                                                                                     \
    /* The sum of the elements. */                                                                                        \
    NSTM_INLINE REAL lane_sum##suffix(nstm_vec##suffix v) {                                                               \
        _Pragma("clang fp reassociate(on)") REAL s = 0;                                                                   \
        FOR(i, LANES) s += v[i];                                                                                          \
        return s;                                                                                                         \
    }                                                                                                                     \
    /* `count` elements from the front of scratch memory, which then begins after them. */                                \
    NSTM_INLINE REAL *take##suffix(REAL **scratch, ptrdiff_t count) {                                                     \
        REAL *taken = *scratch;                                                                                           \
        *scratch += count;                                                                                                \
        return taken;                                                                                                     \
    }
#define REAL float
NSTM_VECTOR_FUNCTIONS(_f32)
#undef REAL
#define REAL double
NSTM_VECTOR_FUNCTIONS(_f64)
#undef REAL
#undef NSTM_VECTOR_FUNCTIONS

/// The smallest multiple of `to` that is at least n.
NSTM_INLINE ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }

// Rows a and b shuffled into each other, first and second half. Four (three) rounds over all rows of a square transpose it: each
// moves the highest bit of the column into the row, and that of the row into the column.
#define NSTM_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
NSTM_INLINE nstm_vec_f32 nstm_mix_low_f32(nstm_vec_f32 a, nstm_vec_f32 b) {
    return NSTM_MIX(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
NSTM_INLINE nstm_vec_f32 nstm_mix_high_f32(nstm_vec_f32 a, nstm_vec_f32 b) {
    return NSTM_MIX(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
NSTM_INLINE nstm_vec_f64 nstm_mix_low_f64(nstm_vec_f64 a, nstm_vec_f64 b) { return NSTM_MIX(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
NSTM_INLINE nstm_vec_f64 nstm_mix_high_f64(nstm_vec_f64 a, nstm_vec_f64 b) { return NSTM_MIX(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

// Vectors of 32 bytes, and the transpose of a square of them, by shuffles inside their halves and one exchange of halves.
typedef float nstm_halfvector_f32 __attribute__((vector_size(32)));
typedef double nstm_halfvector_f64 __attribute__((vector_size(32)));
NSTM_INLINE void nstm_transpose_halves_f32(nstm_halfvector_f32 *r) {
    nstm_halfvector_f32 t[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 2) {
        t[i] = NSTM_MIX(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = NSTM_MIX(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = NSTM_MIX(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            r[i + 2 * j + 1] = NSTM_MIX(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        nstm_halfvector_f32 low = r[i], high = r[i + 4];
        r[i] = NSTM_MIX(low, high, 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = NSTM_MIX(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
NSTM_INLINE void nstm_transpose_halves_f64(nstm_halfvector_f64 *r) {
    nstm_halfvector_f64 a = NSTM_MIX(r[0], r[1], 0, 4, 2, 6), b = NSTM_MIX(r[0], r[1], 1, 5, 3, 7);
    nstm_halfvector_f64 c = NSTM_MIX(r[2], r[3], 0, 4, 2, 6), d = NSTM_MIX(r[2], r[3], 1, 5, 3, 7);
    r[0] = NSTM_MIX(a, c, 0, 1, 4, 5);
    r[1] = NSTM_MIX(b, d, 0, 1, 4, 5);
    r[2] = NSTM_MIX(a, c, 2, 3, 6, 7);
    r[3] = NSTM_MIX(b, d, 2, 3, 6, 7);
}

// Lane l of the result is the sum over the lanes of v[l]: a tree of shuffles instead of one reduction a row.
NSTM_INLINE nstm_vec_f32 nstm_transpose_sum_f32(const nstm_vec_f32 *v) {
    nstm_vec_f32 a[8], b[4], c[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++)
        a[i] = NSTM_MIX(v[2 * i], v[2 * i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
               NSTM_MIX(v[2 * i], v[2 * i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++)
        b[i] = NSTM_MIX(a[2 * i], a[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
               NSTM_MIX(a[2 * i], a[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++)
        c[i] = NSTM_MIX(b[2 * i], b[2 * i + 1], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
               NSTM_MIX(b[2 * i], b[2 * i + 1], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    return NSTM_MIX(c[0], c[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           NSTM_MIX(c[0], c[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
NSTM_INLINE nstm_vec_f64 nstm_transpose_sum_f64(const nstm_vec_f64 *v) {
    nstm_vec_f64 a[4], b[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++)
        a[i] = NSTM_MIX(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) + NSTM_MIX(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++)
        b[i] = NSTM_MIX(a[2 * i], a[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) + NSTM_MIX(a[2 * i], a[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return NSTM_MIX(b[0], b[1], 0, 1, 2, 3, 8, 9, 10, 11) + NSTM_MIX(b[0], b[1], 4, 5, 6, 7, 12, 13, 14, 15);
}
#undef NSTM_MIX

#endif
