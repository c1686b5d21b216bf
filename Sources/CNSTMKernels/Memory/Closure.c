#include "nstm_closure.h"

// Called from Swift as a function that takes a closure (Parallel.swift), which arrives as its two addresses. Not declared in the
// header, because C has no type for that parameter.
__attribute__((swiftcall)) void nstm_closure_borrow(const void *code, const void *context, nstm_closure *borrowed);
void nstm_closure_borrow(const void *code, const void *context, nstm_closure *borrowed) {
    borrowed->code = code;
    borrowed->context = context;
}
