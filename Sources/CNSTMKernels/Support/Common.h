// Shared by the kernel sources: instruction-set clones and the two element types.
#ifndef NSTM_COMMON_H
#define NSTM_COMMON_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "Work.h"
#include "nstm_kernels.h"

#if defined(__has_feature)
#define NSTM_HAS_FEATURE(x) __has_feature(x)
#else
#define NSTM_HAS_FEATURE(x) 0
#endif
// The widest instruction set that kernels use, if the processor has it: 4 (AVX-512), 3 (AVX2) or 1 (plain code). A build with
// `-Xcc -DNSTM_KERNEL_LEVEL=1` computes what other processors compute.
#ifndef NSTM_KERNEL_LEVEL
#define NSTM_KERNEL_LEVEL 4
#endif
#define NSTM_HAS_AVX512                                                                                          \
    (NSTM_KERNEL_LEVEL >= 4 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&        \
     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#define NSTM_HAS_AVX2 (NSTM_KERNEL_LEVEL >= 3 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))

#if defined(NSTM_KERNEL)
// Defined on the command line, as `Scripts/sanitize-kernels` does to test one instruction set.
#elif NSTM_HAS_FEATURE(thread_sanitizer)
// The loader chooses clones before this sanitizer is ready to be called.
#define NSTM_KERNEL
#elif NSTM_KERNEL_LEVEL < 3
#define NSTM_KERNEL
#elif NSTM_KERNEL_LEVEL == 3 && defined(__x86_64__) && defined(__linux__)
#define NSTM_KERNEL __attribute__((target_clones("arch=x86-64-v3", "default")))
#elif defined(__x86_64__) && defined(__linux__)
// One clone per instruction set, chosen at load time. Other platforms compile plain code (arm64 has NEON by default).
#define NSTM_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NSTM_KERNEL
#endif
// For kernels that are called only if a vector register has 64 bytes, or 32.
#if defined(__x86_64__)
#define NSTM_WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define NSTM_AVX2 __attribute__((target("avx2,fma")))
#else
#define NSTM_WIDE
#define NSTM_AVX2
#endif
#define NSTM_UNROLL _Pragma("clang loop unroll(full)")
// For the innermost loop of a product: not unrolled, and aligned to a cache line. Its alignment is arbitrary otherwise, which
// changes its speed by up to a tenth (measured on Zen 3).
#if defined(__has_c_attribute)
#if __has_c_attribute(clang::code_align)
#define NSTM_LOOP_ALONE _Pragma("clang loop unroll(disable)") [[clang::code_align(64)]]
#endif
#endif
#ifndef NSTM_LOOP_ALONE
#define NSTM_LOOP_ALONE _Pragma("clang loop unroll(disable)")
#endif
// Pointers to every third row of a tile whose rows have any stride. The compiler would compute the address of each row from the
// one before it, a chain of additions that takes as long as the products of the rows, or longer; the empty asm statements keep
// the pointers separate.
#define NSTM_STRIDED 3
#define NSTM_STRIDED_ROWS(at, rows, from, row)                     \
    NSTM_UNROLL for (int g = 0; g < (rows) / NSTM_STRIDED; g++) { \
        (at)[g] = (from) + g * NSTM_STRIDED * (row);              \
        __asm__("" : "+r"((at)[g]));                               \
    }
// Before a loop whose arrays are the same memory or do not overlap: the compiler does not compare their addresses then, which takes
// longer than a short row, and fails for rows of several arrays that are interleaved. In float64 it does not vectorize loops with
// element functions, which are calls, and warns of a pragma that asks for it. Used as T(NSTM_DISJOINT).
#define NSTM_DISJOINT_f32 _Pragma("clang loop vectorize(assume_safety)")
#define NSTM_DISJOINT_f64
#define NSTM_INLINE static inline __attribute__((always_inline))

#define NSTM_PASTE_(a, b) a##b
#define NSTM_PASTE(a, b) NSTM_PASTE_(a, b)
/// Name of a function for the element type being compiled: T(foo) is foo_f32 or foo_f64.
#define T(name) NSTM_PASTE(name, NSTM_SUFFIX)

#endif
