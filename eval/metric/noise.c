#include "eval/metric/noise.h"

#include <math.h>
#include <stdlib.h>

#include "eval/stat/resample.h"
#include "eval/stat/significance.h"

enum { WORK = 4000000, RESAMPLES_LEAST = 200, PERMUTATIONS_LEAST = 400 };

/* Choices by cluster. */
typedef struct cluster {
    uint64_t id;
    size_t first, n; /* in pick */
} cluster;
typedef struct clusters {
    const pt_pick **pick; /* sorted by cluster, else in their order */
    size_t picks, n;
    cluster *of;
} clusters;

static void clusters_free(clusters *g)
{
    free(g->pick);
    free(g->of);
    *g = (clusters){0};
}

static int by_cluster(const void *a, const void *b)
{
    const pt_pick *x = *(const pt_pick *const *)a, *y = *(const pt_pick *const *)b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return (x > y) - (x < y); /* they lie in one list */
}

static pt_status clusters_make(clusters *g, pt_picks p)
{
    g->picks = p.n;
    PT_RETURN(pt_alloc0(&g->pick, p.n));
    PT_RETURN(pt_alloc0(&g->of, p.n));
    for (size_t i = 0; i < p.n; i++) g->pick[i] = p.c[i];
    if (p.n) qsort(g->pick, p.n, sizeof *g->pick, by_cluster);
    for (size_t i = 0; i < p.n; i++) {
        if (!i || g->pick[i]->cluster != g->pick[i - 1]->cluster) g->of[g->n++] = (cluster){g->pick[i]->cluster, i, 0};
        g->of[g->n - 1].n++;
    }
    return PT_OK;
}

/* The same clusters in both, some of them empty. */
static pt_status clusters_pair(clusters side[2])
{
    size_t i[2] = {0, 0}, n = 0;
    cluster *both[2] = {NULL, NULL};
    for (int s = 0; s < 2; s++)
        if (pt_alloc0(&both[s], side[0].n + side[1].n) != PT_OK) {
            free(both[0]);
            return PT_ENOMEM;
        }
    for (; i[0] < side[0].n || i[1] < side[1].n; n++) {
        bool has[2];
        for (int s = 0; s < 2; s++)
            has[s] = i[s] < side[s].n && (i[!s] >= side[!s].n || side[s].of[i[s]].id <= side[!s].of[i[!s]].id);
        for (int s = 0; s < 2; s++) both[s][n] = has[s] ? side[s].of[i[s]] : (cluster){0};
        for (int s = 0; s < 2; s++) i[s] += has[s];
    }
    for (int s = 0; s < 2; s++) {
        free(side[s].of);
        side[s].of = both[s];
        side[s].n = n;
    }
    return PT_OK;
}

/* ---- what adds up: sums over clusters ---- */

static size_t sums_of(int metric)
{
    const pt_metric_kind *k = pt_metric_kind_at(metric);
    return k->mean ? 2 : (size_t)k->sums;
}

/* A mean's sum and weight, or a metric's own sums. */
static void add(int metric, const pt_pick *const *c, size_t n, double *sums)
{
    const pt_metric_kind *k = pt_metric_kind_at(metric);
    size_t counted = 0;
    if (!k->mean) {
        k->add(c, n, sums);
        return;
    }
    double v = k->choices(c, n, &counted);
    if (isnan(v)) return;
    sums[0] += v * (double)counted;
    sums[1] += (double)counted;
}

static size_t width_of(const pt_metric_list *list)
{
    size_t width = 0;
    for (int k = 0; k < list->n; k++) width += sums_of(list->at[k]);
    return width;
}

/* parts[clusters][width]: each metric's sums. */
static pt_status make_parts(const pt_metric_list *list, const clusters *g, double **parts)
{
    PT_RETURN(pt_alloc0(parts, g->n * width_of(list)));
    double *to = *parts;
    for (size_t i = 0; i < g->n; i++)
        for (int k = 0; k < list->n; k++) {
            if (g->of[i].n) add(list->at[k], g->pick + g->of[i].first, g->of[i].n, to);
            to += sums_of(list->at[k]);
        }
    return PT_OK;
}

static void values(const void *user, const double *sums, double *out)
{
    const pt_metric_list *list = user;
    for (int k = 0; k < list->n; k++) {
        const pt_metric_kind *kind = pt_metric_kind_at(list->at[k]);
        out[k] = !kind->mean ? kind->of_sums(sums) : sums[1] > 0 ? sums[0] / sums[1] : NAN;
        sums += sums_of(list->at[k]);
    }
}

static pt_added added(const pt_metric_list *list, const clusters *g, const double *parts)
{
    return (pt_added){.clusters = g->n, .width = width_of(list), .values = (size_t)list->n, .parts = parts, .value = values, .user = list};
}

/* ---- other metrics: of the choices themselves ---- */

typedef struct chosen {
    const pt_metric_list *list;
    const clusters *side; /* [2], or one */
    const pt_pick **some;
    size_t cap;
    pt_status rc;
} chosen;

