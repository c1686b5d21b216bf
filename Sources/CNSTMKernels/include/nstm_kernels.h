// Kernels of NSTM: plain C, no allocation, no threads, no knowledge of Swift.
//
// Every function takes the element type first and untyped pointers after; both types are compiled from one source
// (`*.inc`), so a float64 check exercises the code that float32 runs. Arrays are dense and row-major unless strides are given.
// `n`, `rows` and so on count elements. Callers split work over threads.
#ifndef NSTM_KERNELS_H
#define NSTM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "nstm_work.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { NSTM_F32 = 0, NSTM_F64 = 1 } nstm_real;

/// Tells the processor that this is a spin loop.
static inline void nstm_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Name of the instruction set that the kernels run on: "x86-64-v4", "x86-64-v3", "default".
const char *_Nonnull nstm_kernel_set(void);

// MARK: Memory (Memory.c)
void nstm_fill(nstm_real t, void *_Nonnull x, double value, ptrdiff_t n);
// Memory on pages as large as the system gives, for what is read again and again; `free` gives it back. NULL: there is none.
void *_Nullable nstm_large_pages(ptrdiff_t bytes);
/// y ← x for rows of so many bytes, with distances between rows in bytes: short rows, for which a call each would take longest.
void nstm_move_rows(ptrdiff_t rows, ptrdiff_t bytes, const void *_Nonnull x, ptrdiff_t x_stride, void *_Nonnull y,
                    ptrdiff_t y_stride);
/// out (dense) ← x (strided). Sizes and strides in elements, at most 8 axes.
void nstm_copy_strided(ptrdiff_t element_bytes, int32_t rank, const int32_t *_Nonnull sizes,
                       const int32_t *_Nonnull strides, const void *_Nonnull x, void *_Nonnull out);

// MARK: Matrix product (Gemm.c, Gemv.c): float32, where the processor has AVX-512 or AVX2
/// Columns w of a panel of B: 32 with AVX-512, 16 with AVX2; 0 where the two functions below do nothing.
int nstm_gemm_panel(void);
/// Packs panel number `panel` (w columns) of op(B) [k, n] into out, which holds k·w floats a panel. `transposed`: B is [n, k].
void nstm_gemm_pack(int transposed, const float *_Nonnull b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel,
                    float *_Nonnull out);
/// C [m, n] ← A · B (+ C when `accumulate`), with A[i, p] at a[i·a_row + p·a_step]. B lies in panels of w columns, one every
/// `panel_stride` floats, each with a row every `b_step`: packed (w·k and w), or as an ordinary matrix (w and its row length).
void nstm_gemm_rows(const float *_Nonnull a, ptrdiff_t a_row, ptrdiff_t a_step, const float *_Nonnull b,
                    ptrdiff_t panel_stride, ptrdiff_t b_step, float *_Nonnull c, ptrdiff_t ldc, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                    int accumulate);

/// The same to about sixteen significant bits, where the processor has matrix tiles of bfloat16 (GemmAMX.inc). Bytes of a packed panel
/// of 32 columns of op(B) [k, n]; 0 where the two functions below do nothing.
ptrdiff_t nstm_gemm_split_bytes(ptrdiff_t k);
/// Packs panel number `panel` into out, which holds so many bytes a panel; best at a multiple of 64.
void nstm_gemm_split_pack(int transposed, const float *_Nonnull b, ptrdiff_t ldb, ptrdiff_t k, ptrdiff_t n, ptrdiff_t panel,
                          void *_Nonnull out);
/// C [m, n] ← A · B (+ C when `accumulate`), where one of A's steps is 1 and k at least 1. Parts of operands below 2⁻¹²⁶ count as 0; infinite operands,
/// and those that bfloat16 rounds to infinity, give NaN.
void nstm_gemm_split_rows(const float *_Nonnull a, ptrdiff_t a_row, ptrdiff_t a_step, const void *_Nonnull b, float *_Nonnull c,
                          ptrdiff_t ldc, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int accumulate);

/// y [n] ← x [k] · op(B), one row times a matrix that is read once: B [k, n], or [n, k] when `transposed`. y must not overlap.
void nstm_gemv(nstm_real t, int transposed, const void *_Nonnull x, const void *_Nonnull b, ptrdiff_t ldb, void *_Nonnull y,
               ptrdiff_t n, ptrdiff_t k);

// MARK: Random numbers (Random.c): uniform numbers in [0, 1) of positions first ... first + n − 1 of a Philox stream
void nstm_uniform(uint64_t seed, uint64_t first, double *_Nonnull out, ptrdiff_t n);
/// out[i] ← 0 where the uniform number is below `rate`, `kept` elsewhere.
void nstm_dropout_mask(uint64_t seed, uint64_t first, double rate, float kept, float *_Nonnull out, ptrdiff_t n);

// MARK: Element-wise (FastFunctions.c)
typedef enum {
    NSTM_NEG, NSTM_ABS, NSTM_EXP, NSTM_LOG, NSTM_SQRT, NSTM_RSQRT, NSTM_SQUARE, NSTM_RECIPROCAL,
    NSTM_TANH, NSTM_SIGMOID, NSTM_SILU, NSTM_GELU, NSTM_RELU, NSTM_RELU2, NSTM_SOFTPLUS, NSTM_SIN, NSTM_COS,
    NSTM_LOGSIGMOID
} nstm_unary_fast_op;
typedef enum {
    NSTM_ADD, NSTM_SUB, NSTM_MUL, NSTM_DIV, NSTM_MAX, NSTM_MIN
} nstm_binary_broadcast_op;

void nstm_unary_fast(nstm_real t, nstm_unary_fast_op op, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);
/// dx ← dy · f'(x), with y = f(x).
void nstm_unary_fast_backward(nstm_real t, nstm_unary_fast_op op, const void *_Nonnull dy, const void *_Nonnull x,
                       const void *_Nonnull y, void *_Nonnull dx, ptrdiff_t n);
/// y ← f(x) and derivative ← f'(x) in one pass, for the activations whose derivative needs the same exponential: SiLU and GELU.
void nstm_unary_fast_with_derivative(nstm_real t, nstm_unary_fast_op op, const void *_Nonnull x, void *_Nonnull y, void *_Nonnull derivative, ptrdiff_t n);
/// y[i,j] ← a[i,j] op b[i,j] for an operand with outer stride (elements per row) and inner stride 0 or 1.
void nstm_binary_broadcast(nstm_real t, nstm_binary_broadcast_op op, const void *_Nonnull a, ptrdiff_t a_outer, ptrdiff_t a_inner,
              const void *_Nonnull b, ptrdiff_t b_outer, ptrdiff_t b_inner, void *_Nonnull y, ptrdiff_t rows,
              ptrdiff_t columns);
