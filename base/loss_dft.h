/* Dynamic fine-tuning: L = -sum_m w_m p_m logp_m / W with p_m = exp(logp_m) held fixed, so that what the model already finds likely
 * counts more. Wu et al. 2025 (arXiv:2508.05629) eq. 9; W as in base/loss_sft.h. */
#ifndef PT_BASE_LOSS_DFT_H
#define PT_BASE_LOSS_DFT_H
#include "base/hd.h"

/* dL/dlogp of a row of weight w. */
PT_HD double pt_loss_dft_grad(double logp, double w, double total)
{
    return w == 0 ? 0 : -w * exp(logp) / total;
}
/* The row's part of the loss. */
PT_HD double pt_loss_dft(double logp, double w, double total)
{
    return w == 0 ? 0 : -w * exp(logp) * logp / total;
}
#endif
