// Element functions in double, for the kernels whose float32 version computes in double and rounds once.
//
// T(nstm_f_…)(x) exists for both element types: `_f64` is libm, `_f32` a branch-free function that the compiler vectorises, with
// a relative error of about 1e-13 for x that came from a float. Results beyond float's range are only large or small enough to
// round to what float makes of them (±∞, 0).
#ifndef NSTM_FUNCTIONS_H
#define NSTM_FUNCTIONS_H

#include "Common.h"

NSTM_INLINE double nstm_bits_to_f64(uint64_t i) {
    double f;
    memcpy(&f, &i, 8);
    return f;
}
NSTM_INLINE uint64_t nstm_f64_to_bits(double f) {
    uint64_t i;
    memcpy(&i, &f, 8);
    return i;
}

// e^x = 2^k · e^r with |r| ≤ ln 2 / 2: returns (e^r − 1)/r − 1 by its Taylor series, and r and 2^k. |x| is cut at 200, far beyond
// what a float result can tell.
NSTM_INLINE double nstm_f_reduce(double x, double *r, double *power) {
    const double magic = 0x1.8p52;
    double c = x < -200 ? -200 : (x > 200 ? 200 : x);
    // Adding 1.5·2⁵² rounds to an integer, and leaves it in the low bits.
    double shifted = c * 1.4426950408889634 + magic, k = shifted - magic;
    double t = __builtin_fma(k, -0x1.62e42fefa38p-1, c);
    t = __builtin_fma(k, -0x1.ef35793c7673p-45, t);
    *power = nstm_bits_to_f64((nstm_f64_to_bits(shifted) + 1023) << 52);
    *r = t;
    double p = 1.0 / 39916800;
    p = __builtin_fma(p, t, 1.0 / 3628800);
    p = __builtin_fma(p, t, 1.0 / 362880);
    p = __builtin_fma(p, t, 1.0 / 40320);
    p = __builtin_fma(p, t, 1.0 / 5040);
    p = __builtin_fma(p, t, 1.0 / 720);
    p = __builtin_fma(p, t, 1.0 / 120);
    p = __builtin_fma(p, t, 1.0 / 24);
    p = __builtin_fma(p, t, 1.0 / 6);
    p = __builtin_fma(p, t, 0.5);
    return p * t;
}
NSTM_INLINE double nstm_f_exp_f32(double x) {
    double r, power, p = nstm_f_reduce(x, &r, &power);
    return (1 + __builtin_fma(p, r, r)) * power;
}
// 2^k(e^r − 1) + (2^k − 1): for k = 0 the relative error is that of the series.
NSTM_INLINE double nstm_f_expm1_f32(double x) {
    double r, power, p = nstm_f_reduce(x, &r, &power);
    double y = __builtin_fma(power, __builtin_fma(p, r, r), power - 1);
    return x == 0 ? x : y;
}
NSTM_INLINE double nstm_f_exp2_f32(double x) { return nstm_f_exp_f32(x * 0.6931471805599453); }
// log x = e·ln 2 + 2 artanh s, s = (m − 1)/(m + 1), m in [√½, √2). Floats that are denormal are normal here.
NSTM_INLINE double nstm_f_log_f32(double x) {
    uint64_t bits = nstm_f64_to_bits(x) - 0x3fe6a09e667f3bcdULL;
    // The exponent as a double, through the same trick as above; bit 11 of it is the sign.
    uint64_t exponent = ((bits >> 52) ^ 0x800) & 0xfff;
    double e = nstm_bits_to_f64(exponent | 0x4330000000000000ULL) - (0x1p52 + 2048);
    double m = nstm_bits_to_f64((bits & 0x000fffffffffffffULL) + 0x3fe6a09e667f3bcdULL);
    double s = (m - 1) / (m + 1), z = s * s;
    double p = 1.0 / 17;
    p = __builtin_fma(p, z, 1.0 / 15);
    p = __builtin_fma(p, z, 1.0 / 13);
    p = __builtin_fma(p, z, 1.0 / 11);
    p = __builtin_fma(p, z, 1.0 / 9);
    p = __builtin_fma(p, z, 1.0 / 7);
    p = __builtin_fma(p, z, 1.0 / 5);
    p = __builtin_fma(p, z, 1.0 / 3);
    double y = __builtin_fma(e, 0.6931471805599453, 2 * __builtin_fma(p * z, s, s));
    y = x == 0 ? -__builtin_inf() : y;
    y = x == __builtin_inf() ? x : y;
    y = x < 0 ? __builtin_nan("") : y;
    return x != x ? x : y;
}
NSTM_INLINE double nstm_f_log2_f32(double x) { return nstm_f_log_f32(x) * 1.4426950408889634; }
NSTM_INLINE double nstm_f_log10_f32(double x) { return nstm_f_log_f32(x) * 0.4342944819032518; }
// What 1 + x rounds away is put back: log(1 + x) ≈ log u + (x − (u − 1))/u.
NSTM_INLINE double nstm_f_log1p_f32(double x) {
    double u = 1 + x, l = nstm_f_log_f32(u), lost = (x - (u - 1)) / u;
    l = u > 0 && u < 0x1p900 ? l + lost : l;
    return x == 0 ? x : l;
}
NSTM_INLINE double nstm_f_sinh_f32(double x) {
    double t = nstm_f_expm1_f32(__builtin_fabs(x));
    return __builtin_copysign(0.5 * (t + t / (t + 1)), x);
}
NSTM_INLINE double nstm_f_cosh_f32(double x) {
    double e = nstm_f_exp_f32(__builtin_fabs(x));
    return 0.5 * (e + 1 / e);
}
// Arguments above tan(π/8) go through artan x = π/4 + artan((x − 1)/(x + 1)), above tan(3π/8) through π/2 − artan(1/x).
NSTM_INLINE double nstm_f_atan_f32(double x) {
    double a = __builtin_fabs(x);
    double u = a > 2.414213562373095 ? -1 / a : (a > 0.41421356237309503 ? (a - 1) / (a + 1) : a);
    double base = a > 2.414213562373095 ? 1.5707963267948966 : (a > 0.41421356237309503 ? 0.7853981633974483 : 0.0);
    double z = u * u;
    double p = -1.0 / 31;
    p = __builtin_fma(p, z, 1.0 / 29);
    p = __builtin_fma(p, z, -1.0 / 27);
    p = __builtin_fma(p, z, 1.0 / 25);
    p = __builtin_fma(p, z, -1.0 / 23);
    p = __builtin_fma(p, z, 1.0 / 21);
    p = __builtin_fma(p, z, -1.0 / 19);
    p = __builtin_fma(p, z, 1.0 / 17);
    p = __builtin_fma(p, z, -1.0 / 15);
    p = __builtin_fma(p, z, 1.0 / 13);
    p = __builtin_fma(p, z, -1.0 / 11);
    p = __builtin_fma(p, z, 1.0 / 9);
    p = __builtin_fma(p, z, -1.0 / 7);
    p = __builtin_fma(p, z, 1.0 / 5);
    p = __builtin_fma(p, z, -1.0 / 3);
    return __builtin_copysign(base + __builtin_fma(p * z, u, u), x);
}
// 1 − x and 1 + x are exact for a float x that is not tiny, and near 1 for one that is.
NSTM_INLINE double nstm_f_asin_f32(double x) { return nstm_f_atan_f32(x / __builtin_sqrt((1 - x) * (1 + x))); }
NSTM_INLINE double nstm_f_acos_f32(double x) { return 2 * nstm_f_atan_f32(__builtin_sqrt((1 - x) / (1 + x))); }
NSTM_INLINE double nstm_f_asinh_f32(double x) {
    double a = __builtin_fabs(x), q = a / (1 + __builtin_sqrt(1 + a * a));
    return __builtin_copysign(nstm_f_log1p_f32(a + a * (a > 1e60 ? 1 : q)), x);
}
NSTM_INLINE double nstm_f_acosh_f32(double x) {
    return nstm_f_log1p_f32((x - 1) + __builtin_sqrt(x - 1) * __builtin_sqrt(x + 1));
}
NSTM_INLINE double nstm_f_atanh_f32(double x) {
    double a = __builtin_fabs(x);
    return __builtin_copysign(0.5 * nstm_f_log1p_f32(2 * a / (1 - a)), x);
}
// erf by its Taylor series, |x| ≤ 1.
NSTM_INLINE double nstm_f_erf_series(double x) {
    double z = x * x, p = 1.0 / (87178291200.0 * 29);
    p = __builtin_fma(p, -z, 1.0 / (6227020800.0 * 27));
    p = __builtin_fma(p, -z, 1.0 / (479001600.0 * 25));
    p = __builtin_fma(p, -z, 1.0 / (39916800.0 * 23));
    p = __builtin_fma(p, -z, 1.0 / (3628800.0 * 21));
    p = __builtin_fma(p, -z, 1.0 / (362880.0 * 19));
    p = __builtin_fma(p, -z, 1.0 / (40320.0 * 17));
    p = __builtin_fma(p, -z, 1.0 / (5040.0 * 15));
    p = __builtin_fma(p, -z, 1.0 / (720.0 * 13));
    p = __builtin_fma(p, -z, 1.0 / (120.0 * 11));
    p = __builtin_fma(p, -z, 1.0 / (24.0 * 9));
    p = __builtin_fma(p, -z, 1.0 / (6.0 * 7));
    p = __builtin_fma(p, -z, 1.0 / (2.0 * 5));
    p = __builtin_fma(p, -z, 1.0 / 3);
    p = __builtin_fma(p, -z, 1.0);
    return 1.1283791670955126 * x * p;
}
// erfc a = t · R(t) · exp(−a²), t = 1/(1 + a/2), a ≥ 1: R interpolates erfcx(a)/t at Chebyshev nodes of 1 ≤ a ≤ 14, to 2e-12.
NSTM_INLINE double nstm_f_erfc_tail(double a) {
    a = a > 14 ? 14 : a;
    double t = 1 / (1 + 0.5 * a);
    double r = -0.07285791197182735;
    r = __builtin_fma(r, t, 0.40712483472800126);
    r = __builtin_fma(r, t, -0.9590713859158749);
    r = __builtin_fma(r, t, 1.1922710019192577);
    r = __builtin_fma(r, t, -0.8036474544028499);
    r = __builtin_fma(r, t, 0.33007844783541224);
    r = __builtin_fma(r, t, -0.18785040555553498);
    r = __builtin_fma(r, t, 0.027933877771630648);
    r = __builtin_fma(r, t, 0.07802818572947312);
    r = __builtin_fma(r, t, 0.17701550151365625);
    r = __builtin_fma(r, t, 0.24677519715948953);
    r = __builtin_fma(r, t, 0.2820975942782468);
    r = __builtin_fma(r, t, 0.28209473079865666);
    return t * r * nstm_f_exp_f32(-a * a);
}
NSTM_INLINE double nstm_f_erf_f32(double x) {
    double a = __builtin_fabs(x);
    return a < 1 ? nstm_f_erf_series(x) : __builtin_copysign(1 - nstm_f_erfc_tail(a), x);
}
NSTM_INLINE double nstm_f_erfc_f32(double x) {
    double a = __builtin_fabs(x), tail = nstm_f_erfc_tail(a);
    return a < 1 ? 1 - nstm_f_erf_series(x) : (x < 0 ? 2 - tail : tail);
}
// |x|^p by the logarithm, with C's rules for signs and limits.
NSTM_INLINE double nstm_f_pow_f32(double x, double p) {
    double a = __builtin_fabs(x), y = nstm_f_exp_f32(p * nstm_f_log_f32(a));
    y = a == 1 ? 1 : y;
    // The cut of the exponent at ±200 must not hide a limit.
    y = y > 1e80 ? __builtin_inf() : (y < 1e-80 ? 0 : y);
    double whole = __builtin_rint(p), half = __builtin_rint(0.5 * p);
    int odd = whole == p && 2 * half != p;
    y = odd ? __builtin_copysign(y, x) : y;
    y = x < 0 && whole != p && a != __builtin_inf() ? __builtin_nan("") : y;
    y = p == 0 || x == 1 ? 1 : y;
    return y;
}