/// y ← alpha·x + beta
void nstm_affine(nstm_real t, double alpha, const void *_Nonnull x, double beta, void *_Nonnull y, ptrdiff_t n);
/// y ← y + alpha·x
void nstm_axpy(nstm_real t, double alpha, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);
/// y ← clamp(x, low, high)
void nstm_clamp(nstm_real t, const void *_Nonnull x, double low, double high, void *_Nonnull y, ptrdiff_t n);
/// dx ← dy where low < x < high (and at the bounds), else 0
void nstm_clamp_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull x, double low, double high,
                         void *_Nonnull dx, ptrdiff_t n);

// MARK: Further element functions (PreciseFunctions.c): float32 is computed in double and rounded once
/// Functions of one element; `p` is the parameter of those that have one.
typedef enum {
    /// x for x > 0, else p·x (Maas et al. 2013); else p(eˣ − 1) (Clevert et al. 2016); that with fixed numbers (Klambauer et
    /// al. 2017).
    NSTM_LEAKY_RELU, NSTM_ELU, NSTM_SELU,
    NSTM_GELU_TANH, NSTM_SOFTSIGN, NSTM_HARD_SIGMOID, NSTM_HARD_SWISH, NSTM_MISH,
    NSTM_ERF, NSTM_ERFC, NSTM_EXP2, NSTM_EXPM1, NSTM_LOG2, NSTM_LOG10, NSTM_LOG1P,
    /// |x|ᵖ with C's rules for signs.
    NSTM_POW,
    NSTM_TAN, NSTM_SINH, NSTM_COSH, NSTM_ASIN, NSTM_ACOS, NSTM_ATAN, NSTM_ASINH, NSTM_ACOSH, NSTM_ATANH,
    /// Piecewise constant; the derivative is 0 everywhere. NSTM_ROUND takes halves to even.
    NSTM_FLOOR, NSTM_CEIL, NSTM_ROUND, NSTM_TRUNC, NSTM_SIGN
} nstm_unary_precise_op;
void nstm_unary_precise(nstm_real t, nstm_unary_precise_op op, double p, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t n);
/// dx ← dy · f'(x)
void nstm_unary_precise_backward(nstm_real t, nstm_unary_precise_op op, double p, const void *_Nonnull dy, const void *_Nonnull x,
                         void *_Nonnull dx, ptrdiff_t n);
/// Functions of two elements u and v.
typedef enum {
    /// uᵛ; its derivatives by u (0 where v = 0) and by v (0 where u = 0 and v ≥ 0).
    NSTM_BINARY_POW, NSTM_BINARY_POW_BASE_DERIVATIVE, NSTM_BINARY_POW_EXPONENT_DERIVATIVE,
    /// How much of a gradient goes to u in max(u, v), min(u, v): 1, ½ on a tie, 0.
    NSTM_BINARY_MAX_DERIVATIVE, NSTM_BINARY_MIN_DERIVATIVE,
    /// Losses of a value u against a target v, and their derivatives by u: |u − v|, Huber's with threshold p, binary cross-entropy
    /// of a logit u, eᵛ(v − u) of log-probabilities (Kullback–Leibler; the derivative is by the target v).
    NSTM_BINARY_ABSOLUTE, NSTM_BINARY_ABSOLUTE_DERIVATIVE, NSTM_BINARY_HUBER, NSTM_BINARY_HUBER_DERIVATIVE,
    NSTM_BINARY_BCE, NSTM_BINARY_BCE_DERIVATIVE, NSTM_BINARY_KL, NSTM_BINARY_KL_TARGET_DERIVATIVE
} nstm_binary_precise_op;
void nstm_binary_precise(nstm_real t, nstm_binary_precise_op op, double p, const void *_Nonnull u, const void *_Nonnull v, void *_Nonnull y,
               ptrdiff_t n);
/// Cross-entropy against (1 − smoothing)·onehot + smoothing/columns, each class c weighted by classes[c] (1 when null):
/// losses[r] ← weights[r]·Σ_c q_c·classes[c]·(logsumexp(x[r]) − x[r,c]), 0 where target[r] < 0. Saves logsumexp by rows.
void nstm_smoothed_cross_entropy(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull targets,
                                 const void *_Nullable weights, const void *_Nullable classes, double smoothing,
                                 void *_Nonnull losses, void *_Nonnull lse, ptrdiff_t rows, ptrdiff_t columns);
void nstm_smoothed_cross_entropy_backward(nstm_real t, double scale, const void *_Nonnull x, const int32_t *_Nonnull targets,
                                          const void *_Nullable weights, const void *_Nullable classes, double smoothing,
                                          const void *_Nonnull lse, void *_Nonnull dx, ptrdiff_t rows, ptrdiff_t columns);

