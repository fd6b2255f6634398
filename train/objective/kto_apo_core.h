/* kto with loss_type apo_zero_unpaired: answers that are desirable or not, held against the reference alone. D'Oosterlinck et al. 2024 (arXiv:2408.06266)
 * eq. 7, its unpaired form; as TRL 1.16's KTOTrainer. With y an answer's label and l, l_ref sums of log-probabilities over its tokens:
 *   r = l - l_ref;   L = desirable_weight sigmoid(-beta r) where y = 1;   undesirable_weight sigmoid(beta r) where y = 0
 * No mismatched answers and no statistics: one forward pass a step. */
#ifndef PT_OBJECTIVE_KTO_APO_CORE_H
#define PT_OBJECTIVE_KTO_APO_CORE_H
#include "train/objective/judged.h"

enum { pt_kto_apo_by_rows = 0, pt_kto_apo_n_metrics = pt_judged_n_metrics };
PT_HD double pt_core_kto_apo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_JUDGED_BETA], u = beta * (a[0].logp - a[0].reference), w = pt_judged_weight(s, a);
    bool good = pt_judged_good(a);
    a[0].dlogp = (good ? -w : w) * beta * pt_sigmoid(u) * pt_sigmoid(-u);
    pt_judged_metrics(s, a, u, metric);
    return w * pt_sigmoid(good ? -u : u);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_kto_apo = {
    .name = "kto_apo",
    .channels = PT_CHANNEL_LOGP,
    .answers = 1,
    .verdicts = true,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_JUDGED_REFERENCE,
    .data = "unpaired",
    .variant_of = "kto",
    .variant_key = "loss_type",
    .variant_value = "apo_zero_unpaired",
    .check = pt_judged_check,
    .n_columns = pt_judged_n_columns,
    .columns = PT_JUDGED_COLUMNS,
    .n_options = pt_judged_n_options,
    .options = {PT_JUDGED_OPTIONS},
    .n_metrics = pt_judged_n_metrics,
    .metrics = {PT_JUDGED_METRICS},
};
#endif
