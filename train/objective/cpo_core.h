/* cpo: preference pairs without a reference, beside the likelihood of the chosen answers. Xu et al. 2024 (arXiv:2401.08417) eq. 3; as TRL 1.16's CPOTrainer.
 * With l the sum of log-probabilities over an answer's tokens, of ipo, simpo and alphapo their mean, c and r of chosen and rejected, q = label_smoothing:
 *   R(l) = l, or with alpha not 0 (1 - e^(-alpha l)) / alpha (AlphaPO: Gupta et al. 2025, arXiv:2501.03884);   h = R(c) - R(r)
 *   sigmoid          softplus(-beta h) (1 - q) + softplus(beta h) q
 *   hinge            max(0, 1 - beta h)
 *   ipo              (h - 1 / (2 beta))^2        (Azar et al. 2023, arXiv:2310.12036, eq. 17)
 *   simpo, alphapo   as sigmoid with h - simpo_gamma / beta (Meng et al. 2024, arXiv:2405.14734, eq. 6); alphapo has cpo_alpha 0
 *   L = that + cpo_alpha NLL,   NLL = -sum log-probabilities / sum tokens, over the chosen answers of the step */
#ifndef PT_OBJECTIVE_CPO_CORE_H
#define PT_OBJECTIVE_CPO_CORE_H
#include <stdbool.h>

#include "train/objective/loss_types.h"
#include "train/objective/pair_mean.h"

enum { pt_cpo_by_rows = 0 };
enum { PT_CPO_TYPE, PT_CPO_BETA, PT_CPO_SMOOTHING, PT_CPO_ALPHA, PT_CPO_GAMMA, PT_CPO_REWARD, pt_cpo_n_options };
enum { PT_CPO_CHOSEN, PT_CPO_REJECTED, PT_CPO_ACCURACY, PT_CPO_MARGIN, PT_CPO_LOGP_CHOSEN, PT_CPO_LOGP_REJECTED, PT_CPO_NLL, pt_cpo_n_metrics };
PT_HD double pt_core_cpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    bool hinge = s->list[PT_LOSS_HINGE - 1] > 0, ipo = s->list[PT_LOSS_IPO - 1] > 0, alphapo = s->list[PT_LOSS_ALPHAPO - 1] > 0;
    bool simpo = alphapo || s->list[PT_LOSS_SIMPO - 1] > 0, mean = ipo || simpo;
    double beta = s->option[PT_CPO_BETA], q = s->option[PT_CPO_SMOOTHING], alpha = s->option[PT_CPO_REWARD], cpo_alpha = alphapo ? 0 : s->option[PT_CPO_ALPHA];
    double l[2], reward[2], slope[2], nll = 0, loss, d;
    for (int k = 0; k < 2; k++) {
        double each = mean ? 1 / a[k].tokens : 1;
        l[k] = each * a[k].logp;
        reward[k] = alpha != 0 ? -expm1(-alpha * l[k]) / alpha : l[k];
        slope[k] = each * (alpha != 0 ? exp(-alpha * l[k]) : 1);
    }
    double h = reward[0] - reward[1] - (simpo ? s->option[PT_CPO_GAMMA] / beta : 0);
    if (hinge) {
        loss = beta * h < 1 ? 1 - beta * h : 0;
        d = beta * h < 1 ? -beta : 0;
    } else if (ipo) {
        loss = (h - 1 / (2 * beta)) * (h - 1 / (2 * beta));
        d = 2 * (h - 1 / (2 * beta));
    } else {
        loss = pt_softplus(-beta * h) * (1 - q) + (q > 0 ? pt_softplus(beta * h) * q : 0);
        d = beta * (q * pt_sigmoid(beta * h) - (1 - q) * pt_sigmoid(-beta * h));
    }
    if (h != h) loss = h; /* what is no number stays one */
    a[0].dlogp = d * slope[0];
    a[1].dlogp = -d * slope[1];
    if (cpo_alpha > 0) nll = pt_pair_nll(s, a, 0, cpo_alpha);
    metric[PT_CPO_CHOSEN] = beta * reward[0];
    metric[PT_CPO_REJECTED] = beta * reward[1];
    metric[PT_CPO_ACCURACY] = beta * reward[0] > beta * reward[1] ? 1 : 0;
    metric[PT_CPO_MARGIN] = beta * (reward[0] - reward[1]);
    metric[PT_CPO_LOGP_CHOSEN] = l[0];
    metric[PT_CPO_LOGP_REJECTED] = l[1];
    metric[PT_CPO_NLL] = nll;
    return loss + cpo_alpha * nll;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const char *pt_cpo_check(const pt_core_step *s, const pt_option_value *values)
{
    int chosen = 0;
    for (int k = 0; k < PT_CORE_LIST; k++) chosen += s->list[k] > 0;
    if (chosen > 1) return "objective cpo has one loss_type at a time: name one word";
    if (s->option[PT_CPO_SMOOTHING] > 0 && (s->list[PT_LOSS_HINGE - 1] > 0 || s->list[PT_LOSS_IPO - 1] > 0))
        return "label_smoothing does nothing with loss_type hinge or ipo of cpo: leave it out";
    if (s->option[PT_CPO_GAMMA] != 0.5 && !(s->list[PT_LOSS_SIMPO - 1] > 0 || s->list[PT_LOSS_ALPHAPO - 1] > 0))
        return "simpo_gamma does nothing without loss_type simpo or alphapo: leave it out, or say loss_type: simpo";
    return NULL;
}

