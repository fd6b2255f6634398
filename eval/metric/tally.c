#include "eval/metric/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/metric/noise.h"
#include "eval/text/textstats.h"

enum { WORK = 400000000, PERMUTATIONS_LEAST = 400 };

/* Rows of a scope by cluster. */
typedef struct place {
    uint64_t cluster;
    size_t row;
} place;

typedef struct places {
    place *at; /* [n] sorted by cluster, else in their order */
    size_t n, clusters;
} places;

static int by_cluster(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static pt_status places_make(places *x, const struct pt_report_parts *p, int64_t scope)
{
    PT_RETURN(pt_alloc0(&x->at, p->n));
    for (size_t i = 0; i < p->n; i++)
        if (scope < 0 || p->role[i] == (size_t)scope) x->at[x->n++] = (place){p->cluster[i], i};
    if (x->n) qsort(x->at, x->n, sizeof *x->at, by_cluster);
    for (size_t i = 0; i < x->n; i++) x->clusters += !i || x->at[i].cluster != x->at[i - 1].cluster;
    return PT_OK;
}

/* Both sides have the same clusters, whatever the number of their rows. */
static bool same_clusters(const places x[2])
{
    size_t i = 0, k = 0;
    if (!x[0].n || x[0].clusters != x[1].clusters) return false;
    while (i < x[0].n && k < x[1].n) {
        uint64_t id = x[0].at[i].cluster;
        if (x[1].at[k].cluster != id) return false;
        while (i < x[0].n && x[0].at[i].cluster == id) i++;
        while (k < x[1].n && x[1].at[k].cluster == id) k++;
    }
    return true;
}

/* parts[clusters][width] */
static pt_status add_up(const places *x, const struct pt_report_parts *p, size_t width, double **out)
{
    PT_RETURN(pt_alloc0(out, x->clusters * width));
    double *to = *out;
    for (size_t i = 0; i < x->n; i++) {
        if (i && x->at[i].cluster != x->at[i - 1].cluster) to += width;
        for (size_t k = 0; k < width; k++) to[k] += p->of[x->at[i].row * width + k];
    }
    return PT_OK;
}

/* The tests of pairs of each value, from its values of each cluster. */
static pt_status pairs_of(const pt_tally *t, double *const parts[2], size_t n, pt_tallied *out)
{
    pt_status rc = PT_OK;
    double *one = NULL, *v[2] = {NULL, NULL}; /* [values][n] */
    PT_TRY(pt_alloc0(&one, t->values));
    for (int s = 0; s < 2; s++) PT_TRY(pt_alloc0(&v[s], n * t->values));
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < n; i++) {
            t->value(t->user, parts[s] + i * t->width, one);
            for (size_t k = 0; k < t->values; k++) v[s][k * n + i] = one[k];
        }
    for (size_t k = 0; k < t->values; k++) PT_TRY(pt_noise_pairs(v[0] + k * n, v[1] + k * n, n, &out[k].wilcoxon, &out[k].mcnemar));
done:
    for (int s = 0; s < 2; s++) free(v[s]);
    free(one);
    return rc;
}

pt_status pt_tally_noise(const pt_tally *t, pt_side side, int64_t scope, uint64_t seed, pt_tallied *out)
{
    pt_status rc = PT_OK;
    places x[2] = {{0}};
    double *parts[2] = {NULL, NULL}, *p = NULL;
    pt_interval *ci = NULL;
    for (int s = 0; s < 2; s++) PT_TRY(places_make(&x[s], t->side[s], scope));
    for (int s = 0; s < 2; s++) PT_TRY(add_up(&x[s], t->side[s], t->width, &parts[s]));
    PT_TRY(pt_alloc0(&p, t->values));
    PT_TRY(pt_alloc0(&ci, t->values));
    pt_added a = {.clusters = x[side].clusters, .width = t->width, .values = t->values, .parts = parts[side], .value = t->value, .user = t->user};
    PT_TRY(pt_bootstrap_added(&a, PT_RESAMPLES, seed, ci));
    for (size_t k = 0; k < t->values; k++) out[k] = (pt_tallied){.ci = ci[k], .p = NAN, .change = {NAN, NAN}, .wilcoxon = NAN, .mcnemar = NAN};
    if (!same_clusters(x)) goto done;
    PT_TRY(pt_permute_added(&a, parts[!side], PT_PERMUTATIONS, seed, p));
    for (size_t k = 0; k < t->values; k++) out[k].p = p[k];
    a.parts = parts[PT_BEFORE];
    PT_TRY(pt_bootstrap_change(&a, parts[PT_AFTER], PT_RESAMPLES, seed, ci));
    for (size_t k = 0; k < t->values; k++) out[k].change = ci[k];
    PT_TRY(pairs_of(t, parts, x[0].clusters, out));
done:
    for (int s = 0; s < 2; s++) {
        free(parts[s]);
        free(x[s].at);
    }
    free(p);
    free(ci);
    return rc;
}

