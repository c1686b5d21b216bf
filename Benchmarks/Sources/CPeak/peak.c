#include "cpeak.h"

typedef float lanes __attribute__((vector_size(64)));

#if defined(__x86_64__) && defined(__linux__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
double cpeak_multiply_adds(ptrdiff_t rounds, float *sink) {
    enum { CHAINS = 12 };
    lanes x[CHAINS], a, b;
    for (int i = 0; i < 16; i++) a[i] = 0.999f + sink[0], b[i] = 0.001f;
    for (int j = 0; j < CHAINS; j++) x[j] = a + (float)j;
    for (ptrdiff_t r = 0; r < rounds; r++) {
#pragma clang fp contract(fast)
#pragma clang loop unroll(full)
        for (int j = 0; j < CHAINS; j++) x[j] = x[j] * a + b;
    }
    float total = 0;
    for (int j = 0; j < CHAINS; j++)
        for (int i = 0; i < 16; i++) total += x[j][i];
    sink[0] = total * 1e-30f;
    return (double)rounds * CHAINS * 16 * 2;
}
