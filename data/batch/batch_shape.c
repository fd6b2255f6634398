/* The shape of a forest: a radix tree over sorted sequences, cut into segments in depth-first order. */
#include <stdlib.h>

#include "data/batch/batch_layout.h"
#include "data/pack/pack_order.h"

static pt_status push(pt_lay *l, size_t *n, int32_t lo, int32_t hi, int32_t from, int32_t parent)
{
    PT_RETURN(pt_reserve(&l->stack, &l->stack_cap, *n + 1));
    l->stack[(*n)++] = (struct pt_lay_item){lo, hi, from, parent};
    return PT_OK;
}

static pt_status add_seg(pt_lay *l, int32_t lo, int32_t hi, int32_t from, int32_t to, int32_t parent)
{
    PT_RETURN(pt_reserve(&l->segs, &l->cap, l->n_segs + 1));
    if (l->tokens + (to - from) > INT32_MAX - PT_TAIL_ROUND) return pt_fail(PT_ESHAPE, "a batch of more than 2^31 tokens");
    l->segs[l->n_segs++] = (pt_lay_seg){lo, hi, from, to, parent, (int32_t)l->tokens, -1};
    l->tokens += to - from;
    return PT_OK;
}

/* One item of the work list: a leaf, or a branch whose common run becomes a segment when that saves enough. Parts go on the
 * stack last first, so that segments come out depth-first and siblings in sorted order. */
static pt_status split(pt_lay *l, const pt_lay_seq *const *seqs, const int32_t *lcp, struct pt_lay_item it, size_t *depth)
{
    if (it.hi - it.lo == 1) {
        int32_t to = seqs[it.lo]->n;
        return to > it.from ? add_seg(l, it.lo, it.hi, it.from, to, it.parent) : PT_OK;
    }
    int32_t m = lcp[it.lo + 1], parts = 1;
    for (int32_t k = it.lo + 2; k < it.hi; k++) m = lcp[k] < m ? lcp[k] : m;
    for (int32_t k = it.lo + 1; k < it.hi; k++) parts += lcp[k] == m;
    if ((int64_t)(parts - 1) * (m - it.from) >= PT_SHARE_MIN_SAVED) {
        PT_RETURN(add_seg(l, it.lo, it.hi, it.from, m, it.parent));
        it.from = m;
        it.parent = (int32_t)l->n_segs - 1;
    }
    int32_t hi = it.hi;
    for (int32_t k = it.hi - 1; k > it.lo; k--) {
        if (lcp[k] != m) continue;
        PT_RETURN(push(l, depth, k, hi, it.from, it.parent));
        hi = k;
    }
    return push(l, depth, it.lo, hi, it.from, it.parent);
}

static int32_t overlap(const pt_token_run *r, int32_t from, int32_t to)
{
    int32_t a = r->from > from ? r->from : from, b = r->to < to ? r->to : to;
    return b > a ? b - a : 0;
}

