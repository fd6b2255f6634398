/* RMS norm. Zhang & Sennrich 2019 (arXiv:1910.07467) eq. 4; the order of casts is Hugging Face's LlamaRMSNorm.
 *   h = x (+ add);  rstd[n] = 1/sqrt(mean_c h[n,c]^2 + eps);  y[n,c] = h[n,c] * rstd[n] * w[c]
 * Rows may be heads (q/k norm): pass [N*H, D] views. */
#ifndef PT_KERNELS_NORM_H
#define PT_KERNELS_NORM_H
#include "kernels/ctx.h"
typedef struct pt_rmsnorm_args {
    pt_view y;    /* out [N,C] act; may be absent (only h and rstd wanted); may alias x when add is absent */
    pt_view rstd; /* out [1,N] f32; may be absent in inference */
    pt_view x;    /* [N,C] act */
    pt_view add;  /* [N,C] act or absent: the residual branch */
    pt_view h;    /* out [N,C] act when add is given: x + add; may alias x or add */
    pt_view w;    /* [1,C] stored type */
    float eps;
} pt_rmsnorm_args;
/* Backward of y = norm(h):  dxhat = dy*w;  dh (+)= rstd*(dxhat - h*rstd^2*mean_c(dxhat*h)) (+ dres);  dw += sum_n dy*h*rstd */
typedef struct pt_rmsnorm_bwd_args {
    pt_view dx;   /* out [N,C] act; may alias dy or dres */
    pt_view dw;   /* [1,C] f32 accumulated, or absent */
    pt_view dy;   /* [N,C] act */
    pt_view dres; /* [N,C] act or absent: gradient arriving over the residual stream, added to dx */
    pt_view h;    /* [N,C] act: what was normalised */
    pt_view rstd; /* [1,N] f32 */
    pt_view w;
} pt_rmsnorm_bwd_args;
#endif
