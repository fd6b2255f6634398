/* Log-probabilities as they are, not among the options: of the right one, of all together. In nats. */
#include <math.h>

#include "eval/metric/metric.h"

/* The right option's log-probability less the highest other one's. */
static double margin(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        double other = -INFINITY;
        if (!c[i]->logp || c[i]->gold < 0) continue;
        for (int k = 0; k < c[i]->n; k++)
            if (k != c[i]->gold) other = fmax(other, c[i]->logp[k]);
        sum += c[i]->logp[c[i]->gold] - other;
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

/* exp(mean over items of -log p(right option)): 1 = always certain (Athey et al. 2024, "LABOR-LLM", section 4). */
static void perplexity_add(const pt_pick *const *c, size_t n, double *sums)
{
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->logp || c[i]->gold < 0) continue;
        sums[0] -= c[i]->logp[c[i]->gold];
        sums[1]++;
    }
}

static double perplexity_value(const double *sums)
{
    return sums[1] > 0 ? exp(sums[0] / sums[1]) : NAN;
}

static double perplexity(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sums[2] = {0};
    perplexity_add(c, n, sums);
    *counted = (size_t)sums[1];
    return perplexity_value(sums);
}

/* Sum over an item's options of their probabilities: how much of what could be said they are. */
static double mass(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->logp) continue;
        for (int k = 0; k < c[i]->n; k++) sum += exp(c[i]->logp[k]);
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

const pt_metric_kind pt_metric_kind_margin = {.key = "margin", .label = "nats above the other answer", .form = PT_FORM_SCORE, .better = 1, .choices = margin,
                                              .mean = true};
const pt_metric_kind pt_metric_kind_gold_perplexity = {.key = "gold_perplexity", .label = "perplexity of the right option", .form = PT_FORM_RATIO, .better = -1,
                                                       .choices = perplexity, .sums = 2, .add = perplexity_add, .of_sums = perplexity_value};
const pt_metric_kind pt_metric_kind_mass = {.key = "mass", .label = "probability of all options together", .form = PT_FORM_SHARE, .better = 0, .choices = mass,
                                            .mean = true};
