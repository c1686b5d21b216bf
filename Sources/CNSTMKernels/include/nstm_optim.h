// Optimizer steps: one pass over n parameters p, their gradients g and the optimizer's moments, updated in place. (Optimizer.c)
//
// Every step multiplies g by `gradient_scale` first.

#ifndef NSTM_OPTIM_H
#define NSTM_OPTIM_H

#include <stddef.h>
#include "nstm_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma clang assume_nonnull begin

/// Settings of one AdamW step; correction1 and correction2 are 1 − beta1^step and 1 − beta2^step.
typedef struct {
    double gradient_scale, learning_rate, beta1, beta2, epsilon, weight_decay, correction1, correction2;
} nstm_adamw;
/// One step of AdamW (Loshchilov & Hutter 2019, decoupled weight decay), with first and second moments m and v.
void nstm_adamw_step(nstm_real t, const nstm_adamw *settings, void *p, const void *g, void *m, void *v, ptrdiff_t n);

/// Settings of one SGD step; Nesterov momentum if `nesterov` ≠ 0.
typedef struct {
    double gradient_scale, learning_rate, momentum, weight_decay;
    int nesterov;
} nstm_sgd;
/// One step of SGD with momentum buffer m, or without momentum if m is null.
void nstm_sgd_step(nstm_real t, const nstm_sgd *settings, void *p, const void *g, void *_Nullable m, ptrdiff_t n);

/// Settings of one RMSProp step; `rho` is the decay of the averages.
typedef struct {
    double gradient_scale, learning_rate, rho, momentum, epsilon, weight_decay;
} nstm_rmsprop;
/// One step of RMSProp in Graves' form ("Generating sequences with recurrent neural networks", 2013, eq. 38–41).
///
/// square and mean: running averages of g² and g; step: the momentum buffer.
void nstm_rmsprop_step(nstm_real t, const nstm_rmsprop *settings, void *p, const void *g, void *square, void *mean, void *step,
                       ptrdiff_t n);

#pragma clang assume_nonnull end
#ifdef __cplusplus
}
#endif
#endif
