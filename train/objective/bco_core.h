/* bco: a classifier that tells desirable answers from the others, whose logit is the implicit reward. Jung et al. 2024 (arXiv:2404.04656): binary cross
 * entropy of the reward less a shift. With y an answer's label and l, l_ref sums of log-probabilities over its tokens:
 *   r = beta (l - l_ref);   L = desirable_weight softplus(-(r - delta)) where y = 1;   undesirable_weight softplus(r - delta) where y = 0
 *   delta = (m1 + m0) / 2, held fixed;   m_y = running mean of r over all answers of label y so far, this step's included:
 *   N_y += n_y, m_y += n_y / N_y (mean of r over the step's - m_y), by the records' weights, over the whole step and all ranks
 * A label that was not seen yet leaves the other's mean. An evaluation takes the means as training left them. State: N_1, m_1, N_0, m_0.
 * TRL's former trainer had one mean over both kinds, which is the same where they are equally many; its matching of underlying distributions is not here. */
#ifndef PT_OBJECTIVE_BCO_CORE_H
#define PT_OBJECTIVE_BCO_CORE_H
#include "train/objective/judged.h"

enum { pt_bco_by_rows = 0 };
enum { PT_BCO_DELTA, PT_BCO_MEANS, pt_bco_n_stats = PT_BCO_MEANS + 4 };
enum { PT_BCO_SHIFT = pt_judged_n_metrics, pt_bco_n_metrics };
PT_HD double pt_core_bco(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_JUDGED_BETA], r = beta * (a[0].logp - a[0].reference), u = r - s->stat[PT_BCO_DELTA], w = pt_judged_weight(s, a);
    bool good = pt_judged_good(a);
    a[0].dlogp = w * beta * (good ? -pt_sigmoid(-u) : pt_sigmoid(u));
    pt_judged_metrics(s, a, r, metric);
    metric[PT_BCO_SHIFT] = s->stat[PT_BCO_DELTA];
    return w * pt_softplus(good ? -u : u);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
/* stat[PT_BCO_MEANS ...]: what the state becomes. */
static pt_status pt_bco_stats(const pt_core_step *s, const pt_step_answers *all, double *stat)
{
    double sum[2] = {0}, n[2] = {0}, *mean = stat + PT_BCO_MEANS;
    for (int k = 0; k < 4; k++) mean[k] = s->state[k];
    for (int64_t i = 0; s->training && i < all->n; i++) {
        const pt_core_answer *a = &all->answer[all->start[i]];
        bool good = pt_judged_good(a);
        sum[good] += all->weight[i] * s->option[PT_JUDGED_BETA] * (a->logp - a->reference);
        n[good] += all->weight[i];
    }
    for (int good = 0; good < 2; good++) {
        double *m = mean + (good ? 0 : 2);
        if (!(n[good] > 0)) continue;
        m[0] += n[good];
        m[1] += n[good] / m[0] * (sum[good] / n[good] - m[1]);
    }
    stat[PT_BCO_DELTA] = mean[0] > 0 && mean[2] > 0 ? (mean[1] + mean[3]) / 2 : mean[0] > 0 ? mean[1] : mean[3];
    return PT_OK;
}

static void pt_bco_advance(const pt_core_step *s, const double *metric, double *state)
{
    for (int k = 0; k < 4; k++) state[k] = s->stat[PT_BCO_MEANS + k];
}

static const pt_objective pt_objective_bco = {
    .name = "bco",
    .help = "desirable and undesirable answers, by a classifier",
    .channels = PT_CHANNEL_LOGP,
    .answers = 1,
    .verdicts = true,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_JUDGED_REFERENCE,
    .data = "unpaired",
    .n_columns = pt_judged_n_columns,
    .columns = PT_JUDGED_COLUMNS,
    .n_options = pt_judged_n_options,
    .options = {PT_JUDGED_OPTIONS},
    .n_metrics = pt_bco_n_metrics,
    .metrics = {PT_JUDGED_METRICS, [PT_BCO_SHIFT] = {.name = "rewards/shift", .zero_at_start = true}},
    .n_stats = pt_bco_n_stats,
    .stats = pt_bco_stats,
    .n_state = 4,
    .advance = pt_bco_advance,
    .n_also = 1,
    .also = {{"rl", "bco"}},
};
#endif
