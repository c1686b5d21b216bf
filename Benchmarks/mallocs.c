// Counts the calls of malloc and its kin in a process: loaded before the C library (LD_PRELOAD), asked through a function that
// nstm-bench looks up by name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long calls;
long nstm_malloc_calls(void) { return atomic_load(&calls); }

void *malloc(size_t n) { atomic_fetch_add(&calls, 1); return __libc_malloc(n); }
void *calloc(size_t k, size_t n) { atomic_fetch_add(&calls, 1); return __libc_calloc(k, n); }
void *realloc(void *p, size_t n) { atomic_fetch_add(&calls, 1); return __libc_realloc(p, n); }
int posix_memalign(void **p, size_t alignment, size_t n) {
    atomic_fetch_add(&calls, 1);
    *p = __libc_memalign(alignment, n);
    return *p ? 0 : 12;
}
void *aligned_alloc(size_t alignment, size_t n) { atomic_fetch_add(&calls, 1); return __libc_memalign(alignment, n); }
