// Closures of Swift lent to other threads.
#ifndef NSTM_CLOSURE_H
#define NSTM_CLOSURE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A closure `(Int) -> Void` that lives as long as the call it was passed to: the address of its code and of what it captured. Swift
/// itself would make an object of it, so that it can be stored.
typedef struct {
    const void *_Nullable code;
    const void *_Nullable context;
} nstm_closure;

/// Calls it with Swift's convention.
static inline void nstm_closure_call(nstm_closure closure, ptrdiff_t index) {
    typedef __attribute__((swiftcall)) void (*body)(ptrdiff_t, __attribute__((swift_context)) const void *);
    ((body)closure.code)(index, closure.context);
}

#ifdef __cplusplus
}
#endif
#endif
