#include "eval/stat/ratings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/stat/clusters.h"

double pt_elo(double rating)
{
    return PT_ELO_MEAN + 400 / log(10) * rating;
}

/* ---- who can be compared ---- */

/* part[n] of the graph with an edge i -> j where i has won against j; reach[n][n]. Returns how many. */
static size_t find_parts(const double *wins, size_t n, double prior, uint8_t *reach, size_t *part)
{
    size_t parts = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) reach[i * n + j] = i == j || wins[i * n + j] + prior > 0;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; reach[i * n + k] && j < n; j++) reach[i * n + j] |= reach[k * n + j];
    for (size_t i = 0; i < n; i++) {
        size_t first = 0;
        while (!(reach[i * n + first] && reach[first * n + i])) first++;
        part[i] = first < i ? part[first] : parts++;
    }
    return parts;
}

/* ---- Newton ---- */

typedef struct fit {
    size_t n;
    const double *wins;
    double prior;
    double *r, *next, *g; /* [n] */
    double *h;            /* [n][n] */
} fit;

static double won(const fit *x, size_t i, size_t j)
{
    return x->wins[i * x->n + j] + x->prior;
}

/* log(1 + exp(-d)), the loss of a win by d. */
static double loss_of(double d)
{
    return d > 0 ? log1p(exp(-d)) : log1p(exp(d)) - d;
}

static double loss(const fit *x, const double *r)
{
    double sum = 0;
    for (size_t i = 0; i < x->n; i++)
        for (size_t j = 0; j < i; j++) sum += won(x, i, j) * loss_of(r[i] - r[j]) + won(x, j, i) * loss_of(r[j] - r[i]);
    return sum;
}

/* Of the loss by r: its downhill direction g and second derivatives h, which are a graph's Laplacian. */
static void derive(const fit *x)
{
    const size_t n = x->n;
    memset(x->h, 0, n * n * sizeof *x->h);
    memset(x->g, 0, n * sizeof *x->g);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double a = won(x, i, j), b = won(x, j, i), d = x->r[i] - x->r[j], small = exp(-fabs(d)), p = (d > 0 ? 1 : small) / (1 + small), q = (d > 0 ? small : 1) / (1 + small);
            const double g = a * q - b * p, h = (a + b) * p * q;
            x->g[i] += g, x->g[j] -= g;
            x->h[i * n + i] += h, x->h[j * n + j] += h;
            x->h[i * n + j] -= h, x->h[j * n + i] -= h;
        }
}

/* g = h^-1 g with the last one held, by Cholesky's factors in h; false: it has none in these numbers. */
static bool solve(const fit *x)
{
    const size_t n = x->n, m = n - 1;
    double *h = x->h, *g = x->g;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = h[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= h[i * n + k] * h[j * n + k];
            if (i == j && !(sum > 0)) return false;
            h[i * n + j] = i == j ? sqrt(sum) : sum / h[j * n + j];
        }
        for (size_t k = 0; k < i; k++) g[i] -= h[i * n + k] * g[k];
        g[i] /= h[i * n + i];
    }
    for (size_t i = m; i-- > 0;) {
        for (size_t k = i + 1; k < m; k++) g[i] -= h[k * n + i] * g[k];
        g[i] /= h[i * n + i];
    }
    g[m] = 0;
    return true;
}

/* r from 0 on, until steps are rounding; false: no end was reached. */
static bool climb(const fit *x)
{
    const size_t n = x->n;
    double now = loss(x, x->r);
    for (int round = 0; round < 200; round++) {
        double mean = 0, largest = 0, step = 1, then = 0;
        derive(x);
        if (!solve(x)) return false;
        for (size_t i = 0; i < n; i++) mean += x->g[i] / (double)n;
        for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(x->g[i] -= mean));
        if (largest > 4) step = 4 / largest; /* far away the curve says little */
        for (int half = 0; half < 60; half++, step /= 2) {
            for (size_t i = 0; i < n; i++) x->next[i] = x->r[i] + step * x->g[i];
            if ((then = loss(x, x->next)) <= now || largest < 1e-6) break;
        }
        memcpy(x->r, x->next, n * sizeof *x->r);
        now = then;
        if (largest < 1e-12) return true;
    }
    return false;
}

/* room: [3][n] and [n][n] of numbers; reach[n][n]. */
static bool rate(const double *wins, size_t n, double prior, double *room, uint8_t *reach, double *rating, size_t *part, size_t *parts)
{
    double mean = 0;
    const fit x = {.n = n, .wins = wins, .prior = prior, .r = room, .next = room + n, .g = room + 2 * n, .h = room + 3 * n};
    *parts = find_parts(wins, n, prior, reach, part);
    for (size_t i = 0; i < n; i++) rating[i] = NAN, x.r[i] = 0;
    if (*parts != 1) return true;
    if (n > 1 && !climb(&x)) return false;
    for (size_t i = 0; i < n; i++) mean += x.r[i] / (double)n;
    for (size_t i = 0; i < n; i++) rating[i] = x.r[i] - mean;
    return true;
}

static pt_status check_prior(double prior)
{
    return prior >= 0 && isfinite(prior) ? PT_OK : pt_fail(PT_EARG, "prior: %g wins: it is a number from 0 on", prior);
}

/* Room for `rate`. PT_ENOMEM. */
static pt_status make_room(size_t n, double **room, uint8_t **reach)
{
    PT_RETURN(pt_alloc0(room, 3 * n + n * n));
    return pt_alloc0(reach, n * n);
}

