/* dpo, sigmoid form, label smoothing 0. Rafailov et al. 2023 (arXiv:2305.18290) eq. 7, with c, r the sums of log-probabilities over the tokens of
 * the chosen and the rejected answer:
 *   u = beta * ((c - c_ref) - (r - r_ref));   L = -log sigmoid(u) = softplus(-u);   dL/dc = -beta sigmoid(-u) = -dL/dr
 * Metrics are named as TRL's. */
#ifndef PT_OBJECTIVE_DPO_CORE_H
#define PT_OBJECTIVE_DPO_CORE_H
#include "base/loss_core.h"

enum { pt_dpo_by_rows = 0 };
enum { PT_DPO_BETA, PT_DPO_REFERENCE, pt_dpo_n_options };
enum { PT_DPO_CHOSEN, PT_DPO_REJECTED, PT_DPO_MARGIN, PT_DPO_ACCURACY, PT_DPO_LOGP_CHOSEN, PT_DPO_LOGP_REJECTED, PT_DPO_APART, pt_dpo_n_metrics };
PT_HD double pt_core_dpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_DPO_BETA];
    double chosen = beta * (a[0].logp - a[0].reference), rejected = beta * (a[1].logp - a[1].reference), u = chosen - rejected;
    a[0].dlogp = -beta * pt_sigmoid(-u);
    a[1].dlogp = -a[0].dlogp;
    metric[PT_DPO_CHOSEN] = chosen;
    metric[PT_DPO_REJECTED] = rejected;
    metric[PT_DPO_MARGIN] = u;
    metric[PT_DPO_ACCURACY] = u > 0 ? 1 : 0;
    metric[PT_DPO_LOGP_CHOSEN] = a[0].logp;
    metric[PT_DPO_LOGP_REJECTED] = a[1].logp;
    metric[PT_DPO_APART] = fabs(u);
    return pt_softplus(-u);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_dpo = {
    .name = "dpo",
    .help = "preference pairs, sigmoid loss",
    .channels = PT_CHANNEL_LOGP,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_DPO_REFERENCE,
    .data = "preference",
    .n_options = pt_dpo_n_options,
    .options = {[PT_DPO_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,
                                 .help = "DPO's beta: how dear it is to leave the reference."},
                [PT_DPO_REFERENCE] = {"dpo_reference", PT_OPTION_WORD, NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID,
                                      .help = "start: a frozen copy of the starting adapter (default with lora_model_dir); base: the model without "
                                              "adapters (default otherwise)."}},
    .n_metrics = pt_dpo_n_metrics,
    .metrics = {[PT_DPO_CHOSEN] = {.name = "rewards/chosen"},
                [PT_DPO_REJECTED] = {.name = "rewards/rejected"},
                [PT_DPO_MARGIN] = {.name = "rewards/margins"},
                [PT_DPO_ACCURACY] = {.name = "rewards/accuracies"},
                [PT_DPO_LOGP_CHOSEN] = {.name = "logps/chosen"},
                [PT_DPO_LOGP_REJECTED] = {.name = "logps/rejected"},
                [PT_DPO_APART] = {.reduce = PT_REDUCE_MAX, .zero_at_start = true}},
    .n_also = 2,
    .also = {{"rl", "dpo"}, {"stage", "dpo"}},
};
#endif
