/* How well answers measure anything: of a table x[n][k] of n respondents (or targets) by k items (or raters, repeats). Rows with a value that is NAN are
 * left out. What is undefined (no variance, too few) is NAN, never 0 or 1; a variance of rounding alone, 1e-24 of the mean square, is none. */
#ifndef PT_EVAL_RELIABILITY_H
#define PT_EVAL_RELIABILITY_H
#include "base/mem.h"

/* Cronbach's alpha (1951), as pingouin computes it: k / (k - 1) (1 - sum of the items' variances / variance of the rows' sums). NAN: n or k below two. */
double pt_alpha(const double *x, size_t n, size_t k);

/* McDonald's omega_total (1999) of one factor, as r-cran-psych defines it: 1 - sum(1 - l_i^2) / sum(R), R the correlations of the items, l the loadings of
 * one factor that minimise the sum over i < j of (r_ij - l_i l_j)^2 (minimum residual, Harman and Jones 1966; each l_i in turn, l_i^2 at most 0.995).
 * Items are not turned over: they come keyed. NAN: an item without variance, fewer than three items or rows. PT_ENOMEM. */
pt_status pt_omega_total(const double *x, size_t n, size_t k, double *out);

/* Intraclass correlations (Shrout and Fleiss 1979) of mean squares between targets B, within W, between raters J, of the rest E. */
typedef struct pt_icc {
    double one, two, three;       /* (B-W)/(B+(k-1)W), (B-E)/(B+(k-1)E+k(J-E)/n), (B-E)/(B+(k-1)E) */
    double one_k, two_k, three_k; /* of the mean of k: (B-W)/B, (B-E)/(B+(J-E)/n), (B-E)/B */
} pt_icc;
pt_icc pt_icc_of(const double *x, size_t n, size_t k);
/* From mean squares of n targets by k raters. */
pt_icc pt_icc_of_squares(double between, double within, double raters, double rest, double n, double k);
#endif
