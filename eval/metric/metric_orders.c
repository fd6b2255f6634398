/* Whether numbers given stand in the order of the rows': rank correlations as scipy 1.17.1 computes them (spearmanr, kendalltau), from places that
 * were found once (pt_pick.place). Undefined where one side is all of one value. */
#include <math.h>
#include <stdlib.h>

#include "eval/metric/metric.h"
#include "eval/stat/correlation.h"
#include "eval/stat/places.h"

/* Places of the m numbers given: y the rows', f the answers'. Behind them lie n things of by_item bytes and places + 1 of by_place. Freed by y; false:
 * none, or no memory. */
typedef struct orders {
    uint32_t *y, *f;
    size_t m, places;
    void *more;
} orders;

static bool find(const pt_pick *const *c, size_t n, size_t by_item, size_t by_place, orders *x)
{
    *x = (orders){.y = NULL};
    for (size_t i = 0; i < n; i++)
        if (!c[i]->number || !c[i]->place || c[i]->places != c[0]->places) return false;
    if (!n) return false;
    const size_t most = c[0]->places < 4 * n + 64 ? c[0]->places : 4 * n + 64, front = 2 * n * sizeof *x->y, behind = n * by_item + (most + 1) * by_place;
    const size_t room = 2 * n * sizeof(uint64_t); /* before what lies behind is needed */
    if (!(x->y = malloc(front + (behind > room ? behind : room)))) return false;
    x->f = x->y + n;
    x->more = (char *)x->y + front;
    for (size_t i = 0; i < n; i++) {
        if (isnan(c[i]->number[1])) continue;
        x->y[x->m] = c[i]->place[0];
        x->f[x->m++] = c[i]->place[1];
    }
    /* what lies behind was measured for `most` of them */
    const uint32_t y = c[0]->places <= most ? c[0]->places : pt_places_narrow(x->y, x->m, c[0]->places, x->more);
    const uint32_t f = c[0]->places <= most ? c[0]->places : pt_places_narrow(x->f, x->m, c[0]->places, x->more);
    x->places = y > f ? y : f;
    return true;
}

static double spearman(const pt_pick *const *c, size_t n, size_t *counted)
{
    orders x;
    *counted = 0;
    if (!find(c, n, 2 * sizeof(double), sizeof(double), &x)) return NAN;
    *counted = x.m;
    const double out = pt_spearman_of_places(x.y, x.f, x.m, x.places, x.more);
    free(x.y);
    return out;
}

static double kendall(const pt_pick *const *c, size_t n, size_t *counted)
{
    orders x;
    *counted = 0;
    if (!find(c, n, 2 * sizeof(uint32_t), sizeof(uint32_t), &x)) return NAN;
    *counted = x.m;
    const double out = pt_kendall_of_places(x.y, x.f, x.m, x.places, x.more);
    free(x.y);
    return out;
}

const pt_metric_kind pt_metric_kind_spearman = {.key = "spearman", .label = "Spearman correlation of ranks", .form = PT_FORM_SCORE, .better = 1, .choices = spearman};
const pt_metric_kind pt_metric_kind_kendall = {.key = "kendall", .label = "Kendall's tau-b", .form = PT_FORM_SCORE, .better = 1, .choices = kendall};
