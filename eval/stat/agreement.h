/* How far raters agree: of a table x[items][raters] of numbers (classes have numbers too), NAN where a rater says nothing. What is undefined is NAN, with the reason.
 * v are the different values that occur. */
#ifndef PT_EVAL_AGREEMENT_H
#define PT_EVAL_AGREEMENT_H
#include "eval/stat/resample.h"

typedef enum pt_agree {
    /* Mean, over items with two ratings or more, of the share of equal ones among their pairs. */
    PT_AGREE_SHARE,
    /* Cohen's kappa (1960; weighted 1968) of two raters, 1 - seen disagreement / disagreement by chance, of the items that both have rated: d(v, w) is [v != w], |v - w|,
     * or (v - w)^2. As scikit-learn 1.9.1's cohen_kappa_score with `labels` a scale of equal steps. Of more raters the mean over pairs of raters that have one. */
    PT_AGREE_KAPPA,
    PT_AGREE_KAPPA_LINEAR,
    PT_AGREE_KAPPA_QUADRATIC,
    /* Krippendorff's alpha (2004), as krippendorff 0.9.0: 1 - (N - 1) * sum over items of sum of d over ordered pairs of its m ratings / (m - 1), by sum of n_v n_w d(v, w). N
     * ratings of items with two or more, n_v of them of value v. d: nominal [v != w]; ordinal the square of what lies between, (n_v + n_w) / 2 + those between;
     * interval (v - w)^2; ratio ((v - w) / (v + w))^2, of values from 0 on. */
    PT_AGREE_ALPHA_NOMINAL,
    PT_AGREE_ALPHA_ORDINAL,
    PT_AGREE_ALPHA_INTERVAL,
    PT_AGREE_ALPHA_RATIO,
    PT_AGREES
} pt_agree;
/* As eval.json calls it: "agreement", "kappa", "kappa_linear", "alpha_ordinal" ... */
const char *pt_agree_key(pt_agree a);

typedef struct pt_rated {
    const double *x;         /* [items][raters] */
    size_t items, raters;
    const uint64_t *cluster; /* [items] what is resampled as one; NULL: each item */
} pt_rated;

typedef struct pt_agreement {
    double value[PT_AGREES];
    pt_interval ci[PT_AGREES];
    const char *why[PT_AGREES]; /* why there is no value; NULL: there is one, or it was not asked for */
    size_t items, alone;        /* items with two ratings or more; with one or none, which say nothing */
    size_t ratings, missing;    /* of all items: given; NAN */
    size_t pairs, apart;        /* pairs of raters; those with no item in common */
} pt_agreement;
/* wanted: bits 1u << PT_AGREE_...; the rest stays NAN. resamples 0: no intervals; they are percentile bootstraps over clusters, draws without a value left out. Time of one
 * resample: items * raters^2 for kappas, the square of the number of different values for ratio. PT_EARG: an infinite number. PT_ENOMEM. */
pt_status pt_agreement_of(const pt_rated *r, unsigned wanted, size_t resamples, uint64_t seed, pt_agreement *out);

/* ---- pieces, for who counts by himself (eval/metric/metric_agreement.c) ---- */

/* Kappa from counts: a[k], b[k] of each value by either rater, of `n` items both have rated; seen: d summed over these. weights: PT_AGREE_KAPPA ... QUADRATIC. v[k]
 * ascending, NULL: 0, 1, 2 ... NAN: all ratings are of one value, or there are none. */
double pt_kappa_of_counts(pt_agree weights, const double *v, const double *a, const double *b, size_t k, double n, double seen);
/* score[k]: what ordinal distance is the difference of, the ratings below v and half of those at it. */
void pt_ordinal_scores(const double *count, size_t k, double *score);
/* Sum over all i, j of count_i count_j (score_i - score_j)^2; score NULL: of [i != j]. */
double pt_spread(const double *score, const double *count, size_t k);
#endif
