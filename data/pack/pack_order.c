#include "data/pack/pack_order.h"

#include <stdbool.h>
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

/* Whether order is sorted already; fills lcp as far as it is. */
static bool in_order(const pt_sequence *seqs, size_t n, const int32_t *order, int32_t *lcp)
{
    for (size_t k = 0; k < n; k++) {
        lcp[k] = 0;
        if (!k) continue;
        const pt_sequence *a = &seqs[order[k - 1]], *b = &seqs[order[k]];
        int c = a->slot != b->slot ? (a->slot > b->slot) - (a->slot < b->slot) : compare_ids(a, b, &lcp[k]);
        if (c > 0 || (c == 0 && order[k - 1] > order[k])) return false;
    }
    return true;
}

pt_status pt_sequence_order(const pt_sequence *seqs, size_t n, int32_t *order, int32_t *lcp)
{
    if (n > INT32_MAX) return pt_fail(PT_ESHAPE, "%zu sequences", n);
    for (size_t k = 0; k < n; k++) order[k] = (int32_t)k;
    if (in_order(seqs, n, order, lcp)) return PT_OK; /* evaluations come sorted */
    qsort_r(order, n, sizeof *order, by_ids, (void *)seqs);
    return in_order(seqs, n, order, lcp) ? PT_OK : pt_fail(PT_EINTERNAL, "sequences did not sort");
}
