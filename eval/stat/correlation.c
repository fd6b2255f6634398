#include "eval/stat/correlation.h"

#include <math.h>
#include <stdlib.h>

#include "eval/stat/clusters.h"
#include "eval/stat/places.h"

#define NOTHING 1e-24

double pt_pearson(const double *a, const double *b, size_t n)
{
    double ma = 0, mb = 0, saa = 0, sbb = 0, sab = 0, size_a = 0, size_b = 0;
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i])) ma += a[i], mb += b[i], m++;
    if (m < 2) return NAN;
    ma /= (double)m;
    mb /= (double)m;
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i])) continue;
        saa += (a[i] - ma) * (a[i] - ma);
        sbb += (b[i] - mb) * (b[i] - mb);
        sab += (a[i] - ma) * (b[i] - mb);
        size_a += a[i] * a[i];
        size_b += b[i] * b[i];
    }
    if (saa <= NOTHING * size_a || sbb <= NOTHING * size_b) return NAN;
    return fmax(-1, fmin(1, sab / sqrt(saa) / sqrt(sbb)));
}

/* ---- Spearman ---- */

/* Ranks from 1, equal ones their mean. below[places + 1]. */
static void rank(const uint32_t *place, size_t n, size_t places, double *below, double *out)
{
    double at = 0;
    for (size_t i = 0; i <= places; i++) below[i] = 0;
    for (size_t i = 0; i < n; i++) below[place[i]]++;
    for (size_t i = 0; i < places; i++) {
        const double here = below[i];
        below[i] = at + (here + 1) / 2;
        at += here;
    }
    for (size_t i = 0; i < n; i++) out[i] = below[place[i]];
}

double pt_spearman_of_places(const uint32_t *y, const uint32_t *f, size_t n, size_t places, double *room)
{
    rank(y, n, places, room + 2 * n, room);
    rank(f, n, places, room + 2 * n, room + n);
    return pt_pearson(room, room + n, n);
}

/* ---- Kendall ---- */

/* A stable pass by place: order in `from` to `to`. count[places + 1]. */
static void sort_by(const uint32_t *place, size_t n, size_t places, uint32_t *count, const uint32_t *from, uint32_t *to)
{
    uint32_t at = 0;
    for (size_t i = 0; i <= places; i++) count[i] = 0;
    for (size_t i = 0; i < n; i++) count[place[i]]++;
    for (size_t i = 0; i < places; i++) {
        const uint32_t here = count[i];
        count[i] = at;
        at += here;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t k = from ? from[i] : (uint32_t)i;
        to[count[place[k]]++] = k;
    }
}

/* Pairs of one place, of numbers in order. */
static double ties(const uint32_t *a, const uint32_t *b, const uint32_t *order, size_t n)
{
    double sum = 0, run = 1;
    for (size_t i = 1; i <= n; i++) {
        const bool same = i < n && a[order[i]] == a[order[i - 1]] && (!b || b[order[i]] == b[order[i - 1]]);
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
static double turned(const uint32_t *f, size_t n, size_t places, const uint32_t *order, uint32_t *tree)
{
    double sum = 0;
    for (size_t i = 0; i <= places; i++) tree[i] = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t at = f[order[i]] + 1;
        size_t not_higher = 0;
        for (size_t k = at; k; k &= k - 1) not_higher += tree[k];
        sum += (double)(i - not_higher);
        for (size_t k = at; k <= places; k += k & -k) tree[k]++;
    }
    return sum;
}

double pt_kendall_of_places(const uint32_t *y, const uint32_t *f, size_t n, size_t places, uint32_t *room)
{
    uint32_t *by_f = room, *order = by_f + n, *count = order + n;
    const double m = (double)n, all = m * (m - 1) / 2;
    sort_by(f, n, places, count, NULL, by_f);
    const double of_f = ties(f, NULL, by_f, n);
    sort_by(y, n, places, count, by_f, order);
    const double of_y = ties(y, NULL, order, n), both = ties(y, f, order, n), other = turned(f, n, places, order, count);
    if (!(of_y < all && of_f < all)) return NAN;
    return fmax(-1, fmin(1, (all - of_y - of_f + both - 2 * other) / sqrt(all - of_y) / sqrt(all - of_f)));
}

/* ---- all of them, with intervals ---- */

typedef struct drawing {
    const double *x[2];      /* [n] of each side, pairs alone */
    const uint32_t *at[2];   /* [n] their places */
    size_t places;
    const pt_clusters *c;
    double *v, *room;        /* [2][most], [2 most + places + 1] behind it */
    uint32_t *p, *count;     /* the same */
    size_t most;
    pt_status rc;            /* of a draw of more rows than there was memory for */
} drawing;

/* For draws of `rows`: where clusters are of unequal sizes they differ. */
static pt_status make_room(drawing *d, size_t rows)
{
    if (d->v && d->p && rows <= d->most) return PT_OK;
    free(d->v);
    free(d->p);
    d->v = NULL;
    d->p = NULL;
    d->most = rows + rows / 4;
    PT_RETURN(pt_alloc0(&d->v, 4 * d->most + d->places + 1));
    PT_RETURN(pt_alloc0(&d->p, 4 * d->most + d->places + 1));
    d->room = d->v + 2 * d->most;
    d->count = d->p + 2 * d->most;
    return PT_OK;
}

static void of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    drawing *d = user;
    size_t m = 0;
    for (int k = 0; k < PT_CORRELATIONS; k++) out[k] = NAN;
    if (d->rc == PT_OK) d->rc = make_room(d, pt_clusters_rows(d->c, drawn, n));
    if (d->rc != PT_OK) return;
    for (size_t i = 0; i < n; i++)
        for (size_t k = d->c->from[drawn[i]]; k < d->c->from[drawn[i] + 1]; k++, m++)
            for (size_t s = 0; s < 2; s++) {
                d->v[s * d->most + m] = d->x[s][d->c->row[k]];
                d->p[s * d->most + m] = d->at[s][d->c->row[k]];
            }
    out[PT_PEARSON] = pt_pearson(d->v, d->v + d->most, m);
    out[PT_SPEARMAN] = pt_spearman_of_places(d->p, d->p + d->most, m, d->places, d->room);
    out[PT_KENDALL] = pt_kendall_of_places(d->p, d->p + d->most, m, d->places, d->count);
}

