/* Which record, and which tensor, made a step not finite. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/loop/run.h"

/* The first tensor whose gradient is not finite; NULL when all are. */
static pt_status bad_tensor(pt_run *r, const char **name)
{
    const pt_param *list;
    size_t n = pt_model_params(r->model, &list);
    *name = NULL;
    for (size_t i = 0; i < n && !*name; i++) {
        double sum = 0;
        PT_RETURN(pt_optim_sumsq(r->optim, pt_model_grad_view(r->model), list[i].offset, list[i].rows * list[i].cols, &sum));
        if (!isfinite(sum)) *name = list[i].name;
    }
    return PT_OK;
}

/* The record as a batch of its own, laid out as the loader does, or it does not fit the plan: with scores there are no rows, and zeros stand
 * for the weights. */
static pt_status build(const pt_run *r, const pt_packed *rec, bool score, bool rows, pt_batch *b)
{
    pt_status rc = PT_OK;
    pt_seq *seqs = NULL;
    float *weights = NULL, *w;
    size_t all = 0;
    bool mean = pt_objective_pooling(r->objective, r->cfg->options) == PT_POOL_MEAN;
    PT_TRY(pt_alloc0(&seqs, rec->n_answers));
    for (int32_t k = 0; k < rec->n_answers; k++) {
        pt_packed_answer a = pt_pack_answer(r->pack, rec, k);
        int32_t end = score ? pt_pack_scored_at(a.end, a.n) : -1;
        seqs[k] = (pt_seq){a.ids, NULL, a.n, 0, end, mean && end > 0 ? end : 0};
        all += (size_t)a.n;
    }
    PT_TRY(pt_alloc0(&weights, all));
    w = weights;
    for (int32_t k = 0; k < rec->n_answers; k++) {
        pt_packed_answer a = pt_pack_answer(r->pack, rec, k);
        seqs[k].weight = w;
        for (int32_t i = 0; rows && i < a.n; i++) w[i] = pt_weight_at(a.weight, (size_t)i);
        w += a.n;
    }
    PT_TRY(pt_batch_build(b, seqs, (size_t)rec->n_answers, r->cfg->batch.sample_packing));
done:
    free(weights);
    free(seqs);
    return rc;
}

/* One record alone, forward and backward from gradients of 1. *what: the channel or tensor that is not finite, NULL when none
 * is. */
static pt_status try_record(pt_run *r, const pt_packed *rec, uint64_t step, const char **what)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    int width = pt_model_width(r->model);
    bool rows = r->objective->channels & PT_CHANNELS_OF_ROWS, moved = rows && !(r->objective->still & PT_CHANNEL_LOGP);
    float *ones = NULL;
    *what = NULL;
    PT_TRY(build(r, rec, width > 0, rows, &b));
    int64_t values = (int64_t)b.n_groups * width;
    PT_TRY(pt_alloc0(&ones, b.n_rows + values));
    PT_TRY(pt_model_zero_grad(r->model));
    PT_TRY(pt_model_load_batch(r->model, &b, step, true));
    PT_TRY(pt_model_forward(r->model, PT_SLOT_OWN, true));
    if (width) PT_TRY(pt_model_values(r->model, r->values));
    for (int64_t k = 0; k < values; k++)
        if (!isfinite(r->values[k])) *what = "score";
    for (int32_t m = 0; rows && m < b.n_rows; m++) ones[m] = -1;
    if (rows) PT_TRY(pt_model_logp(r->model, moved ? ones : NULL, r->logp));
    for (int32_t m = 0; rows && m < b.n_rows; m++)
        if (!isfinite(r->logp[m])) *what = "log-probabilities";
    for (int64_t k = 0; !moved && k < values; k++) ones[k] = 1;
    if (!moved) PT_TRY(pt_model_values_backward(r->model, ones)); /* of two heads the vocabulary's gradient is taken */
    if (*what) goto done;
    PT_TRY(pt_model_backward(r->model));
    PT_TRY(bad_tensor(r, what));
done:
    pt_batch_free(&b);
    free(ones);
    return rc;
}

/* The first bad record of this rank's share of a step. */
static pt_status search(pt_run *r, const pt_step *s, char *text, size_t size)
{
    for (int i = 0; i < s->n_micro; i++)
        for (int32_t k = 0; k < s->micro[i].n_records; k++) {
            pt_packed rec;
            const char *what;
            int64_t id = s->micro[i].group_record[s->micro[i].record_start[k]];
            PT_RETURN(pt_pack_get(r->pack, id, &rec));
            PT_RETURN(try_record(r, &rec, (uint64_t)s->index, &what));
            if (!what) continue;
            snprintf(text, size, "%s of record %lld (%s:%lld)", what, (long long)id, pt_pack_source(r->pack, rec.source),
                     (long long)rec.line);
            return PT_OK;
        }
    return PT_OK;
}

pt_status pt_run_blame(pt_run *r, const pt_step_sums *s, char *text, size_t size)
{
    const char *tensor = NULL;
    text[0] = 0;
    if (s->finite) PT_RETURN(bad_tensor(r, &tensor));
    PT_RETURN(search(r, &s->info, text, size));
    int64_t who = text[0] ? r->comm->rank : r->comm->size; /* the lowest rank that found one speaks */
    PT_RETURN(r->comm->allreduce_min(r->comm, &who, 1));
    if (who < r->comm->size) return r->comm->broadcast(r->comm, text, size, (int)who);
    snprintf(text, size, "%s, though no record alone is", tensor ? tensor : "the loss");
    return PT_OK;
}
