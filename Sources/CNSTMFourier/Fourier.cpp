#ifndef NSTM_KERNEL_LEVEL
#define NSTM_KERNEL_LEVEL 4
#endif
#include <cmath>
#include <complex>
#include <cstddef>
#include <utility>
#include <vector>

#include "nstm_fourier.h"
#include "nstm_work.h"

#if __has_include(<kissfft/kissfft.hh>)
#define KISSFFT <kissfft/kissfft.hh>
#else
#define KISSFFT <kissfft.hh>
#endif
#define INLINE inline __attribute__((always_inline))

// kissfft is a template, compiled here for lanes of both element types, and again for AVX2 on x86-64.
#define REAL float
#define COUNT 8
#define LANES lanes8
#define SET plain
#include "Lanes.inc"
#undef REAL
#undef COUNT
#undef LANES
#define REAL double
#define COUNT 4
#define LANES lanes4
#include "Lanes.inc"
#undef REAL
#undef COUNT
#undef LANES
namespace plain {
#include KISSFFT
}
#undef SET

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define REAL float
#define COUNT 8
#define LANES lanes8
#define SET avx2
#include "Lanes.inc"
#undef REAL
#undef COUNT
#undef LANES
#define REAL double
#define COUNT 4
#define LANES lanes4
#include "Lanes.inc"
#undef REAL
#undef COUNT
#undef LANES
#undef KISSFFT_CLASS_HH
namespace avx2 {
#include KISSFFT
}
#undef SET
#pragma clang attribute pop
static bool has_avx2() { return NSTM_KERNEL_LEVEL >= 3 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
namespace avx2 = plain;
static bool has_avx2() { return false; }
#endif

/// Real multiplications of one transform of complex numbers: the butterflies of KISS FFT's factors 4, 2, 3 and 5.
static long long multiplications(std::size_t n) {
    long long sum = 0;
    const std::size_t radix[] = {4, 2, 3, 5}, each[] = {12, 4, 12, 32};
    std::size_t rest = n;
    for (int i = 0; i < 4; i++)
        for (; rest % radix[i] == 0; rest /= radix[i]) sum += (long long)(n / radix[i] * each[i]);
    return sum;
}

struct nstm_fourier_plan {
    /// Of one run, over all lanes.
    const long long multiply_adds, bytes;
    nstm_fourier_plan(std::size_t length, int lanes) : multiply_adds(lanes * multiplications(length)), bytes(128 * (long long)length) {}
    virtual ~nstm_fourier_plan() {}
    virtual void run(const void *in, void *out) const = 0;
};

namespace {
template <class Transform> struct Plan final : nstm_fourier_plan {
    Transform transform;
    const bool single;
    Plan(std::size_t length, bool inverse, int lanes)
        : nstm_fourier_plan(length, lanes), transform(length, inverse), single(length == 1) {}
    void run(const void *in, void *out) const override {
        typedef typename Transform::cpx_t Element;
        const Element *from = static_cast<const Element *>(in);
        Element *to = static_cast<Element *>(out);
        // KISS FFT would pass a single element through its butterfly for any factor, whose scratch memory all users of the plan
        // share.
        if (single) *to = *from;
        else transform.transform(from, to);
    }
};
}  // namespace

nstm_fourier_plan *nstm_fourier_plan_make(int wide, ptrdiff_t length, int inverse) {
    std::size_t n = (std::size_t)length;
    bool inverted = inverse != 0;
    int lanes = (int)nstm_fourier_lanes(wide);
    if (has_avx2()) {
        if (wide) return new Plan<avx2::kissfft<avx2::lanes4>>(n, inverted, lanes);
        return new Plan<avx2::kissfft<avx2::lanes8>>(n, inverted, lanes);
    }
    if (wide) return new Plan<plain::kissfft<plain::lanes4>>(n, inverted, lanes);
    return new Plan<plain::kissfft<plain::lanes8>>(n, inverted, lanes);
}
void nstm_fourier_plan_free(nstm_fourier_plan *plan) { delete plan; }
long long nstm_fourier_multiply_adds(const nstm_fourier_plan *plan) { return plan->multiply_adds; }
void nstm_fourier_run(const nstm_fourier_plan *plan, const void *in, void *out) {
    nstm_work_add(plan->multiply_adds, 0, plan->bytes);
    plan->run(in, out);
}
