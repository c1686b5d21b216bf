// Philox-4×32-10 (Salmon et al. 2011) for consecutive counters, in vectors: bit-exactly the numbers of `RandomKey.uniform`.

#include "Common.h"

#pragma clang diagnostic ignored "-Wpsabi"

enum { BLOCK = 16 };
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint64_t pairs __attribute__((vector_size(64)));

/// The first 53 bits of the words of counters first ... first + BLOCK − 1, as numbers in [0, 1).
NSTM_INLINE void philox_block(uint64_t seed, uint64_t first, double *restrict out) {
    const pairs low = (pairs){} + 0xffffffffu;
    uint32_t start[2][BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        start[0][i] = (uint32_t)(first + (uint64_t)i);
        start[1][i] = (uint32_t)((first + (uint64_t)i) >> 32);
    }
    words c0, c1, c2 = {0}, c3 = {0};
    memcpy(&c0, start[0], sizeof c0);
    memcpy(&c1, start[1], sizeof c1);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; round++) {
        // Products of the even and of the odd lanes, whose upper and lower words return to the lanes they come from.
        pairs a = ((pairs)c0 & low) * 0xD2511F53u, b = ((pairs)c0 >> 32) * 0xD2511F53u;
        pairs c = ((pairs)c2 & low) * 0xCD9E8D57u, d = ((pairs)c2 >> 32) * 0xCD9E8D57u;
        words high0 = (words)((a >> 32) | (b & ~low)), low0 = (words)((a & low) | (b << 32));
        words high1 = (words)((c >> 32) | (d & ~low)), low1 = (words)((c & low) | (d << 32));
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    uint32_t w0[BLOCK], w1[BLOCK];
    c0 ^= 0x80000000u;
    c1 >>= 11;
    memcpy(w0, &c0, sizeof c0);
    memcpy(w1, &c1, sizeof c1);
    // The two words have 32 and 21 bits: their sum is exact.
    for (int i = 0; i < BLOCK; i++) out[i] = ((double)(int32_t)w0[i] + 0x1p31) * 0x1p-32 + (double)(int32_t)w1[i] * 0x1p-53;
}

NSTM_KERNEL static void uniform(uint64_t seed, uint64_t first, double *out, ptrdiff_t n) {
    ptrdiff_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) philox_block(seed, first + (uint64_t)i, out + i);
    if (i == n) return;
    double rest[BLOCK];
    philox_block(seed, first + (uint64_t)i, rest);
    memcpy(out + i, rest, (size_t)(n - i) * sizeof(double));
}
NSTM_KERNEL static void dropout_mask_f32(uint64_t seed, uint64_t first, double rate, float kept, float *out, ptrdiff_t n) {
    double u[BLOCK];
    for (ptrdiff_t i = 0; i < n; i += BLOCK) {
        ptrdiff_t count = n - i < BLOCK ? n - i : BLOCK;
        philox_block(seed, first + (uint64_t)i, u);
        for (ptrdiff_t j = 0; j < count; j++) out[i + j] = u[j] < rate ? 0.0f : kept;
    }
}

void nstm_uniform(uint64_t seed, uint64_t first, double *out, ptrdiff_t n) {
    NSTM_MOVED(8 * n);
    uniform(seed, first, out, n);
}
void nstm_dropout_mask(uint64_t seed, uint64_t first, double rate, float kept, float *out, ptrdiff_t n) {
    NSTM_MOVED(4 * n);
    dropout_mask_f32(seed, first, rate, kept, out, n);
}
