/* Rows by the cluster that each belongs to: what is resampled as one (eval/stat/resample.h). */
#ifndef PT_EVAL_CLUSTERS_H
#define PT_EVAL_CLUSTERS_H
#include "base/mem.h"

typedef struct pt_clusters {
    size_t n;       /* clusters, in the order of their numbers */
    size_t *from;   /* [n + 1] owned; rows of cluster i are row[from[i]] ... row[from[i + 1] - 1], in the order they came in */
    size_t *row;    /* [rows] owned */
} pt_clusters;
/* cluster[rows]: each row's number; NULL: every row is one of its own. Free with pt_clusters_free. PT_ENOMEM. */
pt_status pt_clusters_of(const uint64_t *cluster, size_t rows, pt_clusters *out);
/* Rows of the clusters drawn[n] together. */
size_t pt_clusters_rows(const pt_clusters *c, const size_t *drawn, size_t n);
void pt_clusters_free(pt_clusters *c);
#endif
