#include "Common.h"

#if defined(__x86_64__) && defined(__linux__)
const char *nstm_kernel_set(void) {
    // The same questions, in the same order, as the loader asks when it picks a clone.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
    return "default";
}
#else
const char *nstm_kernel_set(void) { return "default"; }
#endif

void nstm_fill_bytes(void *x, int byte, ptrdiff_t n) { memset(x, byte, (size_t)n); }

void nstm_fill(nstm_real t, void *x, double value, ptrdiff_t n) {
    if (t == NSTM_F32) {
        float *p = x, v = (float)value;
        for (ptrdiff_t i = 0; i < n; i++) p[i] = v;
    } else {
        double *p = x;
        for (ptrdiff_t i = 0; i < n; i++) p[i] = value;
    }
}

NSTM_KERNEL static void widen(const float *x, double *y, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) y[i] = (double)x[i];
}
NSTM_KERNEL static void narrow(const double *x, float *y, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) y[i] = (float)x[i];
}
void nstm_cast(nstm_real from, nstm_real to, const void *x, void *y, ptrdiff_t n) {
    if (from == to) memcpy(y, x, (size_t)n * (from == NSTM_F32 ? 4 : 8));
    else if (from == NSTM_F32) widen(x, y, n);
    else narrow(x, y, n);
}

// Axes that follow each other densely are merged, then the two innermost are copied by plain loops.
#define COPY_ROWS(TYPE)                                                                  \
    do {                                                                                 \
        const TYPE *s = (const TYPE *)x + base;                                          \
        TYPE *d = (TYPE *)out + done;                                                    \
        if (inner_stride == 1) memcpy(d, s, (size_t)inner * sizeof(TYPE));               \
        else for (ptrdiff_t j = 0; j < inner; j++) d[j] = s[j * inner_stride];           \
    } while (0)

void nstm_copy_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *sizes, const int32_t *strides,
                       const void *x, void *out) {
    ptrdiff_t size[8], stride[8];
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (sizes[i] == 0) return;
        if (sizes[i] == 1) continue;
        if (r > 0 && stride[r - 1] == (ptrdiff_t)strides[i] * sizes[i]) {
            size[r - 1] *= sizes[i];
            stride[r - 1] = strides[i];
        } else {
            size[r] = sizes[i];
            stride[r++] = strides[i];
        }
    }
    if (r == 0) {
        memcpy(out, x, (size_t)element_bytes);
        return;
    }
    ptrdiff_t inner = size[r - 1], inner_stride = stride[r - 1], rows = 1;
    for (int i = 0; i < r - 1; i++) rows *= size[i];
    ptrdiff_t index[8] = {0}, base = 0, done = 0;
    for (ptrdiff_t row = 0; row < rows; row++, done += inner) {
        switch (element_bytes) {
        case 4: COPY_ROWS(uint32_t); break;
        case 8: COPY_ROWS(uint64_t); break;
        default: COPY_ROWS(uint8_t); break;
        }
        for (int i = r - 2; i >= 0; i--) {
            base += stride[i];
            if (++index[i] < size[i]) break;
            base -= stride[i] * size[i];
            index[i] = 0;
        }
    }
}
