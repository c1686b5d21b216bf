// Counting of what kernels do: multiply-adds, elements and bytes, as executed, added up once a call by the kernels themselves.
//
// A thread counts while it has a total to add to; whoever splits work over threads hands the total on. Every call adds what follows
// from its arguments and from what it met (the states a token was routed to), and calls on parts add up to that of the whole:
// totals do not depend on the number of threads.
#ifndef NSTM_WORK_H
#define NSTM_WORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    /// Multiplications of products, convolutions, scans and transforms, each with the addition that may go with it.
    int64_t multiply_adds;
    /// Elements that everything else computed: element functions, norms, softmax, reductions, comparisons.
    int64_t elements;
    /// Bytes of the arrays that a call read and wrote, each once; vectors that all rows share (gains, biases) are left out.
    int64_t bytes;
} nstm_work;

/// The total that this thread adds to; null when it does not count.
nstm_work *_Nullable nstm_work_total(void);
/// From now on this thread adds to that total, which several threads may share; null ends counting.
void nstm_work_count(nstm_work *_Nullable total);
/// Adds to this thread's total, if it has one.
void nstm_work_add(int64_t multiply_adds, int64_t elements, int64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
