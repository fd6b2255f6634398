/* Log-likelihood of the reference answers: under the role's own profile, under another's, and what follows from the two. */
#include <math.h>

#include "eval/metric/metric.h"

static pt_status own_row(const pt_metric_row *r, double *sums)
{
    if (r->answer->tokens_own <= 0) return PT_OK;
    sums[0] += r->answer->nll_own;
    sums[1] += (double)r->answer->tokens_own;
    return PT_OK;
}
static pt_status other_row(const pt_metric_row *r, double *sums)
{
    if (r->answer->tokens_other <= 0) return PT_OK;
    sums[0] += r->answer->nll_other;
    sums[1] += (double)r->answer->tokens_other;
    return PT_OK;
}
static double perplexity(const pt_measures *m)
{
    return exp(m->v[PT_METRIC_NLL_OWN]);
}
static double gap(const pt_measures *m)
{
    return m->v[PT_METRIC_NLL_OTHER] - m->v[PT_METRIC_NLL_OWN];
}

const pt_metric_kind pt_metric_kind_perplexity = {.key = "perplexity", .label = "perplexity of the reference answers", .form = PT_FORM_RATIO, .better = -1, .derived = perplexity};
const pt_metric_kind pt_metric_kind_nll_own = {.key = "nll_own", .label = "nats a token, own profile", .form = PT_FORM_SCORE, .better = -1, .row = own_row};
const pt_metric_kind pt_metric_kind_nll_other = {.key = "nll_other", .label = "nats a token, another role's profile", .form = PT_FORM_SCORE, .better = 0, .row = other_row};
const pt_metric_kind pt_metric_kind_nll_gap = {.key = "nll_gap", .label = "  difference, other - own", .form = PT_FORM_SCORE, .better = 1, .derived = gap};
