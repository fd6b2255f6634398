/* The language-model head with log-softmax, in chunks; [N,V] exists only where it is asked for. Runs on gathered rows x[Hd,C] only (distinct
 * supervised positions).
 *   z[h,:] = softcap(x[h,:] . w^T) / temperature;  lse[h] = log sum_v exp(z[h,v]);  logp[m] = z[row_head[m], row_target[m]] - lse[row_head[m]]
 *   dz[h,v] = sum over rows m of h: dlogp[m] * ([v = target_m] - p[h,v]);  dx += dz.w / temperature * softcap';  dw += dz^T x
 * One visit (forward and backward of a chunk together) when dlogp is known beforehand (linear objectives); else two calls.
 * Chunks: rows x vocabulary blocks; a quantised w is dequantised block by block. fp32 log-softmax. Without dw the CPU gathers dx by online
 * softmax (Milakov and Gimelshein 2018, arXiv:1805.02867) while a block's logits are in cache. No output may alias an input. */
#ifndef PT_KERNELS_HEAD_H
#define PT_KERNELS_HEAD_H
#include "kernels/ctx.h"
typedef struct pt_head_args {
    /* outputs of the forward (absent: not wanted) */
    pt_view logits;  /* [Hd,V] f32: z, for decoding: x . w^T is what `linear` gives, of activations' type before softcap; other outputs may be absent */
    pt_view logp;    /* [1,M] f32 */
    pt_view lse;     /* [1,Hd] f32 */
    pt_view entropy; /* [1,Hd] f32 */
    pt_view argmax;  /* [1,Hd] i32 */
    /* outputs of the backward; all absent = forward only */
    pt_view dx;      /* [Hd,C] act, overwritten */
    pt_view dw;      /* [V,C] f32 accumulated, or absent */
    /* inputs */
    pt_view x;       /* [Hd,C] act: after the final norm */
    pt_view w;       /* [V,C] stored type */
    pt_view row_head;   /* [1,M] i32 ascending */
    pt_view row_target; /* [1,M] i32 in [0,V) */
    pt_view dlogp;   /* [1,M] f32: dL/dlogp; needed with dx or dw */
    float temperature; /* 1 = none */
    float softcap;     /* 0 = none; z = cap*tanh(z/cap): Gemma 2 (arXiv:2408.00118), section 2 */
} pt_head_args;
/* Whether anything but logits is asked for. */
static inline bool pt_head_more(const pt_head_args *a)
{
    return pt_view_ok(a->logp) || pt_view_ok(a->lse) || pt_view_ok(a->entropy) || pt_view_ok(a->argmax) || pt_view_ok(a->dx) || pt_view_ok(a->dw);
}
#endif
