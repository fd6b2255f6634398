/* dft, dynamic fine-tuning: L = -sum_m w_m p_m logp_m / W with p_m = exp(logp_m) held fixed, so that what the model already finds likely counts
 * more. Wu et al. 2025 (arXiv:2508.05629) eq. 9; W as in sft. */
#ifndef PT_OBJECTIVE_DFT_CORE_H
#define PT_OBJECTIVE_DFT_CORE_H
#include "base/loss_core.h"

enum { pt_dft_by_rows = 1, pt_dft_n_metrics = 0 };
PT_HD double pt_core_dft(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    a->dlogp = -exp(a->logp);
    return a->dlogp * a->logp;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_dft = {
    .name = "dft",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_dft_by_rows,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .data = "messages",
    .variant_of = "sft",
    .variant_key = "use_dft_loss",
};
#endif
