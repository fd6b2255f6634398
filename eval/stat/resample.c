#include "eval/stat/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/stat/significance.h"

/* One of n by 32 random bits: each as likely as another up to n / 2^32. */
static size_t one_of(uint32_t word, size_t n)
{
    return (size_t)(((uint64_t)word * n) >> 32);
}

static void draw(size_t *drawn, size_t n, uint64_t seed, size_t resample)
{
    for (size_t i = 0; i < n; i += 4) {
        pt_rng4 w = pt_rng_words(seed, PT_RNG_RESAMPLE, resample, i);
        for (size_t k = 0; k < 4 && i + k < n; k++) drawn[i + k] = one_of(w.v[k], n);
    }
}

/* x[n]: what is NAN goes. */
static pt_interval interval(double *x, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) x[m++] = x[i];
    qsort(x, m, sizeof *x, pt_double_order);
    return (pt_interval){pt_quantile(x, m, 0.025), pt_quantile(x, m, 0.975)};
}

pt_status pt_bootstrap(size_t clusters, size_t values, size_t resamples, uint64_t seed, pt_statistic f, void *user, pt_interval *out)
{
    pt_status rc = PT_OK;
    size_t *drawn = NULL;
    double *one = NULL, *all = NULL; /* [values][resamples] */
    for (size_t v = 0; v < values; v++) out[v] = (pt_interval){NAN, NAN};
    if (clusters < 2 || !values) return PT_OK;
    PT_TRY(pt_alloc0(&drawn, clusters));
    PT_TRY(pt_alloc0(&one, values));
    PT_TRY(pt_alloc0(&all, values * resamples));
    for (size_t r = 0; r < resamples; r++) {
        draw(drawn, clusters, seed, r);
        f(user, drawn, clusters, one);
        for (size_t v = 0; v < values; v++) all[v * resamples + r] = one[v];
    }
    for (size_t v = 0; v < values; v++) out[v] = interval(all + v * resamples, resamples);
done:
    free(drawn);
    free(one);
    free(all);
    return rc;
}

/* Which clusters change places: way number `way` of all, or a random one. */
static void swap(uint8_t *swapped, size_t n, bool exact, uint64_t seed, size_t way)
{
    if (exact) {
        for (size_t i = 0; i < n; i++) swapped[i] = (uint8_t)(way >> i & 1);
        return;
    }
    for (size_t i = 0; i < n; i += 128) {
        pt_rng4 w = pt_rng_words(seed, PT_RNG_PERMUTE, way, i);
        for (size_t k = 0; k < 128 && i + k < n; k++) swapped[i + k] = (uint8_t)(w.v[k / 32] >> k % 32 & 1);
    }
}

pt_status pt_permute(size_t clusters, size_t values, size_t permutations, uint64_t seed, pt_two_sides f, void *user, double *p)
{
    pt_status rc = PT_OK;
    uint8_t *swapped = NULL;
    double *seen = NULL, *now = NULL;
    size_t *farther = NULL;
    bool exact = clusters < 32 && (size_t)1 << clusters <= permutations;
    size_t ways = exact ? (size_t)1 << clusters : permutations;
    for (size_t v = 0; v < values; v++) p[v] = NAN;
    if (!clusters || !values) return PT_OK;
    PT_TRY(pt_alloc0(&swapped, clusters));
    PT_TRY(pt_alloc0(&seen, 2 * values));
    PT_TRY(pt_alloc0(&now, 2 * values));
    PT_TRY(pt_alloc0(&farther, values));
    f(user, swapped, seen);
    for (size_t w = 0; w < ways; w++) {
        swap(swapped, clusters, exact, seed, w);
        f(user, swapped, now);
        for (size_t v = 0; v < values; v++) {
            double rounding = 1e-12 * (fabs(seen[v]) + fabs(seen[values + v]));
            farther[v] += !(fabs(now[v] - now[values + v]) < fabs(seen[v] - seen[values + v]) - rounding);
        }
    }
    for (size_t v = 0; v < values; v++)
        if (!isnan(seen[v] - seen[values + v])) p[v] = (double)(farther[v] + !exact) / (double)(ways + !exact);
done:
    free(swapped);
    free(seen);
    free(now);
    free(farther);
    return rc;
}

/* ---- sums ---- */

typedef struct adding {
    const pt_added *a;
    double *sums; /* [width]; for two sides: those of one, of the other, and what is moved */
    double *all;  /* [2][width]: of both sides with nothing swapped */
    double *more; /* [clusters][width]: the other side's parts less the one's */
    size_t *list; /* [clusters] */
} adding;

