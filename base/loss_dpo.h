/* DPO, sigmoid form, label smoothing 0. Rafailov et al. 2023 (arXiv:2305.18290) eq. 7:
 *   u = beta * ((c - c_ref) - (r - r_ref));   L = -log sigmoid(u) = softplus(-u);   dL/dc = -beta sigmoid(-u) = -dL/dr
 * c, r: sums of log-probabilities over the chosen and the rejected answer's tokens. */
#ifndef PT_BASE_LOSS_DPO_H
#define PT_BASE_LOSS_DPO_H
#include <math.h>

#include "base/hd.h"

/* log(1 + e^x) without overflow. */
PT_HD double pt_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
/* 1 / (1 + e^-x) without overflow. */
PT_HD double pt_sigmoid(double x)
{
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

typedef struct pt_dpo_pair {
    double loss;
    double dchosen, drejected;             /* dL/d of the two sums */
    double reward_chosen, reward_rejected; /* beta * (logp - reference logp), the implicit rewards */
} pt_dpo_pair;

PT_HD pt_dpo_pair pt_loss_dpo(double chosen, double rejected, double ref_chosen, double ref_rejected, double beta)
{
    pt_dpo_pair p;
    p.reward_chosen = beta * (chosen - ref_chosen);
    p.reward_rejected = beta * (rejected - ref_rejected);
    double u = p.reward_chosen - p.reward_rejected;
    p.loss = pt_softplus(-u);
    p.dchosen = -beta * pt_sigmoid(-u);
    p.drejected = -p.dchosen;
    return p;
}
#endif
