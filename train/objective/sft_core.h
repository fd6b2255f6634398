/* sft: the token mean L = -sum_m w_m logp_m / W, W = sum of w over the whole optimiser step (all micro-batches, all ranks).
 * Cross entropy of Llama-style SFT (Ouyang et al. 2022, arXiv:2203.02155, section 3.5); the normaliser is num_items_in_batch of transformers'
 * Trainer. Linear in logp: the gradient is known before the forward pass. */
#ifndef PT_OBJECTIVE_SFT_CORE_H
#define PT_OBJECTIVE_SFT_CORE_H
#include "train/objective/token_mean.h"

enum { pt_sft_by_rows = 1, pt_sft_n_metrics = 0 };
enum { PT_SFT_DFT, PT_SFT_KL, PT_SFT_KL_WORD, PT_SFT_KL_START, pt_sft_n_options };
PT_HD double pt_core_sft(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_token_mean(a);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/kl_options.h"

static const char *pt_sft_check(const pt_core_step *s, const pt_option_value *values)
{
    bool alone = !pt_objective_said(values, "kl_coef") && (pt_objective_said(values, "kl_direction") || pt_objective_said(values, "kl_reference"));
    return alone ? "kl_direction and kl_reference say what kl_coef's divergence is, and there is none: set kl_coef, or leave them out" : NULL;
}

static const pt_objective pt_objective_sft = {
    .name = "sft",
    .help = "answers",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_sft_by_rows,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .linear = true,
    .data = "messages",
    .check = pt_sft_check,
    .n_options = pt_sft_n_options,
    .options = {[PT_SFT_DFT] = {"use_dft_loss", PT_OPTION_FLAG, "false", .effect = PT_EFFECT_SAID,
                                .help = "sft: each token's loss counts times the probability that the model gives it (dynamic fine-tuning)."},
                [PT_SFT_KL] = PT_OPTION_KL_COEF("0"),
                [PT_SFT_KL_WORD] = PT_OPTION_KL_DIRECTION("policy"),
                [PT_SFT_KL_START] = PT_OPTION_KL_REFERENCE},
    .n_also = 1,
    .also = {{"stage", "sft"}},
};
#endif
