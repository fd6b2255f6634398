/* Intervals and tests by resampling whole clusters (an item with all its repeats and rotations, a persona, a question): what belongs together moves
 * together, for rows of one cluster are no independent evidence. Any number of statistics at once, of the same draws. The draws are a pure function
 * of (seed, resample, place): equal on every machine. Values are NAN
 * where undefined. */
#ifndef PT_EVAL_RESAMPLE_H
#define PT_EVAL_RESAMPLE_H
#include "base/mem.h"

enum { PT_RESAMPLES = 1000, PT_PERMUTATIONS = 10000 };

typedef struct pt_interval {
    double lo, hi;
} pt_interval;

/* out[values] of the clusters drawn[n], the same one perhaps several times. */
typedef void (*pt_statistic)(void *user, const size_t *drawn, size_t n, double *out);
/* out[2 * values]: first the values of one side, then of the other, where cluster i of both sides has changed places if swapped[i]. */
typedef void (*pt_two_sides)(void *user, const uint8_t *swapped, double *out);

/* 95 % percentile intervals (Efron 1979): `resamples` times as many clusters as there are are drawn with replacement; lo and hi are the 2.5 % and
 * 97.5 % quantiles of each statistic (pt_quantile). Draws where it is NAN are left out. NAN: fewer than two clusters, or no draw with a value.
 * PT_ENOMEM. */
pt_status pt_bootstrap(size_t clusters, size_t values, size_t resamples, uint64_t seed, pt_statistic f, void *user, pt_interval *out);

/* Paired permutation test by cluster (Fisher 1935; for a mean these are sign flips of the clusters' summed differences): p[values] of |value of one
 * side - of the other| where nothing is swapped, of all ways to swap sides. Exact where the 2^clusters ways are no more than `permutations` (13
 * clusters for 10,000): p = ways as far or farther / ways. Else `permutations` random ways and p = (1 + as far or farther) / (1 + permutations)
 * (Phipson and Smyth 2010). As far: up to rounding, 1e-12 of the values. A way without a value counts as farther. p of no difference is 1; of one
 * cluster 1 too, for one cannot say; of a value that is NAN, and without clusters, NAN. PT_ENOMEM. */
pt_status pt_permute(size_t clusters, size_t values, size_t permutations, uint64_t seed, pt_two_sides f, void *user, double *p);

/* The fast way, for what is made of sums over clusters (means are): parts[clusters][width] of each, and the values of sums[width]. */
typedef struct pt_added {
    size_t clusters, width, values;
    const double *parts;
    void (*value)(const void *user, const double *sums, double *out);
    const void *user;
} pt_added;
pt_status pt_bootstrap_added(const pt_added *a, size_t resamples, uint64_t seed, pt_interval *out);
/* b: parts of the same clusters on the other side; its clusters, width and values are a's. */
pt_status pt_permute_added(const pt_added *a, const double *b, size_t permutations, uint64_t seed, double *p);

/* Intervals of the change, value of `after` less value of `before`, where the same clusters of both are drawn together; after: parts of the same clusters. */
pt_status pt_bootstrap_change(const pt_added *before, const double *after, size_t resamples, uint64_t seed, pt_interval *out);

/* Of differences d[n], one of each cluster: the test of their sum against 0. */
pt_status pt_permute_mean(const double *d, size_t n, size_t permutations, uint64_t seed, double *p);
#endif
