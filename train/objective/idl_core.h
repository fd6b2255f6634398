/* idl: DPO with a criterion, in the style of In-Dialogue Learning's DPOC (Cheng et al. 2024, arXiv:2403.03102; its own equation was not found, this one is ours). A
 * record has a third answer, the criterion, and the chosen one's implicit reward is held above the criterion's, so that the chosen answer does not grow
 * unlikely while the margin grows:
 *   L = L_dpo + lambda max(0, d_criterion - d_chosen), d = beta (logp - ref), lambda: criterion_weight
 * L_dpo: dpo's losses of `loss_type` (train/objective/pair_losses.h), but those that sort the step and WPO's weights; ld_alpha goes by the shortest of the three answers. At equality the second term gives no gradient. A
 * run that begins at its reference begins there: where the reference was computed beforehand, rounding decides that term's first gradient. */
#ifndef PT_OBJECTIVE_IDL_CORE_H
#define PT_OBJECTIVE_IDL_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_idl_by_rows = 0 };
enum { PT_IDL_WEIGHT = pt_pair_n_options, pt_idl_n_options };
enum { PT_IDL_CRITERION = pt_pair_n_metrics, PT_IDL_BELOW, PT_IDL_LOGP_CRITERION, PT_IDL_APART, pt_idl_n_metrics };
PT_HD double pt_core_idl(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = pt_pair_core(s, a, metric), beta = s->option[PT_PAIR_BETA], weight = s->option[PT_IDL_WEIGHT];
    if (n < 3) return loss;
    double chosen = beta * (a[0].logp - a[0].reference), criterion = beta * (a[2].logp - a[2].reference), below = criterion - chosen;
    if (below > 0) {
        a[0].dlogp -= weight * beta;
        a[2].dlogp = weight * beta;
    }
    metric[PT_IDL_CRITERION] = criterion;
    metric[PT_IDL_BELOW] = below > 0 ? 1 : 0;
    metric[PT_IDL_LOGP_CRITERION] = a[2].logp;
    metric[PT_IDL_APART] = fabs(below);
    return loss + (below > 0 ? weight * below : below < 0 ? 0 : below); /* what is no number stays none */
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include "train/objective/pair_options.h"

static const char *pt_idl_check(const pt_core_step *s, const pt_option_value *values)
{
    if (s->list[PT_LOSS_AOT - 1] != 0 || s->list[PT_LOSS_AOT_UNPAIRED - 1] != 0) return "idl has no loss_type aot or aot_unpaired, which sort the step; take another";
    if (s->option[PT_PAIR_WEIGHTING] != 0) return "idl has no use_weighting; leave it out";
    return pt_pair_check(s, values);
}

static const pt_objective pt_objective_idl = {
    .name = "idl",
    .help = "preference pairs with a criterion answer, IDL-style",
    .channels = PT_CHANNEL_LOGP,
    .answers = 3,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .reference_option = PT_PAIR_REFERENCE,
    .data = "preference",
    .n_columns = pt_pair_n_columns,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin"},
    .n_options = pt_idl_n_options,
    .options = {PT_PAIR_OPTION_ROWS,
                [PT_IDL_WEIGHT] = {"criterion_weight", PT_OPTION_NUMBER, "1", 0, 1e6, .effect = PT_EFFECT_SAID,
                                   .help = "idl: weight of max(0, reward of the criterion - reward of the chosen answer), which joins the loss."}},
    .list_option = PT_PAIR_LOSS + 1,
    .list_weights_option = PT_PAIR_WEIGHTS + 1,
    .tail_option = PT_PAIR_LD + 1,
    .check = pt_idl_check,
    .n_metrics = pt_idl_n_metrics,
    .metrics = {PT_PAIR_METRIC_ROWS,
                [PT_IDL_CRITERION] = {.name = "rewards/criterion"},
                [PT_IDL_BELOW] = {.name = "criterion/below"},
                [PT_IDL_LOGP_CRITERION] = {.name = "logps/criterion"},
                [PT_IDL_APART] = {.reduce = PT_REDUCE_MAX, .zero_at_start = true}},
};
#endif
