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

/// o [length, d] ← reads of n states by one head of one sequence, whose keys and values [n, d] are updated in place per token.
///
/// - q, k, v: a row of d per token every `qkv_stride`. u: write weights, a row of n every `u_stride`; 0 skips the update.
/// - gate: a row of d every `gate_stride` that multiplies u for the channels of the values; or null.
/// - bias [n]: added to the read scores, which are scale·q·key; −∞ for an inactive state, null for 0.
/// - key_scale: keys are scaled to this length first if it is > 0.
/// - keys, values: a row of d every `state_stride`.
/// - p: the read weights, a row of n every `p_stride`, saved for the backward pass. o: a row of d every `o_stride`.
void nstm_slots(nstm_real t, const void *q, const void *k, const void *v, ptrdiff_t qkv_stride, const void *u, ptrdiff_t u_stride,
                const void *_Nullable gate, ptrdiff_t gate_stride, const void *_Nullable bias, double scale, double key_scale,
                void *keys, void *values, ptrdiff_t state_stride, void *p, ptrdiff_t p_stride, void *o, ptrdiff_t o_stride,
                ptrdiff_t length, ptrdiff_t n, ptrdiff_t d);
/// The backward pass over the same tokens.
///
/// - keys, values: the states before the first token, a row of d every `state_stride`.
/// - dkeys, dvalues [n, d]: gradients of the states after the last token on entry, of the states before the first on return.
/// - dq, dk, dv (a row every `dqkv_stride`), du and, if there is a gate, dgate are written; dbias [n] is added to.
/// - log: n·2d elements, and as many again per token that writes. index: length·(2n + 1) numbers.
void nstm_slots_backward(nstm_real t, const void *d_o, ptrdiff_t do_stride, const void *q, const void *k, const void *v,
                         ptrdiff_t qkv_stride, const void *u, ptrdiff_t u_stride, const void *_Nullable gate, ptrdiff_t gate_stride,
                         const void *_Nullable bias, double scale, double key_scale, const void *p, ptrdiff_t p_stride,
                         const void *keys, const void *values, ptrdiff_t state_stride, void *dkeys, void *dvalues, void *dq, void *dk,
                         void *dv, ptrdiff_t dqkv_stride, void *du, ptrdiff_t du_stride, void *_Nullable dgate,
                         ptrdiff_t dgate_stride, void *_Nullable dbias, void *log, int32_t *index, ptrdiff_t length, ptrdiff_t n,
                         ptrdiff_t d);

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
typedef struct {
    void *k, *routing, *strength, *forget, *beta, *theta;
    ptrdiff_t k_stride;
} nstm_content_slots_gradient;
/// u [length, n] ← write weights of each token; keys [n, d] and usage [n] are updated in place.
void nstm_content_slots_forward(nstm_real t, const nstm_content_slots *scan, void *keys, void *usage, void *u, ptrdiff_t length);
/// Elements of scratch memory per token that the backward pass needs.
ptrdiff_t nstm_content_slots_scratch(ptrdiff_t n, ptrdiff_t d);
/// The backward pass over the same tokens, given du [length, n].
///
/// keys and usage hold the states before the first token on entry, and after the last on return. d_keys and d_usage: gradients of
/// the states after the last token on entry, of those before the first on return. indices: length·(n + 1) numbers of scratch
/// memory.
void nstm_content_slots_backward(nstm_real t, const nstm_content_slots *scan, const nstm_content_slots_gradient *to, void *keys,
                                 void *usage, const void *du, void *d_keys, void *d_usage, void *scratch, int32_t *indices,
                                 ptrdiff_t length);

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

/// w, r [length, positions] ← distributions of a write head and a read head over positions 0 ... N, after every token of one
/// sequence.
///
/// Position 0 is "at rest", position n is state n. Each token moves the write head, then the read head:
///
///     w ← a₀ w + a₁ S w;   r ← e₀ r + e₁ S r + e₂ S' r + e₃ (all at rest) + e₄ w
///
/// S moves one position forward (what leaves the last is lost), S' one back (rest stays rest).
/// - write_moves: a [length, 2], stay and forward. read_moves: e [length, 5], stay, forward, back, home, follow.
/// - order: the `count` positions in use, ascending, the first of them 0; all others are skipped and get 0. Null: all, `count` =
///   `positions`.
/// - start [2, positions]: both heads before the first token.
void nstm_pointer_scan(nstm_real t, const void *write_moves, const void *read_moves, const int32_t *_Nullable order,
                       ptrdiff_t count, const void *start, void *w, void *r, ptrdiff_t length, ptrdiff_t positions);
/// The backward pass, given dw and dr of the heads after every token (null counts as 0); d_start is of the heads before the
/// first.
void nstm_pointer_scan_backward(nstm_real t, const void *write_moves, const void *read_moves, const int32_t *_Nullable order,
                                ptrdiff_t count, const void *start, const void *w, const void *r, const void *_Nullable dw,
                                const void *_Nullable dr, void *d_write_moves, void *d_read_moves, void *d_start, ptrdiff_t length,
                                ptrdiff_t positions);

// MARK: Diagonal state (DiagonalScan.c, SelectiveScan.c, WKVScan.c): family 3

/// h [length, channels] ← a ⊙ h⁻ + b over the tokens of one sequence, with h⁻ the row before; state [channels] is updated in
/// place.
///
/// Imaginary parts (`_im`) are null in the real form. Rows of a are every `a_stride` elements (0: one row for all tokens), all
/// other rows every `stride`.
void nstm_diagonal_scan(nstm_real t, const void *a, const void *_Nullable a_im, ptrdiff_t a_stride, const void *b,
                        const void *_Nullable b_im, void *h, void *_Nullable h_im, ptrdiff_t stride, void *state,
                        void *_Nullable state_im, ptrdiff_t length, ptrdiff_t channels);
