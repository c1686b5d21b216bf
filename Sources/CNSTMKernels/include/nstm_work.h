// Counts of what kernels do: multiply-adds, elements and bytes, as executed, added once per call by the kernels themselves.
//
// A thread counts while it has a total; code that splits work over threads passes the total on. A call adds what follows from its
// arguments and data (such as the number of states a token is routed to), and calls on parts add up to that of the whole, so that
// totals do not depend on the number of threads.
#ifndef NSTM_WORK_H
#define NSTM_WORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Counts of work.
typedef struct {
    /// Multiplications of products, convolutions, scans and transforms, each with the addition that may go with it.
    int64_t multiply_adds;
    /// Elements computed by everything else: element functions, norms, softmax, reductions, comparisons.
    int64_t elements;
    /// Bytes of the arrays that a call read and wrote, each once; without vectors that all rows share (gains, biases).
    int64_t bytes;
} nstm_work;

/// Total that this thread adds to; null if it does not count.
nstm_work *_Nullable nstm_work_total(void);
/// Makes this thread add to `total`, which several threads may share; null ends counting.
void nstm_work_count(nstm_work *_Nullable total);
/// Adds to this thread's total, if it has one.
void nstm_work_add(int64_t multiply_adds, int64_t elements, int64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
