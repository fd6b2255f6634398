/* kd: distillation from a teacher's log-probabilities in the data, forward KL over the k tokens that it names, with q made to sum to 1 over them.
 *   L = sum_m w_m [ kd_alpha sum_k q_mk (log q_mk - logp_mk) - kd_ce_alpha logp_m ] / W,   W the sum of w over the supervised tokens, as in sft
 * The data, type tokens: beside input_ids, labels (and weights) prompt_logprobs (vLLM's, an object {ID: {logprob: x}} an id) or target_token_ids and
 * target_logprobs (lists an id), each at the place of the id that is predicted, null where nothing is trained on.
 * Hinton et al. 2015 (arXiv:1503.02531) at temperature 1; the shape and the names are axolotl's plugin kd. Each q_mk is a row of its own beside the
 * token's: the core sees one or the other. Linear. */
#ifndef PT_OBJECTIVE_KD_CORE_H
#define PT_OBJECTIVE_KD_CORE_H
#include "base/loss_core.h"

enum { pt_kd_by_rows = 1 };
enum { PT_KD_ALPHA, PT_KD_CE_ALPHA, pt_kd_n_options };
enum { PT_KD_COL_TEACHER, pt_kd_n_columns };
enum { PT_KD_KD, PT_KD_CE, pt_kd_n_metrics };
PT_HD double pt_core_kd(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double q = a->column[PT_KD_COL_TEACHER], k = q > 0 ? s->option[PT_KD_ALPHA] : s->option[PT_KD_CE_ALPHA];
    (void)n;
    if (q > 0) {
        a->dlogp = -k * q;
        metric[PT_KD_KD] = q * (log(q) - a->logp);
        return k * metric[PT_KD_KD];
    }
    a->dlogp = -k;
    metric[PT_KD_CE] = -a->logp;
    return -k * a->logp;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_kd = {
    .name = "kd",
    .help = "distillation from a teacher's log-probabilities in the data",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_kd_by_rows,
    .linear = true,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .data = "tokens",
    .n_columns = pt_kd_n_columns,
    .columns = {[PT_KD_COL_TEACHER] = PT_COLUMN_TEACHER},
    .n_options = pt_kd_n_options,
    .options = {[PT_KD_ALPHA] = {.key = "kd_alpha", .kind = PT_OPTION_NUMBER, .fallback = "1", .min = 0, .max = 1e3, .effect = PT_EFFECT_SAID,
                                 .help = "kd: how much the divergence from the teacher counts."},
                [PT_KD_CE_ALPHA] = {.key = "kd_ce_alpha", .kind = PT_OPTION_NUMBER, .fallback = "0", .min = 0, .max = 1e3, .effect = PT_EFFECT_SAID,
                                    .help = "kd: how much the data's own tokens count beside it (cross entropy)."}},
    .n_metrics = pt_kd_n_metrics,
    .metrics = {[PT_KD_KD] = {.name = "kd_loss"}, [PT_KD_CE] = {.name = "ce_loss"}},
    .n_also = 1,
    .also = {{"kd_trainer", "true"}},
};
#endif
