#include "Dispatch.h"
#include "Tiles.h"

#define REAL float
#define NSTM_SUFFIX _f32
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#include "Regions.inc"
#undef REAL
#undef NSTM_SUFFIX
#undef ZIP_LOW
#undef ZIP_HIGH
#define REAL double
#define NSTM_SUFFIX _f64
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#include "Regions.inc"

void nstm_region_pack(nstm_real t, const nstm_region *region, const void *x, const void *limit, void *out) {
    NSTM_MOVED(region->rows * region->columns * (region->channels + region->pixel) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, region_pack, region, x, limit, out);
}
void nstm_region_unpack(nstm_real t, const nstm_region *region, const void *x, const void *bias, void *y) {
    NSTM_MOVED(2 * region->rows * region->columns * region->channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, region_unpack, region, x, bias, y);
}