static void value_of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    const adding *x = user;
    size_t width = x->a->width;
    double *sums = x->sums;
    memset(sums, 0, width * sizeof *sums);
    for (size_t i = 0; i < n; i++) {
        const double *part = x->a->parts + drawn[i] * width;
#pragma omp simd
        for (size_t k = 0; k < width; k++) sums[k] += part[k];
    }
    x->a->value(x->a->user, sums, out);
}

pt_status pt_bootstrap_added(const pt_added *a, size_t resamples, uint64_t seed, pt_interval *out)
{
    adding x = {.a = a};
    PT_RETURN(pt_alloc0(&x.sums, a->width));
    pt_status rc = pt_bootstrap(a->clusters, a->values, resamples, seed, value_of_drawn, &x, out);
    free(x.sums);
    return rc;
}

typedef struct changing {
    const pt_added *a;
    const double *after;
    double *sums, *values; /* [2][width], [2][values] */
} changing;

static void change_of_drawn(void *user, const size_t *drawn, size_t n, double *out)
{
    const changing *x = user;
    const size_t width = x->a->width, values = x->a->values;
    memset(x->sums, 0, 2 * width * sizeof *x->sums);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++) {
            x->sums[k] += x->a->parts[drawn[i] * width + k];
            x->sums[width + k] += x->after[drawn[i] * width + k];
        }
    for (size_t s = 0; s < 2; s++) x->a->value(x->a->user, x->sums + s * width, x->values + s * values);
    for (size_t v = 0; v < values; v++) out[v] = x->values[values + v] - x->values[v];
}

pt_status pt_bootstrap_change(const pt_added *before, const double *after, size_t resamples, uint64_t seed, pt_interval *out)
{
    pt_status rc = PT_OK;
    changing x = {.a = before, .after = after};
    PT_TRY(pt_alloc0(&x.sums, 2 * before->width));
    PT_TRY(pt_alloc0(&x.values, 2 * before->values));
    PT_TRY(pt_bootstrap(before->clusters, before->values, resamples, seed, change_of_drawn, &x, out));
done:
    free(x.sums);
    free(x.values);
    return rc;
}

static void values_swapped(void *user, const uint8_t *swapped, double *out)
{
    const adding *x = user;
    size_t width = x->a->width;
    double *one = x->sums, *other = one + width, *moved = other + width;
    size_t n = 0;
    memset(moved, 0, width * sizeof *moved);
    for (size_t i = 0; i < x->a->clusters; i++) { /* a list first: a branch on a random bit costs more than the sums */
        x->list[n] = i;
        n += swapped[i];
    }
    for (size_t i = 0; i < n; i++) {
        const double *more = x->more + x->list[i] * width;
#pragma omp simd
        for (size_t k = 0; k < width; k++) moved[k] += more[k];
    }
    for (size_t k = 0; k < width; k++) {
        one[k] = x->all[k] + moved[k];
        other[k] = x->all[width + k] - moved[k];
    }
    x->a->value(x->a->user, one, out);
    x->a->value(x->a->user, other, out + x->a->values);
}

pt_status pt_permute_added(const pt_added *a, const double *b, size_t permutations, uint64_t seed, double *p)
{
    pt_status rc = PT_OK;
    adding x = {.a = a};
    PT_TRY(pt_alloc0(&x.sums, 3 * a->width));
    PT_TRY(pt_alloc0(&x.all, 2 * a->width));
    PT_TRY(pt_alloc0(&x.more, a->clusters * a->width));
    PT_TRY(pt_alloc0(&x.list, a->clusters));
    for (size_t i = 0; i < a->clusters; i++)
        for (size_t k = 0; k < a->width; k++) {
            size_t at = i * a->width + k;
            x.more[at] = b[at] - a->parts[at];
            x.all[k] += a->parts[at];
            x.all[a->width + k] += b[at];
        }
    PT_TRY(pt_permute(a->clusters, a->values, permutations, seed, values_swapped, &x, p));
done:
    free(x.sums);
    free(x.all);
    free(x.more);
    free(x.list);
    return rc;
}

static void the_sum(const void *user, const double *sums, double *out)
{
    (void)user;
    *out = *sums;
}

/* d against its own negative: to change places is to change the sign. */
pt_status pt_permute_mean(const double *d, size_t n, size_t permutations, uint64_t seed, double *p)
{
    double *b;
    PT_RETURN(pt_alloc0(&b, n));
    for (size_t i = 0; i < n; i++) b[i] = -d[i];
    pt_status rc = pt_permute_added(&(pt_added){.clusters = n, .width = 1, .values = 1, .parts = d, .value = the_sum}, b, permutations, seed, p);
    free(b);
    return rc;
}
