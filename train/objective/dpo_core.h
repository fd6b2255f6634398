/* dpo: preference pairs against a reference; L = sum over the losses of `loss_type` of weight * loss, named and computed as TRL 1.16's DPOTrainer has them.
 *
 * c, r: log-probability of the chosen and the rejected answer less the reference's; N_c, N_r: their tokens. S, sigma: log sigmoid, sigmoid.
 * Scores f'(e^c), f'(e^r) of an f-divergence (Wang et al. 2024, arXiv:2309.16240), here h_c, h_r; d = beta (h_c - h_r); m: the margin.
 *   reverse_kl        h = c                       (Rafailov et al. 2023, arXiv:2305.18290)
 *   forward_kl        h = 1 - e^-c
 *   js_divergence     h = log 2 + S(c)
 *   alpha_divergence  h = (e^min((a - 1) c, 80) - 1) / (a - 1); c where |a - 1| < 1e-6
 * Of the difference:
 *   sigmoid           -S(d - m)                   arXiv:2305.18290 eq. 7; m: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, Amini et al. 2024 (arXiv:2402.10571)
 *   sigmoid_norm      -S(beta (h_c / N_c - h_r / N_r) - m)
 *   hinge             max(0, 1 - (d - m))         Zhao et al. 2023 (arXiv:2305.10425)
 *   robust            (-(1 - e) S(d - m) + e S(m - d)) / (1 - 2 e), e: label_smoothing     Chowdhury et al. 2024 (arXiv:2403.00409)
 *   ipo               (h_c / N_c - h_r / N_r - 1 / (2 beta))^2                             Azar et al. 2023 (arXiv:2310.12036) eq. 17
 *   exo_pair          sigma(d) (S(d) - log(1 - e)) + sigma(-d) (S(-d) - log e)             Ji et al. 2024 (arXiv:2402.00856) eq. 16
 *   discopop          -S(d) (1 - w) + e^-d w, w = sigma(d / tau)                           Lu et al. 2024 (arXiv:2406.08414) eq. 5
 * Of each answer apart (reverse_kl alone):
 *   nca_pair          -S(beta c) - S(-beta c) / 2 - S(-beta r) / 2                         Chen et al. 2024 (arXiv:2402.05369)
 *   bco_pair          -S(beta c) - S(-beta r)                                              Jung et al. 2024 (arXiv:2404.04656), without its shift
 *   sppo_hard         (c - 1 / (2 beta))^2 + (r + 1 / (2 beta))^2                          Wu et al. 2024 (arXiv:2405.00675) eq. 4.7
 *   apo_zero          1 - sigma(beta c) + sigma(beta r)                                    D'Oosterlinck et al. 2024 (arXiv:2408.06266) eq. 7
 *   apo_down          sigma(beta c) + 1 - sigma(beta (c - r))                              eq. 8
 *   sft               -(sum of chosen log-probabilities) / (chosen tokens), both of the whole step (TRL: of a micro-batch)
 * Several losses add up by their weights. Where a formula overflows (discopop far below 0: 0 * inf; forward_kl) the loss is not finite, and the
 * step is skipped and counted.
 * LD-DPO (Liu et al. 2024, arXiv:2409.06411): tokens past the shorter answer's length weigh ld_alpha in c, r and the reference, not in N_c and N_r.
 * rpo_alpha: A is loss_type: [sigmoid, sft] with loss_weights: [1, A]. Metrics are named as TRL's. */
#ifndef PT_OBJECTIVE_DPO_CORE_H
#define PT_OBJECTIVE_DPO_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_dpo_by_rows = 0, pt_dpo_n_metrics = pt_pair_n_metrics };
PT_HD double pt_core_dpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_pair_core(s, a, metric);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/pair_options.h"
static const pt_objective pt_objective_dpo = {
    .name = "dpo",
    .help = "preference pairs against a reference, TRL's fifteen losses",
    .channels = PT_CHANNEL_LOGP,
    PT_PAIR_DECLARATION,
    .n_columns = pt_pair_n_columns,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin"},
    .n_also = 2,
    .also = {{"rl", "dpo"}, {"stage", "dpo"}},
};
#endif
