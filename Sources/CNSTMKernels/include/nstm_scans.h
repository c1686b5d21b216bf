// Recurrences over the tokens of one sequence: the scans of the state families of Documentation/Mathematics.md, and recurrent
// cells.

#ifndef NSTM_SCANS_H
#define NSTM_SCANS_H

#include <stddef.h>
#include <stdint.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

// MARK: Gated slots (GatedSlots.c): family 1

/// Inputs of one head of one sequence from some token on, with n states whose keys and values have d elements.
///
/// - q, k, v: a row of d per token every `qkv_stride`. u: write weights, a row of n every `u_stride`; 0 skips the update.
/// - gate: a row of d every `gate_stride` that multiplies u for the channels of the values; or null.
/// - bias [n]: added to the read scores, which are scale·q·key; −∞ for an inactive state, null for 0.
/// - key_scale: keys are scaled to this length first if it is > 0.
/// - state_stride, p_stride, o_stride: elements between rows of states, read weights and reads in the functions below.
typedef struct {
    const void *q, *k, *v, *u;
    const void *_Nullable gate, *_Nullable bias;
    double scale, key_scale;
    ptrdiff_t qkv_stride, u_stride, gate_stride, state_stride, p_stride, o_stride, n, d;
} nstm_slots;
/// Gradients: q, k, v (a row every `qkv_stride`), u and, if there is a gate, gate are written; bias [n] or null is added to.
///
/// keys, values (dense rows): of the states after the last token on entry, of the states before the first on return.
typedef struct {
    void *q, *k, *v, *u, *keys, *values;
    void *_Nullable gate, *_Nullable bias;
    ptrdiff_t qkv_stride, u_stride, gate_stride;
} nstm_slots_gradient;
/// Elements of 64-byte aligned scratch memory that the forward pass (backward pass if `backward` ≠ 0) needs.
ptrdiff_t nstm_slots_scratch(ptrdiff_t n, ptrdiff_t d, ptrdiff_t length, int backward);
/// o [length, d] ← reads of the states, whose keys and values [n, d] are updated in place per token.
///
/// p: the read weights, a row of n per token, saved for the backward pass.
void nstm_slots_forward(nstm_real t, const nstm_slots *scan, void *keys, void *values, void *p, void *o, ptrdiff_t length,
                        void *scratch);
/// The backward pass over the same tokens, given the states before the first of them, and d_o.
void nstm_slots_backward(nstm_real t, const nstm_slots *scan, const nstm_slots_gradient *to, const void *keys, const void *values,
                         const void *p, const void *d_o, ptrdiff_t length, void *scratch);

// MARK: Content slots (ContentSlots.c): write weights from the similarity of keys

/// Tokens per chunk: callers save the states before every chunk for the backward pass.
enum { NSTM_CONTENT_CHUNK = 16 };
/// Inputs of one sequence from some token on, with n states whose keys have d elements.
///
/// k: a row of d per token every `k_stride`; routing: dense rows of n; strength and forget: one number per token.
typedef struct {
    const void *k, *routing, *strength, *forget;
    double beta, theta;
    ptrdiff_t k_stride, n, d;
} nstm_content_slots;
/// Gradients of the inputs: k (a row every `k_stride`), routing, strength and forget are written; beta and theta are added to.
///
/// keys [n, d], usage [n]: of the states after the last token on entry, of those before the first on return.
typedef struct {
    void *k, *routing, *strength, *forget, *beta, *theta, *keys, *usage;
    ptrdiff_t k_stride;
} nstm_content_slots_gradient;
/// Elements of scratch memory, 64-byte aligned, that the forward pass (backward pass if `backward` ≠ 0) over `length` tokens needs.
ptrdiff_t nstm_content_slots_scratch(ptrdiff_t n, ptrdiff_t d, ptrdiff_t length, int backward);
/// u [length, n] ← write weights of each token; keys [n, d] and usage [n] are updated in place.
void nstm_content_slots_forward(nstm_real t, const nstm_content_slots *scan, void *keys, void *usage, void *u, ptrdiff_t length,
                                void *scratch);
/// The backward pass over the same tokens, given du [length, n].
///
/// keys and usage hold the states before the first token on entry, and after the last on return.
void nstm_content_slots_backward(nstm_real t, const nstm_content_slots *scan, const nstm_content_slots_gradient *to, void *keys,
                                 void *usage, const void *du, ptrdiff_t length, void *scratch);

// MARK: Matrix state (MatrixScan.c): family 2

