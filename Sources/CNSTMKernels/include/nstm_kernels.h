// All kernels of NSTM: plain C that allocates no memory, starts no threads and knows nothing of Swift.
//
// Conventions of every family:
// - The first argument is the element type where there is a choice; element pointers are untyped after it. Both types are
//   compiled from one source (`*.inc`), so that a check in float64 exercises the code that float32 runs.
// - Arrays are dense and row-major unless strides are given. Counts, sizes and strides are in elements unless a name says bytes.
// - Pointers are never null unless marked `_Nullable`. Arrays that are written do not overlap others unless a comment allows it.
// - Callers split work over threads. A result never depends on how rows, heads or channels are split among calls.
#ifndef NSTM_KERNELS_H
#define NSTM_KERNELS_H

#include "nstm_addressing.h"
#include "nstm_attention.h"
#include "nstm_closure.h"
#include "nstm_conv.h"
#include "nstm_elementwise.h"
#include "nstm_gemm.h"
#include "nstm_indexing.h"
#include "nstm_masks.h"
#include "nstm_optim.h"
#include "nstm_pooling.h"
#include "nstm_random.h"
#include "nstm_reduce.h"
#include "nstm_rows.h"
#include "nstm_scans.h"
#include "nstm_storage.h"
#include "nstm_types.h"
#include "nstm_work.h"

#endif