// MARK: Reductions (Reduce.c)
double nstm_sum(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
double nstm_sum_squares(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
/// Index of the first element that is NaN or infinite, or -1.
ptrdiff_t nstm_first_nonfinite(nstm_real t, const void *_Nonnull x, ptrdiff_t n);
/// y[o,i] ← Σ_r x[o,r,i]; adds to y when accumulate ≠ 0.
void nstm_sum_axis(nstm_real t, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t outer, ptrdiff_t reduce,
                   ptrdiff_t inner, int accumulate);
/// y[o,i] ← max_r x[o,r,i] (min when `least` ≠ 0), and the first index of it. NaN wins.
void nstm_extreme_axis(nstm_real t, int least, const void *_Nonnull x, void *_Nonnull y, int32_t *_Nonnull arg, ptrdiff_t outer,
                       ptrdiff_t reduce, ptrdiff_t inner);
/// What `nstm_reduce` makes of v = x[o,r,i] and w = shift[o,i].
typedef enum {
    /// Σ|v|, Σv², Σ|v|ᵖ with p = w, Σ(v − w)², Σe^(v − w) (0 where v = −∞, 1 where v = w), how many v equal w, how many |v|
    NSTM_REDUCE_ABSOLUTE, NSTM_REDUCE_SQUARES, NSTM_REDUCE_POWERS, NSTM_REDUCE_CENTERED, NSTM_REDUCE_EXP, NSTM_REDUCE_EQUAL,
    NSTM_REDUCE_ABSOLUTE_EQUAL,
    /// Σv in double, Πv, max v, min v, max |v|; NaN wins
    NSTM_REDUCE_SUM, NSTM_REDUCE_PRODUCT, NSTM_REDUCE_MAX, NSTM_REDUCE_MIN, NSTM_REDUCE_ABSOLUTE_MAX
} nstm_reduction;
/// y[o,i] (double, also for float32) ← x reduced over r, for the columns low ≤ i < high (0 and inner when inner is 1). `shift`
/// [outer, inner] is double, and null where not used.
void nstm_reduce(nstm_real t, nstm_reduction op, const void *_Nonnull x, const double *_Nullable shift, double *_Nonnull y,
                 ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner, ptrdiff_t low, ptrdiff_t high);
/// What `nstm_reduce_backward` makes of v = x[o,r,i], w = shift[o,i] and g = factor[o,i].
typedef enum {
    /// g(v − w), g·v, g·sign v, g·sign v·(|v|/w)^(p−1) (0 where v = 0), g·e^(v − w) (0 where w = −∞, g where v = w), g where
    /// v = w, g·sign v where |v| = w
    NSTM_GRADIENT_CENTERED, NSTM_GRADIENT_VALUE, NSTM_GRADIENT_SIGN, NSTM_GRADIENT_POWER, NSTM_GRADIENT_EXP, NSTM_GRADIENT_EQUAL,
    NSTM_GRADIENT_ABSOLUTE_EQUAL
} nstm_reduction_gradient;
void nstm_reduce_backward(nstm_real t, nstm_reduction_gradient op, double p, const double *_Nonnull factor, const void *_Nonnull x,
                          const double *_Nonnull shift, void *_Nonnull dx, ptrdiff_t outer, ptrdiff_t reduce,
                          ptrdiff_t inner);
/// dx[o,r,i] ← g[o,i] · Π_{s≠r} x[o,s,i], by products from both ends: no division, right with zeros. `scratch`: reduce doubles.
void nstm_product_backward(nstm_real t, const double *_Nonnull g, const void *_Nonnull x, void *_Nonnull dx,
                           double *_Nonnull scratch, ptrdiff_t outer, ptrdiff_t reduce, ptrdiff_t inner);

// MARK: Norms over channels (Channels.c): x is [batch, channels, size], dense; work on channels first ..< last
/// Per channel over batch and size: first_sum[c] ← Σ a, second_sum[c] ← Σ a·(x − center[c]), with a = dy, or x − center[c] when
/// dy is null.
void nstm_channel_sums(nstm_real t, const void *_Nullable dy, const void *_Nonnull x, const double *_Nonnull center,
                       double *_Nonnull first_sum, double *_Nonnull second_sum, ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t size,
                       ptrdiff_t first, ptrdiff_t last);
/// y ← a·scale[c] + (x − center[c])·derivative[c] + offset[c], with a = dy, or no such term when dy is null. All of `batch` elements.
void nstm_channel_affine(nstm_real t, const void *_Nullable dy, const void *_Nonnull x, const double *_Nonnull center,
                      const double *_Nonnull scale, const double *_Nonnull derivative, const double *_Nonnull offset,
                      void *_Nonnull y, ptrdiff_t batch, ptrdiff_t channels, ptrdiff_t size);

// MARK: Rows (Rows.c): softmax, norms and losses over the last axis
/// y ← softmax(x) by rows; x may equal y.
void nstm_softmax(nstm_real t, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t rows, ptrdiff_t columns);
/// dx ← y ⊙ (dy − Σ dy⊙y)
void nstm_softmax_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull y, void *_Nonnull dx,
                           ptrdiff_t rows, ptrdiff_t columns);
void nstm_log_softmax(nstm_real t, const void *_Nonnull x, void *_Nonnull y, ptrdiff_t rows, ptrdiff_t columns);
void nstm_log_softmax_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull y, void *_Nonnull dx,
                               ptrdiff_t rows, ptrdiff_t columns);
/// y ← (x − center·mean)·rstd ⊙ gain + bias, rstd = 1/√(mean((x − center·mean)²) + epsilon); center is 1 (LayerNorm) or 0
/// (RMSNorm). Saves mean and rstd by rows.
void nstm_norm(nstm_real t, int center, const void *_Nonnull x, const void *_Nullable gain, const void *_Nullable bias,
               double epsilon, void *_Nonnull y, void *_Nullable mean, void *_Nullable rstd, ptrdiff_t rows,
               ptrdiff_t columns);
/// dx, and the sums over these rows that belong to gain and bias (written, not added).
void nstm_norm_backward(nstm_real t, int center, const void *_Nonnull dy, const void *_Nonnull x,
                        const void *_Nullable gain, const void *_Nonnull mean, const void *_Nonnull rstd,
                        void *_Nonnull dx, void *_Nullable dgain, void *_Nullable dbias, ptrdiff_t rows,
                        ptrdiff_t columns);
/// y ← RMSNorm(x) ⊙ gain ⊙ silu(gate); saves rstd by rows.
void nstm_gated_norm(nstm_real t, const void *_Nonnull x, const void *_Nonnull gain, const void *_Nonnull gate,
                     double epsilon, void *_Nonnull y, void *_Nullable rstd, ptrdiff_t rows, ptrdiff_t columns);
void nstm_gated_norm_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull x, const void *_Nonnull gain,
                              const void *_Nonnull gate, const void *_Nonnull rstd, void *_Nonnull dx,
                              void *_Nonnull dgain, void *_Nonnull dgate, ptrdiff_t rows, ptrdiff_t columns);
/// y ← scale · x/√(Σx² + epsilon) by rows, a row every `stride` elements in both arrays; saves the inverse norms.
void nstm_l2_norm(nstm_real t, const void *_Nonnull x, double scale, double epsilon, void *_Nonnull y,
                  void *_Nonnull inverse, ptrdiff_t rows, ptrdiff_t columns);
void nstm_l2_norm_backward(nstm_real t, const void *_Nonnull dy, const void *_Nonnull x, const void *_Nonnull inverse,
                           double scale, void *_Nonnull dx, ptrdiff_t rows, ptrdiff_t columns);