/// Tokens per chunk, which are computed together; callers save the states before every chunk for the backward pass.
enum { NSTM_MATRIX_CHUNK = 16 };
/// Inputs of one head of one sequence, or of a block of its value columns, from the first token of a chunk on.
typedef struct {
    ptrdiff_t dk, dv;
    /// Queries and keys [·, dk] and values [·, dv], with a stride per token.
    const void *q, *k, *v;
    ptrdiff_t q_stride, k_stride, v_stride;
    /// One decay per token, or dk of them if `channels` ≠ 0; null for none (not with `channels`).
    const void *_Nullable decay;
    ptrdiff_t decay_stride;
    int channels;
    /// Strength of the delta rule, one number per token; null for a plain sum.
    const void *_Nullable beta;
    ptrdiff_t beta_stride;
    /// If null, a read sees its own token's write. Else [dk]: a read sees the state before the token, plus bonus ⊙ k · v.
    /// Needs `channels`, and no beta.
    const void *_Nullable bonus;
} nstm_matrix_scan;
/// Gradients of the inputs; null where the input is null. All are written except bonus, which is added to.
typedef struct {
    void *q, *k, *v;
    ptrdiff_t q_stride, k_stride, v_stride;
    void *_Nullable decay;
    ptrdiff_t decay_stride;
    void *_Nullable beta;
    ptrdiff_t beta_stride;
    void *_Nullable bonus;
} nstm_matrix_scan_gradient;
/// Rows (of dk) or columns (of dv) of a state in memory, where it is padded with zeros.
ptrdiff_t nstm_matrix_scan_padded(ptrdiff_t width);
/// Elements of 64-byte aligned scratch memory that the forward pass (backward pass if `backward` ≠ 0) needs.
ptrdiff_t nstm_matrix_scan_scratch(ptrdiff_t dk, ptrdiff_t dv, int channels, int backward);
/// o [length, dv] (a row every `o_stride`) ← reads of 1 to NSTM_MATRIX_CHUNK tokens.
///
/// start and end: the padded states before and after them, 64-byte aligned; may be the same memory.
void nstm_matrix_scan_chunk(nstm_real t, const nstm_matrix_scan *scan, const void *start, void *end, void *o, ptrdiff_t o_stride,
                            ptrdiff_t length, void *scratch);
/// The backward pass of a chunk. d_state (as `start`): gradient of the state after it on entry, of the state before it on return.
void nstm_matrix_scan_chunk_backward(nstm_real t, const nstm_matrix_scan *scan, const nstm_matrix_scan_gradient *to,
                                     const void *start, const void *d_o, ptrdiff_t o_stride, void *d_state, ptrdiff_t length,
                                     void *scratch);

// MARK: Pointers over states (PointerScan.c)

/// Column of each move in the rows of a head, −1 for a move that the head does not have, and the number of columns.
typedef struct {
    ptrdiff_t stay, forward, back, home, follow, cycle, find, count;
} nstm_pointer_columns;
/// Inputs of one head of one sequence, a distribution over positions 0 ... N.
///
/// Position 0 is "at rest", position n is state n. Each token moves the head h:
///
///     h ← stay h + forward S h + back S' h + home (all at rest) + follow w + cycle C(w) h + find m
///
/// S moves one position forward (what leaves the last is lost), S' one back (rest stays rest). C(w) moves one position forward, but
/// to the first state from the last one and to the extent that the next position is beyond the head w: Σ_{m<n} w_m for position n.
/// - moves: shares [length, columns.count].
/// - start [positions]: the head before the first token.
/// - target: w after every token, [length, positions]; for follow and cycle, else null.
/// - match: m over the states, [length, positions − 1]; for find, else null.
/// - order: the `count` positions in use, ascending, the first of them 0; all others are skipped and get 0. Null: all, `count` =
///   `positions`.
typedef struct {
    const void *moves, *start;
    const void *_Nullable target, *_Nullable match;
    const int32_t *_Nullable order;
    nstm_pointer_columns columns;
    ptrdiff_t count, length, positions;
} nstm_pointer_scan;
/// Gradients of the inputs, all written; target and match null if and only if the inputs are.
typedef struct {
    void *moves, *start;
    void *_Nullable target, *_Nullable match;
} nstm_pointer_gradient;
/// to [length, positions] ← the head after every token.
void nstm_pointer_scan_forward(nstm_real t, const nstm_pointer_scan *scan, void *to);
/// The backward pass, given the heads that the forward pass returned and their gradients d. scratch: `positions` elements.
void nstm_pointer_scan_backward(nstm_real t, const nstm_pointer_scan *scan, const nstm_pointer_gradient *to, const void *heads,
                                const void *d, void *scratch);

