/* both: an objective that stands nowhere but here, for tests/cli/plant.sh: records of any number of answers (pairs here), on two heads at once.
 *   L = softplus(r - c) on the scores of the better and the worse answer, and a tenth of the better one's mean -log-probability. */
#ifndef PT_PLANT_BOTH_CORE_H
#define PT_PLANT_BOTH_CORE_H
#include "base/loss_core.h"

enum { pt_both_by_rows = 0 };
enum { PT_BOTH_GAP, PT_BOTH_NLL, pt_both_n_metrics };
PT_HD double pt_core_both(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double u = a[1].score - a[0].score, nll = -a[0].logp / a[0].tokens;
    a[0].dscore = -pt_sigmoid(u);
    a[1].dscore = pt_sigmoid(u);
    a[0].dlogp = -0.1 / a[0].tokens;
    metric[PT_BOTH_GAP] = -u;
    metric[PT_BOTH_NLL] = nll;
    return pt_softplus(u) + 0.1 * nll;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_both = {
    .name = "both",
    .help = "scores and log-probabilities of pairs",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_SCORE,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .n_metrics = pt_both_n_metrics,
    .metrics = {[PT_BOTH_GAP] = {.name = "both/gap"}, [PT_BOTH_NLL] = {.name = "both/nll"}},
};
#endif
