/* Whether the relevant candidates of an item stand in front. A candidate's place is the worst that its score allows: of equal ones each stands behind the
 * others (scipy's rankdata(-scores, "max")), so that who scores all alike gains nothing. Each is the mean over items. */
#include <math.h>

#include "eval/metric/metric.h"

static double mean(const pt_pick *const *c, size_t n, size_t *counted, double (*of)(const pt_pick *c, int k), int k)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        const int cut = k < 0 ? c[i]->cut : k;
        const double v = c[i]->gain && (cut || !k) ? of(c[i], cut) : NAN;
        if (isnan(v)) continue;
        sum += v;
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

/* Place of the first relevant one. */
static uint32_t first(const pt_pick *c)
{
    uint32_t best = UINT32_MAX;
    for (int i = 0; i < c->n; i++)
        if (c->gain[i] > 0 && c->rank[i] < best) best = c->rank[i];
    return best;
}

/* Of items with more than k candidates: of others it says nothing. */
static double hit(const pt_pick *c, int k)
{
    return c->n <= k ? NAN : first(c) <= (uint32_t)k;
}

static double recall(const pt_pick *c, int k)
{
    double found = 0, all = 0;
    for (int i = 0; i < c->n; i++) {
        if (!(c->gain[i] > 0)) continue;
        all++;
        found += c->rank[i] <= (uint32_t)k;
    }
    return c->n <= k ? NAN : found / all;
}

static double reciprocal(const pt_pick *c, int k)
{
    (void)k;
    return 1.0 / first(c);
}

/* Mean over the relevant ones of the share of relevant ones down to its place (scikit-learn 1.9.1, average_precision_score of an item, which is
 * label_ranking_average_precision_score). */
static double precision(const pt_pick *c, int k)
{
    double sum = 0, all = 0;
    (void)k;
    for (int i = 0; i < c->n; i++) {
        double to = 0;
        if (!(c->gain[i] > 0)) continue;
        for (int j = 0; j < c->n; j++) to += c->gain[j] > 0 && c->rank[j] <= c->rank[i];
        sum += to / c->rank[i];
        all++;
    }
    return sum / all;
}

static double discounts(uint32_t from, uint32_t to, int k)
{
    double sum = 0;
    if (k && to > (uint32_t)k) to = (uint32_t)k;
    for (uint32_t i = from; i < to; i++) sum += 1 / log2(i + 2.0);
    return sum;
}

/* Sum of gain / log2(place + 1) by that of the best order, down to place k (0: all), gains as they are; equal ones share their places' discounts
 * (scikit-learn's ndcg_score; Jarvelin and Kekalainen 2002, McSherry and Najork 2008). */
static double gained(const pt_pick *c, int k)
{
    double sum = 0, best = 0;
    for (int i = 0; i < c->n; i++) {
        const uint32_t from = c->rank[c->n + i], to = c->rank[i];
        if (c->gain[i] > 0) sum += c->gain[i] * discounts(from, to, k) / (to - from);
        if (c->gain[c->n + i] > 0) best += c->gain[c->n + i] * discounts((uint32_t)i, (uint32_t)i + 1, k);
    }
    return sum / best;
}

/* `at`: 0 = all, -1 = the item's own k. */
#define RANKING(name, of, at, shape, words)                                                                                                                       \
    static double name(const pt_pick *const *c, size_t n, size_t *counted)                                                                                 \
    {                                                                                                                                                      \
        return mean(c, n, counted, of, at);                                                                                                                \
    }                                                                                                                                                      \
    const pt_metric_kind pt_metric_kind_##name = {.key = #name, .label = words, .form = shape, .better = 1, .choices = name, .mean = true};
RANKING(hits_1, hit, 1, PT_FORM_SHARE, "hits@1")
RANKING(hits_3, hit, 3, PT_FORM_SHARE, "hits@3")
RANKING(hits_5, hit, 5, PT_FORM_SHARE, "hits@5")
RANKING(hits_10, hit, 10, PT_FORM_SHARE, "hits@10")
RANKING(hits_k, hit, -1, PT_FORM_SHARE, "hits@k")
RANKING(recall_k, recall, -1, PT_FORM_SHARE, "recall@k")
RANKING(mrr, reciprocal, 0, PT_FORM_SCORE, "mean reciprocal rank (MRR)")
RANKING(map, precision, 0, PT_FORM_SCORE, "mean average precision (MAP)")
RANKING(ndcg, gained, 0, PT_FORM_SCORE, "NDCG")
RANKING(ndcg_k, gained, -1, PT_FORM_SCORE, "NDCG@k")
