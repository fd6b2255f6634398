/* Rotary position embedding. Su et al. 2021 (arXiv:2104.09864) eq. 34. Angles come from a table made once a batch:
 *   table[n, 2i] = mscale*cos(p_n*inv_freq[i]),  table[n, 2i+1] = mscale*sin(p_n*inv_freq[i]),  i < rot/2
 * inv_freq holds the scaling (Llama 3, linear, YaRN), computed by train/model; angles are formed in double.
 * Pairs: HALF rotates (x[i], x[i+rot/2]) (Hugging Face), ADJACENT rotates (x[2i], x[2i+1]) (GGUF arch llama).
 * Features past rot stay. inverse = true applies the transpose (the backward). */
#ifndef PT_KERNELS_ROPE_H
#define PT_KERNELS_ROPE_H
#include "kernels/ctx.h"
typedef enum pt_rope_kind { PT_ROPE_HALF, PT_ROPE_ADJACENT } pt_rope_kind;
typedef struct pt_rope_table_args {
    pt_view table;     /* out [N, rot] f32 */
    pt_view positions; /* [1,N] i32 */
    pt_view inv_freq;  /* [1, rot/2] f32 */
    float mscale;
} pt_rope_table_args;
typedef struct pt_rope_args {
    pt_view x;     /* [N, heads*dim] act, in place (ld may be larger: a slice of a fused buffer) */
    pt_view table; /* [N, rot] f32 */
    int heads, dim, rot;
    pt_rope_kind kind;
    bool inverse;
} pt_rope_args;
enum { PT_NORM_ROPE_MOST = 512 }; /* features of a head, at most, for norm_rope */
/* The RMS norm of every head (kernels/norm.h: rows are heads) and the rotation behind it in one pass over memory:
 *   y[n,h] = rope(x[n,h] * rstd[n,h] * (w + w_add)),  rstd[n,h] = 1/sqrt(mean x[n,h]^2 + eps)
 * The norm's own output is nowhere; y is rounded once. */
typedef struct pt_norm_rope_args {
    pt_view y;     /* out [N, heads*dim] act; may be x */
    pt_view rstd;  /* out [1, N*heads] f32, head by head of token by token; may be absent in inference */
    pt_view x;     /* [N, heads*dim] act */
    pt_view w;     /* [1, dim] stored type: one for all heads */
    pt_view table; /* [N, rot] f32 */
    float eps, w_add;
    int heads, dim, rot; /* dim <= PT_NORM_ROPE_MOST */
    pt_rope_kind kind;
} pt_norm_rope_args;
/* Backward: dn = rope^-1(dy), then rmsnorm_bwd of dn. */
typedef struct pt_norm_rope_bwd_args {
    pt_view dx;    /* out [N, heads*dim] act; may be dy */
    pt_view dw;    /* [1, dim] f32 accumulated, or absent */
    pt_view dy;    /* [N, heads*dim] act */
    pt_view x;     /* [N, heads*dim] act: what was normalised */
    pt_view rstd;  /* [1, N*heads] f32 */
    pt_view w, table;
    float w_add;
    int heads, dim, rot;
    pt_rope_kind kind;
} pt_norm_rope_bwd_args;
#endif
