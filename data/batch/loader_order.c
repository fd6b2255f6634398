/* Which records an epoch draws, in which order, and where its steps begin: pure functions of the options and the pack. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "data/batch/loader_data.h"

typedef struct pt_draw pt_draw;

static int by_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Draws of one prefix together, shuffled among themselves. */
static int by_prefix(const void *pa, const void *pb)
{
    const pt_draw *a = pa, *b = pb;
    int c = by_u64(a->prefix, b->prefix);
    if (!c) c = by_u64(a->inner, b->inner);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

static int by_unit(const void *pa, const void *pb)
{
    const pt_draw *a = pa, *b = pb;
    int c = by_u64(a->unit, b->unit);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

static int by_key(const void *pa, const void *pb)
{
    const pt_draw *a = pa, *b = pb;
    int c = by_u64(a->inner, b->inner);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

static uint64_t draw_key(const pt_loader *l, int64_t e, uint64_t what, int32_t record)
{
    pt_rng4 w = pt_rng_words(l->opt.seed, PT_RNG_SHUFFLE, (uint64_t)e, what << 32 | (uint32_t)record);
    return (uint64_t)w.v[0] << 32 | w.v[1];
}

static pt_status put_draw(pt_epoch *e, int32_t record)
{
    PT_RETURN(pt_reserve(&e->draws, &e->draws_cap, e->n_draws + 1));
    e->draws[e->n_draws] = (pt_draw){.record = record, .at = (int32_t)e->n_draws};
    e->n_draws++;
    return PT_OK;
}

/* Records of a data set that are drawn once more this epoch because its weight has a fraction: always the same number, other ones
 * each epoch. */
static pt_status pick_fraction(const pt_loader *l, int64_t e, int32_t set, double fraction, uint8_t *extra)
{
    pt_draw *all = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < l->n_pool; i++) {
        if (l->pack->set_of[l->pack->rows[l->pool[i]].source] != set) continue;
        pt_status rc = pt_reserve(&all, &cap, n + 1);
        if (rc != PT_OK) {
            free(all);
            return rc;
        }
        all[n++] = (pt_draw){.inner = draw_key(l, e, 1, l->pool[i]), .record = (int32_t)i, .at = (int32_t)i};
    }
    if (n) qsort(all, n, sizeof *all, by_key);
    size_t k = (size_t)(fraction * (double)n + 0.5);
    for (size_t i = 0; i < k && i < n; i++) extra[all[i].record] = 1;
    free(all);
    return PT_OK;
}

static pt_status draw_all(pt_loader *l, int64_t number)
{
    pt_status rc = PT_OK;
    pt_epoch *e = &l->epoch;
    uint8_t *extra = NULL;
    const pt_pack_column *copies = l->opt.validation ? NULL : pt_pack_column_find(l->pack, PT_COLUMN_REPLICATE);
    e->n_draws = 0;
    PT_TRY(pt_alloc0(&extra, l->n_pool));
    for (size_t s = 0; s < l->pack->n_sets; s++) {
        double fraction = l->set_weight[s] - floor(l->set_weight[s]);
        if (fraction > 0) PT_TRY(pick_fraction(l, number, (int32_t)s, fraction, extra));
    }
    for (size_t i = 0; i < l->n_pool; i++) {
        int64_t times = (int64_t)l->set_weight[l->pack->set_of[l->pack->rows[l->pool[i]].source]] + extra[i];
        if (copies && copies->value[l->pool[i]] > 1) times *= (int64_t)copies->value[l->pool[i]];
        PT_CHECK((int64_t)e->n_draws + times <= INT32_MAX, PT_EARG,
                 "an epoch of more than 2^31 records (weights of the data sets)");
        for (int64_t k = 0; k < times; k++) PT_TRY(put_draw(e, l->pool[i]));
    }
    PT_CHECK(e->n_draws, PT_EARG, "the weights of the data sets leave no record to draw");
done:
    free(extra);
    return rc;
}

/* Runs of up to share_group draws of equal prefix stay together; the runs are shuffled. */
static void shuffle(const pt_loader *l, pt_epoch *e)
{
    for (size_t i = 0; i < e->n_draws; i++) {
        pt_draw *d = &e->draws[i];
        pt_rng4 w = pt_rng_words(l->opt.seed, PT_RNG_SHUFFLE, (uint64_t)e->number, (uint32_t)d->at);
        d->prefix = l->pack->rows[d->record].prefix_id;
        d->inner = (uint64_t)w.v[0] << 32 | w.v[1];
        d->unit = (uint64_t)w.v[2] << 32 | w.v[3];
    }
    if (l->opt.share_group <= 1) {
        qsort(e->draws, e->n_draws, sizeof *e->draws, by_key);
        return;
    }
    qsort(e->draws, e->n_draws, sizeof *e->draws, by_prefix);
    int32_t in_run = 0;
    for (size_t i = 0; i < e->n_draws; i++) {
        pt_draw *d = &e->draws[i];
        bool first = !i || d->prefix != e->draws[i - 1].prefix || in_run == l->opt.share_group;
        if (first)
            in_run = 0;
        else
            d->unit = d[-1].unit;
        in_run++;
    }
    for (size_t i = 0; i < e->n_draws; i++) e->draws[i].at = (int32_t)i; /* ties keep the run's order */
    qsort(e->draws, e->n_draws, sizeof *e->draws, by_unit);
}

static int64_t record_tokens(const pt_loader *l, int32_t record)
{
    size_t from, to;
    int64_t n = 0;
    pt_loader_answers(l, record, &from, &to);
    for (size_t s = from; s < to; s++) n += l->own[s].n;
    return l->opt.extra == PT_EXTRA_MISMATCHED ? 2 * n : n; /* the other's completion is about as long */
}

static pt_status put_start(pt_epoch *e, size_t at)
{
    PT_RETURN(pt_reserve(&e->starts, &e->starts_cap, e->n_steps + 1));
    e->starts[e->n_steps++] = (int64_t)at;
    return PT_OK;
}

/* A step: batch_rows records; or, packing off, as many as the micro-batches hold; or records while their own tokens fit the
 * budget (at least one). */
static pt_status divide(const pt_loader *l, pt_epoch *e)
{
    const pt_loader_options *o = &l->opt;
    int64_t micro = (int64_t)o->micro_batch_size * o->gradient_accumulation_steps * o->ranks;
    int64_t rows = o->batch_rows                  ? o->batch_rows
                   : o->packing == PT_PACKING_OFF ? micro
                                                  : 0,
            budget = micro * o->sequence_len, have = 0;
    int64_t tokens = 0;
    e->n_steps = 0;
    for (size_t i = 0; i < e->n_draws; i++) {
        int64_t n = record_tokens(l, e->draws[i].record);
        if (!i || (rows ? have == rows : tokens + n > budget)) {
            PT_RETURN(put_start(e, i));
            have = tokens = 0;
        }
        have++;
        tokens += n;
    }
    PT_RETURN(put_start(e, e->n_draws));
    e->n_steps--;
    return PT_OK;
}

pt_status pt_loader_epoch(pt_loader *l, int64_t number)
{
    pt_epoch *e = &l->epoch;
    if (e->number == number) return PT_OK;
    e->number = -1;
    PT_RETURN(draw_all(l, number));
    e->number = number;
    if (l->opt.shuffle) shuffle(l, e);
    pt_status rc = divide(l, e);
    if (rc != PT_OK) e->number = -1;
    return rc;
}