static const char *why_not(const double *x, const double *y, size_t n)
{
    if (n < 2) return n ? "one pair alone" : "no pair";
    if (isnan(pt_pearson(x, x, n))) return "the first side is all of one value";
    return isnan(pt_pearson(y, y, n)) ? "the second side is all of one value" : NULL;
}

/* Values, and intervals of x[0][n], x[1][n] without NAN; cluster[n]. */
static pt_status correlate(const double *const x[2], const uint64_t *cluster, size_t n, size_t resamples, uint64_t seed, pt_correlation *out)
{
    pt_status rc = PT_OK;
    pt_clusters c = {.n = 0};
    uint32_t *at = NULL, places[2];
    drawing d = {.x = {x[0], x[1]}, .c = &c};
    PT_TRY(pt_clusters_of(cluster, n, &c));
    PT_TRY(pt_alloc0(&at, 2 * n));
    for (size_t s = 0; s < 2; s++) PT_TRY(pt_places(x[s], n, at + s * n, &places[s]));
    d.at[0] = at, d.at[1] = at + n;
    d.places = places[0] > places[1] ? places[0] : places[1];
    PT_TRY(make_room(&d, n));
    out->value[PT_PEARSON] = pt_pearson(x[0], x[1], n);
    out->value[PT_SPEARMAN] = pt_spearman_of_places(at, at + n, n, d.places, d.room);
    out->value[PT_KENDALL] = pt_kendall_of_places(at, at + n, n, d.places, d.count);
    if (resamples) PT_TRY(pt_bootstrap(c.n, PT_CORRELATIONS, resamples, seed, of_drawn, &d, out->ci));
    rc = d.rc;
done:
    free(d.v);
    free(d.p);
    free(at);
    pt_clusters_free(&c);
    return rc;
}

pt_status pt_correlate(const double *a, const double *b, const uint64_t *cluster, size_t n, size_t resamples, uint64_t seed, pt_correlation *out)
{
    pt_status rc = PT_OK;
    double *x = NULL;
    uint64_t *of = NULL;
    *out = (pt_correlation){.value = {NAN, NAN, NAN}, .ci = {{NAN, NAN}, {NAN, NAN}, {NAN, NAN}}};
    PT_TRY(pt_alloc0(&x, 2 * n));
    PT_TRY(pt_alloc0(&of, n));
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i])) continue;
        PT_CHECK(isfinite(a[i]) && isfinite(b[i]), PT_EARG, "pair %zu (%g, %g): there is no correlation of infinite numbers", i + 1, a[i], b[i]);
        x[out->n] = a[i];
        x[n + out->n] = b[i];
        of[out->n++] = cluster ? cluster[i] : i;
    }
    out->missing = n - out->n;
    out->why = why_not(x, x + n, out->n);
    if (!out->why) PT_TRY(correlate((const double *const[2]){x, x + n}, of, out->n, resamples, seed, out));
done:
    free(x);
    free(of);
    return rc;
}
