/* Bradley-Terry on the scores of two answers, the better one first: what the reward objectives have in common.
 *   L = -log sigmoid(c - r - margin) + center (c + r)^2
 * Ouyang et al. 2022 (arXiv:2203.02155) eq. 1; margin: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, 0 = none; center keeps scores around 0
 * (Eisenstein et al. 2023, arXiv:2312.09244; TRL's center_rewards_coefficient), 0 = none. */
#ifndef PT_OBJECTIVE_PAIR_SCORES_H
#define PT_OBJECTIVE_PAIR_SCORES_H
#include "base/loss_core.h"

/* The loss of one pair; dL/dc and dL/dr are added to what is there. */
PT_HD double pt_pair_loss(double c, double r, double margin, double center, double *dc, double *dr)
{
    double u = c - r - margin, sum = c + r, d = pt_sigmoid(-u);
    *dc += -d + 2 * center * sum;
    *dr += d + 2 * center * sum;
    return pt_softplus(-u) + center * sum * sum;
}
#endif

#if defined(PT_OBJECTIVE_DECLARE) && !defined(PT_OBJECTIVE_PAIR_DECLARED)
#define PT_OBJECTIVE_PAIR_DECLARED
#define PT_OPTION_CENTER                                                                                                                             \
    {                                                                                                                                                \
        "center_rewards_coefficient", PT_OPTION_NUMBER, "0", 0, 1e3, .effect = PT_EFFECT_SAID,                                                       \
        .help = "reward: this times the square of the sum of a pair's scores is added to the loss, which keeps scores around 0."                     \
    }
#define PT_OPTION_REWARD_MARGIN                                                                                                                      \
    {                                                                                                                                                \
        "reward_margin", PT_OPTION_NUMBER, "0", -1e6, 1e6, .effect = PT_EFFECT_SAID,                                                                 \
        .help = "reward: the margin by which the better answer is to be ahead, of every pair; a pair's own (field_margin) is added to it."           \
    }
#define PT_OPTION_ADAPTIVE                                                                                                                           \
    {                                                                                                                                                \
        "adaptive_margin", PT_OPTION_WORD, NULL, .words = pt_adaptive_words, .effect = PT_EFFECT_SAID,                                               \
        .help = "reward, ChARM-style: a pair's margin from the model's own log-probabilities, by its vocabulary head in the same pass. ld: how much " \
                "likelier it finds the better answer, a token; pr: how much more than the reference it prefers that answer."                         \
    }
static const pt_word pt_adaptive_words[] = {{"ld", 1}, {"pr", 2}, {NULL, 0}};
#endif
