/* Agreement of picks with the rows beyond chance. */
#include <math.h>

#include "eval/metric/classes.h"
#include "eval/metric/metric.h"
#include "eval/stat/agreement.h"

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

/* Rows and picks as two raters (eval/stat/agreement.h). What names no class is a class more. */
static double kappa(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    return pt_kappa_of_counts(PT_AGREE_KAPPA, NULL, x.gold, x.picked, (size_t)x.k, x.n, x.n - x.right);
}

/* Weighted by the distance of classes in their order: |i - j|, or its square. Of answers that name a class. */
static double weighted(const pt_pick *const *c, size_t n, size_t *counted, pt_agree weights)
{
    pt_classes x;
    double seen = 0;
    *counted = 0;
    if (!n || !c[0]->ordered || !pt_classes_count(c, n, &x)) return NAN;
    *counted = (size_t)(x.n - x.unread);
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)(c[i]->gold - c[i]->picked));
        if (c[i]->picked >= 0) seen += weights == PT_AGREE_KAPPA_QUADRATIC ? d * d : d;
    }
    return pt_kappa_of_counts(weights, NULL, x.gold_read, x.picked, (size_t)x.k, x.n - x.unread, seen);
}

static double kappa_linear(const pt_pick *const *c, size_t n, size_t *counted)
{
    return weighted(c, n, counted, PT_AGREE_KAPPA_LINEAR);
}
static double kappa_quadratic(const pt_pick *const *c, size_t n, size_t *counted)
{
    return weighted(c, n, counted, PT_AGREE_KAPPA_QUADRATIC);
}

/* Krippendorff's alpha of two raters, the rows and the picks (eval/stat/agreement.h). Answers that name no class are missing. */
static double alpha(const pt_pick *const *c, size_t n, size_t *counted, bool ordinal)
{
    pt_classes x;
    double both[PT_CLASSES_MOST], score[PT_CLASSES_MOST], seen = 0;
    *counted = 0;
    if (!n || (ordinal && !c[0]->ordered) || !pt_classes_count(c, n, &x)) return NAN;
    const double m = x.n - x.unread;
    *counted = (size_t)m;
    for (int k = 0; k < x.k; k++) both[k] = x.gold_read[k] + x.picked[k];
    pt_ordinal_scores(both, (size_t)x.k, score);
    for (size_t i = 0; i < n && ordinal; i++) {
        if (c[i]->picked < 0) continue;
        const double d = score[c[i]->gold] - score[c[i]->picked];
        seen += d * d;
    }
    if (!ordinal) seen = m - x.right;
    const double chance = pt_spread(ordinal ? score : NULL, both, (size_t)x.k); /* 0 where all are of one class */
    return pt_spread(NULL, both, (size_t)x.k) > 0 ? 1 - (2 * m - 1) * 2 * seen / chance : NAN;
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
