/* Tests and effect sizes of lists of numbers. What cannot be said is NAN, never 0 or 1. All p are two-sided. */
#ifndef PT_EVAL_SIGNIFICANCE_H
#define PT_EVAL_SIGNIFICANCE_H
#include "base/mem.h"

/* ---- pairs (eval/stat/pair_tests.c) ---- */

/* McNemar's test (1947) of b and c, the pairs in which only the one or only the other is right. Below PT_MCNEMAR_EXACT of them the exact
 * binomial p = min(1, 2 P(X <= min(b, c))), X of b + c tosses; from there on chi-square with one degree of freedom of max(0, |b - c| - 1)^2 / (b + c)
 * (Edwards 1948). Equal b and c give 1, and so do none at all. */
enum { PT_MCNEMAR_EXACT = 25 };
double pt_mcnemar(size_t b, size_t c);

typedef struct pt_wilcoxon {
    double statistic; /* the smaller of the sums of positive and of negative ranks */
    double p;
    size_t n;   /* differences other than 0 */
    bool exact; /* p of all 2^n signs; else of the normal distribution */
} pt_wilcoxon;
/* Wilcoxon's signed-rank test (1945) of n differences as scipy.stats.wilcoxon with its defaults does it (1.17: zero_method "wilcox", no continuity
 * correction, method "auto"): zeros are left out, equal sizes share their mean rank. Exact for n <= 50 without zeros and equal sizes, and for n <=
 * 13 in any case; else z = (W+ - m(m+1)/4) / sqrt(m(m+1)(2m+1)/24 - sum(t^3 - t)/48), m the differences other than 0, t the sizes of groups of
 * equals. Unlike scipy p is 1, not NAN, where 14 or more differences are all 0. n = 0 and a difference that is no number: NAN. PT_ENOMEM. */
pt_status pt_wilcoxon_test(const double *d, size_t n, pt_wilcoxon *out);

/* ---- two samples ---- */

typedef struct pt_sample {
    size_t n;
    double mean, variance; /* variance: n - 1 below */
} pt_sample;
/* n = 0: mean NAN; n < 2: variance NAN. */
pt_sample pt_sample_of(const double *x, size_t n);

typedef struct pt_welch {
    double t, df, p;
    double d; /* Cohen: difference of means over the pooled standard deviation, sqrt(((n1-1) s1^2 + (n2-1) s2^2) / (n1 + n2 - 2)) */
    double g; /* Hedges: d (1 - 3 / (4 (n1 + n2) - 9)), Hedges 1981 as pingouin computes it */
} pt_welch;
/* Welch's t (1947) of a against b from their sizes, means and variances, so that published norms serve as well as raw numbers; df by Satterthwaite. A
 * sample below two or no variance in both: all NAN. */
pt_welch pt_welch_test(pt_sample a, pt_sample b);

/* ---- many tests ---- */

/* Holm's step-down correction (1979), in place: the k-th smallest of m becomes the largest (m - j) p_j (j = 0 ... k), at most 1. NAN stays and is not
 * counted. PT_ENOMEM. */
pt_status pt_holm(double *p, size_t n);
/* Linear interpolation between the sorted x[n], at place q (n - 1), 0 <= q <= 1 (numpy's default). n = 0: NAN. */
double pt_quantile(const double *sorted, size_t n, double q);
/* For qsort. */
int pt_double_order(const void *a, const void *b);
#endif
