/* Making a loader: its records, and the whole run laid out without tokens for the plan (steps, maxima, sums). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/batch/loader_data.h"

static pt_status check_answers(const pt_pack *p, const pt_loader_options *o)
{
    int32_t least, most;
    int answers = o->answers;
    char holds[64];
    pt_pack_answers(p, &least, &most);
    if (!answers || (p->parts && answers == 1 && !o->extra && !o->reward) || (least == answers && most == answers)) return PT_OK;
    pt_pack_holds(p, holds);
    if (answers <= 2) return pt_fail(PT_EARG, "pack %s holds %s, this objective wants %s", p->path ? p->path : "", holds, answers == 2 ? "pairs" : "sequences");
    return pt_fail(PT_EARG, "pack %s holds %s, this objective wants records of %d answers", p->path ? p->path : "", holds, answers);
}

static pt_status check_options(const pt_pack *p, const pt_loader_options *o)
{
    if (o->micro_batch_size < 1 || o->gradient_accumulation_steps < 1)
        return pt_fail(PT_EARG, "micro_batch_size %d and gradient_accumulation_steps %d must be 1 or more", o->micro_batch_size,
                       o->gradient_accumulation_steps);
    if (o->sequence_len < 2) return pt_fail(PT_EARG, "sequence_len is %d", o->sequence_len);
    if (o->batch_rows < 0 || o->share_group < 0 || o->max_steps < 0)
        return pt_fail(PT_EARG, "batch_rows, share_group or max_steps is negative");
    if (o->ranks < 1 || o->rank < 0 || o->rank >= o->ranks) return pt_fail(PT_EARG, "rank %d of %d", o->rank, o->ranks);
    PT_RETURN(check_answers(p, o));
    if (o->extra && (o->answers < 1 || (o->extra == PT_EXTRA_MISMATCHED && o->answers != 1)))
        return pt_fail(PT_EARG, "answers are added to records of %d", o->answers);
    if (o->extra && o->reward) return pt_fail(PT_EARG, "answers are added, and their ends are scored");
    if (!o->validation && !o->max_steps && !(o->epochs > 0 && o->epochs < 1e9))
        return pt_fail(PT_EARG, "num_epochs is %g", o->epochs);
    if (o->dataset_weight && !o->validation && o->n_dataset_weight != p->n_sets)
        return pt_fail(PT_EARG, "%zu weights for %zu data sets", o->n_dataset_weight, p->n_sets);
    for (size_t s = 0; o->dataset_weight && s < o->n_dataset_weight; s++)
        if (!(o->dataset_weight[s] >= 0 && o->dataset_weight[s] <= 1e6))
            return pt_fail(PT_EARG, "weight of data set %zu is %g", s + 1, o->dataset_weight[s]);
    return PT_OK;
}

static pt_status make_pool(pt_loader *l)
{
    const pt_pack *p = l->pack;
    PT_RETURN(pt_alloc0(&l->pool, p->n_rows));
    PT_RETURN(pt_alloc0(&l->set_weight, p->n_sets));
    for (size_t s = 0; s < p->n_sets; s++)
        l->set_weight[s] = l->opt.dataset_weight && !l->opt.validation ? l->opt.dataset_weight[s] : 1;
    l->opt.dataset_weight = NULL; /* the caller's */
    for (size_t i = 0; i < p->n_rows; i++)
        if (p->rows[i].validation == l->opt.validation && (!l->opt.source || p->set_of[p->rows[i].source] == l->opt.source - 1)) l->pool[l->n_pool++] = (int32_t)i;
    if (!l->n_pool)
        return pt_fail(PT_EARG, "pack %s has no %s records", p->path ? p->path : "",
                       l->opt.validation ? "validation" : "training");
    return PT_OK;
}

static void raise_to(int32_t *most, int64_t x)
{
    if (x > *most) *most = (int32_t)x;
}

static int by_u64(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return (*a > *b) - (*a < *b);
}

static pt_status count_prefixes(const pt_loader *l, size_t step, int64_t *out)
{
    uint64_t *ids;
    size_t from = (size_t)l->epoch.starts[step], n = (size_t)l->epoch.starts[step + 1] - from;
    PT_RETURN(pt_alloc0(&ids, n));
    for (size_t i = 0; i < n; i++) ids[i] = l->pack->rows[l->epoch.draws[from + i].record].prefix_id;
    qsort(ids, n, sizeof *ids, by_u64);
    for (size_t i = 0; i < n; i++) *out += !i || ids[i] != ids[i - 1];
    free(ids);
    return PT_OK;
}

