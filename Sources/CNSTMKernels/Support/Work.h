// How kernels count their work: one test of a thread-local variable if counting is off, and no arithmetic.
#ifndef NSTM_WORK_INTERNAL_H
#define NSTM_WORK_INTERNAL_H

#include "nstm_kernels.h"

extern _Thread_local nstm_work *nstm_work_here;

/// Adds to the total of this thread; the arguments are evaluated only if there is one.
#define NSTM_WORK(multiply_adds, elements, bytes)                                                         \
    do {                                                                                                  \
        if (__builtin_expect(nstm_work_here != 0, 0)) nstm_work_add(multiply_adds, elements, bytes); \
    } while (0)
#define NSTM_BYTES(t) ((ptrdiff_t)((t) == NSTM_F32 ? 4 : 8))
/// Counts n computed elements, with `arrays` arrays of that size read or written.
#define NSTM_ELEMENTS(t, n, arrays) NSTM_WORK(0, n, (ptrdiff_t)(arrays) * (n) * NSTM_BYTES(t))
/// Counts bytes that are moved without being computed with.
#define NSTM_MOVED(bytes) NSTM_WORK(0, 0, bytes)

#endif
