/* Correlations of pairs. Undefined (NAN, never 0) where one side does not vary. */
#ifndef PT_EVAL_CORRELATION_H
#define PT_EVAL_CORRELATION_H
#include "eval/stat/resample.h"

/* Pearson's correlation, as scipy.stats.pearsonr. Pairs with a NAN are left out; fewer than two are NAN. A variance of rounding alone, 1e-24 of the mean square, is
 * none. */
double pt_pearson(const double *a, const double *b, size_t n);

/* Of places (eval/stat/places.h) below `places`: Spearman's (1904), Pearson's correlation of ranks, equal ones their mean (scipy.stats.spearmanr). room[2 n + places + 1]. */
double pt_spearman_of_places(const uint32_t *y, const uint32_t *f, size_t n, size_t places, double *room);
/* Kendall's tau-b (1945), as scipy.stats.kendalltau: (pairs alike - pairs turned) / sqrt((pairs - ties of y) (pairs - ties of f)). room[2 n + places + 1]. */
double pt_kendall_of_places(const uint32_t *y, const uint32_t *f, size_t n, size_t places, uint32_t *room);

enum { PT_PEARSON, PT_SPEARMAN, PT_KENDALL, PT_CORRELATIONS };
typedef struct pt_correlation {
    double value[PT_CORRELATIONS];
    pt_interval ci[PT_CORRELATIONS]; /* by bootstrap over clusters; NAN: none was asked for, or there is none */
    size_t n, missing;               /* pairs; those left out, for one of them is NAN */
    const char *why;                 /* why there is no value; NULL: there is one */
} pt_correlation;
/* All three of a[n] and b[n]. cluster[n]: what is resampled as one, NULL: each pair. resamples 0: no intervals. PT_EARG: an infinite number. PT_ENOMEM. */
pt_status pt_correlate(const double *a, const double *b, const uint64_t *cluster, size_t n, size_t resamples, uint64_t seed, pt_correlation *out);
#endif
