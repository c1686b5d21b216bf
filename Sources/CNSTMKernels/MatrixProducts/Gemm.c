// Float32 matrix product for the sizes of a training step, for AVX-512. A is read in place, by broadcasts, with any two strides,
// or packed if it would be evicted from the cache too soon. B is read in place if it is row-major and short, or packed once, by
// the caller, into panels of 32 columns that all threads share. A tile of 12 × 32 sums stays in registers. Each element of C is
// one sum in order of k, so results do not depend on how rows are split.
//
// GemmAVX2.inc is the same for AVX2, GemmAMX.inc a less exact product for matrix tiles; elsewhere callers use OpenBLAS.

#include "Common.h"

// ROWS: rows of A that are packed at a time, whole tiles that fill a small part of the L2 cache.
enum { PANEL = 32, TILE = 12, DEPTH = 256, ROWS = 192 };

#if defined(__x86_64__)
#include <immintrin.h>

#include "GemmAVX2.inc"

#define V4 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,prfchw")))
#define V4_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,fma,prfchw")))

int nstm_gemm_panel(void) {
    static int known = -1;
    if (known < 0) known = NSTM_HAS_AVX512 ? PANEL : (NSTM_HAS_AVX2 ? V3_PANEL : 0);
    return known;
}

V4_INLINE void transpose16(const float *b, ptrdiff_t ldb, ptrdiff_t rows, ptrdiff_t depth, float *out, const ptrdiff_t step, const int width) {
    // out[p·step + j] ← b[j·ldb + p] for `width` rows j (missing ones 0), at most 16, and `depth` columns p.
    const __mmask16 mask = (__mmask16)((1u << width) - 1);
    ptrdiff_t p = 0;
    for (; p + 16 <= depth; p += 16) {
        __m512 r[16], t[16];
#pragma clang loop unroll(full)
        for (int j = 0; j < 16; j++) r[j] = j < rows ? _mm512_loadu_ps(b + j * ldb + p) : _mm512_setzero_ps();
#pragma clang loop unroll(full)
        for (int j = 0; j < 16; j += 2) {
            t[j] = _mm512_unpacklo_ps(r[j], r[j + 1]);
            t[j + 1] = _mm512_unpackhi_ps(r[j], r[j + 1]);
        }
#pragma clang loop unroll(full)
        for (int j = 0; j < 16; j += 4) {
            r[j] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[j]), _mm512_castps_pd(t[j + 2])));
            r[j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[j]), _mm512_castps_pd(t[j + 2])));
            r[j + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[j + 1]), _mm512_castps_pd(t[j + 3])));
            r[j + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[j + 1]), _mm512_castps_pd(t[j + 3])));
        }
        // r[4g + c] holds, in each 128-bit lane l, column 4l + c of rows 4g ... 4g + 3.
#pragma clang loop unroll(full)
        for (int c = 0; c < 4; c++) {
            __m512 a = _mm512_shuffle_f32x4(r[c], r[c + 4], 0x88), d = _mm512_shuffle_f32x4(r[c], r[c + 4], 0xdd);
            __m512 e = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0x88), f = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0xdd);
            t[c] = _mm512_shuffle_f32x4(a, e, 0x88);
            t[c + 8] = _mm512_shuffle_f32x4(a, e, 0xdd);
            t[c + 4] = _mm512_shuffle_f32x4(d, f, 0x88);
            t[c + 12] = _mm512_shuffle_f32x4(d, f, 0xdd);
        }
#pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++) _mm512_mask_storeu_ps(out + (p + c) * step, mask, t[c]);
    }
    for (; p < depth; p++)
        for (ptrdiff_t j = 0; j < width; j++) out[p * step + j] = j < rows ? b[j * ldb + p] : 0.0f;
}

V4 static void pack_panel(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t depth, ptrdiff_t columns, float *out) {
    if (transposed) {
        transpose16(b, ldb, columns < 16 ? columns : 16, depth, out, PANEL, 16);
        if (columns > 16) transpose16(b + 16 * ldb, ldb, columns - 16, depth, out + 16, PANEL, 16);
        else
            for (ptrdiff_t p = 0; p < depth; p++) _mm512_storeu_ps(out + p * PANEL + 16, _mm512_setzero_ps());
        return;
    }
    __mmask16 m0 = columns >= 16 ? 0xffff : (__mmask16)((1u << columns) - 1);
    __mmask16 m1 = columns >= 32 ? 0xffff : (columns > 16 ? (__mmask16)((1u << (columns - 16)) - 1) : 0);
    for (ptrdiff_t p = 0; p < depth; p++) {
        _mm512_storeu_ps(out + p * PANEL, _mm512_maskz_loadu_ps(m0, b + p * ldb));
        _mm512_storeu_ps(out + p * PANEL + 16, _mm512_maskz_loadu_ps(m1, b + p * ldb + 16));
    }
}