static int by_from(const void *a, const void *b)
{
    const pt_token_run *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* Tokens in [from, to) that any sequence of the segment supervises. */
static pt_status count_union(pt_lay *l, const pt_lay_seq *const *seqs, const pt_lay_seg *s, int32_t from, int64_t *out)
{
    size_t n = 0;
    *out = 0;
    for (int32_t k = s->lo; k < s->hi; k++)
        for (int32_t i = 0; i < seqs[k]->n_runs; i++) {
            const pt_token_run *r = &seqs[k]->runs[i];
            if (!overlap(r, from, s->to)) continue;
            PT_RETURN(pt_reserve(&l->runs, &l->runs_cap, n + 1));
            l->runs[n++] = (pt_token_run){r->from > from ? r->from : from, r->to < s->to ? r->to : s->to};
        }
    if (n > 1) qsort(l->runs, n, sizeof *l->runs, by_from);
    int32_t reach = from;
    for (size_t i = 0; i < n; i++) {
        int32_t a = l->runs[i].from > reach ? l->runs[i].from : reach;
        if (l->runs[i].to > a) *out += l->runs[i].to - a;
        reach = l->runs[i].to > reach ? l->runs[i].to : reach;
    }
    return PT_OK;
}

/* Rows and heads of segment number `at`: inside it a row per supervised token, at its edge one per (parent, distinct first
 * token). */
static pt_status count_seg(pt_lay *l, const pt_lay_seq *const *seqs, size_t at)
{
    pt_lay_seg *s = &l->segs[at];
    int64_t inside;
    PT_RETURN(count_union(l, seqs, s, s->from + 1, &inside));
    l->rows += inside;
    l->heads += inside;
    if (s->parent < 0) return PT_OK;
    pt_lay_seg *p = &l->segs[s->parent];
    int32_t first = seqs[s->lo]->ids[s->from];
    for (int32_t k = s->lo; k < s->hi; k++)
        for (int32_t i = 0; i < seqs[k]->n_runs; i++) {
            if (!overlap(&seqs[k]->runs[i], s->from, s->from + 1)) continue;
            if (p->edge_target < 0) l->heads++;
            if (p->edge_target != first) l->rows++;
            p->edge_target = first;
            return PT_OK;
        }
    return PT_OK;
}

pt_status pt_lay_shape(pt_lay *l, const pt_lay_seq *const *seqs, const int32_t *lcp, size_t n, bool share, bool count_rows)
{
    size_t depth = 0;
    l->n_segs = 0;
    l->tokens = l->rows = l->heads = l->group_rows = l->ends = 0;
    if (n > INT32_MAX) return pt_fail(PT_ESHAPE, "%zu sequences in one batch", n);
    if (share && n) PT_RETURN(push(l, &depth, 0, (int32_t)n, 0, -1));
    while (depth) PT_RETURN(split(l, seqs, lcp, l->stack[--depth], &depth));
    for (size_t k = 0; !share && k < n; k++) PT_RETURN(add_seg(l, (int32_t)k, (int32_t)k + 1, 0, seqs[k]->n, -1));
    if (!count_rows) return PT_OK;
    for (size_t s = 0; s < l->n_segs; s++) PT_RETURN(count_seg(l, seqs, s));
    for (size_t k = 0; k < n; k++) {
        l->ends += seqs[k]->end >= 0 ? seqs[k]->pool + 1 : 0;
        l->rows += seqs[k]->n_targets;
        for (int32_t i = 0; i < seqs[k]->n_runs; i++) l->group_rows += seqs[k]->runs[i].to - seqs[k]->runs[i].from;
    }
    l->heads += l->ends;
    if (l->heads > l->tokens) l->heads = l->tokens;
    if (l->ends > INT32_MAX) return pt_fail(PT_ESHAPE, "more than 2^31 scored tokens in one batch");
    if (l->group_rows > INT32_MAX) return pt_fail(PT_ESHAPE, "more than 2^31 supervised tokens in one batch");
    return PT_OK;
}

void pt_lay_free(pt_lay *l)
{
    free(l->segs);
    free(l->stack);
    free(l->runs);
    *l = (pt_lay){0};
}

pt_status pt_lay_sort(const pt_lay_seq *seqs, size_t n, int32_t *order, int32_t *lcp)
{
    pt_status rc = PT_OK;
    pt_sequence *keys = NULL;
    PT_TRY(pt_alloc0(&keys, n));
    for (size_t i = 0; i < n; i++) keys[i] = (pt_sequence){seqs[i].ids, seqs[i].n, seqs[i].slot};
    PT_TRY(pt_sequence_order(keys, n, order, lcp));
done:
    free(keys);
    return rc;
}

pt_status pt_lay_runs(pt_weights weight, int32_t n, pt_token_run **runs, size_t *cap, size_t *n_runs)
{
    for (int32_t i = 1; i < n;) {
        int32_t from = i;
        while (i < n && pt_weight_at(weight, (size_t)i) > 0) i++;
        if (i > from) {
            PT_RETURN(pt_reserve(runs, cap, *n_runs + 1));
            (*runs)[(*n_runs)++] = (pt_token_run){from, i};
        }
        i += i < n;
    }
    return PT_OK;
}
