/* dpo_kl: dpo with `log_kl`: how far the policy has gone from its reference is measured beside the loss, which is dpo's.
 *   kl of an answer = mean over its tokens of KL over the whole vocabulary at the position that predicts the token
 * KL(policy||reference) by default, as kl_direction says. The step's metrics are means over pairs. Nothing is trained by it; the reference's hidden rows
 * are kept beside its log-probabilities, and the head visits the vocabulary once more. */
#ifndef PT_OBJECTIVE_DPO_KL_CORE_H
#define PT_OBJECTIVE_DPO_KL_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_dpo_kl_by_rows = 0 };
enum { PT_DPO_KL_WAY = pt_pair_n_options, PT_DPO_KL_LOG, pt_dpo_kl_n_options };
enum { PT_DPO_KL_CHOSEN = pt_pair_n_metrics, PT_DPO_KL_REJECTED, pt_dpo_kl_n_metrics };
PT_HD double pt_core_dpo_kl(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    for (int i = 0; i < 2; i++) metric[PT_DPO_KL_CHOSEN + i] = a[i].tokens > 0 ? a[i].kl / a[i].tokens : 0;
    return pt_pair_core(s, a, metric);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/kl_options.h"
#include "train/objective/pair_options.h"
static const pt_objective pt_objective_dpo_kl = {
    .name = "dpo_kl",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_KL,
    PT_PAIR_ANSWERS,
    .n_columns = pt_pair_n_columns,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin"},
    .variant_of = "dpo",
    .variant_key = "log_kl",
    .kl_option = PT_DPO_KL_WAY,
    .n_options = pt_dpo_kl_n_options,
    .options = {PT_PAIR_OPTION_ROWS, [PT_DPO_KL_WAY] = PT_OPTION_KL_DIRECTION("policy"),
                [PT_DPO_KL_LOG] = {"log_kl", PT_OPTION_FLAG, "false", .effect = PT_EFFECT_SAID,
                                   .help = "dpo: measures kl/chosen and kl/rejected, the divergence from the reference a token, over the whole vocabulary. Needs an "
                                           "adapter, and a reference that is not precomputed."}},
    .n_metrics = pt_dpo_kl_n_metrics,
    .metrics = {PT_PAIR_METRIC_ROWS, [PT_DPO_KL_CHOSEN] = {.name = "kl/chosen", .zero_at_start = true}, [PT_DPO_KL_REJECTED] = {.name = "kl/rejected", .zero_at_start = true}},
};
#endif
