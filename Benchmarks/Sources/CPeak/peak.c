#include "cpeak.h"

// Twelve sums in registers, which is enough for the latency of two units and leaves room for the factors, in vectors that the machine
// has registers for: wider ones would live in memory.
#define MULTIPLY_ADDS(name, target, bytes)                                             \
    target static double name(ptrdiff_t rounds, float *sink) {                         \
        typedef float lanes __attribute__((vector_size(bytes)));                       \
        enum { CHAINS = 12, WIDTH = bytes / 4 };                                       \
        lanes x[CHAINS], a, b;                                                         \
        for (int i = 0; i < WIDTH; i++) a[i] = 0.999f + sink[0], b[i] = 0.001f;        \
        for (int j = 0; j < CHAINS; j++) x[j] = a + (float)j;                          \
        for (ptrdiff_t r = 0; r < rounds; r++) {                                       \
            _Pragma("clang fp contract(fast)")                                         \
            _Pragma("clang loop unroll(full)")                                         \
            for (int j = 0; j < CHAINS; j++) x[j] = x[j] * a + b;                      \
        }                                                                              \
        float total = 0;                                                               \
        for (int j = 0; j < CHAINS; j++)                                               \
            for (int i = 0; i < WIDTH; i++) total += x[j][i];                          \
        sink[0] = total * 1e-30f;                                                      \
        return (double)rounds * CHAINS * WIDTH * 2;                                    \
    }

#if defined(__x86_64__)
MULTIPLY_ADDS(with_64_bytes, __attribute__((target("avx512f,fma"))), 64)
MULTIPLY_ADDS(with_32_bytes, __attribute__((target("avx2,fma"))), 32)
#endif
MULTIPLY_ADDS(with_16_bytes, , 16)

double cpeak_multiply_adds(ptrdiff_t rounds, float *sink) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return with_64_bytes(rounds, sink);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return with_32_bytes(rounds, sink);
#endif
    return with_16_bytes(rounds, sink);
}