/// losses[r] ← weight[r]·(logsumexp(x[r]) − x[r, target[r]]), 0 where target[r] < 0. Saves logsumexp by rows.
void nstm_cross_entropy(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull targets,
                        const void *_Nullable weights, void *_Nonnull losses, void *_Nonnull lse, ptrdiff_t rows,
                        ptrdiff_t columns);
/// dx ← scale·weight·(softmax(x) − onehot(target))
void nstm_cross_entropy_backward(nstm_real t, double scale, const void *_Nonnull x, const int32_t *_Nonnull targets,
                                 const void *_Nullable weights, const void *_Nonnull lse, void *_Nonnull dx,
                                 ptrdiff_t rows, ptrdiff_t columns);
/// gates ← σ(logits) where among the k largest of its row (ties: lower index first), else exactly 0.
void nstm_top_k_gates(nstm_real t, const void *_Nonnull logits, void *_Nonnull gates, ptrdiff_t k, ptrdiff_t rows,
                      ptrdiff_t columns);
/// x ← x + bias, then y ← act(x); x becomes the derivative act'(x) when `derivative` ≠ 0, and is of no use afterwards otherwise. bias
/// repeats by rows. `op` < 0: no activation, and y is not used. Without y the result lies in x; `derivative` is 0 then.
void nstm_activate(nstm_real t, int op, void *_Nonnull x, const void *_Nullable bias, void *_Nullable y, int derivative,
                   ptrdiff_t rows, ptrdiff_t columns);

// MARK: Weights of half the size (BFloat16Products.c): float32 alone
/// Bytes of weights [n, k] in bfloat16.
ptrdiff_t nstm_bf16_bytes(ptrdiff_t n, ptrdiff_t k);
/// Rounds weights to bfloat16, to nearest, ties to even, into `out` of so many bytes, which begins at a multiple of 4.
void nstm_bf16_pack(const float *_Nonnull w, ptrdiff_t ldw, ptrdiff_t n, ptrdiff_t k, void *_Nonnull out);
/// y [m, n] ← x [m, k] · wᵀ, row by row; what is packed in `w` is read once for each.
void nstm_bf16_rows(const float *_Nonnull x, ptrdiff_t m, const void *_Nonnull w, float *_Nonnull y, ptrdiff_t n, ptrdiff_t k);

// MARK: Attention (Attention.c)
/// One head of one sequence. Rows of `width` elements lie every `stride`: queries ≤ keys of them in q, the others have `keys`. Query r
/// stands beside key t = r + keys − queries and sees keys [low, high) with high = causal ? t + 1 : keys and low = window > 0 ?
/// max(0, t + 1 − window) : 0. Scores are scale·q·k + bias[key]; −∞ in `bias` [keys] (null: 0) hides a key.
typedef struct {
    const void *_Nonnull q, *_Nonnull k, *_Nonnull v;
    const void *_Nullable bias;
    ptrdiff_t stride, queries, keys, width;
    int causal;
    ptrdiff_t window;
    double scale;
} nstm_attention;
/// Pairs of a query and a key that are computed: the visible ones, rounded up to blocks of 32 queries and to keys from a multiple of
/// 32 on. Forward takes two products over the width, backward five.
ptrdiff_t nstm_attention_pairs(int causal, ptrdiff_t window, ptrdiff_t queries, ptrdiff_t keys);
/// Elements of scratch memory, aligned to 64 bytes, that either direction needs.
ptrdiff_t nstm_attention_scratch(nstm_real t, const nstm_attention *_Nonnull a, int backward);
/// o, in rows every o_stride, ← softmax(scores)·v, and lse [queries] ← logsumexp of the scores. A row that sees nothing is 0 and has
/// lse = ∞; NaN among scores makes the row NaN.
void nstm_attention_forward(nstm_real t, const nstm_attention *_Nonnull a, void *_Nonnull o, ptrdiff_t o_stride, void *_Nonnull lse,
                            void *_Nonnull scratch);
/// The part of the way back that goes through keys `begin` ..< `end`, where `begin` is a multiple of 32. Overwrites `dq` [queries, width] in
/// rows every dq_stride, and of `dk`, `dv` [keys, width] in rows every a->stride and `dbias` [keys], if wanted, what belongs to these keys.
void nstm_attention_backward(nstm_real t, const nstm_attention *_Nonnull a, ptrdiff_t begin, ptrdiff_t end, const void *_Nonnull o,
                             const void *_Nonnull d_o, ptrdiff_t o_stride, const void *_Nonnull lse, void *_Nonnull dq,
                             ptrdiff_t dq_stride, void *_Nonnull dk, void *_Nonnull dv, void *_Nullable dbias, void *_Nonnull scratch);

// MARK: Convolution (Convolution.c)
/// Causal depthwise convolution of one sequence: a[t,c] = bias[c] + Σ_j w[j,c]·x[t−width+1+j, c], y = silu(a) when
/// `silu` ≠ 0. `x` points at the row of t = 0; `left` rows before it are readable, the rest counts as 0. `x` and `y` have a row
/// every x_stride and y_stride elements; `channels` of them are worked on. w is [width, w_stride].
void nstm_conv(nstm_real t, const void *_Nonnull x, ptrdiff_t x_stride, ptrdiff_t left, const void *_Nonnull w,
               ptrdiff_t w_stride, const void *_Nullable bias, int silu, void *_Nonnull y, ptrdiff_t y_stride,
               ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels);
/// dx has left + length rows (all written); dw [width, w_stride] and dbias are written with this sequence's sums.
void nstm_conv_backward(nstm_real t, const void *_Nonnull dy, ptrdiff_t dy_stride, const void *_Nonnull x,
                        ptrdiff_t x_stride, ptrdiff_t left, const void *_Nonnull w, ptrdiff_t w_stride,
                        const void *_Nullable bias, int silu, void *_Nonnull dx, ptrdiff_t dx_stride, void *_Nonnull dw,
                        void *_Nullable dbias, ptrdiff_t width, ptrdiff_t length, ptrdiff_t channels);

// MARK: Convolution over planes (Regions.c, ConvolutionTiles.c)
// A rectangle of pixels is packed with its channels side by side ("a region"); a pixel takes `pixel` elements, a multiple of 64
// bytes. Offsets into regions count elements. Weights and sums lie in panels of 128 bytes of output channels.

