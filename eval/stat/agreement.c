#include "eval/stat/agreement.h"

#include <math.h>
#include <stdlib.h>

#include "eval/stat/clusters.h"
#include "eval/stat/places.h"

const char *pt_agree_key(pt_agree a)
{
    static const char *const keys[PT_AGREES] = {"agreement",     "kappa",         "kappa_linear",   "kappa_quadratic",
                                                "alpha_nominal", "alpha_ordinal", "alpha_interval", "alpha_ratio"};
    return keys[a];
}

/* ---- from counts ---- */

double pt_kappa_of_counts(pt_agree weights, const double *v, const double *a, const double *b, size_t k, double n, double seen)
{
    double chance = 0, below[2] = {0}, sum[2] = {0}, square = 0;
    size_t first = 0;
    while (first < k && !(a[first] + b[first] > 0)) first++;
    for (size_t i = first; i < k; i++) {
        const double at = v ? v[i] : (double)i, d = at - (v ? v[first] : (double)first); /* 0, not rounding, where all are of one value */
        below[0] += a[i], below[1] += b[i];
        if (weights == PT_AGREE_KAPPA) chance += a[i] * (n - b[i]);
        if (weights == PT_AGREE_KAPPA_LINEAR && i + 1 < k) /* pairs that the step from this value to the next one parts */
            chance += ((v ? v[i + 1] : (double)i + 1) - at) * (below[0] * (n - below[1]) + below[1] * (n - below[0]));
        sum[0] += a[i] * d, sum[1] += b[i] * d;
        square += (a[i] + b[i]) * d * d;
    }
    if (weights == PT_AGREE_KAPPA_QUADRATIC) chance = n * square - 2 * sum[0] * sum[1];
    return chance > 0 ? 1 - seen * n / chance : NAN;
}

void pt_ordinal_scores(const double *count, size_t k, double *score)
{
    double below = 0;
    for (size_t i = 0; i < k; i++) {
        score[i] = below + count[i] / 2;
        below += count[i];
    }
}

double pt_spread(const double *score, const double *count, size_t k)
{
    double n = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < k; i++) {
        n += count[i];
        sum += score ? score[i] * count[i] : 0;
        squares += count[i] * count[i];
    }
    if (!score) return n * n - squares;
    const double middle = n > 0 ? sum / n : 0;
    squares = 0;
    for (size_t i = 0; i < k; i++) squares += count[i] * (score[i] - middle) * (score[i] - middle);
    return 2 * n * squares;
}

static bool varies(const double *count, size_t k)
{
    int met = 0;
    for (size_t i = 0; i < k; i++) met += count[i] > 0;
    return met > 1;
}

static double ratio_distance(double v, double w)
{
    const double d = v + w > 0 ? (v - w) / (v + w) : 0;
    return d * d;
}

static double ratio_spread(const double *v, const double *count, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = i + 1; j < k && count[i] > 0; j++) sum += 2 * count[i] * count[j] * ratio_distance(v[i], v[j]);
    return sum;
}

/* ---- a table ---- */

/* What an item says by itself, whatever else is drawn: ratings m; the share of equal pairs; sums of d over ordered pairs / (m - 1). */
enum { EQUAL, NOMINAL, INTERVAL, RATIO, OWN };
typedef struct table {
    const pt_rated *r;
    pt_clusters clusters;
    unsigned wanted;
    size_t k;          /* different values */
    double *v;         /* [k] ascending */
    uint32_t *at;      /* [items][raters] places among v; UINT32_MAX: missing */
    size_t *m;         /* [items] */
    double *own;       /* [items][OWN] */
    size_t *row;       /* items of a draw */
    size_t row_cap;
    pt_status rc;      /* of a draw of more items than there was memory for */
    double *count;     /* [2][k] room */
} table;

static bool wants(const table *t, pt_agree a)
{
    return t->wanted >> a & 1;
}

static double share_of_equal(const table *t, const size_t *row, size_t n)
{
    double sum = 0, items = 0;
    for (size_t i = 0; i < n; i++)
        if (t->m[row[i]] > 1) sum += t->own[row[i] * OWN + EQUAL], items++;
    return items > 0 ? sum / items : NAN;
}

/* Sums of the three distances of two raters over the items both have rated, and their counts a, b in t->count; how many items. */
static double two_raters(const table *t, const size_t *row, size_t n, size_t a, size_t b, double seen[3])
{
    double *ca = t->count, *cb = ca + t->k, items = 0;
    for (size_t i = 0; i < 2 * t->k; i++) ca[i] = 0;
    seen[0] = seen[1] = seen[2] = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *at = t->at + row[i] * t->r->raters;
        if (at[a] == UINT32_MAX || at[b] == UINT32_MAX) continue;
        const double d = t->v[at[a]] - t->v[at[b]];
        seen[0] += at[a] != at[b];
        seen[1] += fabs(d);
        seen[2] += d * d;
        ca[at[a]]++;
        cb[at[b]]++;
        items++;
    }
    return items;
}

