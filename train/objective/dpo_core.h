/* dpo: preference pairs against a reference; L = sum over the losses of `loss_type` of weight * loss (train/objective/pair_losses.h has their formulas).
 * Of the default, sigmoid: Rafailov et al. 2023 (arXiv:2305.18290) eq. 7, with c, r the sums of log-probabilities over the tokens of
 * the chosen and the rejected answer:
 *   u = beta * ((c - c_ref) - (r - r_ref));   L = -log sigmoid(u) = softplus(-u);   dL/dc = -beta sigmoid(-u) = -dL/dr
 * LD-DPO (Liu et al. 2024, arXiv:2409.06411): tokens past the shorter answer's length weigh ld_alpha in c, r and the reference.
 * Metrics are named as TRL's. */
#ifndef PT_OBJECTIVE_DPO_CORE_H
#define PT_OBJECTIVE_DPO_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_dpo_by_rows = 0, pt_dpo_n_metrics = pt_pair_n_metrics };
PT_HD double pt_core_dpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_pair_core(s, a, metric);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/pair_options.h"
static const pt_objective pt_objective_dpo = {
    .name = "dpo",
    .help = "preference pairs against a reference, TRL's fifteen losses",
    .channels = PT_CHANNEL_LOGP,
    PT_PAIR_DECLARATION,
    .n_columns = pt_pair_n_columns,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin"},
    .n_also = 2,
    .also = {{"rl", "dpo"}, {"stage", "dpo"}},
};
#endif
