/* reward: Bradley-Terry on scalar scores at the answers' end tokens (train/objective/pair_scores.h), with the margin m = reward_margin + the pair's own. */
#ifndef PT_OBJECTIVE_REWARD_CORE_H
#define PT_OBJECTIVE_REWARD_CORE_H
#include "train/objective/pair_scores.h"

enum { pt_reward_by_rows = 0 };
enum { PT_REWARD_CENTER, PT_REWARD_CONSTANT, PT_REWARD_ADAPTIVE, PT_REWARD_HEADS, PT_REWARD_POOLING, pt_reward_n_options };
enum { PT_REWARD_COL_MARGIN, pt_reward_n_columns };
enum { PT_REWARD_ACCURACY, PT_REWARD_MARGIN, PT_REWARD_MEAN, pt_reward_n_metrics };
PT_HD double pt_core_reward(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double chosen = a[0].score, rejected = a[1].score, gap = chosen - rejected;
    double margin = s->option[PT_REWARD_CONSTANT] + a[0].column[PT_REWARD_COL_MARGIN];
    metric[PT_REWARD_ACCURACY] = gap > 0 ? 1 : 0;
    metric[PT_REWARD_MARGIN] = gap;
    metric[PT_REWARD_MEAN] = 0.5 * (chosen + rejected);
    return pt_pair_loss(chosen, rejected, margin, s->option[PT_REWARD_CENTER], &a[0].dscore, &a[1].dscore);
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
    .problem_type = "regression",
    .width_option = PT_REWARD_HEADS,
    .pooling_option = 1 + PT_REWARD_POOLING,
    .n_columns = pt_reward_n_columns,
    .columns = {[PT_REWARD_COL_MARGIN] = "margin"},
    .n_options = pt_reward_n_options,
    .options = {[PT_REWARD_CENTER] = PT_OPTION_CENTER,
                [PT_REWARD_CONSTANT] = PT_OPTION_REWARD_MARGIN,
                [PT_REWARD_ADAPTIVE] = PT_OPTION_ADAPTIVE,
                [PT_REWARD_HEADS] = PT_OPTION_NUM_LABELS("1"),
                [PT_REWARD_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_reward_n_metrics,
    .metrics = {[PT_REWARD_ACCURACY] = {.name = "accuracy"}, [PT_REWARD_MARGIN] = {.name = "margin"}, [PT_REWARD_MEAN] = {.name = "mean_reward"}},
    .n_also = 2,
    .also = {{"reward_model", "true"}, {"stage", "rm"}},
};
#endif