/// out[(r·columns + c)·pixel + k] ← x[k, row0 + r, column0 + c] of planes [channels, height, width], 0 outside and for k ≥
/// channels. Nothing is read at or beyond `limit`.
void nstm_region_pack(nstm_real t, const void *_Nonnull x, const void *_Nonnull limit, ptrdiff_t channels, ptrdiff_t height,
                      ptrdiff_t width, ptrdiff_t row0, ptrdiff_t rows, ptrdiff_t column0, ptrdiff_t columns, void *_Nonnull out,
                      ptrdiff_t pixel);
/// The way back: y[k, row0 + r, column0 + c] ← x[(r·columns + c)·pixel + k] + bias[k].
void nstm_region_unpack(nstm_real t, const void *_Nonnull x, ptrdiff_t pixel, const void *_Nullable bias, void *_Nonnull y,
                        ptrdiff_t channels, ptrdiff_t height, ptrdiff_t width, ptrdiff_t row0, ptrdiff_t rows, ptrdiff_t column0,
                        ptrdiff_t columns);
/// out[places[i]·out_row + j] ← Σ_t Σ_c x[pixels[i] + taps[t] + c] · w[which[t], c, j], for `columns` j (a multiple of 64 bytes);
/// a panel of w is [taps, channels, 128 bytes], one every panel_stride.
void nstm_conv_pixels(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull pixels, ptrdiff_t count,
                      const int32_t *_Nonnull taps, const int32_t *_Nonnull which, ptrdiff_t tap_count, ptrdiff_t channels,
                      const void *_Nonnull w, ptrdiff_t panel_stride, void *_Nonnull out, const int32_t *_Nonnull places,
                      ptrdiff_t out_row, ptrdiff_t columns);
/// out[c·out_row + j] ← Σ_i x[pixels[i] + c] · dy[places[i]·dy_row + j] (+ out when `accumulate`): one tap's gradient.
void nstm_conv_weights(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull pixels, const void *_Nonnull dy,
                       const int32_t *_Nonnull places, ptrdiff_t dy_row, ptrdiff_t count, ptrdiff_t channels, ptrdiff_t columns,
                       void *_Nonnull out, ptrdiff_t out_row, int accumulate);
/// out[places[i]·out_row + j] ← Σ_t x[pixels[i] + taps[t] + j] · w[which[t]·w_row + j]: every channel by itself.
void nstm_depthwise_pixels(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull pixels, ptrdiff_t count,
                           const int32_t *_Nonnull taps, const int32_t *_Nonnull which, ptrdiff_t tap_count,
                           const void *_Nonnull w, ptrdiff_t w_row, void *_Nonnull out, const int32_t *_Nonnull places,
                           ptrdiff_t out_row, ptrdiff_t columns);
/// out[j] ← Σ_i x[pixels[i] + j] · dy[places[i]·dy_row + j] (+ out when `accumulate`).
void nstm_depthwise_weights(nstm_real t, const void *_Nonnull x, const int32_t *_Nonnull pixels, const void *_Nonnull dy,
                            const int32_t *_Nonnull places, ptrdiff_t dy_row, ptrdiff_t count, ptrdiff_t columns,
                            void *_Nonnull out, int accumulate);
/// One panel: out[t, k, j] ← w[k·depth_stride + j·column_stride + t], 0 for j ≥ columns.
void nstm_conv_weights_pack(nstm_real t, const void *_Nonnull w, ptrdiff_t depth, ptrdiff_t depth_stride, ptrdiff_t columns,
                            ptrdiff_t column_stride, ptrdiff_t taps, void *_Nonnull out);
/// The way back from one panel [taps, channels, 128 bytes]: out[o, c, t] ← w[t, c, o] for `count` output channels o.
void nstm_conv_weights_unpack(nstm_real t, const void *_Nonnull w, ptrdiff_t taps, ptrdiff_t channels, ptrdiff_t count,
                              void *_Nonnull out);

// The transforms of Winograd's convolution F(2 × 2, 3 × 3) (Winograd.c): sixteen "frequencies" for each tile of 2 × 2 outputs.
/// out[f·out_step + i·pixel + k] ← frequency f of tile i, of a region whose rows are `x_columns` pixels; `rows` × `columns` tiles,
/// the first at the region's first pixel.
void nstm_winograd_input(const float *_Nonnull x, ptrdiff_t x_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel,
                         float *_Nonnull out, ptrdiff_t out_step);
/// One panel of weights [9, depth, 128 bytes] → [16, depth, 128 bytes]; `turned`: of kernels turned by half a circle.
void nstm_winograd_weights(const float *_Nonnull w, ptrdiff_t depth, int turned, float *_Nonnull out);
/// Outputs [rows, columns, pixel] of tiles in reading order; frequency f of tile i lies at m[f·m_step + i·pixel].
void nstm_winograd_output(const float *_Nonnull m, ptrdiff_t m_step, ptrdiff_t pixel, ptrdiff_t rows, ptrdiff_t columns,
                          float *_Nonnull out);
/// The same of gradients of outputs, in a region whose rows are `dy_columns` pixels: frequency f of tile i to out[f·out_step + i·pixel + k].
void nstm_winograd_gradient(const float *_Nonnull dy, ptrdiff_t dy_columns, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t pixel,
                            float *_Nonnull out, ptrdiff_t out_step);
/// Sums over tiles of products of frequencies, one panel [16, depth, 128 bytes] → the gradient of the weights [9, depth, 128 bytes].
void nstm_winograd_weight_sums(const float *_Nonnull m, ptrdiff_t depth, float *_Nonnull dw);

// MARK: Pooling (Pooling.c): one plane [height, width]. `rows` and `columns` hold the first and
// one past the last input of every output.
/// y ← the largest of each window (the first of equals; NaN counts as largest), and its index in the plane.
void nstm_max_pool(nstm_real t, const void *_Nonnull x, ptrdiff_t width, const int32_t *_Nonnull rows, ptrdiff_t out_height,
                   const int32_t *_Nonnull columns, ptrdiff_t out_width, void *_Nonnull y, int32_t *_Nonnull where);
/// dx [plane] is written: dy goes to where the largest were.
void nstm_max_pool_backward(nstm_real t, const void *_Nonnull dy, const int32_t *_Nonnull where, ptrdiff_t n, void *_Nonnull dx,
                            ptrdiff_t plane);
