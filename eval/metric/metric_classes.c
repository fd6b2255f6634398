/* How well picks tell classes apart, of all picks of a scope: F1 and its means, as scikit-learn 1.9.1 computes them (f1_score, balanced_accuracy_score; of
 * the classes that stand in the rows or were picked, zero_division = 0). An answer that names no class misses its own and takes no other's place. */
#include <math.h>

#include "eval/metric/classes.h"
#include "eval/metric/metric.h"

bool pt_classes_count(const pt_pick *const *c, size_t n, pt_classes *x)
{
    x->k = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i]->n > x->k) x->k = c[i]->n;
    if (!x->k || x->k > PT_CLASSES_MOST) return false;
    x->n = (double)n;
    x->right = x->unread = 0;
    for (int k = 0; k < x->k; k++) x->gold[k] = x->picked[k] = x->hit[k] = x->gold_read[k] = 0;
    for (size_t i = 0; i < n; i++) {
        const int gold = c[i]->gold, picked = c[i]->picked;
        if (gold < 0) return false;
        x->gold[gold]++;
        if (picked < 0) {
            x->unread++;
            continue;
        }
        x->gold_read[gold]++;
        x->picked[picked]++;
        x->hit[gold] += gold == picked;
        x->right += gold == picked;
    }
    return true;
}

static double share(double a, double b)
{
    return b > 0 ? a / b : 0;
}

double pt_class_f1(const pt_classes *x, int k)
{
    return share(2 * x->hit[k], x->gold[k] + x->picked[k]);
}

double pt_class_precision(const pt_classes *x, int k)
{
    return share(x->hit[k], x->picked[k]);
}

double pt_class_recall(const pt_classes *x, int k)
{
    return share(x->hit[k], x->gold[k]);
}

bool pt_class_met(const pt_classes *x, int k)
{
    return x->gold[k] + x->picked[k] > 0;
}

static double f1_macro(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    double sum = 0;
    int met = 0;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    for (int k = 0; k < x.k; k++) met += pt_class_met(&x, k), sum += pt_class_f1(&x, k);
    return sum / met;
}

/* From the counts of all classes together. */
static double f1_micro(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    return 2 * x.right / (2 * x.n - x.unread);
}

/* The mean by how often a class stands in the rows. */
static double f1_weighted(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    double sum = 0;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    for (int k = 0; k < x.k; k++) sum += x.gold[k] * pt_class_f1(&x, k);
    return sum / x.n;
}

static double f1_positive(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    *counted = n;
    if (!n || !c[0]->positive || !pt_classes_count(c, n, &x) || c[0]->positive > x.k) return NAN;
    return pt_class_f1(&x, c[0]->positive - 1);
}

/* The mean recall of the classes that stand in the rows. */
static double balanced_acc(const pt_pick *const *c, size_t n, size_t *counted)
{
    pt_classes x;
    double sum = 0;
    int there = 0;
    *counted = n;
    if (!pt_classes_count(c, n, &x)) return NAN;
    for (int k = 0; k < x.k; k++) there += x.gold[k] > 0, sum += pt_class_recall(&x, k);
    return sum / there;
}

const pt_metric_kind pt_metric_kind_f1_macro = {.key = "f1_macro", .label = "F1, mean of the classes (macro)", .form = PT_FORM_SHARE, .better = 1, .choices = f1_macro};
const pt_metric_kind pt_metric_kind_f1_micro = {.key = "f1_micro", .label = "F1, all classes together (micro)", .form = PT_FORM_SHARE, .better = 1, .choices = f1_micro};
const pt_metric_kind pt_metric_kind_f1_weighted = {.key = "f1_weighted", .label = "F1, mean by a class's rows (weighted)", .form = PT_FORM_SHARE, .better = 1,
                                                   .choices = f1_weighted};
const pt_metric_kind pt_metric_kind_f1_positive = {.key = "f1_positive", .label = "F1 of the positive class", .form = PT_FORM_SHARE, .better = 1,
                                                   .choices = f1_positive};
const pt_metric_kind pt_metric_kind_balanced_acc = {.key = "balanced_acc", .label = "balanced accuracy (mean recall)", .form = PT_FORM_SHARE, .better = 1,
                                                    .choices = balanced_acc};