/* One step's shapes on every rank: maxima and sums. */
static pt_status survey(pt_loader *l, size_t step, int64_t *prefixes)
{
    pt_step total = {0};
    size_t n;
    pt_loader_totals(l, step, &total);
    PT_RETURN(pt_loader_records(l, step, &n));
    PT_RETURN(count_prefixes(l, step, prefixes));
    for (int rank = 0; rank < l->opt.ranks; rank++) {
        size_t from, to, stop;
        int32_t micro = 0;
        pt_loader_share(l, n, rank, &from, &to);
        for (; from < to; from = stop, micro++) {
            PT_RETURN(pt_loader_cut(l, from, to, &stop));
            size_t whole = pt_align_up((size_t)l->lay.tokens, PT_TAIL_ROUND);
            raise_to(&l->caps.tokens, (int64_t)whole);
            raise_to(&l->caps.segs, (int64_t)l->lay.n_segs + (whole > (size_t)l->lay.tokens));
            raise_to(&l->caps.heads, l->lay.heads);
            raise_to(&l->caps.rows, l->lay.rows);
            raise_to(&l->caps.groups, (int64_t)l->n_places);
            raise_to(&l->caps.group_rows, l->lay.group_rows);
            raise_to(&l->caps.ends, l->lay.ends);
            l->summary.computed_tokens += l->lay.tokens;
        }
        raise_to(&l->caps.micro_batches, micro);
    }
    l->summary.unshared_tokens += total.unshared_tokens;
    l->summary.supervised_tokens += total.rows;
    l->summary.records += total.records;
    return PT_OK;
}

/* Epoch after epoch until the run's end; a last part of an epoch keeps that share of its steps (at least one step in all). */
static pt_status survey_run(pt_loader *l)
{
    const pt_loader_options *o = &l->opt;
    double epochs = o->validation ? 1 : o->epochs;
    int64_t prefixes = 0;
    for (int64_t e = 0;; e++) {
        double left = epochs - (double)e;
        if (!o->validation && o->max_steps ? l->n_steps >= o->max_steps : left <= 1e-9) break;
        PT_RETURN(pt_loader_epoch(l, e));
        int64_t take = (int64_t)l->epoch.n_steps;
        if (!o->validation && o->max_steps)
            take = take < o->max_steps - l->n_steps ? take : o->max_steps - l->n_steps;
        else if (left < 1)
            take = (int64_t)(left * (double)take + 0.5);
        if (!take && !l->n_steps) take = 1;
        if (!e) l->summary.steps_an_epoch = (int64_t)l->epoch.n_steps;
        PT_RETURN(pt_reserve(&l->first_step, &l->first_cap, l->n_epochs + 2));
        l->first_step[l->n_epochs + 1] = l->n_steps + take;
        l->n_epochs++;
        for (int64_t s = 0; s < take; s++) PT_RETURN(survey(l, (size_t)s, &prefixes));
        l->n_steps += take;
    }
    l->summary.steps = l->n_steps;
    l->summary.records_a_step = (l->summary.records + l->n_steps / 2) / l->n_steps;
    l->summary.prefixes_a_step = (double)prefixes / (double)l->n_steps;
    return PT_OK;
}

pt_status pt_loader_new(pt_loader **out, const pt_pack *pack, const pt_loader_options *opt)
{
    pt_status rc = PT_OK;
    pt_loader *l = NULL;
    *out = NULL;
    PT_TRY(check_options(pack, opt));
    PT_TRY(pt_alloc0(&l, 1));
    l->pack = pack;
    l->opt = *opt;
    l->epoch.number = l->want = l->ready.index = l->given.index = -1;
    if (opt->validation) l->opt.shuffle = false;
    PT_TRY(make_pool(l));
    PT_TRY(pt_loader_index(l));
    PT_TRY(survey_run(l));
    PT_CHECK(opt->extra != PT_EXTRA_MISMATCHED || opt->validation || l->summary.records > l->n_steps, PT_EARG,
             "every step has one record, and this objective compares each with another record of its step: batch_rows: 2 or more (or a larger micro_batch_size)");
done:
    if (rc == PT_OK)
        *out = l;
    else
        pt_loader_free(l);
    return rc;
}

static void free_slot(pt_slot *s)
{
    for (size_t i = 0; i < s->n_micro; i++) pt_batch_free(&s->micro[i]);
    free(s->micro);
}

void pt_loader_free(pt_loader *l)
{
    if (!l) return;
    pt_loader_stop(l);
    free_slot(&l->ready);
    free_slot(&l->given);
    pt_loader_order_free(l);
    void *all[] = {l->set_weight,    l->own,   l->runs,   l->seq_rows, l->seq_weight, l->gathered.seqs, l->gathered.ids, l->gathered.weight,
                   l->gathered.runs, l->pool,  l->first_step, l->epoch.draws, l->epoch.starts, l->recs, l->places,       l->sorted,
                   l->lcp,           l->order, l->local,  l->taken};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    pt_lay_free(&l->lay);
    free(l);
}

pt_status pt_loader_summary_get(const pt_loader *l, pt_loader_summary *s)
{
    *s = l->summary;
    return PT_OK;
}

pt_status pt_loader_caps(const pt_loader *l, pt_batch_caps *caps)
{
    *caps = l->caps;
    return PT_OK;
}
