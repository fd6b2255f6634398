/* Bradley-Terry on scalar scores: L = -log sigmoid(s_chosen - s_rejected - margin). Ouyang et al. 2022 (arXiv:2203.02155) eq.
 * 1; margin: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, 0 = none. */
#ifndef PT_BASE_LOSS_REWARD_H
#define PT_BASE_LOSS_REWARD_H
#include "base/loss_dpo.h"

typedef struct pt_reward_pair {
    double loss;
    double dchosen, drejected; /* dL/d of the two scores */
} pt_reward_pair;

PT_HD pt_reward_pair pt_loss_reward(double chosen, double rejected, double margin)
{
    pt_reward_pair p;
    double u = chosen - rejected - margin;
    p.loss = pt_softplus(-u);
    p.dchosen = -pt_sigmoid(-u);
    p.drejected = -p.dchosen;
    return p;
}
#endif
