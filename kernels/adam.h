/* AdamW, decoupled weight decay. Loshchilov & Hutter 2019 (arXiv:1711.05101) algorithm 2; the order of torch.optim.AdamW:
 *   g = clip*g;  p -= lr*wd*p;  m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g*g;
 *   p -= lr/(1-b1^t) * m / (sqrt(v/(1-b2^t)) + eps),   t = scalars[APPLIED] (after the clip op counted this step)
 * Nothing moves when scalars[FINITE] is 0. All f32, dense, same length. */
#ifndef PT_KERNELS_ADAM_H
#define PT_KERNELS_ADAM_H
#include "kernels/ctx.h"
typedef struct pt_adamw_args {
    pt_view p, m, v; /* [1,n] in place */
    pt_view g;       /* [1,n] */
    pt_view scalars; /* kernels/reduce.h */
    float lr, beta1, beta2, eps, weight_decay;
} pt_adamw_args;
#endif
