/* Log-likelihood of the reference answers: under the role's own profile, under another's, and what follows from the two. */
#include <math.h>

#include "eval/metric.h"

static pt_status own_row(const pt_metric_row *r, pt_metric_sum *s)
{
    if (r->answer->tokens_own <= 0) return PT_OK;
    s->sum += r->answer->nll_own;
    s->weight += (double)r->answer->tokens_own;
    return PT_OK;
}
static pt_status other_row(const pt_metric_row *r, pt_metric_sum *s)
{
    if (r->answer->tokens_other <= 0) return PT_OK;
    s->sum += r->answer->nll_other;
    s->weight += (double)r->answer->tokens_other;
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

const pt_metric_kind pt_metric_kind_perplexity = {"perplexity", "perplexity of the reference answers", PT_FORM_RATIO, -1, .derived = perplexity};
const pt_metric_kind pt_metric_kind_nll_own = {"nll_own", "nats a token, own profile", PT_FORM_SCORE, -1, .row = own_row};
const pt_metric_kind pt_metric_kind_nll_other = {"nll_other", "nats a token, another role's profile", PT_FORM_SCORE, 0, .row = other_row};
const pt_metric_kind pt_metric_kind_nll_gap = {"nll_gap", "  difference, other - own", PT_FORM_SCORE, 1, .derived = gap};
