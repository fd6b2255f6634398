/* The sum of squares, and the clip factor; what means over supervised tokens are made of. */
#ifndef PT_KERNELS_REDUCE_H
#define PT_KERNELS_REDUCE_H
#include "kernels/ctx.h"
/* acc[0] (f64) += sum_i x[i]^2; x f32 dense. In an order that the size alone decides, on one backend and vector width: on the host fixed
 * blocks of 4096 elements, added in order (within a block by the lanes of the instruction set); on a device by its grid. The number of
 * threads does not matter. */
typedef struct pt_sumsq_args { pt_view acc, x; } pt_sumsq_args;
/* Device scalars of the optimiser, f32 [1,4]. */
enum { PT_SCALAR_NORM, PT_SCALAR_CLIP, PT_SCALAR_FINITE, PT_SCALAR_APPLIED };
/* norm = sqrt(acc); finite = isfinite(norm); clip = max_norm > 0 && norm > max_norm ? max_norm/(norm + 1e-6) : 1 (torch's clip_grad_norm_);
 * applied += finite; acc = 0. */
typedef struct pt_clip_args { pt_view scalars, acc; float max_norm; } pt_clip_args;
/* Of rows m (supervised tokens) with head position h = row_head[m], added to acc, f64 [1,PT_TOKEN_SUMS], in an order that the size alone decides:
 *     WEIGHT += w_m;  ENTROPY += w_m entropy[h], nats;  HITS += w_m where argmax[h] is row_target[m]: the likeliest token was right
 * Rows of weight 0 add nothing, whatever their numbers. TRL 1.16's SFTTrainer has entropy and mean_token_accuracy of the same. */
enum { PT_TOKEN_WEIGHT, PT_TOKEN_ENTROPY, PT_TOKEN_HITS, PT_TOKEN_SUMS };
typedef struct pt_token_sums_args {
    pt_view acc;
    pt_view weight;              /* [1,M] f32 */
    pt_view entropy;             /* [1,Hd] f32 */
    pt_view argmax;              /* [1,Hd] i32 */
    pt_view row_head, row_target; /* [1,M] i32; heads in [0,Hd) */
} pt_token_sums_args;
#endif
