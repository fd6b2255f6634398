/* Softmax pieces of the head: one row of a block of logits at a time. */
#ifndef PT_KERNELS_HEAD_V_H
#define PT_KERNELS_HEAD_V_H
#include <stdbool.h>
#include <stdint.h>
#include "kernels/cpu/isa.h"

typedef struct pt_head_part {
    float max;     /* of z */
    float sum;     /* of exp(z - max) */
    float zsum;    /* of exp(z - max) * z */
} pt_head_part;
/* z[0..n) in place: z = softcap(z)/temperature (softcap 0 = none). */
PT_V_DECL(void, pt_vhead_transform, (float *z, int64_t n, float softcap, float temperature));
/* The same, then its part sums. */
PT_V_DECL(void, pt_vhead_part, (float *z, int64_t n, float softcap, float temperature, pt_head_part *out));
/* Lowest index of value in z[0..n); n - 1 when it is not there. */
PT_V_DECL(int32_t, pt_vhead_find, (const float *z, int64_t n, float value));
/* z in place becomes factor * exp(z - max) * d softcap / temperature: the gradient by the raw logit but for the target's own term. */
PT_V_DECL(void, pt_vhead_grad, (float *z, int64_t n, float max, float factor, float softcap, float temperature));

/* A row's softmax, once it is whole, and the reference's beside it: p = exp(z - max) inv; log(p/q) = z - zr - shift. */
typedef struct pt_head_soft {
    float max, inv, log_sum;
    float max_r, inv_r, shift; /* shift: lse - the reference's lse */
    bool reverse;              /* KL(reference||policy) */
} pt_head_soft;
/* What the sums over the vocabulary are, and dL/d of each; total: of the row's log-probabilities. */
typedef struct pt_head_slopes {
    float total, dentropy, dsquares, dkl;
    float entropy, squares, kl;
} pt_head_slopes;
/* Part sums of a block's row: of p^2, and of the divergence; zr: the reference's logits (transformed), NULL without one. out[2]: squares, kl. */
PT_V_DECL(void, pt_vhead_sums, (const float *z, const float *zr, int64_t n, const pt_head_soft *s, float *out));
/* As pt_vhead_grad, with what the sums over the vocabulary add. */
PT_V_DECL(void, pt_vhead_sums_grad, (float *z, const float *zr, int64_t n, const pt_head_soft *s, const pt_head_slopes *d, float softcap, float temperature));
#endif
