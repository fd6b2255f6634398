/* Losses of groups on the device, in one launch: from per-token log-probabilities or scores to the loss and its gradient, without a round trip to
 * the host. The formulas are the inline functions of base/loss_*.h, the same that the host compiles.
 *   PT_LOSS_SFT     loss += sum_m pt_loss_sft(value[m], weight[m], norm);  dvalue[m] = pt_loss_sft_grad(weight[m], norm)
 *   PT_LOSS_DPO     s[g] = sum of weight[k]*value[rows[k]] over group g; pair p = groups (chosen[p], rejected[p]):
 *                   loss += c_p * L(s[chosen], s[rejected], ref[chosen], ref[rejected], beta), c_p = pair_weight[p]/norm; dvalue by the chain rule
 *   PT_LOSS_REWARD  the same with L(s[chosen], s[rejected], margin[p], beta): its weight of centring
 * A group stands in at most one pair; rows of no pair get 0. Sums are double, in an order that depends on the sizes alone. */
#ifndef PT_KERNELS_LOSS_H
#define PT_KERNELS_LOSS_H
#include "kernels/ctx.h"

typedef enum pt_loss_kind { PT_LOSS_SFT, PT_LOSS_DPO, PT_LOSS_REWARD } pt_loss_kind;
typedef struct pt_group_loss_args {
    pt_view loss;             /* [1,1] f64, accumulated */
    pt_view dvalue;           /* out [1,M] f32 */
    pt_view sum;              /* out [1,G] f32: s; absent with SFT */
    pt_view pair_loss;        /* out [1,P] f32: L of each pair, not weighted; may be absent */
    pt_view value;            /* [1,M] f32 */
    pt_view start, rows;      /* [1,G+1], [1,nnz] i32; absent with SFT */
    pt_view weight;           /* [1,nnz] f32; SFT: [1,M] */
    pt_view chosen, rejected; /* [1,P] i32 */
    pt_view ref;              /* [1,G] f32: DPO; absent = 0 */
    pt_view margin;           /* [1,P] f32: REWARD; absent = 0 */
    pt_view pair_weight;      /* [1,P] f32; absent = 1 */
    pt_loss_kind kind;
    double beta, norm;
} pt_group_loss_args;
/* mark[0] (f32 [1,1]) becomes NaN when loss[0] is not finite, or a value[m] whose weight[m] is not 0; else it keeps its value. With mark an
 * element of the gradient, a loss that is not finite has a gradient that is not, on every rank after the sum, and the update moves nothing. */
typedef struct pt_loss_guard_args {
    pt_view mark;
    pt_view loss;          /* [1,1] f64; may be absent */
    pt_view value, weight; /* [1,M] f32; may be absent, both */
} pt_loss_guard_args;
#endif
