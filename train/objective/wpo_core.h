/* wpo: dpo with `use_weighting`. A pair's loss counts by how likely its answers are under the policy itself (Zhou et al. 2024, arXiv:2406.11827, eq. 2,
 * with the weights that align with sampling), as TRL 1.16 has it:
 *   L = w_c w_r L_dpo,   w = exp(mean over the answer's tokens of (log p_t - log sum_v p_t,v^2)), held fixed */
#ifndef PT_OBJECTIVE_WPO_CORE_H
#define PT_OBJECTIVE_WPO_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_wpo_by_rows = 0, pt_wpo_n_metrics = pt_pair_n_metrics };
PT_HD double pt_core_wpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = pt_pair_core(s, a, metric), weight = 1;
    for (int i = 0; i < 2; i++) weight *= exp((a[i].logp - a[i].log_squares) / (a[i].length > 1 ? a[i].length : 1));
    for (int i = 0; i < 2; i++) a[i].dlogp *= weight;
    return weight * loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/pair_options.h"
static const pt_objective pt_objective_wpo = {
    .name = "wpo",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_LOG_SQUARES,
    PT_PAIR_DECLARATION,
    .n_columns = pt_pair_n_columns,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin"},
    .variant_of = "dpo",
    .variant_key = "use_weighting",
};
#endif
