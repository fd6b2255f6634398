#include "data/pack/pack_order.h"

#include <stdlib.h>
#include <string.h>

static int compare_ids(const pt_sequence *a, const pt_sequence *b, int32_t *common)
{
    int32_t n = a->n < b->n ? a->n : b->n, i = 0;
    for (uint64_t x, y; i + 2 <= n; i += 2) { /* two ids at a time: sorting spends its time here */
        memcpy(&x, a->ids + i, sizeof x);
        memcpy(&y, b->ids + i, sizeof y);
        if (x != y) break;
    }
    while (i < n && a->ids[i] == b->ids[i]) i++;
    if (common) *common = i;
    if (i < n) return a->ids[i] < b->ids[i] ? -1 : 1;
    return (a->n > b->n) - (a->n < b->n);
}

static int by_ids(const void *pa, const void *pb, void *all)
{
    const pt_sequence *seqs = all;
    int32_t ia = *(const int32_t *)pa, ib = *(const int32_t *)pb;
    const pt_sequence *a = &seqs[ia], *b = &seqs[ib];
    if (a->slot != b->slot) return a->slot < b->slot ? -1 : 1;
    int c = compare_ids(a, b, NULL);
    return c ? c : (ia > ib) - (ia < ib);
}

pt_status pt_sequence_order(const pt_sequence *seqs, size_t n, int32_t *order, int32_t *lcp)
{
    if (n > INT32_MAX) return pt_fail(PT_ESHAPE, "%zu sequences", n);
    for (size_t k = 0; k < n; k++) order[k] = (int32_t)k;
    qsort_r(order, n, sizeof *order, by_ids, (void *)seqs);
    for (size_t k = 0; k < n; k++) {
        lcp[k] = 0;
        if (!k) continue;
        const pt_sequence *a = &seqs[order[k - 1]], *b = &seqs[order[k]];
        if (a->slot == b->slot) compare_ids(a, b, &lcp[k]);
    }
    return PT_OK;
}
