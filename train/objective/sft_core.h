/* sft: the token mean L = -sum_m w_m logp_m / W, W = sum of w over the whole optimiser step (all micro-batches, all ranks).
 * Cross entropy of Llama-style SFT (Ouyang et al. 2022, arXiv:2203.02155, section 3.5); the normaliser is num_items_in_batch of transformers'
 * Trainer. Linear in logp: the gradient is known before the forward pass. */
#ifndef PT_OBJECTIVE_SFT_CORE_H
#define PT_OBJECTIVE_SFT_CORE_H
#include "train/objective/token_mean.h"

enum { pt_sft_by_rows = 1, pt_sft_n_metrics = 0 };
PT_HD double pt_core_sft(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_token_mean(a);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_sft = {
    .name = "sft",
    .help = "answers",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_sft_by_rows,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .linear = true,
    .data = "messages",
    .n_options = 1,
    .options = {{"use_dft_loss", PT_OPTION_FLAG, "false", .effect = PT_EFFECT_SAID,
                 .help = "sft: each token's loss counts times the probability that the model gives it (dynamic fine-tuning)."}},
    .n_also = 1,
    .also = {{"stage", "sft"}},
};
#endif