/// One tile of C. `ahead`: this tile of C, and the part of B at `next`, are beyond the near caches and are prefetched during the
/// sums.
V4_INLINE void tile(const float *a, ptrdiff_t a_row, ptrdiff_t a_step, const float *b, ptrdiff_t b_step, ptrdiff_t depth, float *c, ptrdiff_t ldc,
                    ptrdiff_t columns, int accumulate, const int rows, const int vectors, const int ahead, const float *next) {
    __m512 s[TILE][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) s[i][0] = s[i][1] = _mm512_setzero_ps();
    // Masked loads, because the last panel of an ordinary matrix ends where its row ends.
    __mmask16 m0 = columns >= 16 ? 0xffff : (__mmask16)((1u << columns) - 1);
    __mmask16 m1 = columns >= 32 ? 0xffff : (columns > 16 ? (__mmask16)((1u << (columns - 16)) - 1) : 0);
    const float *at[TILE / NSTM_STRIDED];
    NSTM_STRIDED_ROWS(at, TILE, a, a_row)
    NSTM_LOOP_ALONE for (ptrdiff_t p = 0; p < depth; p++, b += b_step) {
        // Prefetches one line of each in every fourth step; issued all at once they would wait for each other.
        if (ahead && p % 4 == 0) {
            _mm_prefetch((const char *)(next + p * PANEL * TILE / ROWS), _MM_HINT_T1);
            if (p < 8 * TILE) __builtin_prefetch(c + p / 8 * ldc + p % 8 * 4, 1, 3);
        }
        __m512 b0 = _mm512_maskz_loadu_ps(m0, b), b1 = vectors > 1 ? _mm512_maskz_loadu_ps(m1, b + 16) : b0;
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(at[i / NSTM_STRIDED][i % NSTM_STRIDED * a_row]);
            s[i][0] = _mm512_fmadd_ps(x, b0, s[i][0]);
            if (vectors > 1) s[i][1] = _mm512_fmadd_ps(x, b1, s[i][1]);
        }
        NSTM_UNROLL for (int g = 0; g < TILE / NSTM_STRIDED; g++) at[g] += a_step;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        float *o = c + i * ldc;
        if (accumulate) {
            s[i][0] = _mm512_add_ps(s[i][0], _mm512_maskz_loadu_ps(m0, o));
            if (vectors > 1) s[i][1] = _mm512_add_ps(s[i][1], _mm512_maskz_loadu_ps(m1, o + 16));
        }
        _mm512_mask_storeu_ps(o, m0, s[i][0]);
        if (vectors > 1) _mm512_mask_storeu_ps(o + 16, m1, s[i][1]);
    }
}

V4_INLINE void tiles_of(const float *a, ptrdiff_t a_tile, ptrdiff_t a_row, ptrdiff_t a_step, const float *b, ptrdiff_t b_step, ptrdiff_t depth, float *c, ptrdiff_t ldc,
                        ptrdiff_t columns, int accumulate, ptrdiff_t rows, const int vectors, const int ahead, const float *next) {
    ptrdiff_t i = 0;
    for (; i + TILE <= rows; i += TILE, a += a_tile, next += depth * PANEL * TILE / ROWS)
        tile(a, a_row, a_step, b, b_step, depth, c + i * ldc, ldc, columns, accumulate, TILE, vectors, ahead, next);
#define REST(R) case R: tile(a, a_row, a_step, b, b_step, depth, c + i * ldc, ldc, columns, accumulate, R, vectors, 0, next); break;
    switch (rows - i) { REST(1) REST(2) REST(3) REST(4) REST(5) REST(6) REST(7) REST(8) REST(9) REST(10) REST(11) }
#undef REST
}

V4 static void tiles(const float *a, ptrdiff_t a_tile, ptrdiff_t a_row, ptrdiff_t a_step, const float *b, ptrdiff_t b_step, ptrdiff_t depth, float *c, ptrdiff_t ldc,
                     ptrdiff_t columns, int accumulate, ptrdiff_t rows) {
    if (columns > 16) tiles_of(a, a_tile, a_row, a_step, b, b_step, depth, c, ldc, columns, accumulate, rows, 2, 0, b);
    else tiles_of(a, a_tile, a_row, a_step, b, b_step, depth, c, ldc, columns, accumulate, rows, 1, 0, b);
}
/// Tiles of whole panels, which also prefetch the next panel of B.
V4 static void tiles_ahead(const float *a, const float *b, ptrdiff_t depth, float *c, ptrdiff_t ldc, int accumulate, ptrdiff_t rows,
                           const float *next) {
    tiles_of(a, TILE * DEPTH, 1, TILE, b, PANEL, depth, c, ldc, PANEL, accumulate, rows, 2, 1, next);
}

