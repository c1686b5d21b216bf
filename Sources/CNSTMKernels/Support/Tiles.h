// Vectors of 64 bytes for kernels with register tiles, in plain C: one register with AVX-512, two with AVX2, four with NEON.
#ifndef NSTM_TILES_H
#define NSTM_TILES_H

#include "Common.h"

typedef float nstm_vec_f32 __attribute__((vector_size(64)));
typedef double nstm_vec_f64 __attribute__((vector_size(64)));
// The same at any address.
typedef float nstm_loose_f32 __attribute__((vector_size(64), aligned(4)));
typedef double nstm_loose_f64 __attribute__((vector_size(64), aligned(8)));

enum { LANES_f32 = 16, LANES_f64 = 8 };
#define VEC T(nstm_vec)
#define LOOSE T(nstm_loose)
#define LANES T(LANES)
#define LOAD(p) (*(const LOOSE *)(p))
#define STORE(p, v) (*(LOOSE *)(p) = (v))

#endif
