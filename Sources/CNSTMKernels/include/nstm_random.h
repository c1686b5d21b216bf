// Random numbers of a counter-based generator, Philox-4×32-10 (Salmon et al. 2011). (Random.c)

#ifndef NSTM_RANDOM_H
#define NSTM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// out [n] ← uniform numbers in [0, 1) at positions first ... first + n − 1 of the stream of `seed`.
void nstm_uniform(uint64_t seed, uint64_t first, double *out, ptrdiff_t n);
/// out [n] ← 0 where the uniform number of that position is below `rate`, else `kept`.
void nstm_dropout_mask(uint64_t seed, uint64_t first, double rate, float kept, float *out, ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
