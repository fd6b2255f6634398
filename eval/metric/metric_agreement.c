/* Agreement of picks with the rows beyond chance. */
#include <math.h>

#include "eval/metric/classes.h"
#include "eval/metric/metric.h"

static double squares(const double *v, int k)
{
    double sum = 0;
    for (int i = 0; i < k; i++) sum += v[i] * v[i];
    return sum;
}

static double products(const double *v, const double *w, int k)
{
    double sum = 0;
    for (int i = 0; i < k; i++) sum += v[i] * w[i];
    return sum;
}

/* Matthews' correlation of several classes (Gorodkin 2004's R_K), as scikit-learn 1.9.1's matthews_corrcoef: 0 where rows or picks are all of one
 * class. What names no class is a class more. */
static double mcc(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    const double all = x.n * x.n, gold = all - squares(x.gold, x.k), picked = all - squares(x.picked, x.k) - x.unread * x.unread;
    return gold * picked > 0 ? (x.right * x.n - products(x.gold, x.picked, x.k)) / sqrt(gold * picked) : 0;
}

/* Cohen's kappa (1960), as cohen_kappa_score: 1 - (1 - share right) / (1 - share right by chance); undefined where all are of one class on both sides. What
 * names no class is a class more. */
static double kappa(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    const double chance = x.n * x.n - products(x.gold, x.picked, x.k);
    return chance > 0 ? 1 - (x.n - x.right) * x.n / chance : NAN;
}

/* Weighted by the distance of classes in their order (1968): |i - j|, or its square. Of answers that name a class. */
static double weighted(const pt_pick *const *c, size_t n, size_t *counted, bool squared)
{
    pt_classes x;
    double seen = 0, chance = 0, m = 0, i1[2] = {0}, i2[2] = {0}, below[2] = {0};
    *counted = 0;
    if (!n || !c[0]->ordered || !pt_classes_count(c, n, &x)) return NAN;
    m = x.n - x.unread;
    *counted = (size_t)m;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)(c[i]->gold - c[i]->picked));
        if (c[i]->picked >= 0) seen += squared ? d * d : d;
    }
    for (int k = 0; k < x.k; k++) {
        const double v[2] = {x.gold_read[k], x.picked[k]};
        for (int s = 0; s < 2; s++) i1[s] += k * v[s], i2[s] += (double)k * k * v[s], below[s] += v[s];
        if (!squared) chance += below[0] * (m - below[1]) + below[1] * (m - below[0]); /* pairs that a step between k and k + 1 parts */
    }
    if (squared) chance = m * (i2[0] + i2[1]) - 2 * i1[0] * i1[1];
    return chance > 0 ? 1 - seen * m / chance : NAN;
}

static double kappa_linear(const pt_pick *const *c, size_t n, size_t *counted)
{
    return weighted(c, n, counted, false);
}
static double kappa_quadratic(const pt_pick *const *c, size_t n, size_t *counted)
{
    return weighted(c, n, counted, true);
}

/* Krippendorff's alpha (2004) of two raters, the rows and the picks, as krippendorff 0.8.1: 1 - (2m - 1) sum of d(gold, pick) over items, twice, / sum over
 * classes i, j of n_i n_j d(i, j), n_i both sides' together, m items. d: nominal [i != j], ordinal the square of what lies between, (n_i + n_j) / 2 + sum
 * of those between. Answers that name no class are missing. */
static double alpha(const pt_pick *const *c, size_t n, size_t *counted, bool ordinal)
{
    pt_classes x;
    double both[PT_CLASSES_MOST], mid[PT_CLASSES_MOST], below = 0, seen = 0, chance = 0, m1 = 0, m2 = 0;
    *counted = 0;
    if (!n || (ordinal && !c[0]->ordered) || !pt_classes_count(c, n, &x)) return NAN;
    const double m = x.n - x.unread;
    *counted = (size_t)m;
    for (int k = 0; k < x.k; k++) {
        both[k] = x.gold_read[k] + x.picked[k];
        mid[k] = below + both[k] / 2;
        below += both[k];
        m1 += both[k] * mid[k];
        m2 += both[k] * mid[k] * mid[k];
    }
    for (size_t i = 0; i < n && ordinal; i++) {
        if (c[i]->picked < 0) continue;
        const double d = mid[c[i]->gold] - mid[c[i]->picked];
        seen += d * d;
    }
    if (!ordinal) seen = m - x.right;
    chance = 4 * m * m - squares(both, x.k); /* 0 where all are of one class */
    if (!(chance > 0)) return NAN;
    if (ordinal) chance = 2 * (2 * m * m2 - m1 * m1);
    return 1 - (2 * m - 1) * 2 * seen / chance;
}

static double alpha_nominal(const pt_pick *const *c, size_t n, size_t *counted)
{
    return alpha(c, n, counted, false);
}
static double alpha_ordinal(const pt_pick *const *c, size_t n, size_t *counted)
{
    return alpha(c, n, counted, true);
}

const pt_metric_kind pt_metric_kind_mcc = {.key = "mcc", .label = "Matthews correlation", .form = PT_FORM_SCORE, .better = 1, .choices = mcc};
const pt_metric_kind pt_metric_kind_kappa = {.key = "kappa", .label = "Cohen's kappa", .form = PT_FORM_SCORE, .better = 1, .choices = kappa};
const pt_metric_kind pt_metric_kind_kappa_linear = {.key = "kappa_linear", .label = "kappa, linear weights", .form = PT_FORM_SCORE, .better = 1, .choices = kappa_linear};
const pt_metric_kind pt_metric_kind_kappa_quadratic = {.key = "kappa_quadratic", .label = "kappa, quadratic weights", .form = PT_FORM_SCORE, .better = 1,
                                                       .choices = kappa_quadratic};
const pt_metric_kind pt_metric_kind_alpha_nominal = {.key = "alpha_nominal", .label = "Krippendorff's alpha", .form = PT_FORM_SCORE, .better = 1,
                                                     .choices = alpha_nominal};
const pt_metric_kind pt_metric_kind_alpha_ordinal = {.key = "alpha_ordinal", .label = "Krippendorff's alpha, ordinal", .form = PT_FORM_SCORE, .better = 1,
                                                     .choices = alpha_ordinal};
