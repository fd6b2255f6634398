/* Activation of the MLP, elementwise on [N,F]: gated, y = act(g) * u (Shazeer 2020, arXiv:2002.05202), or plain where u is absent, y = act(g).
 * SILU x*sigmoid(x); GELU_ERF x*Phi(x); GELU_TANH the tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415); RELU max(x,0); RELU2 max(x,0)^2 (So et al.
 * 2021, arXiv:2109.08668); GELU_QUICK x*sigmoid(1.702x) (1606.08415, section 2). The derivative of RELU at 0 is 0. NaN stays NaN.
 * Every view may have ld > cols: g and u may be column slices of one [N,2F]. */
#ifndef PT_KERNELS_MLP_H
#define PT_KERNELS_MLP_H
#include "kernels/ctx.h"
typedef enum pt_act_kind { PT_ACT_SILU, PT_ACT_GELU_ERF, PT_ACT_GELU_TANH, PT_ACT_RELU, PT_ACT_RELU2, PT_ACT_GELU_QUICK, PT_ACT_KINDS } pt_act_kind;
typedef struct pt_gated_args {
    pt_view y; /* out [N,F] act; may alias g or u */
    pt_view g; /* [N,F] act */
    pt_view u; /* [N,F] act, or absent: plain */
    pt_act_kind kind;
} pt_gated_args;
typedef struct pt_gated_bwd_args {
    pt_view dg; /* out [N,F] act: dy * u * act'(g), or dy * act'(g); may alias g */
    pt_view du; /* out [N,F] act: dy * act(g); may alias u. Absent where u is */
    pt_view y;  /* out [N,F] act or absent: the forward's y made again (kept out of memory in forward); may alias dy */
    pt_view dy; /* [N,F] act */
    pt_view g, u;
    pt_act_kind kind;
} pt_gated_bwd_args;
#endif
