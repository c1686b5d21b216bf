// Fast Fourier transforms of many channels at once, on KISS FFT. A complex element is a vector of real parts and one of imaginary
// parts, 32 bytes each, so that neighboring channels of [time, channel] are transformed together without being moved apart.
#ifndef NSTM_FOURIER_H
#define NSTM_FOURIER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A length, a direction and an element type made ready; may be used by several threads at a time.
typedef struct nstm_fourier_plan nstm_fourier_plan;

/// How many channels go together: 8 of float32, 4 of float64 (`wide` ≠ 0).
static inline ptrdiff_t nstm_fourier_lanes(int wide) { return wide ? 4 : 8; }

/// A plan for `length` complex elements, a product of powers of 2, 3 and 5. Inverse: +i in the exponent, and no factor 1/length.
nstm_fourier_plan *_Nonnull nstm_fourier_plan_make(int wide, ptrdiff_t length, int inverse);
/// Real multiplications of a run, all lanes.
long long nstm_fourier_multiply_adds(const nstm_fourier_plan *_Nonnull plan);
void nstm_fourier_plan_free(nstm_fourier_plan *_Nonnull plan);
/// out ← transform(in), [length, 2, lanes] each, not overlapping, 32-byte aligned.
void nstm_fourier_run(const nstm_fourier_plan *_Nonnull plan, const void *_Nonnull in, void *_Nonnull out);

#ifdef __cplusplus
}
#endif
#endif
