/* kto: answers that are desirable or not, each held against how far the model has moved on answers that do not fit. Ethayarajh et al. 2024
 * (arXiv:2402.01306) eq. 7; as TRL 1.16's KTOTrainer with loss_type kto. With y an answer's label and l, l_ref sums of log-probabilities over its tokens:
 *   r = l - l_ref;   z = max(0, mean over the step's records of l' - l'_ref), held fixed, l' of the mismatched answer (base/batch.h)
 *   L = desirable_weight sigmoid(-beta (r - z)) where y = 1;   undesirable_weight sigmoid(beta (r - z)) where y = 0
 * The mean is over the records of the whole step and all ranks; TRL's z is the mean of one micro-batch. Metrics are named as TRL's. */
#ifndef PT_OBJECTIVE_KTO_CORE_H
#define PT_OBJECTIVE_KTO_CORE_H
#include "train/objective/judged.h"

enum { pt_kto_by_rows = 0 };
enum { PT_KTO_LOSS = pt_judged_n_options, pt_kto_n_options };
enum { PT_KTO_STAT_KL, pt_kto_n_stats };
enum { PT_KTO_KL = pt_judged_n_metrics, pt_kto_n_metrics };
PT_HD double pt_core_kto(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_JUDGED_BETA], r = a[0].logp - a[0].reference, u = beta * (r - s->stat[PT_KTO_STAT_KL]), w = pt_judged_weight(s, a);
    bool good = pt_judged_good(a);
    a[0].dlogp = (good ? -w : w) * beta * pt_sigmoid(u) * pt_sigmoid(-u);
    pt_judged_metrics(s, a, beta * r, metric);
    metric[PT_KTO_KL] = s->stat[PT_KTO_STAT_KL];
    return w * pt_sigmoid(good ? -u : u);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static pt_status pt_kto_stats(const pt_core_step *s, const pt_step_answers *all, double *stat)
{
    double sum = 0, weight = 0;
    for (int64_t i = 0; i < all->n; i++) {
        const pt_core_answer *a = &all->answer[all->start[i]];
        if (all->start[i + 1] - all->start[i] != 2) return pt_fail(PT_ESHAPE, "kto: record %lld of the step has no mismatched answer", (long long)i);
        sum += all->weight[i] * (a[1].logp - a[1].reference);
        weight += all->weight[i];
    }
    stat[PT_KTO_STAT_KL] = weight > 0 && !(sum < 0) ? sum / weight : 0; /* what is no number stays one */
    return PT_OK;
}

static const pt_objective pt_objective_kto = {
    .name = "kto",
    .help = "desirable and undesirable answers",
    .channels = PT_CHANNEL_LOGP,
    .answers = 1,
    .extra = PT_EXTRA_MISMATCHED,
    .verdicts = true,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_JUDGED_REFERENCE,
    .data = "unpaired",
    .n_columns = pt_judged_n_columns,
    .columns = PT_JUDGED_COLUMNS,
    .list_option = 1 + PT_KTO_LOSS,
    .check = pt_judged_check,
    .n_options = pt_kto_n_options,
    .options = {PT_JUDGED_OPTIONS,
                [PT_KTO_LOSS] = {"loss_type", PT_OPTION_WORDS, "kto", .words = pt_loss_type_words, .takes = 1u << PT_LOSS_KTO | 1u << PT_LOSS_APO_ZERO_UNPAIRED,
                                 .effect = PT_EFFECT_SAID, .help = "Form of the loss."}},
    .n_metrics = pt_kto_n_metrics,
    .metrics = {PT_JUDGED_METRICS, [PT_KTO_KL] = {.name = "kl", .zero_at_start = true}},
    .n_stats = pt_kto_n_stats,
    .stats = pt_kto_stats,
    .n_also = 2,
    .also = {{"rl", "kto"}, {"stage", "kto"}},
};
#endif
