// Element functions for float that the compiler vectorises: branch-free, no table, no call. The double versions call libm:
// they exist for checks. Errors of the float versions are measured in KernelTests.
#ifndef NSTM_MATH_H
#define NSTM_MATH_H

#include "Common.h"

NSTM_INLINE float nstm_bits_to_f32(int32_t i) {
    float f;
    memcpy(&f, &i, 4);
    return f;
}
NSTM_INLINE int32_t nstm_f32_to_bits(float f) {
    int32_t i;
    memcpy(&i, &f, 4);
    return i;
}

// exp(c − k ln 2) for k the integer nearest to c/ln 2: minimax polynomial of degree 6, much like Taylor's.
NSTM_INLINE float nstm_exp_rest_f32(float c, float k) {
    float r = __builtin_fmaf(k, -0.693359375f, c);
    r = __builtin_fmaf(k, 2.12194440e-4f, r);
    // Pairs of terms beside each other (Estrin): half the chain of Horner's scheme.
    float z = r * r;
    float p = __builtin_fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
    p = __builtin_fmaf(p, z, __builtin_fmaf(8.3334519073e-3f, r, 4.1665795894e-2f));
    p = __builtin_fmaf(p, z, __builtin_fmaf(1.6666665459e-1f, r, 5.0000001201e-1f));
    return __builtin_fmaf(p, z, r) + 1.0f;
}
// exp(x) = 2^k · exp(r), |r| ≤ ln 2 / 2. Inputs below -87.3 give 0.
NSTM_INLINE float nstm_exp_f32(float x) {
    // Comparisons with NaN are false, so that no NaN becomes an integer.
    float c = x > -87.3f ? (x < 88.72284f ? x : 88.72284f) : -87.3f;
    float k = __builtin_rintf(c * 1.44269504088896341f);
    float p = nstm_exp_rest_f32(c, k);
    // Scale by 2^k in two halves: k reaches 128, one past the largest exponent.
    int32_t n = (int32_t)k, h = n >> 1;
    float y = p * nstm_bits_to_f32((h + 127) << 23) * nstm_bits_to_f32((n - h + 127) << 23);
    y = x < -87.3f ? 0.0f : y;
    y = x > 88.72284f ? __builtin_inff() : y;
    return x != x ? x : y;
}
// The same for x < 88, where one scaling is enough: sums of exponentials, sigmoid and tanh never need more. Adding 1.5·2²³ rounds
// to an integer and leaves it in the low bits.
NSTM_INLINE float nstm_exp_down_f32(float x) {
    float c = x < -87.3f ? -87.3f : x;
    float t = __builtin_fmaf(c, 1.44269504088896341f, 12582912.0f);
    float k = t - 12582912.0f;
    float p = nstm_exp_rest_f32(c, k);
    float y = p * nstm_bits_to_f32((int32_t)(((uint32_t)nstm_f32_to_bits(t) + 127u) << 23));
    return x < -87.3f ? 0.0f : y;
}
// log(x) for x > 0: mantissa in [√½, √2), degree-8 polynomial (Cephes' coefficients).
NSTM_INLINE float nstm_log_f32(float x) {
    float tiny = x < 1.17549435e-38f ? 1.0f : 0.0f;
    float s = tiny != 0.0f ? x * 8388608.0f : x;
    int32_t i = nstm_f32_to_bits(s);
    int32_t e = (i >> 23) - 126;
    float m = nstm_bits_to_f32((i & 0x007fffff) | 0x3f000000);
    float low = m < 0.707106781186547524f ? 1.0f : 0.0f;
    float ef = (float)e - low - 23.0f * tiny;
    float r = m + low * m - 1.0f;
    float z = r * r;
    float p = 7.0376836292e-2f;
    p = __builtin_fmaf(p, r, -1.1514610310e-1f);
    p = __builtin_fmaf(p, r, 1.1676998740e-1f);
    p = __builtin_fmaf(p, r, -1.2420140846e-1f);
    p = __builtin_fmaf(p, r, 1.4249322787e-1f);
    p = __builtin_fmaf(p, r, -1.6668057665e-1f);
    p = __builtin_fmaf(p, r, 2.0000714765e-1f);
    p = __builtin_fmaf(p, r, -2.4999993993e-1f);
    p = __builtin_fmaf(p, r, 3.3333331174e-1f);
    float y = p * r * z;
    y = __builtin_fmaf(ef, -2.12194440e-4f, y);
    y = __builtin_fmaf(-0.5f, z, y) + r;
    y = __builtin_fmaf(ef, 0.693359375f, y);
    y = x == 0.0f ? -__builtin_inff() : y;
    y = x == __builtin_inff() ? x : y;
    y = x < 0.0f ? __builtin_nanf("") : y;
    return x != x ? x : y;
}
NSTM_INLINE float nstm_sigmoid_f32(float x) {
    // exp of a non-positive number only: no overflow on either side.
    float a = __builtin_fabsf(x);
    float e = nstm_exp_down_f32(-a);
    float d = 1.0f / (1.0f + e);
    return x >= 0 ? d : e * d;
}
NSTM_INLINE float nstm_tanh_f32(float x) {
    float a = __builtin_fabsf(x);
    // Small arguments: odd polynomial, to keep the relative error; elsewhere (1 − e)/(1 + e) with e = exp(−2a).
    float z = x * x;
    float p = -5.70498872745e-3f;
    p = __builtin_fmaf(p, z, 2.06390887954e-2f);
    p = __builtin_fmaf(p, z, -5.37397155531e-2f);
    p = __builtin_fmaf(p, z, 1.33314422036e-1f);
    p = __builtin_fmaf(p, z, -3.33332819422e-1f);
    float small = __builtin_fmaf(p * z, x, x);
    float e = nstm_exp_down_f32(-2.0f * a);
    float big = __builtin_copysignf((1.0f - e) / (1.0f + e), x);
    return a < 0.625f ? small : (x != x ? x : big);
}
// log(1 + e) for e in 0 ... 1, accurate to a relative 1e-7 also near 0.
NSTM_INLINE float nstm_log1p_unit_f32(float e) {
    float u = 1.0f + e;
    float l = nstm_log_f32(u) * e / (u - 1.0f == 0.0f ? 1.0f : u - 1.0f);
    return u == 1.0f ? e : l;
}
NSTM_INLINE float nstm_softplus_f32(float x) {
    float a = __builtin_fabsf(x);
    return (x > 0 ? x : 0.0f) + nstm_log1p_unit_f32(nstm_exp_down_f32(-a));
}
// Φ(x) and φ(x), the normal distribution function and its density (any numbers for NaN: what is multiplied by x is NaN again), from one
// exponential: with z = |x|/√2 and t = 1/(1 + z/2), ½ erfc(z) = t · R(t) · exp(−z²), R the polynomial of degree 10 that fits ½ erfcx(z)/t
// to 1.2e-8 on (0, 1] (Chebyshev).
NSTM_INLINE float nstm_normal_f32(float x, float *density) {
    float a = __builtin_fabsf(x);
    a = a > 14.5f ? 14.5f : a;
    float t = 1.0f / __builtin_fmaf(a, 0.35355339059327376f, 1.0f);
    float s = t * t;
    float r = __builtin_fmaf(0.021597716957330704f, s, __builtin_fmaf(-0.11736679822206497f, t, 0.246847465634346f));
    r = __builtin_fmaf(r, s, __builtin_fmaf(-0.2274869978427887f, t, 0.06608851999044418f));
    r = __builtin_fmaf(r, s, __builtin_fmaf(-0.029605679214000702f, t, 0.046731218695640564f));
    r = __builtin_fmaf(r, s, __builtin_fmaf(0.08765798807144165f, t, 0.12344228476285934f));
    r = __builtin_fmaf(r, s, __builtin_fmaf(0.14104688167572021f, t, 0.141047403216362f));
    // In the tail the rounding of x²/2 would be an error of 1e-5 in the result: what the square loses is multiplied in.
    float h = 0.5f * a * a, lost = __builtin_fmaf(0.5f * a, a, -h);
    float e = nstm_exp_down_f32(-h);
    e = __builtin_fmaf(e, -lost, e);
    *density = 0.3989422804014327f * e;
    float half_erfc = t * r * e;
    return x >= 0 ? 1.0f - half_erfc : half_erfc;
}
NSTM_INLINE float nstm_gelu_f32(float x) {
    float density;
    return x * nstm_normal_f32(x, &density);
}
// Not `sqrtf`: that one may have to set `errno`, and a loop around it is not vectorised.
NSTM_INLINE float nstm_sqrt_f32(float x) { return __builtin_elementwise_sqrt(x); }
NSTM_INLINE float nstm_sin_f32(float x) { return sinf(x); }
NSTM_INLINE float nstm_cos_f32(float x) { return cosf(x); }

