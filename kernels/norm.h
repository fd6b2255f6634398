/* Norms over the last axis. Rows may be heads (q/k norm): pass [N*H, D] views. Every result is rounded once, to the type of activations. */
#ifndef PT_KERNELS_NORM_H
#define PT_KERNELS_NORM_H
#include "kernels/ctx.h"
/* RMS norm. Zhang & Sennrich 2019 (arXiv:1910.07467) eq. 4.
 *   h = x (+ add_scale * add);  rstd[n] = 1/sqrt(mean_c h[n,c]^2 + eps);  y[n,c] = h[n,c] * rstd[n] * (w[c] + w_add)
 * w_add 1 is Gemma's weight, which Hugging Face's files store as the difference from 1 (transformers Gemma*RMSNorm: f32 throughout, one cast). */
typedef struct pt_rmsnorm_args {
    pt_view y;    /* out [N,C] act; may be absent (only h and rstd wanted); may alias x when add is absent */
    pt_view rstd; /* out [1,N] f32; may be absent in inference */
    pt_view x;    /* [N,C] act */
    pt_view add;  /* [N,C] act or absent: the residual branch */
    pt_view h;    /* out [N,C] act when add is given: x + add_scale * add; may alias x or add */
    pt_view w;    /* [1,C] stored type; absent: 1 (OLMo 1's norm without parameters) */
    float eps;
    float w_add;     /* added to every weight; finite, and 0 where w is absent (PT_EARG) */
    float add_scale; /* of the branch (Granite's residual_multiplier); finite; 0 stands for 1 */
} pt_rmsnorm_args;
/* Backward of y = norm(h):  dxhat = dy*(w + w_add);  dx = rstd*(dxhat - h*rstd^2*mean_c(dxhat*h)) (+ dres);  dw += sum_n dy*h*rstd */
typedef struct pt_rmsnorm_bwd_args {
    pt_view dx;   /* out [N,C] act; may alias dy or dres */
    pt_view dw;   /* [1,C] f32 accumulated, or absent */
    pt_view dy;   /* [N,C] act */
    pt_view dres; /* [N,C] act or absent: gradient arriving over the residual stream, added to dx */
    pt_view h;    /* [N,C] act: what was normalised */
    pt_view rstd; /* [1,N] f32 */
    pt_view w;    /* as in the forward pass; absent: 1 */
    float w_add;
} pt_rmsnorm_bwd_args;
/* Layer norm. Ba et al. 2016 (arXiv:1607.06450) eq. 4, with the biased variance.
 *   h = x (+ add_scale * add);  mean[n] = mean_c h[n,c];  rstd[n] = 1/sqrt(mean_c (h[n,c] - mean[n])^2 + eps)
 *   y[n,c] = (h[n,c] - mean[n]) * rstd[n] * w[c] + b[c] */
typedef struct pt_layernorm_args {
    pt_view y;    /* out [N,C] act; may be absent; may alias x when add is absent */
    pt_view mean, rstd; /* out [1,N] f32; each may be absent in inference */
    pt_view x;    /* [N,C] act */
    pt_view add;  /* [N,C] act or absent: the residual branch */
    pt_view h;    /* out [N,C] act when add is given; may alias x or add */
    pt_view w, b; /* [1,C] stored type; w may be absent (1), b may be absent (0) */
    float eps;
    float add_scale; /* finite; 0 stands for 1 */
} pt_layernorm_args;
/* Backward:  xhat = (h - mean)*rstd;  dxhat = dy*w;  dx = rstd*(dxhat - mean_c(dxhat) - xhat*mean_c(dxhat*xhat)) (+ dres)
 *   dw += sum_n dy*xhat;  db += sum_n dy */
typedef struct pt_layernorm_bwd_args {
    pt_view dx;         /* out [N,C] act; may alias dy or dres */
    pt_view dw, db;     /* [1,C] f32 accumulated; each may be absent */
    pt_view dy;         /* [N,C] act */
    pt_view dres;       /* [N,C] act or absent, added to dx */
    pt_view h;          /* [N,C] act: what was normalised */
    pt_view mean, rstd; /* [1,N] f32 */
    pt_view w;          /* as in the forward pass; absent: 1 */
} pt_layernorm_bwd_args;
#endif
