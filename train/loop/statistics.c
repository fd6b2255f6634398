/* Statistics of a whole step, before any gradient: a forward pass over its micro-batches gives every answer's values, all ranks share them, and the
 * objective makes what it wants of the list: sums, sorts, numbers for each answer. */
#include <stdlib.h>
#include <string.h>

#include "train/loop/run.h"

/* An answer on its way between ranks: these, then the values at its end. */
enum { LOGP, TOKENS, LENGTH, REFERENCE, VOCAB, COLUMNS = VOCAB + PT_VOCAB_SUMS, VALUES = COLUMNS + PT_CORE_COLUMNS };

/* A record: id, weight, answers. */
typedef struct list {
    double *records, *answers; /* [3 n], [fields a] */
    size_t n, records_cap, a, answers_cap;
    size_t width, fields; /* of an answer: values, all */
} list;

double pt_run_sum_rows(const pt_batch *b, int32_t g, const float *value, double *tokens)
{
    double sum = 0;
    *tokens = 0;
    for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++) {
        double w = b->group_row_weight[k];
        *tokens += w;
        if (w != 0) sum += w * value[b->group_rows[k]];
    }
    return sum;
}

/* The same of a sum over the vocabulary, which heads have. */
static double sum_heads(const pt_batch *b, int32_t g, const float *value)
{
    double sum = 0;
    for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++) {
        double w = b->group_row_weight[k];
        if (w != 0) sum += w * value[b->row_head[b->group_rows[k]]];
    }
    return sum;
}

/* A value at an answer's end, or the mean over its tokens. */
static double value_of(const pt_batch *b, int32_t g, const float *value, size_t width)
{
    int32_t from = b->group_pool_start ? b->group_pool_start[g] : 0, n = b->group_pool_start ? b->group_pool_start[g + 1] - from : 0;
    double sum = 0;
    if (!b->group_pool_start) return b->group_end_head[g] >= 0 ? value[(size_t)b->group_end_head[g] * width] : 0;
    for (int32_t k = 0; k < n; k++) sum += (double)(1 / (float)n) * value[(size_t)b->group_pool_head[from + k] * width];
    return sum;
}

static void put_answer(const pt_run *r, const pt_batch *b, int32_t g, const list *l, double *to)
{
    const pt_objective *o = r->objective;
    const float *stored = pt_batch_column_get(b, PT_COLUMN_REFERENCE);
    double tokens = 0;
    for (size_t k = 0; k < l->fields; k++) to[k] = 0;
    if (o->channels & PT_CHANNELS_OF_ROWS) {
        to[LOGP] = pt_run_sum_rows(b, g, r->logp, &tokens);
        to[TOKENS] = tokens;
        to[LENGTH] = b->group_row_start[g + 1] - b->group_row_start[g];
        if (r->reference_stored) to[REFERENCE] = stored ? stored[g] : 0;
        else if (o->reference) to[REFERENCE] = pt_run_sum_rows(b, g, r->ref_logp, &tokens);
        for (int k = 0; k < PT_VOCAB_SUMS; k++)
            if (r->vocab[k]) to[VOCAB + k] = sum_heads(b, g, r->vocab[k]);
    }
    for (size_t k = 0; k < l->width; k++) to[VALUES + k] = value_of(b, g, r->values + k, l->width);
    for (int k = 0; k < o->n_columns; k++) {
        const float *v = pt_batch_column_get(b, o->columns[k]);
        to[COLUMNS + k] = v ? v[g] : 0;
    }
}

static pt_status add_batch(const pt_run *r, const pt_batch *b, list *l)
{
    const float *weight = pt_batch_column_get(b, PT_COLUMN_WEIGHT);
    PT_RETURN(pt_reserve(&l->records, &l->records_cap, 3 * (l->n + (size_t)b->n_records)));
    PT_RETURN(pt_reserve(&l->answers, &l->answers_cap, l->fields * (l->a + (size_t)b->n_groups)));
    for (int32_t k = 0; k < b->n_records; k++) {
        int32_t g = b->record_start[k];
        double *to = l->records + 3 * l->n++;
        to[0] = (double)b->group_record[g];
        to[1] = weight[g];
        to[2] = b->record_start[k + 1] - g;
    }
    for (int32_t g = 0; g < b->n_groups; g++) put_answer(r, b, g, l, l->answers + l->fields * l->a++);
    return PT_OK;
}

/* Everyone's numbers one behind the other, by rank; this rank's begin at *mine. */
static pt_status share(pt_comm *c, double **v, size_t *n, size_t *mine)
{
    pt_status rc = PT_OK;
    double *counts = NULL, *all = NULL;
    size_t before = 0, total = 0;
    *mine = 0;
    if (c->size == 1) return PT_OK;
    PT_TRY(pt_alloc0(&counts, c->size));
    counts[c->rank] = (double)*n;
    PT_TRY(c->allreduce_f64(c, counts, (size_t)c->size));
    for (int i = 0; i < c->size; i++) {
        if (i < c->rank) before += (size_t)counts[i];
        total += (size_t)counts[i];
    }
    PT_TRY(pt_alloc0(&all, total + 1));
    for (size_t i = 0; i < *n; i++) all[before + i] = (*v)[i];
    PT_TRY(c->allreduce_f64(c, all, total));
    free(*v);
    *v = all;
    *n = total;
    *mine = before;
    all = NULL;
done:
    free(counts);
    free(all);
    return rc;
}

