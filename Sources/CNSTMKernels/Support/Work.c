#include "Work.h"

_Thread_local nstm_work *nstm_work_here = 0;

nstm_work *nstm_work_total(void) { return nstm_work_here; }
void nstm_work_count(nstm_work *total) { nstm_work_here = total; }
void nstm_work_add(int64_t multiply_adds, int64_t elements, int64_t bytes) {
    nstm_work *to = nstm_work_here;
    if (!to) return;
    __atomic_fetch_add(&to->multiply_adds, multiply_adds, __ATOMIC_RELAXED);
    __atomic_fetch_add(&to->elements, elements, __ATOMIC_RELAXED);
    __atomic_fetch_add(&to->bytes, bytes, __ATOMIC_RELAXED);
}
