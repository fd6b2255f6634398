/* pt_batch_build: given sequences as one batch, outside the loader. */
#include <math.h>
#include <stdlib.h>

#include "data/batch/batch_layout.h"

static pt_status check_seq(const pt_seq *q, size_t at)
{
    if (q->n < 1) return pt_fail(PT_EARG, "sequence %zu has %d tokens", at, q->n);
    if (q->end_index >= q->n) return pt_fail(PT_EARG, "sequence %zu: end token %d of %d", at, q->end_index, q->n);
    if (q->pool < 0 || (q->pool && q->pool > q->end_index)) return pt_fail(PT_EARG, "sequence %zu: %d tokens before token %d", at, q->pool, q->end_index);
    for (int32_t i = 0; i < q->n; i++) {
        if (q->ids[i] < 0) return pt_fail(PT_EARG, "sequence %zu: id %d at token %d", at, q->ids[i], i);
        if (q->weight && !(q->weight[i] >= 0 && isfinite(q->weight[i])))
            return pt_fail(PT_EARG, "sequence %zu: weight %g at token %d", at, (double)q->weight[i], i);
    }
    return PT_OK;
}

/* Sums of the whole batch as if it were the step: weights added record by record, so that no layout changes them. */
static void totals(pt_batch *b, const pt_lay_seq *seqs, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (int32_t r = 0; r < seqs[k].n_runs; r++)
            for (int32_t i = seqs[k].runs[r].from; i < seqs[k].runs[r].to; i++) {
                b->step_row_weight += (double)pt_weight_at(seqs[k].weight, (size_t)i);
                b->step_rows++;
            }
    b->step_records = (int64_t)n;
    b->step_group_weight = b->step_record_weight = (double)n;
}

pt_status pt_batch_build(pt_batch *out, const pt_seq *seqs, size_t n, pt_packing packing)
{
    pt_status rc = PT_OK;
    pt_lay lay = {0};
    pt_lay_seq *all = NULL;
    const pt_lay_seq **sorted = NULL;
    int32_t *order = NULL, *lcp = NULL;
    pt_token_run *runs = NULL;
    size_t runs_cap = 0, n_runs = 0;
    const pt_lay_column weight = {.name = PT_COLUMN_WEIGHT};
    *out = (pt_batch){0};
    PT_CHECK(n > 0, PT_EARG, "a batch of no sequences");
    PT_TRY(pt_alloc0(&all, n));
    PT_TRY(pt_alloc0(&sorted, n));
    PT_TRY(pt_alloc0(&order, n));
    PT_TRY(pt_alloc0(&lcp, n));
    for (size_t k = 0; k < n; k++) {
        size_t before = n_runs;
        PT_TRY(check_seq(&seqs[k], k));
        PT_TRY(pt_lay_runs((pt_weights){.plain = seqs[k].weight}, seqs[k].n, &runs, &runs_cap, &n_runs));
        all[k] = (pt_lay_seq){.ids = seqs[k].ids,
                              .weight = {.plain = seqs[k].weight},
                              .n_runs = (int32_t)(n_runs - before),
                              .n = seqs[k].n,
                              .slot = seqs[k].slot,
                              .end = seqs[k].end_index < 0 ? -1 : seqs[k].end_index,
                              .pool = seqs[k].pool,
                              .record_weight = 1,
                              .record = (int64_t)k,
                              .number = (int64_t)k};
        order[k] = (int32_t)k;
    }
    n_runs = 0;
    for (size_t k = 0; k < n; k++) { /* the list may have moved while it grew */
        all[k].runs = runs + n_runs;
        n_runs += (size_t)all[k].n_runs;
    }
    if (packing == PT_PACKING_FOREST) PT_TRY(pt_lay_sort(all, n, order, lcp));
    for (size_t k = 0; k < n; k++) sorted[k] = &all[order[k]];
    PT_TRY(pt_lay_shape(&lay, sorted, lcp, n, packing == PT_PACKING_FOREST, true));
    PT_TRY(pt_lay_fill(out, &lay, sorted, order, n, &weight, 1));
    totals(out, all, n);
done:
    pt_lay_free(&lay);
    free(all);
    free(sorted);
    free(order);
    free(lcp);
    free(runs);
    return rc;
}
