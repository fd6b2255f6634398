/* How well the probability of a class tells its rows from the others, whatever the threshold, as scikit-learn 1.9.1 computes it: roc_auc_score (the chance
 * that a row of the class has the higher probability, a tie half) and average_precision_score (sum over thresholds of precision times what
 * recall gains there). Of the positive class; where none is named the mean over classes, each against the rest; of those that can be told, with rows of
 * their own and of others. */
#include <math.h>
#include <stdlib.h>

#include "eval/metric/metric.h"
#include "eval/stat/places.h"

/* Rows of a class and of others at each place of its probability. */
typedef struct counts {
    double *own, *other; /* [places] */
    uint32_t *place;     /* [n] */
    uint64_t *room;      /* [2n] */
    uint32_t places;
} counts;

static double below_curve(const counts *x)
{
    double wins = 0, other = 0, own = 0;
    for (uint32_t i = 0; i < x->places; i++) {
        wins += x->own[i] * (other + x->other[i] / 2);
        own += x->own[i];
        other += x->other[i];
    }
    return wins / (own * other);
}

static double mean_precision(const counts *x)
{
    double sum = 0, own = 0, all = 0;
    for (uint32_t i = x->places; i-- > 0;) {
        own += x->own[i];
        all += x->own[i] + x->other[i];
        if (x->own[i] > 0) sum += x->own[i] * own / all;
    }
    return sum / own;
}

static double of_class(const pt_pick *const *c, size_t n, int k, counts *x, double (*area)(const counts *x))
{
    size_t own = 0;
    for (size_t i = 0; i < n; i++) {
        own += c[i]->gold == k;
        x->place[i] = c[i]->place[k];
    }
    if (!own || own == n) return NAN;
    x->places = pt_places_narrow(x->place, n, c[0]->places, x->room);
    for (uint32_t i = 0; i < x->places; i++) x->own[i] = x->other[i] = 0;
    for (size_t i = 0; i < n; i++) (c[i]->gold == k ? x->own : x->other)[x->place[i]]++;
    return area(x);
}

/* NAN too where there is no memory for the counts. */
static double mean_of(const pt_pick *const *c, size_t n, size_t *counted, double (*area)(const counts *x))
{
    double sum = 0;
    int told = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++)
        if (!c[i]->place || c[i]->n != c[0]->n || c[i]->places != c[0]->places) return NAN;
    if (!n) return NAN;
    const size_t most = c[0]->places < 4 * n + 64 ? c[0]->places : 4 * n + 64;
    counts x;
    if (!(x.own = malloc(2 * most * sizeof *x.own + 2 * n * sizeof *x.room + n * sizeof *x.place))) return NAN;
    x.other = x.own + most;
    x.room = (uint64_t *)(x.other + most);
    x.place = (uint32_t *)(x.room + 2 * n);
    for (int k = 0; k < c[0]->n; k++) {
        if (c[0]->positive && k != c[0]->positive - 1) continue;
        const double v = of_class(c, n, k, &x, area);
        if (!isnan(v)) sum += v, told++;
    }
    free(x.own);
    *counted = n;
    return told ? sum / told : NAN;
}

static double auroc(const pt_pick *const *c, size_t n, size_t *counted)
{
    return mean_of(c, n, counted, below_curve);
}
static double auprc(const pt_pick *const *c, size_t n, size_t *counted)
{
    return mean_of(c, n, counted, mean_precision);
}

const pt_metric_kind pt_metric_kind_auroc = {.key = "auroc", .label = "area under the ROC curve", .form = PT_FORM_SCORE, .better = 1, .choices = auroc};
const pt_metric_kind pt_metric_kind_auprc = {.key = "auprc", .label = "average precision (area under PR)", .form = PT_FORM_SCORE, .better = 1, .choices = auprc};