static const pt_objective pt_objective_cpo = {
    .name = "cpo",
    .help = "preference pairs without a reference; simpo and alphapo",
    .channels = PT_CHANNEL_LOGP,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .list_option = 1 + PT_CPO_TYPE,
    .check = pt_cpo_check,
    .n_options = pt_cpo_n_options,
    .options = {[PT_CPO_TYPE] = {"loss_type", PT_OPTION_WORDS, "sigmoid", .words = pt_loss_type_words,
                                 .takes = 1u << PT_LOSS_SIGMOID | 1u << PT_LOSS_HINGE | 1u << PT_LOSS_IPO | 1u << PT_LOSS_SIMPO | 1u << PT_LOSS_ALPHAPO,
                                 .effect = PT_EFFECT_SAID, .help = "Form of the loss."},
                [PT_CPO_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,
                                 .help = "cpo: how steeply a margin counts."},
                [PT_CPO_SMOOTHING] = {"label_smoothing", PT_OPTION_NUMBER, "0", 0, 0.5, .effect = PT_EFFECT_SAID, .help = "Share of pairs that are taken to be the wrong way round."},
                [PT_CPO_ALPHA] = {"cpo_alpha", PT_OPTION_NUMBER, "1", 0, 1e6, .effect = PT_EFFECT_SAID, .help = "cpo: weight of the likelihood of the chosen answers."},
                [PT_CPO_GAMMA] = {"simpo_gamma", PT_OPTION_NUMBER, "0.5", 0, 1e6, .aliases = "rl_simpo_gamma", .effect = PT_EFFECT_SAID,
                                  .help = "cpo with loss_type simpo or alphapo: the margin that is asked for."},
                [PT_CPO_REWARD] = {"alpha", PT_OPTION_NUMBER, "0", -1e3, 1e3, .effect = PT_EFFECT_SAID, .help = "cpo: alpha of AlphaPO's reward; 0: log-probabilities."}},
    .n_metrics = pt_cpo_n_metrics,
    .metrics = {[PT_CPO_CHOSEN] = {.name = "rewards/chosen"}, [PT_CPO_REJECTED] = {.name = "rewards/rejected"},
                [PT_CPO_ACCURACY] = {.name = "rewards/accuracies"}, [PT_CPO_MARGIN] = {.name = "rewards/margins"},
                [PT_CPO_LOGP_CHOSEN] = {.name = "logps/chosen"}, [PT_CPO_LOGP_REJECTED] = {.name = "logps/rejected"}, [PT_CPO_NLL] = {.name = "nll_loss"}},
    .n_also = 1,
    .also = {{"rl", "cpo"}},
};
#endif
