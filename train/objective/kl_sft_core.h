/* kl_sft, STAR-style: each token is imitated by the share w that the data gives it, 0 to 1, and held near the reference by the rest.
 *   L = sum_m [ -w_m logp_m + lambda (1 - w_m) KL_m ] / M,   M the number of tokens (each by its record's weight) of the whole optimiser step
 * w is the loss weight that the data gives: weights beside input_ids, weight of a message, train_detail's parts. Within an answer a weight of 0 (a part's
 * train: false) holds a token; what is no answer (labels -100, train: false of a message, text that no part names) is context.
 * KL_m over the whole vocabulary at the position that predicts token m, KL(reference||policy) or KL(policy||reference). The interpolation of cross
 * entropy and divergence by a guard's score of the answer so far is that of STAR-DSS (Shape it Up, arXiv:2505.17196); its lambda and direction were not
 * found: lambda is kl_coef, 1 by default, the direction an option. Linear: no derivative depends on a channel. */
#ifndef PT_OBJECTIVE_KL_SFT_CORE_H
#define PT_OBJECTIVE_KL_SFT_CORE_H
#include "base/loss_core.h"

enum { pt_kl_sft_by_rows = 1 };
enum { PT_KL_SFT_COEF, PT_KL_SFT_WAY, PT_KL_SFT_REFERENCE, pt_kl_sft_n_options };
enum { PT_KL_SFT_COL_IMITATE, pt_kl_sft_n_columns };
enum { PT_KL_SFT_KL, PT_KL_SFT_NLL, PT_KL_SFT_IMITATED, pt_kl_sft_n_metrics };
PT_HD double pt_core_kl_sft(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double w = a->column[PT_KL_SFT_COL_IMITATE], held = s->option[PT_KL_SFT_COEF] * (1 - w);
    (void)n;
    a->dlogp = -w;
    a->dkl = held;
    metric[PT_KL_SFT_KL] = a->kl;
    metric[PT_KL_SFT_NLL] = -a->logp;
    metric[PT_KL_SFT_IMITATED] = w;
    return held * a->kl - w * a->logp;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/kl_options.h"

static const pt_objective pt_objective_kl_sft = {
    .name = "kl_sft",
    .help = "answers, each token by its weight, the rest of it held near the start",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_KL,
    .by_rows = pt_kl_sft_by_rows,
    .linear = true,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .data = "messages",
    .kl_option = PT_KL_SFT_WAY,
    .reference_option = PT_KL_SFT_REFERENCE,
    .n_columns = pt_kl_sft_n_columns,
    .columns = {[PT_KL_SFT_COL_IMITATE] = PT_COLUMN_IMITATE},
    .n_options = pt_kl_sft_n_options,
    .options = {[PT_KL_SFT_COEF] = PT_OPTION_KL_COEF("1"),
                [PT_KL_SFT_WAY] = PT_OPTION_KL_DIRECTION("reference"),
                [PT_KL_SFT_REFERENCE] = PT_OPTION_KL_REFERENCE},
    .n_metrics = pt_kl_sft_n_metrics,
    .metrics = {[PT_KL_SFT_KL] = {.name = "kl", .zero_at_start = true}, [PT_KL_SFT_NLL] = {.name = "nll"}, [PT_KL_SFT_IMITATED] = {.name = "imitated"}},
};
#endif
