/* The language-model head with log-softmax, in chunks; [N,V] exists only where it is asked for. Runs on gathered rows x[Hd,C] only (distinct
 * supervised positions).
 *   z[h,:] = softcap(x[h,:] . w^T) / temperature;  lse[h] = log sum_v exp(z[h,v]);  logp[m] = z[row_head[m], row_target[m]] - lse[row_head[m]]
 *   dz[h,v] = sum over rows m of h: dlogp[m] * ([v = target_m] - p[h,v]);  dx += dz.w / temperature * softcap';  dw += dz^T x
 * Sums over the vocabulary, of each head position h, with p = exp(z - lse) and, of the reference's hidden states xr under the same w, softcap and
 * temperature, q:
 *   entropy = -sum_v p log p          dz[v] += dentropy * -p (log p + entropy)
 *   log_squares = log sum_v p^2       dz[v] += dlog_squares * 2 p (p / sum_v p^2 - 1)
 *   kl      = sum_v p log(p/q)        dz[v] += dkl * p (log(p/q) - kl)        KL(policy||reference); q is held fixed
 *   or      = sum_v q log(q/p)        dz[v] += dkl * (p - q)                  KL(reference||policy), kl_reverse
 * Where xr is x, bit for bit, kl and its gradient are exactly 0.
 * One visit (forward and backward of a chunk together) when the gradients are known beforehand (linear objectives); else two calls.
 * Chunks: rows x vocabulary blocks; a quantised w is dequantised block by block. fp32 log-softmax. Without dw the CPU gathers dx by online
 * softmax (Milakov and Gimelshein 2018, arXiv:1805.02867) while a block's logits are in cache; with log_squares, kl or gradients of sums over the
 * vocabulary a chunk's logits stay until its softmax is known, as with dw. No output may alias an input. */
#ifndef PT_KERNELS_HEAD_H
#define PT_KERNELS_HEAD_H
#include "kernels/ctx.h"
typedef struct pt_head_args {
    /* outputs of the forward (absent: not wanted) */
    pt_view logits;  /* [Hd,V] f32: z, for decoding: x . w^T is what `linear` gives, of activations' type before softcap; other outputs may be absent */
    pt_view logp;    /* [1,M] f32 */
    pt_view lse;     /* [1,Hd] f32 */
    pt_view entropy; /* [1,Hd] f32 */
    pt_view log_squares; /* [1,Hd] f32 */
    pt_view kl;      /* [1,Hd] f32; needs xr */
    pt_view argmax;  /* [1,Hd] i32 */
    /* outputs of the backward; all absent = forward only */
    pt_view dx;      /* [Hd,C] act, overwritten */
    pt_view dw;      /* [V,C] f32 accumulated, or absent; with dw_first [n,C]: of rows dw_first .. dw_first + n - 1 alone */
    /* inputs */
    pt_view x;       /* [Hd,C] act: after the final norm */
    pt_view w;       /* [V,C] stored type */
    pt_view row_head;   /* [1,M] i32 ascending */
    pt_view row_target; /* [1,M] i32 in [0,V) */
    pt_view dlogp;   /* [1,M] f32: dL/dlogp; needed with dx or dw */
    pt_view dentropy, dlog_squares, dkl; /* [1,Hd] f32: dL/d of each, with dx or dw; absent: 0. dkl needs xr */
    pt_view xr;      /* [Hd,C] act: the reference's x */
    bool kl_reverse; /* KL(reference||policy) */
    float temperature; /* 1 = none */
    int64_t dw_first;  /* 0 = dw is of all rows */
    bool tight;        /* as little workspace as the backend can do with, in more time */
    float softcap;     /* 0 = none; z = cap*tanh(z/cap): Gemma 2 (arXiv:2408.00118), section 2 */
} pt_head_args;
/* Whether anything but logits is asked for. */
static inline bool pt_head_more(const pt_head_args *a)
{
    return pt_view_ok(a->logp) || pt_view_ok(a->lse) || pt_view_ok(a->entropy) || pt_view_ok(a->log_squares) || pt_view_ok(a->kl) || pt_view_ok(a->argmax) ||
           pt_view_ok(a->dx) || pt_view_ok(a->dw);
}
/* Whether a softmax is needed whole before what is asked for: sums over the vocabulary other than the entropy, or the gradient of any. */
static inline bool pt_head_sums(const pt_head_args *a)
{
    bool backward = pt_view_ok(a->dx) || pt_view_ok(a->dw);
    return pt_view_ok(a->log_squares) || pt_view_ok(a->kl) || (backward && (pt_view_ok(a->dentropy) || pt_view_ok(a->dlog_squares) || pt_view_ok(a->dkl)));
}
/* Whether the reference's logits are. */
static inline bool pt_head_reference(const pt_head_args *a)
{
    return pt_view_ok(a->kl) || (pt_view_ok(a->dkl) && (pt_view_ok(a->dx) || pt_view_ok(a->dw)));
}
#endif
