/* charm: reward with a margin that each pair has from the model's own log-probabilities, "ChARM-style" (the paper's scale, sign and clipping were not
 * found; these are ours). adaptive_margin: ld, likelihood difference, of the mean negative log-probabilities of the two answers' tokens:
 *   m = a sg(NLL_r - NLL_c), clipped to [0, m_max];   L = -log sigmoid(c - r - m - m_0) + center (c + r)^2
 * sg: no gradient flows through the margin, so that the vocabulary head, which the model keeps, is asked and not trained. m_0: reward_margin + the pair's
 * own. */
#ifndef PT_OBJECTIVE_CHARM_CORE_H
#define PT_OBJECTIVE_CHARM_CORE_H
#include "train/objective/pair_scores.h"

enum { pt_charm_by_rows = 0 };
enum { PT_CHARM_CENTER, PT_CHARM_CONSTANT, PT_CHARM_ADAPTIVE, PT_CHARM_SCALE, PT_CHARM_MOST, pt_charm_n_options };
enum { PT_CHARM_COL_MARGIN, pt_charm_n_columns };
enum { PT_CHARM_ACCURACY, PT_CHARM_MARGIN, PT_CHARM_MEAN, PT_CHARM_ADAPTED, pt_charm_n_metrics };
/* The pair's loss with a margin made of `apart`. */
PT_HD double pt_charm_loss(const pt_core_step *s, pt_core_answer *a, double apart, double *metric)
{
    double chosen = a[0].score, rejected = a[1].score, gap = chosen - rejected, m = s->option[PT_CHARM_SCALE] * apart, most = s->option[PT_CHARM_MOST];
    m = m < 0 ? 0 : m > most ? most : m;
    metric[PT_CHARM_ACCURACY] = gap > 0 ? 1 : 0;
    metric[PT_CHARM_MARGIN] = gap;
    metric[PT_CHARM_MEAN] = 0.5 * (chosen + rejected);
    metric[PT_CHARM_ADAPTED] = m;
    m += s->option[PT_CHARM_CONSTANT] + a[0].column[PT_CHARM_COL_MARGIN];
    return pt_pair_loss(chosen, rejected, m, s->option[PT_CHARM_CENTER], &a[0].dscore, &a[1].dscore);
}
PT_HD double pt_core_charm(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_charm_loss(s, a, a[0].logp / a[0].tokens - a[1].logp / a[1].tokens, metric);
}
#endif

#if defined(PT_OBJECTIVE_DECLARE) && !defined(PT_OBJECTIVE_CHARM_DECLARED)
#define PT_OBJECTIVE_CHARM_DECLARED
#define PT_CHARM_OPTIONS                                                                                                                             \
    [PT_CHARM_CENTER] = PT_OPTION_CENTER, [PT_CHARM_CONSTANT] = PT_OPTION_REWARD_MARGIN, [PT_CHARM_ADAPTIVE] = PT_OPTION_ADAPTIVE,                    \
    [PT_CHARM_SCALE] = {"adaptive_margin_scale", PT_OPTION_NUMBER, "1", 0, 1e6, .effect = PT_EFFECT_SAID,                                             \
                        .help = "reward: the factor of the adaptive margin."},                                                                       \
    [PT_CHARM_MOST] = {"adaptive_margin_max", PT_OPTION_NUMBER, "1", 0, 1e6, .effect = PT_EFFECT_SAID,                                                \
                       .help = "reward: the largest adaptive margin; the least is 0."}
#define PT_CHARM_METRICS                                                                                                                             \
    [PT_CHARM_ACCURACY] = {.name = "accuracy"}, [PT_CHARM_MARGIN] = {.name = "margin"}, [PT_CHARM_MEAN] = {.name = "mean_reward"},                   \
    [PT_CHARM_ADAPTED] = {.name = "adaptive_margin"}
static const pt_objective pt_objective_charm = {
    .name = "charm",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_SCORE,
    .still = PT_CHANNEL_LOGP,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .problem_type = "regression",
    .variant_of = "reward",
    .variant_key = "adaptive_margin",
    .variant_value = "ld",
    .n_columns = pt_charm_n_columns,
    .columns = {[PT_CHARM_COL_MARGIN] = "margin"},
    .n_options = pt_charm_n_options,
    .options = {PT_CHARM_OPTIONS},
    .n_metrics = pt_charm_n_metrics,
    .metrics = {PT_CHARM_METRICS},
};
#endif
