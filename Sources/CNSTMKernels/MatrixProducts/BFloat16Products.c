// Products of one row with weights in bfloat16 (the upper half of a float32), which halves the memory to read, the bottleneck of
// such a product. Weights are packed in panels of sixty-four rows (the last may have forty-eight, thirty-two or sixteen) with two
// consecutive steps of k in each 32-bit lane: both halves become float32 with one operation, sums need no exchange between lanes,
// and memory is read sequentially.

#include "Vectors.h"
#include "Work.h"

// AHEAD: distance of prefetches in vectors; hardware prefetching stops at the end of a page.
enum { ROWS = 16, TOGETHER = 4, AHEAD = 48 };
typedef uint32_t vec_u32 __attribute__((vector_size(64)));

NSTM_INLINE uint32_t rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    // NaN stays NaN: rounding could carry into the exponent.
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

ptrdiff_t nstm_bf16_bytes(ptrdiff_t n, ptrdiff_t k) { return (n + ROWS - 1) / ROWS * ((k + 1) / 2) * ROWS * 4; }

void nstm_bf16_pack(const float *w, ptrdiff_t ldw, ptrdiff_t n, ptrdiff_t k, void *out) {
    NSTM_MOVED(6 * n * k);
    const ptrdiff_t pairs = (k + 1) / 2;
    uint32_t *to = out;
    for (ptrdiff_t first = 0, rows; first < n; first += rows) {
        rows = n - first < TOGETHER * ROWS ? (n - first + ROWS - 1) / ROWS * ROWS : TOGETHER * ROWS;
        for (ptrdiff_t q = 0; q < pairs; q++, to += rows)
            for (ptrdiff_t r = 0; r < rows; r++) {
                const float *row = w + (first + r) * ldw + 2 * q;
                to[r] = first + r >= n ? 0 : rounded(row[0]) | (2 * q + 1 < k ? rounded(row[1]) << 16 : 0);
            }
    }
}

/// A panel of `count` times sixteen rows.
NSTM_INLINE void bf16_panel(const float *x, const uint32_t *w, ptrdiff_t k, float *y, ptrdiff_t rows, const int count) {
    const ptrdiff_t pairs = (k + 1) / 2;
    nstm_vec_f32 even[TOGETHER], odd[TOGETHER];
    for (int i = 0; i < count; i++) even[i] = odd[i] = (nstm_vec_f32){0};
    for (ptrdiff_t q = 0; q < pairs; q++) {
        const float x0 = x[2 * q], x1 = 2 * q + 1 < k ? x[2 * q + 1] : 0;
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) {
            vec_u32 v;
            memcpy(&v, w + (q * count + i) * ROWS, sizeof v);
            __builtin_prefetch(w + (q * count + i + AHEAD) * ROWS);
            even[i] += x0 * (nstm_vec_f32)(v << 16);
            odd[i] += x1 * (nstm_vec_f32)(v & 0xffff0000);
        }
    }
    for (int i = 0; i < count; i++) {
        nstm_vec_f32 sum = even[i] + odd[i];
        const ptrdiff_t left = rows - i * ROWS;
        memcpy(y + i * ROWS, &sum, (size_t)(left < ROWS ? left : ROWS) * sizeof(float));
    }
}

NSTM_KERNEL static void bf16_row(const float *x, const uint32_t *w, float *y, ptrdiff_t n, ptrdiff_t k) {
    const ptrdiff_t panel = (k + 1) / 2 * ROWS;
    for (ptrdiff_t j = 0; j < n; j += TOGETHER * ROWS, w += TOGETHER * panel, y += TOGETHER * ROWS)
        switch ((n - j + ROWS - 1) / ROWS) {
        case 1: bf16_panel(x, w, k, y, n - j, 1); break;
        case 2: bf16_panel(x, w, k, y, n - j, 2); break;
        case 3: bf16_panel(x, w, k, y, n - j, 3); break;
        default: bf16_panel(x, w, k, y, n - j, TOGETHER);
        }
}

void nstm_bf16_rows(const float *x, ptrdiff_t m, const void *w, float *y, ptrdiff_t n, ptrdiff_t k) {
    NSTM_WORK(m * n * k, 0, 2 * n * k + 4 * m * (n + k));
    for (ptrdiff_t i = 0; i < m; i++) bf16_row(x + i * k, w, y + i * n, n, k);
}
