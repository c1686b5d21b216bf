// Fast Fourier transforms of many channels at once, on KISS FFT. A complex element is a vector of real parts and one of imaginary
// parts, 32 bytes each, so that adjacent channels of [time, channel] are transformed together without being rearranged.
#ifndef NSTM_FOURIER_H
#define NSTM_FOURIER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A plan for one length, direction and element type; several threads may use it at the same time.
typedef struct nstm_fourier_plan nstm_fourier_plan;

/// Number of channels that are transformed together: 8 of float32, 4 of float64 (`wide` ≠ 0).
static inline ptrdiff_t nstm_fourier_lanes(int wide) { return wide ? 4 : 8; }

/// A new plan for `length` complex elements, where `length` is a product of powers of 2, 3 and 5.
///
/// The inverse has +i in the exponent, and no factor 1/length.
nstm_fourier_plan *_Nonnull nstm_fourier_plan_make(int wide, ptrdiff_t length, int inverse);
/// Number of real multiplications of a run, over all channels.
long long nstm_fourier_multiply_adds(const nstm_fourier_plan *_Nonnull plan);
/// Frees a plan.
void nstm_fourier_plan_free(nstm_fourier_plan *_Nonnull plan);
/// out ← transform(in), [length, 2, lanes] each, not overlapping, 32-byte aligned.
void nstm_fourier_run(const nstm_fourier_plan *_Nonnull plan, const void *_Nonnull in, void *_Nonnull out);

#ifdef __cplusplus
}
#endif
#endif
