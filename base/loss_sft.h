/* Token mean: L = -sum_m w_m logp_m / W, W = sum of w over the whole optimiser step (all micro-batches, all ranks).
 * Cross entropy of Llama-style SFT (Ouyang et al. 2022, arXiv:2203.02155, section 3.5); the normaliser is num_items_in_batch of
 * transformers' Trainer. Linear in logp: the gradient is known before the forward. */
#ifndef PT_BASE_LOSS_SFT_H
#define PT_BASE_LOSS_SFT_H
#include "base/hd.h"

/* dL/dlogp of a row of weight w. */
PT_HD double pt_loss_sft_grad(double w, double total)
{
    return -w / total;
}
/* The row's part of the loss. */
PT_HD double pt_loss_sft(double logp, double w, double total)
{
    return w == 0 ? 0 : -w * logp / total;
}
#endif