typedef struct place {
    const double *record;
    size_t at; /* of its first answer */
} place;

static int by_id(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->record[0] != y->record[0]) return x->record[0] < y->record[0] ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Statistics ask for no derivatives. */
static void put_core(const double *v, size_t width, pt_core_answer *a)
{
    *a = (pt_core_answer){.logp = v[LOGP], .tokens = v[TOKENS], .length = v[LENGTH], .reference = v[REFERENCE], .score = width == 1 ? v[VALUES] : 0};
    for (int k = 0; k < PT_VOCAB_SUMS; k++) *pt_core_sum(a, k) = v[VOCAB + k];
    for (int k = 0; k < PT_CORE_COLUMNS; k++) a->column[k] = v[COLUMNS + k];
    pt_core_values(a, (int)width, v + VALUES, NULL);
}

/* Columns that the statistics fill: [answers] each, in the order of the list. */
typedef struct filled {
    float *column[PT_CORE_COLUMNS];
} filled;

/* The records in the order of their numbers, so that neither layout nor ranks change a sum. */
static pt_status call(const pt_run *r, const list *l, pt_core_step *core, filled *out)
{
    pt_step_answers all = {.n = (int64_t)l->n};
    pt_status rc = PT_OK;
    place *order = NULL;
    pt_core_answer *answer = NULL;
    int64_t *start = NULL;
    float *weight = NULL;
    size_t at = 0;
    PT_TRY(pt_alloc0(&order, l->n + 1));
    PT_TRY(pt_alloc0(&answer, l->a + 1));
    PT_TRY(pt_alloc0(&start, l->n + 1));
    PT_TRY(pt_alloc0(&weight, l->n + 1));
    for (int k = 0; k < r->objective->n_given; k++) PT_TRY(pt_alloc0(&all.given[k], l->a + 1));
    for (size_t i = 0; i < l->n; i++) {
        order[i] = (place){l->records + 3 * i, at};
        at += (size_t)l->records[3 * i + 2];
    }
    qsort(order, l->n, sizeof *order, by_id);
    for (size_t i = 0; i < l->n; i++) {
        int64_t n = (int64_t)order[i].record[2];
        weight[i] = (float)order[i].record[1];
        for (int64_t k = 0; k < n; k++) put_core(l->answers + l->fields * (order[i].at + (size_t)k), l->width, &answer[start[i] + k]);
        start[i + 1] = start[i] + n;
    }
    all.answer = answer;
    all.start = start;
    all.weight = weight;
    PT_TRY(r->objective->stats(core, &all, core->stat));
    for (int k = 0; k < r->objective->n_given; k++)
        for (size_t i = 0; i < l->n; i++)
            for (int64_t g = start[i]; g < start[i + 1]; g++) out->column[k][order[i].at + (size_t)(g - start[i])] = all.given[k][g];
done:
    for (int k = 0; k < PT_CORE_COLUMNS; k++) free(all.given[k]);
    free(order);
    free(answer);
    free(start);
    free(weight);
    return rc;
}

/* This rank's part of what was filled, from answer `from` of the list on, into its batches. */
static pt_status hand_out(pt_run *r, const pt_step *info, const filled *f, size_t from)
{
    const pt_objective *o = r->objective;
    for (int i = 0; i < info->n_micro; i++) {
        pt_batch *b = &info->micro[i];
        for (int k = 0; k < o->n_given; k++) {
            float *to = pt_batch_column_get(b, o->columns[o->n_columns + k]);
            if (!to) return pt_fail(PT_ESTATE, "a batch without the column %s that its statistics fill", o->columns[o->n_columns + k]);
            memcpy(to, f->column[k] + from, (size_t)b->n_groups * sizeof *to);
        }
        from += (size_t)b->n_groups;
    }
    return o->n_given && pt_run_one_pass(r, info) ? pt_model_load_columns(r->model, &info->micro[0]) : PT_OK;
}

pt_status pt_run_statistics(pt_run *r, const pt_step *info, uint64_t step, bool train, pt_core_step *core)
{
    pt_status rc = PT_OK;
    filled f = {{0}};
    size_t mine;
    list l = {.width = (size_t)pt_model_width(r->model)};
    l.fields = VALUES + l.width;
    for (int i = 0; i < info->n_micro; i++) {
        PT_TRY(pt_run_load_batch(r, &info->micro[i], step, train));
        PT_TRY(pt_model_forward(r->model, PT_SLOT_OWN, train && pt_run_one_pass(r, info)));
        PT_TRY(pt_model_answers(r->model, r->logp, r->ref_logp, r->vocab, r->values));
        PT_TRY(r->ctx.ops->sync(&r->ctx));
        PT_TRY(add_batch(r, &info->micro[i], &l));
    }
    size_t records = 3 * l.n, answers = l.fields * l.a;
    PT_TRY(share(r->comm, &l.records, &records, &mine));
    PT_TRY(share(r->comm, &l.answers, &answers, &mine));
    l.n = records / 3;
    l.a = answers / l.fields;
    for (int k = 0; k < r->objective->n_given; k++) PT_TRY(pt_alloc0(&f.column[k], l.a + 1));
    PT_TRY(call(r, &l, core, &f));
    PT_TRY(hand_out(r, info, &f, mine / l.fields));
done:
    for (int k = 0; k < PT_CORE_COLUMNS; k++) free(f.column[k]);
    free(l.records);
    free(l.answers);
    return rc;
}
