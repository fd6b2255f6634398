/* Gated activation of the MLP: y = act(g) * u, elementwise on [N,F].
 * SILU x*sigmoid(x) (Shazeer 2020, arXiv:2002.05202); GELU_ERF x*Phi(x); GELU_TANH the tanh form (Hendrycks & Gimpel 2016). */
#ifndef PT_KERNELS_MLP_H
#define PT_KERNELS_MLP_H
#include "kernels/ctx.h"
typedef enum pt_act_kind { PT_ACT_SILU, PT_ACT_GELU_ERF, PT_ACT_GELU_TANH } pt_act_kind;
typedef struct pt_gated_args {
    pt_view y;    /* out [N,F] act; may alias g or u */
    pt_view g, u; /* [N,F] act */
    pt_act_kind kind;
} pt_gated_args;
typedef struct pt_gated_bwd_args {
    pt_view dg, du; /* out [N,F] act; dg may alias g, du may alias u */
    pt_view y;      /* out [N,F] act or absent: act(g)*u made again (kept out of memory in forward); may alias dy */
    pt_view dy;     /* [N,F] act */
    pt_view g, u;
    pt_act_kind kind;
} pt_gated_bwd_args;
#endif