NSTM_INLINE double nstm_exp_f64(double x) { return exp(x); }
NSTM_INLINE double nstm_exp_down_f64(double x) { return exp(x); }
NSTM_INLINE double nstm_log_f64(double x) { return log(x); }
NSTM_INLINE double nstm_sigmoid_f64(double x) {
    double e = exp(-fabs(x)), d = 1.0 / (1.0 + e);
    return x >= 0 ? d : e * d;
}
NSTM_INLINE double nstm_tanh_f64(double x) { return tanh(x); }
NSTM_INLINE double nstm_softplus_f64(double x) { return (x > 0 ? x : 0.0) + log1p(exp(-fabs(x))); }
NSTM_INLINE double nstm_normal_f64(double x, double *density) {
    *density = 0.39894228040143267794 * exp(-0.5 * x * x);
    return 0.5 * erfc(-x * 0.70710678118654752440);
}
NSTM_INLINE double nstm_gelu_f64(double x) {
    double density;
    return x * nstm_normal_f64(x, &density);
}
NSTM_INLINE double nstm_sqrt_f64(double x) { return __builtin_elementwise_sqrt(x); }
NSTM_INLINE double nstm_sin_f64(double x) { return sin(x); }
NSTM_INLINE double nstm_cos_f64(double x) { return cos(x); }

#endif