/// y ← the sum of each window / divisor, or its mean when `divisor` is 0.
void nstm_average_pool(nstm_real t, const void *_Nonnull x, ptrdiff_t width, const int32_t *_Nonnull rows, ptrdiff_t out_height,
                       const int32_t *_Nonnull columns, ptrdiff_t out_width, ptrdiff_t divisor, void *_Nonnull y);
/// dx [height, width] is written.
void nstm_average_pool_backward(nstm_real t, const void *_Nonnull dy, ptrdiff_t height, ptrdiff_t width,
                                const int32_t *_Nonnull rows, ptrdiff_t out_height, const int32_t *_Nonnull columns,
                                ptrdiff_t out_width, ptrdiff_t divisor, void *_Nonnull dx);

// MARK: Lanes (Lanes.c): operands of the transforms of CNSTMFourier, complex elements [n, 2, 32 bytes]
/// `length` rows of `channels` (at most a vector) every `stride` elements become real parts, those of `im` imaginary parts;
/// 0 elsewhere.
void nstm_lanes_load(nstm_real t, const void *_Nonnull re, const void *_Nullable im, ptrdiff_t stride, ptrdiff_t length,
                     ptrdiff_t channels, ptrdiff_t n, void *_Nonnull out);
/// The way back of the first `length` elements, times `scale`.
void nstm_lanes_store(nstm_real t, const void *_Nonnull x, double scale, void *_Nonnull re, void *_Nullable im, ptrdiff_t stride,
                      ptrdiff_t length, ptrdiff_t channels);
/// out ← x·y, or x·ȳ when `conjugate` (+ out when `accumulate`); out may be x or y.
void nstm_lanes_multiply(nstm_real t, const void *_Nonnull x, const void *_Nonnull y, int conjugate, int accumulate,
                         void *_Nonnull out, ptrdiff_t n);

// MARK: Gated slots (Slots.c): family 1 of Documentation/Mathematics.md
/// One head of one sequence over `length` tokens. q, k, v: rows of d every `qkv_stride`; u: rows of n; gate: rows of d that
/// multiply u for the channels of the values, or null; bias: n read biases (−inf: inactive) or null; key_scale > 0: keys are first scaled to that length; keys, values: n rows of d every
/// `state_stride`, updated in place; p: rows of n every `p_stride` (saved read weights); o: rows of d every `o_stride`.
void nstm_slots(nstm_real t, const void *_Nonnull q, const void *_Nonnull k, const void *_Nonnull v,
                ptrdiff_t qkv_stride, const void *_Nonnull u, ptrdiff_t u_stride, const void *_Nullable gate,
                ptrdiff_t gate_stride, const void *_Nullable bias, double scale, double key_scale, void *_Nonnull keys,
                void *_Nonnull values, ptrdiff_t state_stride, void *_Nonnull p, ptrdiff_t p_stride, void *_Nonnull o,
                ptrdiff_t o_stride, ptrdiff_t length, ptrdiff_t n, ptrdiff_t d);
/// The way back over the same tokens. keys, values: the states before the first of them, n rows of d every `state_stride`;
/// dkeys, dvalues, [n, d]: running gradients, in: of the states after the last token, out: of the states before the first.
/// dgate is written if there is a gate; dbias: n, added to. `log` holds n·(2d) elements and as many for each
/// token that writes, `index` length·(2n + 1).
void nstm_slots_backward(nstm_real t, const void *_Nonnull d_o, ptrdiff_t do_stride, const void *_Nonnull q,
                         const void *_Nonnull k, const void *_Nonnull v, ptrdiff_t qkv_stride, const void *_Nonnull u,
                         ptrdiff_t u_stride, const void *_Nullable gate, ptrdiff_t gate_stride,
                         const void *_Nullable bias, double scale, double key_scale, const void *_Nonnull p, ptrdiff_t p_stride, const void *_Nonnull keys,
                         const void *_Nonnull values, ptrdiff_t state_stride, void *_Nonnull dkeys, void *_Nonnull dvalues, void *_Nonnull dq, void *_Nonnull dk,
                         void *_Nonnull dv, ptrdiff_t dqkv_stride, void *_Nonnull du, ptrdiff_t du_stride,
                         void *_Nullable dgate, ptrdiff_t dgate_stride, void *_Nullable dbias, void *_Nonnull log, int32_t *_Nonnull index, ptrdiff_t length,
                         ptrdiff_t n, ptrdiff_t d);

// MARK: Content slots (ContentSlots.c): where content sends a token
/// Tokens between two stored states.
enum { NSTM_CONTENT_CHUNK = 16 };
/// One sequence from some token on. k: rows of d every `k_stride`; routing: dense rows of n; strength, forget: one number a token.
typedef struct {
    const void *_Nonnull k, *_Nonnull routing, *_Nonnull strength, *_Nonnull forget;
    double beta, theta;
    ptrdiff_t k_stride, n, d;
} nstm_content_slots;
/// k (rows every `k_stride`), routing, strength and forget are written, beta and theta (one number each) added to.
typedef struct {
    void *_Nonnull k, *_Nonnull routing, *_Nonnull strength, *_Nonnull forget, *_Nonnull beta, *_Nonnull theta;
    ptrdiff_t k_stride;
} nstm_content_slots_gradient;
/// keys [n, d] and usage [n]: in and out; u: the write weights, dense rows of n.
void nstm_content_slots_forward(nstm_real t, const nstm_content_slots *_Nonnull scan, void *_Nonnull keys, void *_Nonnull usage,
                                void *_Nonnull u, ptrdiff_t length);
/// Elements of scratch memory that the way back needs for each token.
ptrdiff_t nstm_content_slots_scratch(ptrdiff_t n, ptrdiff_t d);
/// keys, usage: as before the first token, then moved on; d_keys, d_usage: in and out; indices: length · (n + 1).
void nstm_content_slots_backward(nstm_real t, const nstm_content_slots *_Nonnull scan,
                                 const nstm_content_slots_gradient *_Nonnull to, void *_Nonnull keys, void *_Nonnull usage,
                                 const void *_Nonnull du, void *_Nonnull d_keys, void *_Nonnull d_usage, void *_Nonnull scratch,
                                 int32_t *_Nonnull indices, ptrdiff_t length);