/* out[PT_AGREE_KAPPA ... QUADRATIC], means over pairs; *apart: pairs that nothing joins. */
static void kappas(const table *t, const size_t *row, size_t n, double *out, size_t *apart)
{
    double sum[3] = {0}, pairs[3] = {0}, seen[3];
    *apart = 0;
    for (size_t a = 0; a < t->r->raters; a++)
        for (size_t b = a + 1; b < t->r->raters; b++) {
            const double items = two_raters(t, row, n, a, b, seen);
            *apart += items == 0;
            for (int w = 0; w < 3; w++) {
                const double kappa = pt_kappa_of_counts((pt_agree)(PT_AGREE_KAPPA + w), t->v, t->count, t->count + t->k, t->k, items, seen[w]);
                if (!isnan(kappa)) sum[w] += kappa, pairs[w]++;
            }
        }
    for (int w = 0; w < 3; w++) out[PT_AGREE_KAPPA + w] = pairs[w] > 0 ? sum[w] / pairs[w] : NAN;
}

/* Sum over items of the squares of differences of scores over ordered pairs / (m - 1): 2 m times the squares about the item's mean / (m - 1). */
static double seen_of_scores(const table *t, const size_t *row, size_t n, const double *score)
{
    double seen = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *at = t->at + row[i] * t->r->raters;
        const double m = (double)t->m[row[i]];
        double mean = 0, squares = 0;
        if (m < 2) continue;
        for (size_t j = 0; j < t->r->raters; j++)
            if (at[j] != UINT32_MAX) mean += score[at[j]] / m;
        for (size_t j = 0; j < t->r->raters; j++)
            if (at[j] != UINT32_MAX) squares += (score[at[j]] - mean) * (score[at[j]] - mean);
        seen += 2 * m * squares / (m - 1);
    }
    return seen;
}

/* out[PT_AGREE_ALPHA_NOMINAL ... RATIO]. */
static void alphas(const table *t, const size_t *row, size_t n, double *out)
{
    double *count = t->count, *score = count + t->k, ratings = 0, seen[OWN] = {0};
    for (size_t i = 0; i < t->k; i++) count[i] = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *at = t->at + row[i] * t->r->raters;
        if (t->m[row[i]] < 2) continue;
        for (size_t j = 0; j < t->r->raters; j++)
            if (at[j] != UINT32_MAX) count[at[j]]++, ratings++;
        for (int d = NOMINAL; d < OWN; d++) seen[d] += t->own[row[i] * OWN + d];
    }
    if (!varies(count, t->k)) return;
    const double one = ratings - 1;
    out[PT_AGREE_ALPHA_NOMINAL] = 1 - one * seen[NOMINAL] / pt_spread(NULL, count, t->k);
    out[PT_AGREE_ALPHA_INTERVAL] = 1 - one * seen[INTERVAL] / pt_spread(t->v, count, t->k);
    if (wants(t, PT_AGREE_ALPHA_ORDINAL)) {
        pt_ordinal_scores(count, t->k, score);
        out[PT_AGREE_ALPHA_ORDINAL] = 1 - one * seen_of_scores(t, row, n, score) / pt_spread(score, count, t->k);
    }
    if (wants(t, PT_AGREE_ALPHA_RATIO) && t->v[0] >= 0) out[PT_AGREE_ALPHA_RATIO] = 1 - one * seen[RATIO] / ratio_spread(t->v, count, t->k);
}

static size_t figures(const table *t, const size_t *row, size_t n, double *out)
{
    const unsigned of_kappa = 7u << PT_AGREE_KAPPA, of_alpha = 15u << PT_AGREE_ALPHA_NOMINAL;
    size_t apart = 0;
    for (int a = 0; a < PT_AGREES; a++) out[a] = NAN;
    out[PT_AGREE_SHARE] = share_of_equal(t, row, n);
    if (t->wanted & of_kappa) kappas(t, row, n, out, &apart);
    if (t->wanted & of_alpha) alphas(t, row, n, out);
    for (pt_agree a = 0; a < PT_AGREES; a++)
        if (!wants(t, a)) out[a] = NAN;
    return apart;
}

static void of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    table *t = user;
    size_t m = 0;
    for (int a = 0; a < PT_AGREES; a++) out[a] = NAN;
    if (t->rc == PT_OK) t->rc = pt_reserve(&t->row, &t->row_cap, pt_clusters_rows(&t->clusters, drawn, n));
    if (t->rc != PT_OK) return;
    for (size_t i = 0; i < n; i++)
        for (size_t k = t->clusters.from[drawn[i]]; k < t->clusters.from[drawn[i] + 1]; k++) t->row[m++] = t->clusters.row[k];
    figures(t, t->row, m, out);
}

