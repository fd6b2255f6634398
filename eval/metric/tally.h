/* Rows (answered questions) in sums, and what of them is more than noise: intervals of a side's values, and p of before against after, by resampling
 * clusters of rows (eval/stat/resample.h). Seeded: the same of the same rows. */
#ifndef PT_EVAL_TALLY_H
#define PT_EVAL_TALLY_H
#include "eval/metric/finding.h"
#include "eval/stat/resample.h"

typedef struct pt_tally {
    size_t width, values;                                             /* of a row; made of the sums of rows */
    void (*value)(const void *user, const double *sums, double *out); /* out[values], NAN: none */
    const void *user;
    const struct pt_report_parts *side[2]; /* n = 0: not measured yet */
} pt_tally;

typedef struct pt_tallied {
    pt_interval ci;             /* 95 % bootstrap by cluster, PT_RESAMPLES resamples */
    double p;                   /* paired permutation by cluster; NAN where the other side has not the same clusters */
    pt_interval change;         /* 95 % bootstrap of after - before, the same clusters drawn together; NAN likewise */
    double wilcoxon, mcnemar;   /* of the clusters' values (pt_noise_pairs); NAN likewise */
} pt_tallied;

enum { PT_TALLY_ALL = -1 };
/* out[values] of side `side`, over the rows of a scope or all of them. PT_ENOMEM. */
pt_status pt_tally_noise(const pt_tally *t, pt_side side, int64_t scope, uint64_t seed, pt_tallied *out);

/* A value's row in a task's table and JSON. */
typedef struct pt_tally_row {
    char *metric, *label;
    pt_metric_form form;
    bool detail;
} pt_tally_row;
void pt_tally_rows_free(pt_tally_row *rows, size_t n); /* their texts, and the list */
/* rows[values] of all, and of each group where there are several (in the JSON alone), with intervals and p, corrected (pt_findings_correct): f holds no other rows. Once for
 * each side. PT_ENOMEM. */
pt_status pt_tally_find(const pt_tally *t, pt_side side, const pt_tally_row *rows, char *const *scopes, size_t n_scopes, uint64_t seed, pt_findings *f);

/* The same p for different n-grams by all n-grams of the answers of a scope together (t->side[].said); fewer permutations where there are many: 4e8 / n-grams, at least 400. It
 * has no interval: a resample says answers twice, which is what it measures. */
pt_status pt_tally_distinct(const pt_tally *t, int64_t scope, uint64_t seed, size_t n, double *p);
#endif
