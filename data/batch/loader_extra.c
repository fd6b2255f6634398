/* Answers beside those of the data (pt_extra in loader.h): the sequences of one step, and how they lie to each other. */
#include <stdlib.h>
#include <string.h>

#include "data/batch/loader_data.h"

/* Room in the lists of what is added. */
typedef struct pt_room {
    size_t tokens, runs;
} pt_room;

static int32_t least_of(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* The record whose completion draw i of a step [from, to) is given: the one before it in the step; a step of one record looks at the epoch's draw before
 * it. */
static int32_t neighbour(const pt_epoch *e, int64_t from, int64_t to, int64_t i)
{
    if (to - from > 1) return e->draws[i > from ? i - 1 : to - 1].record;
    return e->draws[i ? i - 1 : (int64_t)e->n_draws - 1].record;
}

/* Tokens before the completion of a record of one answer: where its first supervised run begins. */
static int32_t prompt_of(const pt_lay_seq *q)
{
    return q->n_runs ? q->runs[0].from : q->n - 1;
}

/* The prompt of `a` and the completion of `b`. */
static pt_status put_mismatched(pt_loader *l, const pt_lay_seq *a, const pt_lay_seq *b, pt_room *used, pt_lay_seq *out)
{
    struct pt_gathered *g = &l->gathered;
    int32_t prompt = prompt_of(a), from = prompt_of(b), n = least_of(prompt + b->n - from, l->opt.sequence_len);
    size_t at = used->tokens, runs = used->runs;
    PT_RETURN(pt_reserve(&g->ids, &g->ids_cap, at + (size_t)n));
    PT_RETURN(pt_reserve(&g->weight, &g->weight_cap, at + (size_t)n));
    memcpy(g->ids + at, a->ids, (size_t)prompt * sizeof *g->ids);
    memcpy(g->ids + at + prompt, b->ids + from, (size_t)(n - prompt) * sizeof *g->ids);
    for (int32_t i = 0; i < prompt; i++) g->weight[at + (size_t)i] = 0;
    for (int32_t i = prompt; i < n; i++) g->weight[at + (size_t)i] = pt_weight_at(b->weight, (size_t)(from + i - prompt));
    PT_RETURN(pt_lay_runs((pt_weights){.plain = g->weight + at}, n, &g->runs, &g->runs_cap, &used->runs));
    *out = *a;
    out->tail_less = 0;
    out->n = n;
    out->n_runs = (int32_t)(used->runs - runs);
    used->tokens += (size_t)n;
    return PT_OK;
}

/* `a` with every token supervised that has one before it. */
static pt_status put_whole(pt_loader *l, const pt_lay_seq *a, pt_room *used, pt_lay_seq *out)
{
    struct pt_gathered *g = &l->gathered;
    PT_RETURN(pt_reserve(&g->runs, &g->runs_cap, used->runs + 1));
    g->runs[used->runs] = (pt_token_run){1, a->n};
    *out = *a;
    out->tail_less = 0;
    out->n_runs = a->n > 1;
    used->runs += (size_t)out->n_runs;
    return PT_OK;
}

/* The lists have stopped growing: each added answer to its part of them. */
static void point(pt_loader *l, size_t n, size_t each)
{
    struct pt_gathered *g = &l->gathered;
    pt_room used = {0};
    for (size_t i = each - 1; i < n; i += each) {
        pt_lay_seq *q = &g->seqs[i];
        q->runs = g->runs + used.runs;
        used.runs += (size_t)q->n_runs;
        q->weight = (pt_weights){0};
        if (l->opt.extra == PT_EXTRA_WHOLE) continue;
        q->ids = g->ids + used.tokens;
        q->weight.plain = g->weight + used.tokens;
        used.tokens += (size_t)q->n;
    }
}

pt_status pt_loader_gather(pt_loader *l, size_t s)
{
    struct pt_gathered *g = &l->gathered;
    const pt_epoch *e = &l->epoch;
    size_t each = (size_t)l->opt.answers + 1, n = 0;
    pt_room used = {0};
    PT_RETURN(pt_reserve(&g->seqs, &g->seqs_cap, (size_t)(e->starts[s + 1] - e->starts[s]) * each));
    for (int64_t i = e->starts[s]; i < e->starts[s + 1]; i++) {
        size_t from, to, other, end;
        pt_loader_answers(l, e->draws[i].record, &from, &to);
        pt_loader_answers(l, neighbour(e, e->starts[s], e->starts[s + 1], i), &other, &end);
        for (size_t k = from; k < to; k++) g->seqs[n++] = l->own[k];
        if (l->opt.extra == PT_EXTRA_WHOLE) PT_RETURN(put_whole(l, &l->own[from], &used, &g->seqs[n]));
        else PT_RETURN(put_mismatched(l, &l->own[from], &l->own[other], &used, &g->seqs[n]));
        g->seqs[n++].answer = (int32_t)(to - from);
    }
    point(l, n, each);
    l->seqs = g->seqs;
    l->n_seqs = n;
    return pt_loader_order(l);
}
