#include "Common.h"

// Limits are compared in the source's own type or a wider one; the conversion is not evaluated outside them.
#define LIMITED(v, low, high, TYPE) ((v) != (v) ? (TYPE)0 : (v) <= (low) ? (TYPE)(low) : (v) >= (high) ? (TYPE)(high) : (TYPE)(v))
#define TO_FLOAT32(v) (float)(v)
#define TO_FLOAT64(v) (double)(v)
#define TO_BOOL(v) (uint8_t)((v) != 0)
#define FLOAT_TO_INT32(v) LIMITED((double)(v), -2147483648.0, 2147483647.0, int32_t)
#define FLOAT_TO_UINT8(v) LIMITED(v, 0, 255, uint8_t)
#define INT_TO_INT32(v) (int32_t)(v)
#define INT_TO_UINT8(v) (uint8_t)((v) < 0 ? 0 : (v) > 255 ? 255 : (v))

#define CONVERT(name, FROM, TO, expression)                                   \
    NSTM_KERNEL static void name(const FROM *x, TO *y, ptrdiff_t n) {         \
        for (ptrdiff_t i = 0; i < n; i++) y[i] = expression(x[i]);            \
    }
CONVERT(f32_f64, float, double, TO_FLOAT64)
CONVERT(f32_i32, float, int32_t, FLOAT_TO_INT32)
CONVERT(f32_u8, float, uint8_t, FLOAT_TO_UINT8)
CONVERT(f32_bool, float, uint8_t, TO_BOOL)
CONVERT(f64_f32, double, float, TO_FLOAT32)
CONVERT(f64_i32, double, int32_t, FLOAT_TO_INT32)
CONVERT(f64_u8, double, uint8_t, FLOAT_TO_UINT8)
CONVERT(f64_bool, double, uint8_t, TO_BOOL)
CONVERT(i32_f32, int32_t, float, TO_FLOAT32)
CONVERT(i32_f64, int32_t, double, TO_FLOAT64)
CONVERT(i32_u8, int32_t, uint8_t, INT_TO_UINT8)
CONVERT(i32_bool, int32_t, uint8_t, TO_BOOL)
CONVERT(u8_f32, uint8_t, float, TO_FLOAT32)
CONVERT(u8_f64, uint8_t, double, TO_FLOAT64)
CONVERT(u8_i32, uint8_t, int32_t, INT_TO_INT32)
CONVERT(u8_bool, uint8_t, uint8_t, TO_BOOL)

void nstm_convert(nstm_dtype from, nstm_dtype to, const void *x, void *y, ptrdiff_t n) {
    static const ptrdiff_t bytes[] = {4, 8, 4, 1, 1};
    NSTM_WORK(0, n, n * (bytes[from] + bytes[to]));
    // A bool is a byte of 0 or 1, so it converts like uint8.
    if (from == to || (from == NSTM_BOOL && to == NSTM_UINT8)) {
        memcpy(y, x, (size_t)(n * bytes[from]));
        return;
    }
    switch (from) {
    case NSTM_FLOAT32:
        if (to == NSTM_FLOAT64) f32_f64(x, y, n);
        else if (to == NSTM_INT32) f32_i32(x, y, n);
        else if (to == NSTM_UINT8) f32_u8(x, y, n);
        else f32_bool(x, y, n);
        break;
    case NSTM_FLOAT64:
        if (to == NSTM_FLOAT32) f64_f32(x, y, n);
        else if (to == NSTM_INT32) f64_i32(x, y, n);
        else if (to == NSTM_UINT8) f64_u8(x, y, n);
        else f64_bool(x, y, n);
        break;
    case NSTM_INT32:
        if (to == NSTM_FLOAT32) i32_f32(x, y, n);
        else if (to == NSTM_FLOAT64) i32_f64(x, y, n);
        else if (to == NSTM_UINT8) i32_u8(x, y, n);
        else i32_bool(x, y, n);
        break;
    case NSTM_UINT8:
    case NSTM_BOOL:
        if (to == NSTM_FLOAT32) u8_f32(x, y, n);
        else if (to == NSTM_FLOAT64) u8_f64(x, y, n);
        else if (to == NSTM_INT32) u8_i32(x, y, n);
        else u8_bool(x, y, n);
        break;
    }
}
