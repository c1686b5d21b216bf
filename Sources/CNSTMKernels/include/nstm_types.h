// Element types, and the instruction set that the kernels run on.

#ifndef NSTM_TYPES_H
#define NSTM_TYPES_H

#include <stdint.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// Element type of a kernel that computes: float32 or float64.
typedef enum { NSTM_F32 = 0, NSTM_F64 = 1 } nstm_real;
/// Element type of any tensor, numbered like Swift's `DType`.
typedef enum { NSTM_FLOAT32 = 0, NSTM_FLOAT64 = 1, NSTM_INT32 = 2, NSTM_UINT8 = 3, NSTM_BOOL = 4 } nstm_dtype;

/// A hint to the processor that the calling thread is in a spin loop.
static inline void nstm_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Name of the instruction set that the kernels run on: "x86-64-v4", "x86-64-v3" or "default".
const char *nstm_kernel_set(void);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
