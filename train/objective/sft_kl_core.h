/* sft_kl: sft that stays near where it starts, against drift of a persona.
 *   L = sum_m w_m [ -logp_m + kl_coef KL_m ] / W,   W as in sft, KL_m over the whole vocabulary at the position that predicts token m
 * the penalty of Ziegler et al. 2019 (arXiv:1909.08593) section 2, on the data's own tokens. KL(policy||reference) by default. Linear. */
#ifndef PT_OBJECTIVE_SFT_KL_CORE_H
#define PT_OBJECTIVE_SFT_KL_CORE_H
#include "base/loss_core.h"

enum { pt_sft_kl_by_rows = 1 };
enum { PT_SFT_KL_COEF, PT_SFT_KL_WAY, PT_SFT_KL_REFERENCE, pt_sft_kl_n_options };
enum { PT_SFT_KL_KL, PT_SFT_KL_NLL, pt_sft_kl_n_metrics };
PT_HD double pt_core_sft_kl(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double k = s->option[PT_SFT_KL_COEF];
    (void)n;
    a->dlogp = -1;
    a->dkl = k;
    metric[PT_SFT_KL_KL] = a->kl;
    metric[PT_SFT_KL_NLL] = -a->logp;
    return k * a->kl - a->logp;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/kl_options.h"

static const pt_objective pt_objective_sft_kl = {
    .name = "sft_kl",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_KL,
    .by_rows = pt_sft_kl_by_rows,
    .linear = true,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .data = "messages",
    .variant_of = "sft",
    .variant_key = "kl_coef",
    .kl_option = PT_SFT_KL_WAY,
    .reference_option = PT_SFT_KL_REFERENCE,
    .n_options = pt_sft_kl_n_options,
    .options = {[PT_SFT_KL_COEF] = PT_OPTION_KL_COEF("0"),
                [PT_SFT_KL_WAY] = PT_OPTION_KL_DIRECTION("policy"),
                [PT_SFT_KL_REFERENCE] = PT_OPTION_KL_REFERENCE},
    .n_metrics = pt_sft_kl_n_metrics,
    .metrics = {[PT_SFT_KL_KL] = {.name = "kl", .zero_at_start = true}, [PT_SFT_KL_NLL] = {.name = "nll"}},
};
#endif