NSTM_INLINE double nstm_f_exp_f64(double x) { return exp(x); }
NSTM_INLINE double nstm_f_expm1_f64(double x) { return expm1(x); }
NSTM_INLINE double nstm_f_exp2_f64(double x) { return exp2(x); }
NSTM_INLINE double nstm_f_log_f64(double x) { return log(x); }
NSTM_INLINE double nstm_f_log2_f64(double x) { return log2(x); }
NSTM_INLINE double nstm_f_log10_f64(double x) { return log10(x); }
NSTM_INLINE double nstm_f_log1p_f64(double x) { return log1p(x); }
NSTM_INLINE double nstm_f_sinh_f64(double x) { return sinh(x); }
NSTM_INLINE double nstm_f_cosh_f64(double x) { return cosh(x); }
NSTM_INLINE double nstm_f_atan_f64(double x) { return atan(x); }
NSTM_INLINE double nstm_f_asin_f64(double x) { return asin(x); }
NSTM_INLINE double nstm_f_acos_f64(double x) { return acos(x); }
NSTM_INLINE double nstm_f_asinh_f64(double x) { return asinh(x); }
NSTM_INLINE double nstm_f_acosh_f64(double x) { return acosh(x); }
NSTM_INLINE double nstm_f_atanh_f64(double x) { return atanh(x); }
NSTM_INLINE double nstm_f_erf_f64(double x) { return erf(x); }
NSTM_INLINE double nstm_f_erfc_f64(double x) { return erfc(x); }
NSTM_INLINE double nstm_f_pow_f64(double x, double p) { return pow(x, p); }

#endif