/// Packs rows of A into tiles of twelve, interleaved step by step: out[r·DEPTH + q·12 + s] ← a[q·a_step + (r + s)·a_row].
V4 static void pack_rows(const float *a, ptrdiff_t a_row, ptrdiff_t a_step, ptrdiff_t rows, ptrdiff_t depth, float *out) {
    for (ptrdiff_t r = 0; r < rows; r += TILE, out += TILE * DEPTH, a += TILE * a_row) {
        ptrdiff_t tall = rows - r < TILE ? rows - r : TILE;
        if (a_step == 1) {
            transpose16(a, a_row, tall, depth, out, TILE, TILE);
            continue;
        }
        const __mmask16 wanted = (__mmask16)((1u << tall) - 1), all = (1u << TILE) - 1;
        if (a_row == 1)
            for (ptrdiff_t q = 0; q < depth; q++)
                _mm512_mask_storeu_ps(out + q * TILE, all, _mm512_maskz_loadu_ps(wanted, a + q * a_step));
        else
            for (ptrdiff_t q = 0; q < depth; q++)
                for (ptrdiff_t s = 0; s < TILE; s++) out[q * TILE + s] = s < tall ? a[q * a_step + s * a_row] : 0;
    }
}

V4 static void v4_rows(const nstm_gemm *product) {
    const float *a = product->a, *b = product->b;
    float *c = product->c;
    const ptrdiff_t a_row = product->a_row, a_step = product->a_step, panel_stride = product->panel_stride, b_step = product->b_step;
    const ptrdiff_t ldc = product->ldc, m = product->m, n = product->n, k = product->k;
    const int accumulate = product->accumulate;
    // If B takes much of the cache, unpacked rows of A are evicted before the next panel uses them. Packed rows stay, and do not
    // compete for a few cache sets, as long rows of a transposed A do.
    const int packs = n * k > 1048576 || (n * k > 131072 && n >= 256) || (a_step >= 256 && n >= 64);
    float packed[ROWS * DEPTH];
    for (ptrdiff_t p = 0; p < k; p += DEPTH) {
        ptrdiff_t depth = k - p < DEPTH ? k - p : DEPTH;
        for (ptrdiff_t i = 0, rows = packs ? ROWS : m; i < m; i += rows) {
            if (rows > m - i) rows = m - i;
            const float *left = a + i * a_row + p * a_step;
            ptrdiff_t tile = TILE * a_row, row = a_row, step = a_step;
            if (packs) {
                pack_rows(left, a_row, a_step, rows, depth, packed);
                left = packed, tile = TILE * DEPTH, row = 1, step = TILE;
            }
            for (ptrdiff_t j = 0; j < n; j += PANEL) {
                const float *right = b + j / PANEL * panel_stride + p * b_step;
                if (packs && b_step == PANEL && n - j >= PANEL)
                    tiles_ahead(left, right, depth, c + i * ldc + j, ldc, accumulate || p > 0, rows, right + panel_stride);
                else
                    tiles(left, tile, row, step, right, b_step, depth, c + i * ldc + j, ldc, n - j < PANEL ? n - j : PANEL,
                          accumulate || p > 0, rows);
            }
        }
    }
}

void nstm_gemm_pack(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel, float *out) {
    ptrdiff_t width = nstm_gemm_panel(), j = panel * width, columns = n - j < width ? n - j : width;
    NSTM_MOVED(8 * k * columns);
    (width == PANEL ? pack_panel : v3_pack_panel)(transposed, b + (transposed ? j * ldb : j), ldb, k, columns, out + panel * width * k);
}

void nstm_gemm_rows(const nstm_gemm *p) {
    // The bytes of B are counted where it is packed, not once for each block of rows.
    NSTM_WORK(p->m * p->n * p->k, 0, 4 * p->m * (p->k + (p->accumulate ? 2 : 1) * p->n));
    (nstm_gemm_panel() == PANEL ? v4_rows : v3_rows)(p);
}

#include "GemmAMX.inc"

#else
#define NSTM_NO_MATRIX_TILES
int nstm_gemm_panel(void) { return 0; }
void nstm_gemm_pack(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel, float *out) {
    (void)transposed, (void)b, (void)ldb, (void)k, (void)n, (void)panel, (void)out;
}
void nstm_gemm_rows(const nstm_gemm *p) { (void)p; }
#endif

#if defined(NSTM_NO_MATRIX_TILES)
ptrdiff_t nstm_gemm_split_bytes(ptrdiff_t k) { return (void)k, 0; }
void nstm_gemm_split_pack(int transposed, const float *b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel, void *out) {
    (void)transposed, (void)b, (void)ldb, (void)k, (void)n, (void)panel, (void)out;
}
void nstm_gemm_split_rows(const nstm_gemm *p, const void *packed) { (void)p, (void)packed; }
#endif
