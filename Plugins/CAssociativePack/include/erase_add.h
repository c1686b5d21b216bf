// Erase-add by address: values V [N, d] of one head in one sequence, for which every token t has write weights w [N], read
// weights r [N], an erase vector e [d] and an add vector a [d]:
//
//     V[m] ← V[m] + w[m] e ⊙ (a − V[m]);  o = Σ r[m] V[m]
//
// Rows of e, a, V and o are `stride` elements apart; w and r are dense.
#ifndef ERASE_ADD_H
#define ERASE_ADD_H

/// @param v     the values, updated in place.
/// @param saved the values before every token [tokens, n, d]; NULL: not saved.
void erase_add_f32(
    long tokens, long n, long d, long stride, const float *w, const float *r, const float *e, const float *a, float *v, float *o,
    float *saved);
void erase_add_f64(
    long tokens, long n, long d, long stride, const double *w, const double *r, const double *e, const double *a, double *v,
    double *o, double *saved);

/// @param d_o gradient of the reads.
/// @param d_v gradient of the values after the last token, which becomes that of the values before the first one.
void erase_add_backward_f32(
    long tokens, long n, long d, long stride, const float *w, const float *r, const float *e, const float *a, const float *saved,
    const float *d_o, float *d_v, float *d_w, float *d_r, float *d_e, float *d_a);
void erase_add_backward_f64(
    long tokens, long n, long d, long stride, const double *w, const double *r, const double *e, const double *a,
    const double *saved, const double *d_o, double *d_v, double *d_w, double *d_r, double *d_e, double *d_a);

#endif
