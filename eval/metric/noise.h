/* What of a table is more than noise: intervals of a side's metrics, and p of before against after, by resampling the clusters of choices
 * (eval/stat/resample.h; pt_pick.cluster). Seeded: the same of the same answers. */
#ifndef PT_EVAL_NOISE_H
#define PT_EVAL_NOISE_H
#include "eval/metric/metric.h"

/* A change of lower p, after the correction, is marked. */
#define PT_NOISE_BELOW 0.05

typedef struct pt_picks {
    const pt_pick *const *c; /* those of one item side by side */
    size_t n;
    size_t among; /* of one group: how many all groups have; 0: these are all */
} pt_picks;

/* m->lo and m->hi of the listed metrics that have a value: 95 % bootstrap intervals of PT_RESAMPLES resamples. What adds up over items is resampled
 * as sums (fast); any other metric is computed again of each resample, of which there are fewer where choices are many: 4e6 / n, at least 200 (of a group as many as of all). A
 * cluster that is drawn twice may lie beside itself. NAN: fewer than two clusters. PT_ENOMEM. */
pt_status pt_noise_side(const pt_metric_list *list, pt_picks picks, uint64_t seed, pt_measures *m);

/* out->p of the listed ones: clusters of both sides are paired by pt_pick.cluster and change places as wholes, PT_PERMUTATIONS times at most
 * (metrics that do not add up: 4e6 / n, at least 400); exact for 13 clusters or fewer. A cluster that only one side has changes places with
 * nothing. NAN where a side has no value. Of what adds up also out->lo and out->hi, the interval of the change (the same clusters of both sides are drawn
 * together); of means also pt_noise_pairs by cluster. PT_ENOMEM. */
pt_status pt_noise_change(const pt_metric_list *list, const pt_picks side[2], uint64_t seed, pt_changes *out);

/* Beside it, of a metric's value in each of n clusters on both sides (NAN: none there; such clusters are left out): Wilcoxon's test of the
 * differences, and McNemar's where all values are 0 or 1, else NAN. NAN where no cluster is left. PT_ENOMEM. */
pt_status pt_noise_pairs(const double *before, const double *after, size_t n, double *wilcoxon, double *mcnemar);

/* Holm's correction of a report's p, in place. Its families: the overall values of all listed metrics are one; the groups of each metric are one
 * more for each (a hundred groups times ten metrics in one family could never be found by 10,000 permutations). PT_ENOMEM. */
pt_status pt_noise_correct(const pt_metric_list *list, pt_report *r);
/* The same anew over n reports that stand side by side, once each is corrected by itself: a family holds what all of them say; preference accuracies are one of
 * their own. */
pt_status pt_noise_correct_beside(pt_report *const *r, size_t n);
#endif