/* ---- making it ---- */

static void read_item(table *t, size_t item)
{
    const uint32_t *at = t->at + item * t->r->raters;
    double *own = t->own + item * OWN, pairs = 0;
    for (size_t i = 0; i < t->r->raters; i++) t->m[item] += at[i] != UINT32_MAX;
    if (t->m[item] < 2) return;
    const double less = (double)t->m[item] - 1;
    for (size_t i = 0; i < t->r->raters; i++)
        for (size_t j = i + 1; j < t->r->raters; j++) {
            if (at[i] == UINT32_MAX || at[j] == UINT32_MAX) continue;
            const double v = t->v[at[i]], w = t->v[at[j]];
            pairs++;
            own[EQUAL] += at[i] == at[j];
            own[NOMINAL] += 2 * (at[i] != at[j]) / less;
            own[INTERVAL] += 2 * (v - w) * (v - w) / less;
            own[RATIO] += 2 * ratio_distance(v, w) / less;
        }
    own[EQUAL] /= pairs;
}

/* Values and places of the ratings. */
static pt_status read_values(table *t, size_t *ratings)
{
    pt_status rc = PT_OK;
    const size_t cells = t->r->items * t->r->raters;
    double *given = NULL;
    uint32_t *place = NULL, places = 0;
    size_t n = 0;
    PT_TRY(pt_alloc0(&given, cells));
    PT_TRY(pt_alloc0(&place, cells));
    for (size_t i = 0; i < cells; i++) {
        const double v = t->r->x[i];
        PT_CHECK(!isinf(v), PT_EARG, "item %zu: rater %zu gives an infinite number", i / t->r->raters + 1, i % t->r->raters + 1);
        if (!isnan(v)) given[n++] = v;
    }
    PT_TRY(pt_places(given, n, place, &places));
    PT_TRY(pt_alloc0(&t->v, places));
    PT_TRY(pt_alloc0(&t->at, cells));
    PT_TRY(pt_alloc0(&t->count, 2 * (size_t)places));
    t->k = places;
    for (size_t i = n = 0; i < cells; i++) {
        t->at[i] = isnan(t->r->x[i]) ? UINT32_MAX : place[n++];
        if (t->at[i] != UINT32_MAX) t->v[t->at[i]] = t->r->x[i];
    }
    *ratings = n;
done:
    free(given);
    free(place);
    return rc;
}

static const char *why_not(const table *t, pt_agree a, const pt_agreement *x)
{
    const bool of_pairs = a >= PT_AGREE_KAPPA && a <= PT_AGREE_KAPPA_QUADRATIC;
    if (t->r->raters < 2) return "one rater alone";
    if (!x->items) return "no item has two ratings";
    if (a == PT_AGREE_ALPHA_RATIO && t->v[0] < 0) return "a rating below 0 has no ratio";
    return of_pairs ? "no two raters have given more than one value to what both rated" : "all ratings are the same";
}

pt_status pt_agreement_of(const pt_rated *r, unsigned wanted, size_t resamples, uint64_t seed, pt_agreement *out)
{
    pt_status rc = PT_OK;
    table t = {.r = r, .wanted = wanted};
    *out = (pt_agreement){.pairs = r->raters ? r->raters * (r->raters - 1) / 2 : 0};
    for (int a = 0; a < PT_AGREES; a++) out->value[a] = out->ci[a].lo = out->ci[a].hi = NAN;
    PT_TRY(pt_clusters_of(r->cluster, r->items, &t.clusters));
    PT_TRY(read_values(&t, &out->ratings));
    PT_TRY(pt_alloc0(&t.m, r->items));
    PT_TRY(pt_alloc0(&t.own, r->items * OWN));
    PT_TRY(pt_reserve(&t.row, &t.row_cap, r->items));
    for (size_t i = 0; i < r->items; i++) {
        read_item(&t, i);
        out->items += t.m[i] > 1;
        t.row[i] = i;
    }
    out->alone = r->items - out->items;
    out->missing = r->items * r->raters - out->ratings;
    out->apart = figures(&t, t.row, r->items, out->value);
    for (pt_agree a = 0; a < PT_AGREES; a++)
        if (wants(&t, a) && isnan(out->value[a])) out->why[a] = why_not(&t, a, out);
    if (resamples) PT_TRY(pt_bootstrap(t.clusters.n, PT_AGREES, resamples, seed, of_drawn, &t, out->ci));
    rc = t.rc;
done:
    pt_clusters_free(&t.clusters);
    free(t.v);
    free(t.at);
    free(t.m);
    free(t.own);
    free(t.row);
    free(t.count);
    return rc;
}