/// Inputs of the key memory of one sequence: n states that hold moving averages of keys of d channels.
///
///     score of state i = Σ_j q_j K_ji, then K_ji ← K_ji + u_i (k_j − K_ji)
///
/// - q [length, heads, d], k [length, d], u [length, n].
/// - score_stride: elements between the scores of two heads.
typedef struct {
    const void *q, *k, *u;
    ptrdiff_t length, heads, d, n, score_stride;
} nstm_key_memory;
/// Gradients: q, k and u are written; keys: of those after the last token on entry, before the first on return.
typedef struct {
    void *q, *k, *u, *keys;
} nstm_key_memory_gradient;
/// scores [heads, length, n], a head every `score_stride` elements ← scores with the keys before each token; keys [d, n] is updated
/// in place.
void nstm_key_memory_forward(nstm_real t, const nstm_key_memory *scan, void *keys, void *scores);
/// The backward pass, given the keys before the first token. scratch: `length` · d · n elements.
void nstm_key_memory_backward(nstm_real t, const nstm_key_memory *scan, const nstm_key_memory_gradient *to, const void *start,
                              const void *d_scores, void *scratch);

// MARK: Diagonal state (DiagonalScan.c, SelectiveScan.c, WKVScan.c): family 3

/// Inputs of one sequence and some of its channels, real, or complex with imaginary parts (`_im`, else null).
///
/// Rows of a are every `a_stride` elements (0: one row for all tokens), rows of b, h and their gradients every `stride`.
typedef struct {
    const void *a, *b;
    const void *_Nullable a_im, *_Nullable b_im;
    ptrdiff_t a_stride, stride, length, channels;
} nstm_diagonal_scan;
/// States of a forward pass, h after every token and `start` before the first; and dh, of which null counts as 0.
typedef struct {
    const void *start, *h;
    const void *_Nullable start_im, *_Nullable h_im, *_Nullable dh, *_Nullable dh_im;
} nstm_diagonal_states;
/// Gradients: a (one row, the sum, if a_stride is 0; else a row every `stride`) and b are written.
///
/// state: of the state after the last token on entry, before the first on return.
typedef struct {
    void *a, *b, *state;
    void *_Nullable a_im, *_Nullable b_im, *_Nullable state_im;
} nstm_diagonal_gradient;
/// h [length, channels] ← a ⊙ h⁻ + b, with h⁻ the row before; state [channels] is updated in place.
void nstm_diagonal_scan_forward(nstm_real t, const nstm_diagonal_scan *scan, void *h, void *_Nullable h_im, void *state,
                                void *_Nullable state_im);
/// The backward pass over the same tokens; it does not read b.
void nstm_diagonal_scan_backward(nstm_real t, const nstm_diagonal_scan *scan, const nstm_diagonal_states *states,
                                 const nstm_diagonal_gradient *to);

/// Tokens per chunk of the selective scan, before each of which the states are saved.
enum { NSTM_SELECTIVE_CHUNK = 16 };
/// Inputs of one sequence and some of its channels, with n states per channel (Gu & Dao 2023).
///
/// x and delta: a row of channels per token; a [channels, n]; b and c: dense rows of n; skip [channels] or null. step: dense rows
/// of n that multiply delta for each state, or null for 1; b is not multiplied by it, and counts as 0 where step is 0.
typedef struct {
    const void *x, *delta, *a, *b, *c;
    const void *_Nullable skip, *_Nullable step;
    ptrdiff_t x_stride, delta_stride, length, channels, n;
} nstm_selective_scan;
/// Gradients: x, delta (a row every `stride`), a and skip are written; b, c and step are added to.
///
/// state [channels, n]: of the states after the last token on entry, before the first on return.
typedef struct {
    void *x, *delta, *a, *b, *c, *state;
    void *_Nullable skip, *_Nullable step;
    ptrdiff_t stride;
} nstm_selective_gradient;
/// Elements of 64-byte aligned scratch memory that the forward pass (backward pass if `backward` ≠ 0) needs for n states.
ptrdiff_t nstm_selective_scan_scratch(ptrdiff_t n, int backward);
/// y [length, channels] (a row every `y_stride`) ← the scan's output; state [channels, n] is updated in place.
///
/// starts: the states before every chunk, n numbers per channel with channels rounded up to 16; or null, to save nothing.
void nstm_selective_scan_forward(nstm_real t, const nstm_selective_scan *scan, void *y, ptrdiff_t y_stride, void *state,
                                 void *_Nullable starts, void *scratch);
