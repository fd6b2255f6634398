#include "eval/stat/clusters.h"

#include <stdlib.h>

typedef struct placed {
    uint64_t cluster;
    size_t row;
} placed;

static int by_cluster(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->cluster != y->cluster) return x->cluster < y->cluster ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

pt_status pt_clusters_of(const uint64_t *cluster, size_t rows, pt_clusters *out)
{
    pt_status rc = PT_OK;
    placed *order = NULL;
    *out = (pt_clusters){.n = 0};
    PT_TRY(pt_alloc0(&order, rows));
    PT_TRY(pt_alloc0(&out->from, rows + 1));
    PT_TRY(pt_alloc0(&out->row, rows));
    for (size_t i = 0; i < rows; i++) order[i] = (placed){cluster ? cluster[i] : i, i};
    qsort(order, rows, sizeof *order, by_cluster);
    for (size_t i = 0; i < rows; i++) {
        if (!i || order[i].cluster != order[i - 1].cluster) out->from[out->n++] = i;
        out->row[i] = order[i].row;
    }
    out->from[out->n] = rows;
done:
    free(order);
    if (rc != PT_OK) pt_clusters_free(out);
    return rc;
}

size_t pt_clusters_rows(const pt_clusters *c, const size_t *drawn, size_t n)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += c->from[drawn[i] + 1] - c->from[drawn[i]];
    return rows;
}

void pt_clusters_free(pt_clusters *c)
{
    free(c->from);
    free(c->row);
    *c = (pt_clusters){.n = 0};
}
