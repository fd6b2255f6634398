/* Elementwise parts of the optimiser and its sums. */
#ifndef PT_KERNELS_ADAM_V_H
#define PT_KERNELS_ADAM_V_H
#include <stdint.h>
#include "kernels/cpu/isa.h"

typedef struct pt_adamw_step {
    float clip, decay;      /* decay = lr * weight_decay */
    float beta1, beta2, rest1, rest2; /* rest = 1 - beta */
    float rate, root2, eps; /* rate = lr/(1 - beta1^t), root2 = sqrt(1 - beta2^t) */
} pt_adamw_step;
PT_V_DECL(void, pt_vadamw, (const pt_adamw_step *s, int64_t n, float *p, float *m, float *v, const float *g));
/* Sum of squares of n <= 4096 floats in double: 16 partial sums whatever the variant, so that all variants give the same bits. */
PT_V_DECL(double, pt_vsumsq, (const float *x, int64_t n));
#endif