/// The backward pass, given dy and the states saved in `starts`.
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *scan, const nstm_selective_gradient *to, const void *dy,
                                  ptrdiff_t dy_stride, const void *starts, void *scratch);

/// Tokens per chunk of the WKV scan, before each of which the states are saved.
enum { NSTM_WKV_CHUNK = 16 };
/// Inputs of one sequence and some of its channels for RWKV-4's weighted mean of values.
///
/// w [channels]: log of the decay; u [channels]: bonus of the own token. k, v and the outputs: a row every `stride`. States: three
/// rows p, q, o every `row` elements.
typedef struct {
    const void *w, *u, *k, *v;
    ptrdiff_t stride, row, length, channels;
} nstm_wkv_scan;
/// Gradients: w, u [channels] and k, v [length, channels] are written.
///
/// state: of the state after the last token on entry, before the first on return.
typedef struct {
    void *w, *u, *k, *v, *state;
} nstm_wkv_gradient;
/// y [length, channels] ← the means; state is updated in place. starts: the states before every chunk, or null, to save nothing.
void nstm_wkv_scan_forward(nstm_real t, const nstm_wkv_scan *scan, void *y, void *state, void *_Nullable starts);
/// The backward pass, given dy and the states saved in `starts`.
void nstm_wkv_scan_backward(nstm_real t, const nstm_wkv_scan *scan, const nstm_wkv_gradient *to, const void *dy,
                            const void *starts);

// MARK: Gated recurrent cells (RecurrentCells.c): one step of `rows` sequences with n channels

/// Operands of one step of an LSTM: hidden and y ← o·tanh(cell), with cell ← f·cell + i·m.
///
/// x: rows of 4n, gates i, f, m, o without the recurrent part. product: dense rows of 4n, the recurrent part. cell, hidden: dense
/// rows. gates (rows of 4n) and cells (rows of n): where gates and new cells are saved, or null. y: a copy of hidden.
typedef struct {
    const void *x, *product;
    void *cell, *hidden, *y;
    void *_Nullable gates, *_Nullable cells;
    ptrdiff_t x_row, y_row, gate_row, cell_row, rows, n;
} nstm_lstm_step;
void nstm_lstm_step_forward(nstm_real t, const nstm_lstm_step *step);
/// Operands of the backward pass of one LSTM step: d_gates (dense rows of 4n) and a copy of it in `to` are written.
///
/// before, after: the cells before and after the step. d_hidden: dense rows, gradient of h from later steps. d_cell: dense rows,
/// gradient of the cell after the step on entry, before it on return.
typedef struct {
    const void *dy, *gates, *before, *after, *d_hidden;
    void *d_cell, *d_gates, *to;
    ptrdiff_t dy_row, gate_row, cell_row, to_row, rows, n;
} nstm_lstm_step_gradient;
void nstm_lstm_step_backward(nstm_real t, const nstm_lstm_step_gradient *step);
/// Operands of one step of a GRU: hidden and y ← m + z·(hidden − m), with m = tanh(x + r·q).
///
/// x: rows of 3n, r, z and candidate without the recurrent part. product: dense rows of 3n, the recurrent part without `bias`
/// [3n]. gates: rows of 4n where r, z, m and q (the recurrent part of the candidate) are saved, or null. hidden: dense rows. y: a
/// copy of it.
typedef struct {
    const void *x, *product, *bias;
    void *hidden, *y;
    void *_Nullable gates;
    ptrdiff_t x_row, y_row, gate_row, rows, n;
} nstm_gru_step;
void nstm_gru_step_forward(nstm_real t, const nstm_gru_step *step);
/// Operands of the backward pass of one GRU step: d_product (dense rows of 3n), the gradient of the product, and `to` (rows of 3n),
/// the gradient of x, are written.
///
/// before: h before the step. d_hidden: dense rows, gradient of h from later steps on entry, of h before the step, without the
/// part through the product, on return. to_q: a copy of the last third of d_product.
typedef struct {
    const void *dy, *gates, *before;
    void *d_hidden, *d_product, *to, *to_q;
    ptrdiff_t dy_row, gate_row, before_row, to_row, q_row, rows, n;
} nstm_gru_step_gradient;
void nstm_gru_step_backward(nstm_real t, const nstm_gru_step_gradient *step);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
