/* Whether probabilities mean what they say. An item's probabilities are the softmax of its options' sums of log-probabilities. */
#include <math.h>

#include "eval/metric/metric.h"

void pt_softmax(const double *logp, int n, double *p)
{
    double top = logp[0], sum = 0;
    for (int k = 1; k < n; k++) top = fmax(top, logp[k]);
    for (int k = 0; k < n; k++) sum += p[k] = exp(logp[k] - top);
    for (int k = 0; k < n; k++) p[k] /= sum;
}

/* Mean over items of sum over options of (p - 1[right])^2 (lm-evaluation-harness 0.4.13, brier_score; Brier 1950). */
static double brier(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->p || c[i]->gold < 0) continue;
        for (int k = 0; k < c[i]->n; k++) {
            double d = c[i]->p[k] - (k == c[i]->gold);
            sum += d * d;
        }
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

/* Expected calibration error (Guo et al. 2017, eq. 3): confidence is the highest probability; ten bins (m/10, (m+1)/10] of it;
 * sum over bins of |items in it| / |items| * |share right - mean confidence|. */
enum { BINS = 10 };

/* sums: right less confidence of each bin, then items. */
static void ece_add(const pt_pick *const *c, size_t n, double *sums)
{
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->p || c[i]->gold < 0) continue;
        double p = c[i]->p[c[i]->picked];
        int b = (int)ceil(p * BINS) - 1;
        b = b < 0 ? 0 : b >= BINS ? BINS - 1 : b;
        sums[b] += (c[i]->picked == c[i]->gold) - p;
        sums[BINS]++;
    }
}

static double ece_value(const double *sums)
{
    double sum = 0;
    for (int b = 0; b < BINS; b++) sum += fabs(sums[b]);
    return sums[BINS] > 0 ? sum / sums[BINS] : NAN;
}

static double ece(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sums[BINS + 1] = {0};
    ece_add(c, n, sums);
    *counted = (size_t)sums[BINS];
    return ece_value(sums);
}

static double gold_probability(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->p || c[i]->gold < 0) continue;
        sum += c[i]->p[c[i]->gold];
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

const pt_metric_kind pt_metric_kind_gold_probability = {.key = "gold_probability", .label = "probability of the right option", .form = PT_FORM_SHARE,
                                                        .better = 1, .choices = gold_probability, .mean = true};
const pt_metric_kind pt_metric_kind_brier = {.key = "brier", .label = "Brier score", .form = PT_FORM_SCORE, .better = -1, .choices = brier, .mean = true};
const pt_metric_kind pt_metric_kind_ece = {.key = "ece", .label = "expected calibration error", .form = PT_FORM_SCORE, .better = -1, .choices = ece,
                                           .sums = BINS + 1, .add = ece_add, .of_sums = ece_value};