/// da, db of `nstm_diagonal_scan`, given its states h and the state `start` before the first token.
///
/// A null dh counts as 0. d_state: gradient of the state after the last token on entry, before the first on return. da has one
/// row, the sum, if a_stride is 0.
void nstm_diagonal_scan_backward(nstm_real t, const void *a, const void *_Nullable a_im, ptrdiff_t a_stride, const void *start,
                                 const void *_Nullable start_im, const void *h, const void *_Nullable h_im, const void *_Nullable dh,
                                 const void *_Nullable dh_im, void *da, void *_Nullable da_im, void *db, void *_Nullable db_im,
                                 ptrdiff_t stride, void *d_state, void *_Nullable d_state_im, ptrdiff_t length, ptrdiff_t channels);

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
/// y [length, channels] (a row every `y_stride`) ← the scan's output; state [channels, n] is updated in place.
///
/// starts: the states before every chunk, n numbers per channel with channels rounded up to 16; or null, to save nothing.
void nstm_selective_scan_forward(nstm_real t, const nstm_selective_scan *scan, void *y, ptrdiff_t y_stride, void *state,
                                 void *_Nullable starts);
/// The backward pass, given dy and the states saved in `starts`.
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *scan, const nstm_selective_gradient *to, const void *dy,
                                  ptrdiff_t dy_stride, const void *starts);

/// Tokens per chunk of the WKV scan, before each of which the states are saved.
enum { NSTM_WKV_CHUNK = 16 };
/// y [length, channels] ← RWKV-4's weighted mean of values, over the tokens of one sequence.
///
/// w [channels]: log of the decay; u [channels]: bonus of the own token. k, v, y: a row every `stride`. state: three rows p, q, o
/// every `row` elements, updated in place. starts: three such rows per chunk, or null, to save nothing.
void nstm_wkv_scan(nstm_real t, const void *w, const void *u, const void *k, const void *v, void *y, ptrdiff_t stride,
                   void *state, void *_Nullable starts, ptrdiff_t row, ptrdiff_t length, ptrdiff_t channels);
/// dw, du [channels] and dk, dv [length, channels] of `nstm_wkv_scan`, all written.
///
/// d_state: gradient of the state after the last token on entry, before the first on return.
void nstm_wkv_scan_backward(nstm_real t, const void *w, const void *u, const void *k, const void *v, const void *dy, void *dw,
                            void *du, void *dk, void *dv, ptrdiff_t stride, void *d_state, const void *starts, ptrdiff_t row,
                            ptrdiff_t length, ptrdiff_t channels);

// MARK: Gated recurrent cells (RecurrentCells.c): one step of `rows` sequences with n channels

/// One step of an LSTM: hidden and y ← o·tanh(cell), with cell ← f·cell + i·m.
///
/// x: rows of 4n, gates i, f, m, o without the recurrent part. product: dense rows of 4n, the recurrent part. cell, hidden: dense
/// rows. gates (rows of 4n) and cells (rows of n): where gates and new cells are saved, or null. y: a copy of hidden.
void nstm_lstm_step(nstm_real t, const void *x, ptrdiff_t x_row, const void *product, void *_Nullable gates, ptrdiff_t gate_row,
                    void *cell, void *_Nullable cells, ptrdiff_t cell_row, void *hidden, void *y, ptrdiff_t y_row, ptrdiff_t rows,
                    ptrdiff_t n);
/// The backward pass of one LSTM step: d_gates (dense rows of 4n), and a copy of it in `to`.
///
/// before, after: the cells before and after the step. d_hidden: dense rows, gradient of h from later steps. d_cell: dense rows,
/// gradient of the cell after the step on entry, before it on return.
void nstm_lstm_step_backward(nstm_real t, const void *dy, ptrdiff_t dy_row, const void *gates, ptrdiff_t gate_row,
                             const void *before, ptrdiff_t before_row, const void *after, ptrdiff_t after_row,
                             const void *d_hidden, void *d_cell, void *d_gates, void *to, ptrdiff_t to_row, ptrdiff_t rows,
                             ptrdiff_t n);
/// One step of a GRU: hidden and y ← m + z·(hidden − m), with m = tanh(x + r·q).
///
/// x: rows of 3n, r, z and candidate without the recurrent part. product: dense rows of 3n, the recurrent part without `bias`
/// [3n]. gates: rows of 4n where r, z, m and q (the recurrent part of the candidate) are saved, or null. hidden: dense rows. y: a
/// copy of it.
void nstm_gru_step(nstm_real t, const void *x, ptrdiff_t x_row, const void *product, const void *bias, void *_Nullable gates,
                   ptrdiff_t gate_row, void *hidden, void *y, ptrdiff_t y_row, ptrdiff_t rows, ptrdiff_t n);
/// The backward pass of one GRU step: d_product (dense rows of 3n), gradient of the product; to (rows of 3n), gradient of x.
///
/// before: h before the step. d_hidden: dense rows, gradient of h from later steps on entry, of h before the step, without the
/// part through the product, on return. to_q: a copy of the last third of d_product.
void nstm_gru_step_backward(nstm_real t, const void *dy, ptrdiff_t dy_row, const void *gates, ptrdiff_t gate_row,
                            const void *before, ptrdiff_t before_row, void *d_hidden, void *d_product, void *to, ptrdiff_t to_row,
                            void *to_q, ptrdiff_t q_row, ptrdiff_t rows, ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
