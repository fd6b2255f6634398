/* Softmax pieces of the head: one row of a block of logits at a time. */
#ifndef PT_KERNELS_HEAD_V_H
#define PT_KERNELS_HEAD_V_H
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
#endif
