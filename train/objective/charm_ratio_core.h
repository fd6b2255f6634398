/* charm_ratio: charm (train/objective/charm_core.h) with adaptive_margin: pr, the policy's ratio: by how much more than the reference the model prefers the
 * better answer, of the answers' sums of log-probabilities, as in dpo:
 *   m = a sg((logp_c - ref_c) - (logp_r - ref_r)), clipped to [0, m_max] */
#ifndef PT_OBJECTIVE_CHARM_RATIO_CORE_H
#define PT_OBJECTIVE_CHARM_RATIO_CORE_H
#include "train/objective/charm_core.h"

enum { pt_charm_ratio_by_rows = 0, PT_CHARM_REFERENCE = pt_charm_n_options, pt_charm_ratio_n_options, pt_charm_ratio_n_metrics = pt_charm_n_metrics };
PT_HD double pt_core_charm_ratio(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_charm_loss(s, a, (a[0].logp - a[0].reference) - (a[1].logp - a[1].reference), metric);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_charm_ratio = {
    .name = "charm_ratio",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_SCORE,
    .still = PT_CHANNEL_LOGP,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .problem_type = "regression",
    .reference = true,
    .reference_option = PT_CHARM_REFERENCE,
    .variant_of = "reward",
    .variant_key = "adaptive_margin",
    .variant_value = "pr",
    .n_columns = pt_charm_n_columns,
    .columns = {[PT_CHARM_COL_MARGIN] = "margin"},
    .n_options = pt_charm_ratio_n_options,
    .options = {PT_CHARM_OPTIONS, [PT_CHARM_REFERENCE] = {"dpo_reference", PT_OPTION_WORD, NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID, .help = "As of dpo."}},
    .n_metrics = pt_charm_ratio_n_metrics,
    .metrics = {PT_CHARM_METRICS},
};
#endif
