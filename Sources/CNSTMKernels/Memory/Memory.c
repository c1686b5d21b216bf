#include "Common.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__x86_64__) && defined(__linux__)
const char *nstm_kernel_set(void) {
    // The same checks, in the same order, as the loader makes when it picks a clone.
    if (NSTM_HAS_AVX512) return "x86-64-v4";
    if (NSTM_HAS_AVX2) return "x86-64-v3";
    return "default";
}
#else
const char *nstm_kernel_set(void) { return "default"; }
#endif

void *nstm_large_pages(ptrdiff_t bytes) {
    const size_t page = 2u << 20, size = ((size_t)bytes + page - 1) / page * page;
    void *block = NULL;
    if (posix_memalign(&block, page, size ? size : page) != 0) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    // A hint: if the system has none, ordinary pages are used.
    madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
}

void nstm_move_rows(ptrdiff_t rows, ptrdiff_t bytes, const void *x, ptrdiff_t x_stride, void *y, ptrdiff_t y_stride) {
    NSTM_MOVED(2 * rows * bytes);
    const char *from = x;
    char *to = y;
    for (ptrdiff_t r = 0; r < rows; r++, from += x_stride, to += y_stride) {
        ptrdiff_t i = 0;
        for (; i + 64 <= bytes; i += 64) memcpy(to + i, from + i, 64);
        if (i < bytes) memcpy(to + i, from + i, (size_t)(bytes - i));
    }
}

void nstm_fill(nstm_real t, void *x, double value, ptrdiff_t n) {
    NSTM_MOVED(n * NSTM_BYTES(t));
    if (t == NSTM_F32) {
        float *p = x, v = (float)value;
        for (ptrdiff_t i = 0; i < n; i++) p[i] = v;
    } else {
        double *p = x;
        for (ptrdiff_t i = 0; i < n; i++) p[i] = value;
    }
}

// Axes that are contiguous with each other in both arrays are merged; the two innermost are then copied as a matrix. A transpose
// (rows are contiguous in one array, columns in the other) is copied in strips of a cache line.
#define MOVE_MATRIX(TYPE)                                                                                       \
    do {                                                                                                        \
        enum { STRIP = 64 / sizeof(TYPE) };                                                                     \
        const TYPE *s = (const TYPE *)x + from;                                                                 \
        TYPE *d = (TYPE *)y + to;                                                                               \
        if (transposes)                                                                                         \
            for (ptrdiff_t first = 0; first < outer; first += STRIP) {                                          \
                ptrdiff_t last = first + STRIP < outer ? first + STRIP : outer;                                 \
                for (ptrdiff_t j = 0; j < inner; j++)                                                           \
                    for (ptrdiff_t i = first; i < last; i++) d[i * yo + j * ys] = s[i * xo + j * xs];           \
            }                                                                                                   \
        else                                                                                                    \
            for (ptrdiff_t i = 0; i < outer; i++, s += xo, d += yo) {                                           \
                if (xs == 1 && ys == 1) memcpy(d, s, (size_t)inner * sizeof(TYPE));                             \
                else if (ys == 1) for (ptrdiff_t j = 0; j < inner; j++) d[j] = s[j * xs];                       \
                else if (xs == 1) for (ptrdiff_t j = 0; j < inner; j++) d[j * ys] = s[j];                       \
                else for (ptrdiff_t j = 0; j < inner; j++) d[j * ys] = s[j * xs];                               \
            }                                                                                                   \
    } while (0)

void nstm_move_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *sizes, const int32_t *x_strides, const void *x,
                       const int32_t *y_strides, void *y) {
    ptrdiff_t size[8], x_stride[8], y_stride[8];
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (sizes[i] == 0) return;
        if (sizes[i] == 1) continue;
        if (r > 0 && x_stride[r - 1] == (ptrdiff_t)x_strides[i] * sizes[i] &&
            y_stride[r - 1] == (ptrdiff_t)y_strides[i] * sizes[i]) {
            size[r - 1] *= sizes[i];
            x_stride[r - 1] = x_strides[i];
            y_stride[r - 1] = y_strides[i];
        } else {
            size[r] = sizes[i];
            x_stride[r] = x_strides[i];
            y_stride[r++] = y_strides[i];
        }
    }
    ptrdiff_t count = 1;
    for (int i = 0; i < r; i++) count *= size[i];
    NSTM_MOVED(2 * count * element_bytes);
    if (r == 0) {
        memcpy(y, x, (size_t)element_bytes);
        return;
    }
    ptrdiff_t inner = size[r - 1], xs = x_stride[r - 1], ys = y_stride[r - 1];
    ptrdiff_t outer = r > 1 ? size[r - 2] : 1, xo = r > 1 ? x_stride[r - 2] : 0, yo = r > 1 ? y_stride[r - 2] : 0;
    int transposes = r > 1 && ((xo == 1 && xs != 1) || (yo == 1 && ys != 1));
    ptrdiff_t matrices = 1, index[8] = {0}, from = 0, to = 0;
    for (int i = 0; i < r - 2; i++) matrices *= size[i];
    for (ptrdiff_t m = 0; m < matrices; m++) {
        switch (element_bytes) {
        case 4: MOVE_MATRIX(uint32_t); break;
        case 8: MOVE_MATRIX(uint64_t); break;
        default: MOVE_MATRIX(uint8_t); break;
        }
        for (int i = r - 3; i >= 0; i--) {
            from += x_stride[i];
            to += y_stride[i];
            if (++index[i] < size[i]) break;
            from -= x_stride[i] * size[i];
            to -= y_stride[i] * size[i];
            index[i] = 0;
        }
    }
}

void nstm_copy_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *sizes, const int32_t *strides, const void *x,
                       void *out) {
    int32_t dense[8];
    uint32_t run = 1;
    for (int i = rank - 1; i >= 0; i--) {
        dense[i] = (int32_t)run;
        run *= (uint32_t)sizes[i];
    }
    nstm_move_strided(element_bytes, rank, sizes, strides, x, dense, out);
}