// MARK: Matrix state (MatrixScan.c): family 2 of Documentation/Mathematics.md
/// Tokens worked on together; the states before each such chunk are what the way back needs.
enum { NSTM_MATRIX_CHUNK = 16 };
/// One head of one sequence, or a block of its value columns, from the first token of a chunk on. A row every so many elements.
typedef struct {
    ptrdiff_t dk, dv;
    const void *_Nonnull q, *_Nonnull k, *_Nonnull v;
    ptrdiff_t q_stride, k_stride, v_stride;
    /// Null: no decay; else a number a token, or dk of them when `channels` ≠ 0 (then never null).
    const void *_Nullable decay;
    ptrdiff_t decay_stride;
    int channels;
    /// Null: plain sum; else the strength of the delta rule, a number a token.
    const void *_Nullable beta;
    ptrdiff_t beta_stride;
    /// Null: a read sees its own token's write; else dk numbers: it sees the state before the token, plus bonus ⊙ k · v. Needs
    /// `channels`, and no beta.
    const void *_Nullable bonus;
} nstm_matrix_scan;
/// Where gradients go; decay, beta and bonus may be null when there is none. All are written but bonus, which is added to.
typedef struct {
    void *_Nonnull q, *_Nonnull k, *_Nonnull v;
    ptrdiff_t q_stride, k_stride, v_stride;
    void *_Nullable decay;
    ptrdiff_t decay_stride;
    void *_Nullable beta;
    ptrdiff_t beta_stride;
    void *_Nullable bonus;
} nstm_matrix_scan_gradient;
/// Rows and columns of a state in memory: padded with zeros.
ptrdiff_t nstm_matrix_scan_padded(ptrdiff_t width);
/// Elements of scratch memory (64-byte aligned) that the functions below need.
ptrdiff_t nstm_matrix_scan_scratch(ptrdiff_t dk, ptrdiff_t dv, int channels, int backward);
/// 1 to NSTM_MATRIX_CHUNK tokens. start, end: padded states before and after them, 64-byte aligned; may be the same.
void nstm_matrix_scan_chunk(nstm_real t, const nstm_matrix_scan *_Nonnull scan, const void *_Nonnull start, void *_Nonnull end,
                            void *_Nonnull o, ptrdiff_t o_stride, ptrdiff_t length, void *_Nonnull scratch);
/// The way back. d_state (as `start`): in: gradient of the state after the chunk, out: of the one before it.
void nstm_matrix_scan_chunk_backward(nstm_real t, const nstm_matrix_scan *_Nonnull scan,
                                     const nstm_matrix_scan_gradient *_Nonnull to, const void *_Nonnull start,
                                     const void *_Nonnull d_o, ptrdiff_t o_stride, void *_Nonnull d_state, ptrdiff_t length,
                                     void *_Nonnull scratch);

// MARK: Pointers over states (PointerScan.c)
/// A write head and a read head that move over places 0 ... N of one sequence: place 0 is rest, place n is state n. Both are
/// distributions over the places. A token moves the write head, then the read head:
///
///     w ← a₀ w + a₁ S w;   r ← e₀ r + e₁ S r + e₂ S' r + e₃ (all at rest) + e₄ w
///
/// S moves one place forward (what leaves the last place is lost), S' one place back (rest stays rest).
/// - write_moves: a [length, 2], stay and forward; read_moves: e [length, 5], stay, forward, back, home, follow.
/// - order: numbers of the `count` places in use, ascending, the first of them 0; all others are stepped over and get 0. Null: all
///   places, `count` = `places`.
/// - start: both heads before the first token, [2, places]; w, r: the heads after every token, [length, places] each.
void nstm_pointer_scan(nstm_real t, const void *_Nonnull write_moves, const void *_Nonnull read_moves,
                       const int32_t *_Nullable order, ptrdiff_t count, const void *_Nonnull start, void *_Nonnull w,
                       void *_Nonnull r, ptrdiff_t length, ptrdiff_t places);
/// The backward pass. dw, dr: gradients of the heads after every token; null counts as 0. d_start: of the heads before the first one.
void nstm_pointer_scan_backward(nstm_real t, const void *_Nonnull write_moves, const void *_Nonnull read_moves,
                                const int32_t *_Nullable order, ptrdiff_t count, const void *_Nonnull start,
                                const void *_Nonnull w, const void *_Nonnull r, const void *_Nullable dw,
                                const void *_Nullable dr, void *_Nonnull d_write_moves, void *_Nonnull d_read_moves,
                                void *_Nonnull d_start, ptrdiff_t length, ptrdiff_t places);

// MARK: Diagonal state (DiagonalScan.c, SelectiveScan.c, WKVScan.c): family 3 of Documentation/Mathematics.md
/// h ← a ⊙ h + b over `length` tokens of one sequence, some of its channels. Imaginary parts (`_im`): null in the real form. Rows of
/// a every a_stride (0: one row for all tokens), all others every `stride`. state: in and out.
void nstm_diagonal_scan(nstm_real t, const void *_Nonnull a, const void *_Nullable a_im, ptrdiff_t a_stride, const void *_Nonnull b,
                        const void *_Nullable b_im, void *_Nonnull h, void *_Nullable h_im, ptrdiff_t stride,
                        void *_Nonnull state, void *_Nullable state_im, ptrdiff_t length, ptrdiff_t channels);
/// start: the state before the first token; h: what the scan wrote; dh: null counts as 0; d_state: in and out. da has one row, the
/// sum, when a_stride is 0.
void nstm_diagonal_scan_backward(nstm_real t, const void *_Nonnull a, const void *_Nullable a_im, ptrdiff_t a_stride,
                                 const void *_Nonnull start, const void *_Nullable start_im, const void *_Nonnull h,
                                 const void *_Nullable h_im, const void *_Nullable dh, const void *_Nullable dh_im,
                                 void *_Nonnull da, void *_Nullable da_im, void *_Nonnull db, void *_Nullable db_im,
                                 ptrdiff_t stride, void *_Nonnull d_state, void *_Nullable d_state_im, ptrdiff_t length,
                                 ptrdiff_t channels);

