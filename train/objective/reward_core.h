/* reward: Bradley-Terry on scalar scores at the answers' end tokens, L = -log sigmoid(c - r - margin) + center (c + r)^2.
 * Ouyang et al. 2022 (arXiv:2203.02155) eq. 1; margin: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, 0 = none; center keeps scores around 0
 * (Eisenstein et al. 2023, arXiv:2312.09244; TRL's center_rewards_coefficient), 0 = none. */
#ifndef PT_OBJECTIVE_REWARD_CORE_H
#define PT_OBJECTIVE_REWARD_CORE_H
#include "base/loss_core.h"

enum { pt_reward_by_rows = 0 };
enum { PT_REWARD_CENTER, pt_reward_n_options };
enum { PT_REWARD_COL_MARGIN, pt_reward_n_columns };
enum { PT_REWARD_ACCURACY, PT_REWARD_MARGIN, PT_REWARD_MEAN, pt_reward_n_metrics };
PT_HD double pt_core_reward(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double center = s->option[PT_REWARD_CENTER], chosen = a[0].score, rejected = a[1].score;
    double u = chosen - rejected - a[0].column[PT_REWARD_COL_MARGIN], sum = chosen + rejected, gap = chosen - rejected;
    a[0].dscore = -pt_sigmoid(-u);
    a[1].dscore = -a[0].dscore + 2 * center * sum;
    a[0].dscore += 2 * center * sum;
    metric[PT_REWARD_ACCURACY] = gap > 0 ? 1 : 0;
    metric[PT_REWARD_MARGIN] = gap;
    metric[PT_REWARD_MEAN] = 0.5 * sum;
    return pt_softplus(-u) + center * sum * sum;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_reward = {
    .name = "reward",
    .help = "Bradley-Terry on a scalar head",
    .channels = PT_CHANNEL_SCORE,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .n_columns = pt_reward_n_columns,
    .columns = {[PT_REWARD_COL_MARGIN] = "margin"},
    .n_options = pt_reward_n_options,
    .options = {[PT_REWARD_CENTER] = {"center_rewards_coefficient", PT_OPTION_NUMBER, "0", 0, 1e3, .effect = PT_EFFECT_SAID,
                                      .help = "reward: this times the square of the sum of a pair's scores is added to the loss, which keeps scores "
                                              "around 0."}},
    .n_metrics = pt_reward_n_metrics,
    .metrics = {[PT_REWARD_ACCURACY] = {.name = "accuracy"}, [PT_REWARD_MARGIN] = {.name = "margin"}, [PT_REWARD_MEAN] = {.name = "mean_reward"}},
    .n_also = 2,
    .also = {{"reward_model", "true"}, {"stage", "rm"}},
};
#endif
