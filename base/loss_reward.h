/* Bradley-Terry on scalar scores: L = -log sigmoid(s_chosen - s_rejected - margin). Ouyang et al. 2022 (arXiv:2203.02155) eq.
 * 1; margin: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, 0 = none. center: + center (s_chosen + s_rejected)^2, which keeps scores
 * around 0 (Eisenstein et al. 2023, arXiv:2312.09244; TRL's center_rewards_coefficient), 0 = none. */
#ifndef PT_BASE_LOSS_REWARD_H
#define PT_BASE_LOSS_REWARD_H
#include "base/loss_dpo.h"

typedef struct pt_reward_pair {
    double loss;
    double dchosen, drejected; /* dL/d of the two scores */
} pt_reward_pair;

PT_HD pt_reward_pair pt_loss_reward(double chosen, double rejected, double margin, double center)
{
    pt_reward_pair p;
    double u = chosen - rejected - margin, sum = chosen + rejected;
    p.loss = pt_softplus(-u) + center * sum * sum;
    p.dchosen = -pt_sigmoid(-u);
    p.drejected = -p.dchosen + 2 * center * sum;
    p.dchosen += 2 * center * sum;
    return p;
}
#endif