/// Tokens between two stored states of the selective scan.
enum { NSTM_SELECTIVE_CHUNK = 16 };
/// One sequence, some of its channels: x and delta with rows of channels, a [channels, n], b and c with dense rows of n, skip one
/// number a channel or null. step, dense rows of n or null: what the steps delta are multiplied by for each state; b counts as it
/// is, and where the step is 0 as 0.
typedef struct {
    const void *_Nonnull x, *_Nonnull delta, *_Nonnull a, *_Nonnull b, *_Nonnull c;
    const void *_Nullable skip, *_Nullable step;
    ptrdiff_t x_stride, delta_stride, length, channels, n;
} nstm_selective_scan;
/// x, delta (rows every `stride`), a and skip are written, b, c and step added to; state: in and out.
typedef struct {
    void *_Nonnull x, *_Nonnull delta, *_Nonnull a, *_Nonnull b, *_Nonnull c, *_Nonnull state;
    void *_Nullable skip, *_Nullable step;
    ptrdiff_t stride;
} nstm_selective_gradient;
/// state [channels, n]: in and out. starts: for each chunk n numbers for every channel, channels rounded up to 16; or null.
void nstm_selective_scan_forward(nstm_real t, const nstm_selective_scan *_Nonnull scan, void *_Nonnull y, ptrdiff_t y_stride,
                                 void *_Nonnull state, void *_Nullable starts);
void nstm_selective_scan_backward(nstm_real t, const nstm_selective_scan *_Nonnull scan,
                                  const nstm_selective_gradient *_Nonnull to, const void *_Nonnull dy, ptrdiff_t dy_stride,
                                  const void *_Nonnull starts);

/// Tokens between two stored states of the WKV scan.
enum { NSTM_WKV_CHUNK = 16 };
/// w (log of the decay) and u: a number a channel; k, v, y: rows every `stride`; state: rows p, q, o, `row` elements apart, in and
/// out; starts: three such rows for each chunk, or null.
void nstm_wkv_scan(nstm_real t, const void *_Nonnull w, const void *_Nonnull u, const void *_Nonnull k, const void *_Nonnull v,
                   void *_Nonnull y, ptrdiff_t stride, void *_Nonnull state, void *_Nullable starts, ptrdiff_t row,
                   ptrdiff_t length, ptrdiff_t channels);
/// dw, du, dk, dv are written; d_state: in and out.
void nstm_wkv_scan_backward(nstm_real t, const void *_Nonnull w, const void *_Nonnull u, const void *_Nonnull k,
                            const void *_Nonnull v, const void *_Nonnull dy, void *_Nonnull dw, void *_Nonnull du,
                            void *_Nonnull dk, void *_Nonnull dv, ptrdiff_t stride, void *_Nonnull d_state,
                            const void *_Nonnull starts, ptrdiff_t row, ptrdiff_t length, ptrdiff_t channels);

// MARK: Gated recurrent cells (RecurrentCells.c): one step of `rows` sequences, n channels
/// LSTM. x: rows of 4n (gates i, f, m, o without the recurrent part); product: dense rows of 4n; gates, cells: where the gates and
/// the new cells are kept, or null; cell: dense rows, in and out; hidden: dense rows, out; y: the same once more.
void nstm_lstm_step(nstm_real t, const void *_Nonnull x, ptrdiff_t x_row, const void *_Nonnull product, void *_Nullable gates,
                    ptrdiff_t gate_row, void *_Nonnull cell, void *_Nullable cells, ptrdiff_t cell_row, void *_Nonnull hidden,
                    void *_Nonnull y, ptrdiff_t y_row, ptrdiff_t rows, ptrdiff_t n);
/// before, after: the cells before and after the step. d_hidden: dense rows, what later steps ask of h; d_cell: dense rows, in and
/// out. d_gates (dense rows of 4n) and `to` get the same.
void nstm_lstm_step_backward(nstm_real t, const void *_Nonnull dy, ptrdiff_t dy_row, const void *_Nonnull gates, ptrdiff_t gate_row,
                             const void *_Nonnull before, ptrdiff_t before_row, const void *_Nonnull after, ptrdiff_t after_row,
                             const void *_Nonnull d_hidden, void *_Nonnull d_cell, void *_Nonnull d_gates, void *_Nonnull to,
                             ptrdiff_t to_row, ptrdiff_t rows, ptrdiff_t n);
/// GRU. x: rows of 3n (r, z and candidate); product: dense rows of 3n; bias: 3n, added to it; gates: where r, z, the candidate and
/// its recurrent part are kept, rows of 4n, or null; hidden: dense rows, in and out; y: the same once more.
void nstm_gru_step(nstm_real t, const void *_Nonnull x, ptrdiff_t x_row, const void *_Nonnull product, const void *_Nonnull bias,
                   void *_Nullable gates, ptrdiff_t gate_row, void *_Nonnull hidden, void *_Nonnull y, ptrdiff_t y_row,
                   ptrdiff_t rows, ptrdiff_t n);
/// before: h before the step. d_hidden: dense rows; in: what later steps ask of h, out: what goes to h before but for the product.
/// d_product (dense rows of 3n): gradient of the product; `to` (rows of 3n): of x; to_q: the last third of the product's once more.
void nstm_gru_step_backward(nstm_real t, const void *_Nonnull dy, ptrdiff_t dy_row, const void *_Nonnull gates, ptrdiff_t gate_row,
                            const void *_Nonnull before, ptrdiff_t before_row, void *_Nonnull d_hidden, void *_Nonnull d_product,
                            void *_Nonnull to, ptrdiff_t to_row, void *_Nonnull to_q, ptrdiff_t q_row, ptrdiff_t rows, ptrdiff_t n);

// MARK: Optimizers (Optimizer.c)
/// AdamW (Loshchilov & Hutter 2019, decoupled decay): m, v, p updated in place; g is multiplied by g_scale first.
void nstm_adamw(nstm_real t, void *_Nonnull p, const void *_Nonnull g, void *_Nonnull m, void *_Nonnull v, double g_scale,
                double rate, double beta1, double beta2, double epsilon, double decay, double correction1,
                double correction2, ptrdiff_t n);
/// SGD with (Nesterov) momentum; `m` may be null.
void nstm_sgd(nstm_real t, void *_Nonnull p, const void *_Nonnull g, void *_Nullable m, double g_scale, double rate,
              double momentum, int nesterov, double decay, ptrdiff_t n);
/// RMSProp in Graves' form ("Generating sequences with recurrent neural networks", 2013, eq. 38–41).
void nstm_rmsprop(nstm_real t, void *_Nonnull p, const void *_Nonnull g, void *_Nonnull square, void *_Nonnull mean,
                  void *_Nonnull step, double g_scale, double rate, double rho, double momentum, double epsilon,
                  double decay, ptrdiff_t n);

#ifdef __cplusplus
}
#endif
#endif
