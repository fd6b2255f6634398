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
#endif
