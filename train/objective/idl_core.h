/* idl: DPO with a criterion, in the style of In-Dialogue Learning's DPOC (Cheng et al. 2024, arXiv:2403.03102; its own equation was not found, this one is ours). A
 * record has a third answer, the criterion, and the chosen one's implicit reward is held above the criterion's, so that the chosen answer does not grow
 * unlikely while the margin grows:
 *   d = beta (logp - ref);   L = softplus(-(d_chosen - d_rejected)) + lambda max(0, d_criterion - d_chosen)
 * The first term is dpo's sigmoid loss (dpo_core.h); at equality the second gives no gradient. A run that begins at its reference begins there: where the reference was
 * computed beforehand, rounding decides the second term's first gradient. */
#ifndef PT_OBJECTIVE_IDL_CORE_H
#define PT_OBJECTIVE_IDL_CORE_H
#include "base/loss_core.h"

enum { pt_idl_by_rows = 0 };
enum { PT_IDL_BETA, PT_IDL_REFERENCE, PT_IDL_WEIGHT, pt_idl_n_options };
enum {
    PT_IDL_CHOSEN, PT_IDL_REJECTED, PT_IDL_CRITERION, PT_IDL_MARGIN, PT_IDL_ACCURACY, PT_IDL_BELOW, PT_IDL_LOGP_CHOSEN, PT_IDL_LOGP_REJECTED, PT_IDL_LOGP_CRITERION,
    PT_IDL_APART, pt_idl_n_metrics
};
PT_HD double pt_core_idl(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_IDL_BETA], weight = s->option[PT_IDL_WEIGHT];
    double chosen = beta * (a[0].logp - a[0].reference), rejected = beta * (a[1].logp - a[1].reference), u = chosen - rejected;
    double criterion = n > 2 ? beta * (a[2].logp - a[2].reference) : chosen, below = criterion - chosen;
    a[0].dlogp = -beta * pt_sigmoid(-u);
    a[1].dlogp = -a[0].dlogp;
    if (below > 0) {
        a[0].dlogp -= weight * beta;
        a[2].dlogp = weight * beta;
    }
    metric[PT_IDL_CHOSEN] = chosen;
    metric[PT_IDL_REJECTED] = rejected;
    metric[PT_IDL_CRITERION] = criterion;
    metric[PT_IDL_MARGIN] = u;
    metric[PT_IDL_ACCURACY] = u > 0 ? 1 : 0;
    metric[PT_IDL_BELOW] = below > 0 ? 1 : 0;
    metric[PT_IDL_LOGP_CHOSEN] = a[0].logp;
    metric[PT_IDL_LOGP_REJECTED] = a[1].logp;
    metric[PT_IDL_LOGP_CRITERION] = n > 2 ? a[2].logp : 0;
    metric[PT_IDL_APART] = fmax(fabs(u), fabs(below));
    return pt_softplus(-u) + (below > 0 ? weight * below : below < 0 ? 0 : below); /* what is no number stays none */
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_idl = {
    .name = "idl",
    .help = "preference pairs with a criterion answer, IDL-style",
    .channels = PT_CHANNEL_LOGP,
    .answers = 3,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_IDL_REFERENCE,
    .data = "preference",
    .n_options = pt_idl_n_options,
    .options = {[PT_IDL_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,
                                 .help = "DPO's beta: how dear it is to leave the reference."},
                [PT_IDL_REFERENCE] = {"dpo_reference", PT_OPTION_WORD, NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID, .help = "As dpo's."},
                [PT_IDL_WEIGHT] = {"criterion_weight", PT_OPTION_NUMBER, "1", 0, 1e6, .effect = PT_EFFECT_SAID,
                                   .help = "idl: weight of max(0, reward of the criterion - reward of the chosen answer), which joins the loss."}},
    .n_metrics = pt_idl_n_metrics,
    .metrics = {[PT_IDL_CHOSEN] = {.name = "rewards/chosen"},
                [PT_IDL_REJECTED] = {.name = "rewards/rejected"},
                [PT_IDL_CRITERION] = {.name = "rewards/criterion"},
                [PT_IDL_MARGIN] = {.name = "rewards/margins"},
                [PT_IDL_ACCURACY] = {.name = "rewards/accuracies"},
                [PT_IDL_BELOW] = {.name = "criterion/below"},
                [PT_IDL_LOGP_CHOSEN] = {.name = "logps/chosen"},
                [PT_IDL_LOGP_REJECTED] = {.name = "logps/rejected"},
                [PT_IDL_LOGP_CRITERION] = {.name = "logps/criterion"},
                [PT_IDL_APART] = {.reduce = PT_REDUCE_MAX, .zero_at_start = true}},
};
#endif
