#include "nstm_closure.h"

// Called from Swift as a function that is given a closure (Parallel.swift), which arrives as its two addresses. Not in the header: C has no
// type for that parameter.
__attribute__((swiftcall)) void nstm_closure_borrow(const void *code, const void *context, nstm_closure *lent);
void nstm_closure_borrow(const void *code, const void *context, nstm_closure *lent) {
    lent->code = code;
    lent->context = context;
}