/* ---- n-grams of all answers together ---- */

/* Both sides' answers as numbers of their n-grams, by cluster: those of cluster c of side s are gram[s][first[s][c] .. first[s][c + 1]). */
typedef struct crowd {
    size_t clusters;
    uint32_t *gram[2];
    size_t *first[2];   /* [clusters + 1] */
    uint32_t *seen, now; /* [different n-grams] the count in which it was met last */
} crowd;

/* The numbers of a side's n-grams, which are all in the set. */
static pt_status number_side(crowd *c, int s, const places *x, const struct pt_report_parts *p, pt_ngrams *all)
{
    size_t total = 0, cluster = 0, m = 0;
    for (size_t i = 0; i < x->n; i++) total += p->said[x->at[i].row].n;
    PT_RETURN(pt_alloc0(&c->gram[s], total));
    PT_RETURN(pt_alloc0(&c->first[s], x->clusters + 1));
    for (size_t i = 0; i < x->n; i++) {
        const pt_words *w = &p->said[x->at[i].row];
        if (i && x->at[i].cluster != x->at[i - 1].cluster) c->first[s][++cluster] = m;
        for (size_t k = 0; k + all->n <= w->n; k++) c->gram[s][m++] = (uint32_t)(pt_ngrams_at(all, w->id + k) - all->count);
    }
    c->first[s][x->clusters] = m;
    return PT_OK;
}

static void values_swapped(void *user, const uint8_t *swapped, double *out)
{
    crowd *c = user;
    for (int s = 0; s < 2; s++) {
        size_t total = 0, different = 0;
        c->now++;
        for (size_t i = 0; i < c->clusters; i++) {
            int from = s ^ swapped[i];
            for (size_t k = c->first[from][i]; k < c->first[from][i + 1]; k++) {
                uint32_t *seen = &c->seen[c->gram[from][k]];
                different += *seen != c->now;
                *seen = c->now;
            }
            total += c->first[from][i + 1] - c->first[from][i];
        }
        out[s] = total ? (double)different / (double)total : 0;
    }
}

pt_status pt_tally_distinct(const pt_tally *t, int64_t scope, uint64_t seed, size_t n, double *p)
{
    pt_status rc = PT_OK;
    places x[2] = {{0}};
    pt_ngrams all;
    crowd c = {0};
    *p = NAN;
    pt_ngrams_init(&all, n);
    for (int s = 0; s < 2; s++) PT_TRY(places_make(&x[s], t->side[s], scope));
    if (!same_clusters(x)) goto done;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < x[s].n; i++) PT_TRY(pt_ngrams_add(&all, &t->side[s]->said[x[s].at[i].row]));
    PT_CHECK(all.distinct < UINT32_MAX, PT_ENOSUP, "more than 4 billion different n-grams");
    c.clusters = x[0].clusters;
    for (int s = 0; s < 2; s++) PT_TRY(number_side(&c, s, &x[s], t->side[s], &all));
    PT_TRY(pt_alloc0(&c.seen, all.distinct));
    size_t times = WORK / (all.total + 1);
    times = times < PERMUTATIONS_LEAST ? PERMUTATIONS_LEAST : times > PT_PERMUTATIONS ? PT_PERMUTATIONS : times;
    PT_TRY(pt_permute(c.clusters, 1, times, seed, values_swapped, &c, p));
done:
    for (int s = 0; s < 2; s++) {
        free(x[s].at);
        free(c.gram[s]);
        free(c.first[s]);
    }
    free(c.seen);
    pt_ngrams_free(&all);
    return rc;
}
