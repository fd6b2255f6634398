#include "eval/stat/pairwise.h"

#include <math.h>
#include <stdlib.h>

/* An item's verdicts: [0] our side shown first, [1] second; by pt_verdict. */
typedef struct seen {
    double of[2][PT_VERDICT_TIE + 1];
} seen;

/* Sums that add up over items: each share's part and what it is of. */
enum { OVER = PT_PAIRS, SUMS = 2 * PT_PAIRS };

static double read_in(const double *v)
{
    return v[PT_VERDICT_FIRST] + v[PT_VERDICT_SECOND] + v[PT_VERDICT_TIE];
}

/* Our side's share of wins where it was shown first, or second. */
static double won(const double *v, int swapped)
{
    return (v[swapped ? PT_VERDICT_SECOND : PT_VERDICT_FIRST] + v[PT_VERDICT_TIE] / 2) / read_in(v);
}

static void add(const seen *x, double *sums)
{
    const double *a = x->of[0], *b = x->of[1], na = read_in(a), nb = read_in(b), orders = (na > 0) + (nb > 0);
    const double first = a[PT_VERDICT_FIRST] + b[PT_VERDICT_FIRST], second = a[PT_VERDICT_SECOND] + b[PT_VERDICT_SECOND];
    if (!(orders > 0)) return;
    sums[PT_PAIR_WIN] += ((na > 0 ? won(a, 0) : 0) + (nb > 0 ? won(b, 1) : 0)) / orders;
    sums[OVER + PT_PAIR_WIN]++;
    sums[PT_PAIR_TIE] += ((na > 0 ? a[PT_VERDICT_TIE] / na : 0) + (nb > 0 ? b[PT_VERDICT_TIE] / nb : 0)) / orders;
    sums[OVER + PT_PAIR_TIE]++;
    if (first + second > 0) sums[PT_PAIR_FIRST] += first / (first + second), sums[OVER + PT_PAIR_FIRST]++;
    if (orders < 2) return;
    sums[PT_PAIR_BIAS] += (a[PT_VERDICT_FIRST] * b[PT_VERDICT_FIRST] + a[PT_VERDICT_SECOND] * b[PT_VERDICT_SECOND]) / (na * nb);
    sums[OVER + PT_PAIR_BIAS]++;
    sums[PT_PAIR_CONSISTENT] +=
        (a[PT_VERDICT_FIRST] * b[PT_VERDICT_SECOND] + a[PT_VERDICT_SECOND] * b[PT_VERDICT_FIRST] + a[PT_VERDICT_TIE] * b[PT_VERDICT_TIE]) / (na * nb);
    sums[OVER + PT_PAIR_CONSISTENT]++;
}

static void shares(const void *user, const double *sums, double *out)
{
    (void)user;
    for (int i = 0; i < PT_PAIRS; i++) out[i] = sums[OVER + i] > 0 ? sums[i] / sums[OVER + i] : NAN;
}

static int by_item(const void *a, const void *b)
{
    const pt_judged *x = *(const pt_judged *const *)a, *y = *(const pt_judged *const *)b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static void count(const pt_judged *v, seen *x, pt_pairwise *out)
{
    x->of[v->swapped][v->verdict]++;
    out->missing += v->verdict == PT_VERDICT_NONE;
    out->verdicts += v->verdict != PT_VERDICT_NONE;
    out->ties += v->verdict == PT_VERDICT_TIE;
}

/* order[n]: by cluster and item. part[clusters][SUMS]. Returns how many clusters. */
static size_t sum_up(const pt_judged *const *order, size_t n, double *part, pt_pairwise *out)
{
    size_t clusters = 0;
    for (size_t i = 0, end; i < n; i = end) {
        seen x = {0};
        for (end = i; end < n && !by_item(&order[end], &order[i]); end++) count(order[end], &x, out);
        if (!i || order[i]->cluster != order[i - 1]->cluster) clusters++;
        add(&x, part + (clusters - 1) * SUMS);
        const int orders = (read_in(x.of[0]) > 0) + (read_in(x.of[1]) > 0);
        out->items++;
        *(orders == 2 ? &out->both : orders ? &out->one : &out->none) += 1;
    }
    return clusters;
}

pt_status pt_pairwise_of(const pt_judged *v, size_t n, size_t resamples, uint64_t seed, pt_pairwise *out)
{
    pt_status rc = PT_OK;
    const pt_judged **order = NULL;
    double *part = NULL, sums[SUMS] = {0};
    *out = (pt_pairwise){.items = 0};
    for (int i = 0; i < PT_PAIRS; i++) out->ci[i] = (pt_interval){NAN, NAN};
    PT_TRY(pt_alloc0(&order, n));
    PT_TRY(pt_alloc0(&part, n * SUMS));
    for (size_t i = 0; i < n; i++) order[i] = v + i;
    qsort(order, n, sizeof *order, by_item);
    const pt_added added = {.clusters = sum_up(order, n, part, out), .width = SUMS, .values = PT_PAIRS, .parts = part, .value = shares};
    for (size_t i = 0; i < added.clusters * SUMS; i++) sums[i % SUMS] += part[i];
    shares(NULL, sums, out->value);
    if (resamples) PT_TRY(pt_bootstrap_added(&added, resamples, seed, out->ci));
done:
    free(order);
    free(part);
    return rc;
}
