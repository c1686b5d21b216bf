#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "RowReductions.inc"
#include "Gemv.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "RowReductions.inc"
#include "Gemv.inc"

void nstm_gemv(nstm_real t, int transposed, const void *x, const void *b, ptrdiff_t ldb, void *y, ptrdiff_t n, ptrdiff_t k) {
    NSTM_WORK(n * k, 0, (n * k + n + k) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, gemv, transposed, x, b, ldb, y, n, k);
}
