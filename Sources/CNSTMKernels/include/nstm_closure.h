// Closures of Swift that are called on other threads without being copied to the heap.
#ifndef NSTM_CLOSURE_H
#define NSTM_CLOSURE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A borrowed closure `(Int) -> Void`: the address of its code and of its captured values, valid until the call it was passed to
/// returns.
///
/// To store an escaping closure, Swift itself would allocate an object.
typedef struct {
    const void *_Nullable code;
    const void *_Nullable context;
} nstm_closure;

/// Calls the closure with Swift's calling convention.
static inline void nstm_closure_call(nstm_closure closure, ptrdiff_t index) {
    typedef __attribute__((swiftcall)) void (*body)(ptrdiff_t, __attribute__((swift_context)) const void *);
    ((body)closure.code)(index, closure.context);
}

#ifdef __cplusplus
}
#endif
#endif
