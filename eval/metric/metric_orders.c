/* Whether numbers given stand in the order of the rows': rank correlations as scipy 1.17.1 computes them (spearmanr, kendalltau), from places that
 * were found once (pt_pick.place). Undefined where one side is all of one value. */
#include <math.h>
#include <stdlib.h>

#include "eval/metric/metric.h"
#include "eval/metric/places.h"
#include "eval/stat/reliability.h"

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

/* Ranks from 1, equal ones their mean. below[places + 1]. */
static void rank(const uint32_t *place, const orders *x, double *below, double *out)
{
    double at = 0;
    for (size_t i = 0; i <= x->places; i++) below[i] = 0;
    for (size_t i = 0; i < x->m; i++) below[place[i]]++;
    for (size_t i = 0; i < x->places; i++) {
        const double here = below[i];
        below[i] = at + (here + 1) / 2;
        at += here;
    }
    for (size_t i = 0; i < x->m; i++) out[i] = below[place[i]];
}

/* Pearson's correlation of ranks. */
static double spearman(const pt_pick *const *c, size_t n, size_t *counted)
{
    orders x;
    *counted = 0;
    if (!find(c, n, 2 * sizeof(double), sizeof(double), &x)) return NAN;
    double *y = x.more, *f = y + n;
    rank(x.y, &x, f + n, y);
    rank(x.f, &x, f + n, f);
    *counted = x.m;
    const double out = pt_pearson(y, f, x.m);
    free(x.y);
    return out;
}

/* A stable pass by place: order in `from` to `to`. */
static void sort_by(const uint32_t *place, const orders *x, uint32_t *count, const uint32_t *from, uint32_t *to)
{
    uint32_t at = 0;
    for (size_t i = 0; i <= x->places; i++) count[i] = 0;
    for (size_t i = 0; i < x->m; i++) count[place[i]]++;
    for (size_t i = 0; i < x->places; i++) {
        const uint32_t here = count[i];
        count[i] = at;
        at += here;
    }
    for (size_t i = 0; i < x->m; i++) {
        const uint32_t k = from ? from[i] : (uint32_t)i;
        to[count[place[k]]++] = k;
    }
}

/* Pairs of one place, of numbers in order. */
static double ties(const uint32_t *a, const uint32_t *b, const uint32_t *order, size_t m)
{
    double sum = 0, run = 1;
    for (size_t i = 1; i <= m; i++) {
        const bool same = i < m && a[order[i]] == a[order[i - 1]] && (!b || b[order[i]] == b[order[i - 1]]);
        if (same) {
            run++;
            continue;
        }
        sum += run * (run - 1) / 2;
        run = 1;
    }
    return sum;
}

/* Pairs that stand the other way round in f: for each in the order of y how many before it have a higher f (Fenwick's tree of counts). */
static double turned(const orders *x, const uint32_t *order, uint32_t *tree)
{
    double sum = 0;
    for (size_t i = 0; i <= x->places; i++) tree[i] = 0;
    for (size_t i = 0; i < x->m; i++) {
        const size_t f = x->f[order[i]] + 1;
        size_t not_higher = 0;
        for (size_t k = f; k; k &= k - 1) not_higher += tree[k];
        sum += (double)(i - not_higher);
        for (size_t k = f; k <= x->places; k += k & -k) tree[k]++;
    }
    return sum;
}

/* tau-b (Kendall 1945): (pairs alike - pairs turned) / sqrt((pairs - ties of y) (pairs - ties of f)). */
static double kendall(const pt_pick *const *c, size_t n, size_t *counted)
{
    orders x;
    *counted = 0;
    if (!find(c, n, 2 * sizeof(uint32_t), sizeof(uint32_t), &x)) return NAN;
    uint32_t *by_f = x.more, *order = by_f + n, *count = order + n;
    const double m = (double)x.m, all = m * (m - 1) / 2;
    sort_by(x.f, &x, count, NULL, by_f);
    const double f = ties(x.f, NULL, by_f, x.m);
    sort_by(x.y, &x, count, by_f, order);
    const double y = ties(x.y, NULL, order, x.m), both = ties(x.y, x.f, order, x.m), other = turned(&x, order, count);
    *counted = x.m;
    free(x.y);
    return y < all && f < all ? fmax(-1, fmin(1, (all - y - f + both - 2 * other) / sqrt(all - y) / sqrt(all - f))) : NAN;
}

const pt_metric_kind pt_metric_kind_spearman = {.key = "spearman", .label = "Spearman correlation of ranks", .form = PT_FORM_SCORE, .better = 1, .choices = spearman};
const pt_metric_kind pt_metric_kind_kendall = {.key = "kendall", .label = "Kendall's tau-b", .form = PT_FORM_SCORE, .better = 1, .choices = kendall};