pt_status pt_ratings_of_wins(const double *wins, size_t n, double prior, double *rating, size_t *part, size_t *parts)
{
    pt_status rc = PT_OK;
    double *room = NULL;
    uint8_t *reach = NULL;
    PT_TRY(check_prior(prior));
    for (size_t i = 0; i < n * n; i++)
        PT_CHECK(i / n == i % n || (wins[i] >= 0 && isfinite(wins[i])), PT_EARG, "wins of %zu against %zu: %g", i / n + 1, i % n + 1, wins[i]);
    PT_TRY(make_room(n, &room, &reach));
    PT_CHECK(rate(wins, n, prior, room, reach, rating, part, parts), PT_ENONFINITE, "ratings of %zu: wins differ by more than numbers hold", n);
done:
    free(room);
    free(reach);
    return rc;
}

/* ---- with intervals ---- */

typedef struct drawing {
    const pt_duel *d;
    pt_clusters clusters;
    size_t n, *part, held;
    double prior, *wins, *room;
    uint8_t *reach;
} drawing;

static void put(double *wins, size_t n, const pt_duel *d)
{
    wins[d->a * n + d->b] += d->won;
    wins[d->b * n + d->a] += 1 - d->won;
}

static void of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    drawing *x = user;
    size_t parts;
    memset(x->wins, 0, x->n * x->n * sizeof *x->wins);
    for (size_t i = 0; i < n; i++)
        for (size_t k = x->clusters.from[drawn[i]]; k < x->clusters.from[drawn[i] + 1]; k++) put(x->wins, x->n, x->d + x->clusters.row[k]);
    x->held += rate(x->wins, x->n, x->prior, x->room, x->reach, out, x->part, &parts) && parts == 1;
}

static pt_status intervals(const pt_duel *d, pt_ratings *out, double prior, uint64_t seed)
{
    pt_status rc = PT_OK;
    drawing x = {.d = d, .n = out->n, .prior = prior};
    uint64_t *cluster = NULL;
    PT_TRY(pt_alloc0(&cluster, out->duels));
    for (size_t i = 0; i < out->duels; i++) cluster[i] = d[i].cluster;
    PT_TRY(pt_clusters_of(cluster, out->duels, &x.clusters));
    PT_TRY(pt_alloc0(&x.part, x.n));
    PT_TRY(pt_alloc0(&x.wins, x.n * x.n));
    PT_TRY(make_room(x.n, &x.room, &x.reach));
    PT_TRY(pt_bootstrap(x.clusters.n, x.n, out->resamples, seed, of_drawn, &x, out->ci));
    out->held = x.held;
done:
    pt_clusters_free(&x.clusters);
    free(cluster);
    free(x.part);
    free(x.wins);
    free(x.room);
    free(x.reach);
    return rc;
}

static pt_status take(const pt_duel *d, size_t duels, pt_ratings *out, double *wins)
{
    for (size_t i = 0; i < duels; i++) {
        if (d[i].a >= out->n || d[i].b >= out->n || d[i].a == d[i].b)
            return pt_fail(PT_EARG, "comparison %zu is of %zu with %zu, of %zu that there are", i + 1, d[i].a + 1, d[i].b + 1, out->n);
        if (!(d[i].won >= 0 && d[i].won <= 1)) return pt_fail(PT_EARG, "comparison %zu: %g of a win: it lies between 0 and 1", i + 1, d[i].won);
        put(wins, out->n, d + i);
        out->wins[d[i].a] += d[i].won, out->wins[d[i].b] += 1 - d[i].won;
        out->played[d[i].a]++, out->played[d[i].b]++;
    }
    return PT_OK;
}

pt_status pt_ratings_of(const pt_duel *d, size_t duels, size_t n, double prior, size_t resamples, uint64_t seed, pt_ratings *out)
{
    pt_status rc = PT_OK;
    double *wins = NULL;
    *out = (pt_ratings){.n = n, .duels = duels, .resamples = resamples};
    PT_TRY(check_prior(prior));
    PT_TRY(pt_alloc0(&out->rating, n));
    PT_TRY(pt_alloc0(&out->ci, n));
    PT_TRY(pt_alloc0(&out->wins, n));
    PT_TRY(pt_alloc0(&out->played, n));
    PT_TRY(pt_alloc0(&out->part, n));
    PT_TRY(pt_alloc0(&wins, n * n));
    for (size_t i = 0; i < n; i++) out->ci[i] = (pt_interval){NAN, NAN};
    PT_TRY(take(d, duels, out, wins));
    PT_TRY(pt_ratings_of_wins(wins, n, prior, out->rating, out->part, &out->parts));
    if (resamples && out->parts == 1) PT_TRY(intervals(d, out, prior, seed));
done:
    free(wins);
    if (rc != PT_OK) pt_ratings_free(out);
    return rc;
}

void pt_ratings_free(pt_ratings *r)
{
    free(r->rating);
    free(r->ci);
    free(r->wins);
    free(r->played);
    free(r->part);
    *r = (pt_ratings){.n = 0};
}

pt_status pt_ratings_why(const pt_ratings *r, const char *const *names, pt_str *out)
{
    if (r->parts <= 1) return pt_str_puts(out, "");
    PT_RETURN(pt_str_puts(out, "no ratings: between these groups there are no wins both ways, neither direct nor by others: "));
    for (size_t p = 0; p < r->parts; p++) {
        const char *before = p ? " | " : "";
        for (size_t i = 0; i < r->n; i++) {
            if (r->part[i] != p) continue;
            PT_RETURN(pt_str_printf(out, "%s%s", before, names[i]));
            before = ", ";
        }
    }
    return pt_str_puts(out, "; `prior` gives each so many wins against each");
}
