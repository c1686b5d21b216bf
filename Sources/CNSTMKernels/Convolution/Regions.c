#include "Dispatch.h"
#include "Vectors.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "Regions.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "Regions.inc"

void nstm_region_pack(nstm_real t, const nstm_region *region, const void *x, const void *limit, void *out) {
    NSTM_MOVED(region->rows * region->columns * (region->channels + region->pixel) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, region_pack, region, x, limit, out);
}
void nstm_region_unpack(nstm_real t, const nstm_region *region, const void *x, const void *bias, void *y) {
    NSTM_MOVED(2 * region->rows * region->columns * region->channels * NSTM_BYTES(t));
    NSTM_DISPATCH(t, region_unpack, region, x, bias, y);
}
