/* unlikelihood: tokens of desirable answers are made likelier, those of undesirable ones less likely. Welleck et al. 2019 (arXiv:1908.04319) eq. 5 on the
 * answers that a verdict names, as in Li et al. 2020 (arXiv:1911.03860), which used it for dialogue:
 *   L = sum_m [ -y_m logp_m - alpha (1 - y_m) log(1 - p_m) ] / M,   p_m = exp(logp_m), M the number of tokens (each by its record's weight) of the step
 * y: the share of the token that is imitated, its loss weight in a desirable answer and 0 in an undesirable one. 1 - p is taken to be 1e-5 at least, and
 * the slope past that is 0 (ours: what the model is sure of has no finite loss). No reference. */
#ifndef PT_OBJECTIVE_UNLIKELIHOOD_CORE_H
#define PT_OBJECTIVE_UNLIKELIHOOD_CORE_H
#include "base/loss_core.h"

enum { pt_unlikelihood_by_rows = 1 };
enum { PT_UNLIKELIHOOD_ALPHA, pt_unlikelihood_n_options };
enum { PT_UNLIKELIHOOD_COL_IMITATE, pt_unlikelihood_n_columns };
enum { PT_UNLIKELIHOOD_NLL, PT_UNLIKELIHOOD_LOSS, PT_UNLIKELIHOOD_IMITATED, pt_unlikelihood_n_metrics };
PT_HD double pt_core_unlikelihood(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double y = a->column[PT_UNLIKELIHOOD_COL_IMITATE], shun = s->option[PT_UNLIKELIHOOD_ALPHA] * (1 - y), rest = -expm1(a->logp), least = 1e-5;
    (void)n;
    a->dlogp = -y + (rest > least ? shun * exp(a->logp) / rest : 0);
    rest = rest < least ? least : rest; /* what is no number stays one */
    metric[PT_UNLIKELIHOOD_NLL] = -y * a->logp;
    metric[PT_UNLIKELIHOOD_LOSS] = -(1 - y) * log(rest);
    metric[PT_UNLIKELIHOOD_IMITATED] = y;
    return -y * a->logp - shun * log(rest);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_unlikelihood = {
    .name = "unlikelihood",
    .help = "desirable answers likelier, undesirable ones less likely, token by token",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_unlikelihood_by_rows,
    .answers = 1,
    .verdicts = true,
    .mean = PT_MEAN_ROWS,
    .data = "unpaired",
    .n_columns = pt_unlikelihood_n_columns,
    .columns = {[PT_UNLIKELIHOOD_COL_IMITATE] = PT_COLUMN_IMITATE},
    .n_options = pt_unlikelihood_n_options,
    .options = {[PT_UNLIKELIHOOD_ALPHA] = {"unlikelihood_alpha", PT_OPTION_NUMBER, "1", 0, 1e3, .effect = PT_EFFECT_SAID,
                                           .help = "unlikelihood: weight of the loss of tokens that are to become less likely."}},
    .n_metrics = pt_unlikelihood_n_metrics,
    .metrics = {[PT_UNLIKELIHOOD_NLL] = {.name = "nll"}, [PT_UNLIKELIHOOD_LOSS] = {.name = "unlikelihood"}, [PT_UNLIKELIHOOD_IMITATED] = {.name = "imitated"}},
};
#endif
