/* Numbers held between -limit and limit, elementwise: y = min(max(x, -limit), limit) (torch.clamp; clip_qkv of OLMo). limit > 0 and finite, rounded to the
 * type of the views, so that a clamped number is +-limit exactly. NaN stays NaN. Views are of the type of activations and may have ld > cols. */
#ifndef PT_KERNELS_CLAMP_H
#define PT_KERNELS_CLAMP_H
#include "kernels/ctx.h"
typedef struct pt_clamp_args {
    pt_view y; /* out [n,c]; may alias x */
    pt_view x; /* [n,c] */
    float limit;
} pt_clamp_args;
/* dx = dy where |x| < limit, else 0. y may stand for x: they say the same, so in place nothing but y need be kept. An x of exactly +-limit, where there is
 * no derivative, counts as clamped (torch lets dy through there): of numbers without a grid that has measure zero. */
typedef struct pt_clamp_bwd_args {
    pt_view dx; /* out [n,c]; may alias dy */
    pt_view dy, x; /* [n,c] */
    float limit;
} pt_clamp_bwd_args;
#endif