static void measure(chosen *x, size_t n, double *out)
{
    size_t counted;
    for (int k = 0; k < x->list->n; k++) out[k] = pt_metric_kind_at(x->list->at[k])->choices(x->some, n, &counted);
}

static void value_of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    chosen *x = user;
    const clusters *g = x->side;
    size_t all = 0, m = 0;
    for (size_t i = 0; i < n; i++) all += g->of[drawn[i]].n;
    if (x->rc == PT_OK) x->rc = pt_reserve(&x->some, &x->cap, all);
    if (x->rc != PT_OK) return;
    for (size_t i = 0; i < n; i++) {
        const cluster *c = &g->of[drawn[i]];
        for (size_t k = c->first; k < c->first + c->n; k++) x->some[m++] = g->pick[k];
    }
    measure(x, m, out);
}

static void values_swapped(void *user, const uint8_t *swapped, double *out)
{
    chosen *x = user;
    for (int s = 0; s < 2; s++) {
        size_t m = 0;
        for (size_t i = 0; i < x->side[0].n; i++) {
            const clusters *g = &x->side[s ^ swapped[i]];
            for (size_t k = g->of[i].first; k < g->of[i].first + g->of[i].n; k++) x->some[m++] = g->pick[k];
        }
        measure(x, m, out + s * x->list->n);
    }
}

/* Of a group as often as of all: together the groups then take no longer. */
static size_t times(size_t picks, size_t among, size_t least, size_t most)
{
    if (among > picks) picks = among;
    size_t n = picks ? WORK / picks : most;
    return n < least ? least : n > most ? most : n;
}

/* ---- both ---- */

/* The listed metrics that add up, or those that do not; only where v (may be NULL) has a value. */
static pt_metric_list part_of(const pt_metric_list *list, bool adds, const double *v)
{
    pt_metric_list out = {.n = 0};
    for (int k = 0; k < list->n; k++)
        if ((sums_of(list->at[k]) > 0) == adds && (!v || !isnan(v[list->at[k]]))) out.at[out.n++] = list->at[k];
    return out;
}

static pt_status other_intervals(const pt_metric_list *list, const clusters *g, size_t among, uint64_t seed, pt_interval *ci)
{
    chosen x = {.list = list, .side = g};
    pt_status rc = pt_bootstrap(g->n, (size_t)list->n, times(g->picks, among, RESAMPLES_LEAST, PT_RESAMPLES), seed, value_of_drawn, &x, ci);
    free(x.some);
    return rc == PT_OK ? x.rc : rc;
}

pt_status pt_noise_side(const pt_metric_list *list, pt_picks picks, uint64_t seed, pt_measures *m)
{
    pt_status rc = PT_OK;
    clusters g = {0};
    double *parts = NULL;
    pt_interval ci[PT_METRICS_MOST];
    const pt_metric_list sums = part_of(list, true, m->v), other = part_of(list, false, m->v);
    PT_TRY(clusters_make(&g, picks));
    PT_TRY(make_parts(&sums, &g, &parts));
    const pt_added a = added(&sums, &g, parts);
    PT_TRY(pt_bootstrap_added(&a, PT_RESAMPLES, seed, ci));
    if (other.n) PT_TRY(other_intervals(&other, &g, picks.among, seed, ci + sums.n));
    for (int k = 0; k < sums.n + other.n; k++) {
        int at = k < sums.n ? sums.at[k] : other.at[k - sums.n];
        m->lo[at] = ci[k].lo;
        m->hi[at] = ci[k].hi;
    }
done:
    free(parts);
    clusters_free(&g);
    return rc;
}

static pt_status other_changes(const pt_metric_list *list, const clusters side[2], size_t among, uint64_t seed, double *p)
{
    chosen x = {.list = list, .side = side};
    size_t picks = side[0].picks + side[1].picks;
    PT_RETURN(pt_alloc0(&x.some, picks));
    pt_status rc = pt_permute(side[0].n, (size_t)list->n, times(picks / 2, among, PERMUTATIONS_LEAST, PT_PERMUTATIONS), seed, values_swapped, &x, p);
    free(x.some);
    return rc;
}

pt_status pt_noise_pairs(const double *before, const double *after, size_t n, double *wilcoxon, double *mcnemar)
{
    double *d;
    size_t m = 0, up = 0, down = 0;
    bool binary = true;
    pt_wilcoxon w;
    PT_RETURN(pt_alloc0(&d, n));
    for (size_t i = 0; i < n; i++) {
        if (isnan(before[i]) || isnan(after[i])) continue;
        d[m] = after[i] - before[i];
        binary = binary && (before[i] == 0 || before[i] == 1) && (after[i] == 0 || after[i] == 1);
        up += d[m] > 0;
        down += d[m++] < 0;
    }
    pt_status rc = pt_wilcoxon_test(d, m, &w);
    free(d);
    *wilcoxon = w.p;
    *mcnemar = m && binary ? pt_mcnemar(up, down) : NAN;
    return rc;
}

/* The tests of pairs of each mean, from the clusters' sums. */
static pt_status pairs_of(const pt_metric_list *list, double *const parts[2], size_t n, pt_changes *out)
{
    pt_status rc = PT_OK;
    size_t width = width_of(list), first = 0;
    double *v[2] = {NULL, NULL};
    for (int s = 0; s < 2; s++) PT_TRY(pt_alloc0(&v[s], n));
    for (int k = 0; k < list->n; first += sums_of(list->at[k++])) {
        if (!pt_metric_kind_at(list->at[k])->mean) continue;
        for (int s = 0; s < 2; s++)
            for (size_t i = 0; i < n; i++) {
                const double *sums = parts[s] + i * width + first;
                v[s][i] = sums[1] > 0 ? sums[0] / sums[1] : NAN;
            }
        PT_TRY(pt_noise_pairs(v[0], v[1], n, &out->wilcoxon[list->at[k]], &out->mcnemar[list->at[k]]));
    }
done:
    for (int s = 0; s < 2; s++) free(v[s]);
    return rc;
}

pt_status pt_noise_change(const pt_metric_list *list, const pt_picks side[2], uint64_t seed, pt_changes *out)
{
    pt_status rc = PT_OK;
    clusters g[2] = {{0}};
    double *parts[2] = {NULL, NULL}, of[PT_METRICS_MOST];
    pt_interval ci[PT_METRICS_MOST];
    const pt_metric_list sums = part_of(list, true, NULL), other = part_of(list, false, NULL);
    for (int s = 0; s < 2; s++) PT_TRY(clusters_make(&g[s], side[s]));
    PT_TRY(clusters_pair(g));
    for (int s = 0; s < 2; s++) PT_TRY(make_parts(&sums, &g[s], &parts[s]));
    const pt_added a = added(&sums, &g[0], parts[0]);
    PT_TRY(pt_permute_added(&a, parts[1], PT_PERMUTATIONS, seed, of));
    PT_TRY(pt_bootstrap_change(&a, parts[1], PT_RESAMPLES, seed, ci));
    for (int k = 0; k < sums.n + other.n; k++) {
        int at = k < sums.n ? sums.at[k] : other.at[k - sums.n];
        out->lo[at] = k < sums.n ? ci[k].lo : NAN;
        out->hi[at] = k < sums.n ? ci[k].hi : NAN;
    }
    if (other.n) PT_TRY(other_changes(&other, g, side[0].among, seed, of + sums.n));
    PT_TRY(pairs_of(&sums, parts, g[0].n, out));
    for (int k = 0; k < sums.n + other.n; k++) out->p[k < sums.n ? sums.at[k] : other.at[k - sums.n]] = of[k];
done:
    for (int s = 0; s < 2; s++) {
        free(parts[s]);
        clusters_free(&g[s]);
    }
    return rc;
}

/* What a report says of a metric: overall, or of group g. */
static pt_changes *said(pt_report *r, size_t g)
{
    return g < r->roles ? &r->role[g].change : &r->change;
}

/* A family: the listed metrics of all (one NULL), or metric *one of every group. */
static pt_status family(const pt_metric_list *list, const int *one, pt_report *const *r, size_t n, double *p)
{
    for (int back = 0; back < 2; back++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t m = 0; m < (one ? r[i]->roles : (size_t)list->n); m++, k++) {
                pt_changes *c = said(r[i], one ? m : r[i]->roles);
                int at = one ? *one : list->at[m];
                if (back) c->p[at] = p[k];
                else p[k] = c->raw[at];
            }
        if (!back) PT_RETURN(pt_holm(p, k));
    }
    return PT_OK;
}

/* All families of the listed metrics. */
static pt_status families(const pt_metric_list *list, pt_report *const *r, size_t n)
{
    pt_status rc = PT_OK;
    double *p;
    size_t most = n * (size_t)list->n;
    for (size_t i = 0; i < n; i++) most += r[i]->roles;
    PT_RETURN(pt_alloc0(&p, most));
    PT_TRY(family(list, NULL, r, n, p));
    for (int k = 0; k < list->n; k++) PT_TRY(family(list, &list->at[k], r, n, p));
done:
    free(p);
    return rc;
}

pt_status pt_noise_correct(const pt_metric_list *list, pt_report *r)
{
    for (int k = 0; k < list->n; k++)
        for (size_t g = 0; g <= r->roles; g++) said(r, g)->raw[list->at[k]] = said(r, g)->p[list->at[k]];
    return families(list, &r, 1);
}

pt_status pt_noise_correct_beside(pt_report *const *r, size_t n)
{
    const pt_metric_list preference = {.at = {PT_METRIC_PREFERENCE}, .n = 1};
    pt_metric_list list = {.n = 0};
    for (int m = 0; m < pt_metric_count(); m++) /* what nobody tested has no p, and is not counted */
        if (m != PT_METRIC_PREFERENCE) list.at[list.n++] = m;
    PT_RETURN(families(&list, r, n));
    return families(&preference, r, n);
}
