/* One optimiser step's gradients, and evaluation: micro-batches -> channels -> objective -> backward -> sums over ranks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "train/loop/overlap.h"
#include "train/loop/run.h"

/* ---- one micro-batch ------------------------------------------------------------------------------------------------- */

static int reference_slot(const pt_run *r)
{
    return r->reference == PT_REFERENCE_START ? 1 : PT_SLOT_NONE;
}

/* Reference log-probabilities of the loaded batch's rows. The frozen copy never drops features, so with dropout the batch is
 * loaded again. */
static pt_status run_reference(pt_run *r, const pt_batch *b, uint64_t step, bool train)
{
    bool drops = train && r->cfg->lora_dropout > 0 && r->reference == PT_REFERENCE_START;
    if (drops) PT_RETURN(pt_model_load_batch(r->model, b, step, false));
    PT_RETURN(pt_model_forward(r->model, reference_slot(r), false));
    PT_RETURN(pt_model_logp(r->model, NULL, r->ref_logp));
    return drops ? pt_model_load_batch(r->model, b, step, train) : PT_OK;
}

static void add_contribution(const pt_run *r, const pt_objective_out *o, pt_step_sums *s)
{
    s->loss += o->loss;
    for (int i = 0; i < r->objective->n_metrics; i++) s->metrics[i] += o->metrics[i];
    if (!(o->extreme == 0)) s->margin_zero = false;
}

/* A linear objective's gradient is known beforehand: the head goes forward and backward in one visit. */
static pt_status run_linear(pt_run *r, const pt_batch *b, pt_objective_in *in, bool train, pt_objective_out *out)
{
    if (train) {
        out->dlogp = r->dlogp;
        PT_RETURN(r->objective->eval(in, out));
        out->dlogp = NULL;
    }
    PT_RETURN(pt_model_logp(r->model, train ? r->dlogp : NULL, r->logp));
    if (train) PT_RETURN(pt_model_backward(r->model));
    in->logp = r->logp;
    return r->objective->eval(in, out);
}

static pt_status run_scores(pt_run *r, pt_objective_in *in, bool train, pt_objective_out *out)
{
    PT_RETURN(pt_model_score(r->model, r->score));
    in->score = r->score;
    out->dscore = train ? r->dscore : NULL;
    PT_RETURN(r->objective->eval(in, out));
    if (!train) return PT_OK;
    PT_RETURN(pt_model_score_backward(r->model, r->dscore));
    return pt_model_backward(r->model);
}

static pt_status run_logps(pt_run *r, pt_objective_in *in, bool train, pt_objective_out *out)
{
    PT_RETURN(pt_model_logp(r->model, NULL, r->logp));
    in->logp = r->logp;
    out->dlogp = train ? r->dlogp : NULL;
    PT_RETURN(r->objective->eval(in, out));
    if (!train) return PT_OK;
    PT_RETURN(pt_model_logp(r->model, r->dlogp, r->logp));
    return pt_model_backward(r->model);
}

/* The one number that losses of pairs take. */
static double beta_of(const pt_run *r)
{
    return r->objective->channels & PT_CHANNEL_SCORE ? r->cfg->center_rewards : r->cfg->beta;
}

static pt_status run_micro(pt_run *r, const pt_batch *b, uint64_t step, bool train, pt_step_sums *s)
{
    pt_objective_in in = {.batch = b, .beta = beta_of(r)};
    pt_objective_out out = {.bad_group = -1};
    PT_RETURN(pt_model_load_batch(r->model, b, step, train));
    if (r->reference == PT_REFERENCE_BASE || r->reference == PT_REFERENCE_START) {
        PT_RETURN(run_reference(r, b, step, train));
        in.ref_logp = r->ref_logp;
    }
    PT_RETURN(pt_model_forward(r->model, PT_SLOT_OWN, train));
    if (r->objective->channels & PT_CHANNEL_SCORE)
        PT_RETURN(run_scores(r, &in, train, &out));
    else if (r->objective->linear)
        PT_RETURN(run_linear(r, b, &in, train, &out));
    else
        PT_RETURN(run_logps(r, &in, train, &out));
    add_contribution(r, &out, s);
    return PT_OK;
}

/* ---- on a device: channels arrive later ------------------------------------------------------------------------------ */

/* Where the micro-batches' channels lie in the run's arrays. */
typedef struct places {
    int64_t row, head;
} places;

static void advance(places *at, const pt_batch *b)
{
    at->row += b->n_rows;
    at->head += b->n_heads;
}

typedef struct pair_list {
    pt_run *r;
    int32_t n;
} pair_list;

static pt_status add_pair(void *user, int32_t chosen, int32_t rejected)
{
    pair_list *l = user;
    l->r->chosen[l->n] = chosen;
    l->r->rejected[l->n++] = rejected;
    return PT_OK;
}

/* The frozen copy never drops features. */
static pt_status queue_reference(pt_run *r, bool train, places at)
{
    pt_model_drops(r->model, false);
    PT_RETURN(pt_model_forward(r->model, reference_slot(r), false));
    PT_RETURN(pt_model_logp_later(r->model, NULL, r->ref_logp + at.row));
    pt_model_drops(r->model, train);
    return train ? pt_model_keep_reference(r->model) : PT_OK;
}

static pt_status queue_micro(pt_run *r, const pt_batch *b, uint64_t step, bool train, places at)
{
    bool score = r->objective->channels & PT_CHANNEL_SCORE;
    pair_list pairs = {r, 0};
    pt_objective_in in = {.batch = b, .beta = beta_of(r)};
    pt_objective_out out = {.dlogp = r->dlogp};
    PT_RETURN(pt_model_load_batch(r->model, b, step, train));
    if (train && r->objective->pairs) {
        PT_RETURN(pt_pairs_each(b, add_pair, &pairs));
        PT_RETURN(pt_model_load_pairs(r->model, b, r->chosen, r->rejected, pairs.n));
    }
    if (r->reference == PT_REFERENCE_BASE || r->reference == PT_REFERENCE_START) PT_RETURN(queue_reference(r, train, at));
    if (train && r->reference == PT_REFERENCE_STORED) PT_RETURN(pt_model_load_reference(r->model, b));
    PT_RETURN(pt_model_forward(r->model, PT_SLOT_OWN, train));
    if (score)
        PT_RETURN(pt_model_score_later(r->model, r->head_score + at.head));
    else if (train && r->objective->linear) {
        PT_RETURN(r->objective->eval(&in, &out));
        PT_RETURN(pt_model_logp_later(r->model, r->dlogp, r->logp + at.row));
        return pt_model_backward(r->model);
    } else
        PT_RETURN(pt_model_logp_later(r->model, NULL, r->logp + at.row));
    if (!train) return PT_OK;
    PT_RETURN(pt_model_pair_backward(r->model, score ? PT_LOSS_REWARD : PT_LOSS_DPO, beta_of(r), (double)b->step_pairs));
    return pt_model_backward(r->model);
}

/* What the objective makes of channels that have arrived. */
static pt_status evaluate_micro(pt_run *r, const pt_batch *b, places at, pt_step_sums *s)
{
    pt_objective_in in = {.batch = b, .beta = beta_of(r), .logp = r->logp + at.row};
    pt_objective_out out = {.bad_group = -1};
    if (r->reference == PT_REFERENCE_BASE || r->reference == PT_REFERENCE_START) in.ref_logp = r->ref_logp + at.row;
    if (r->objective->channels & PT_CHANNEL_SCORE) {
        for (int32_t g = 0; g < b->n_groups; g++) {
            if (b->group_end_head[g] < 0) return pt_fail(PT_EARG, "group %d has no end token to score", g);
            r->score[g] = r->head_score[at.head + b->group_end_head[g]];
        }
        in.score = r->score;
    }
    PT_RETURN(r->objective->eval(&in, &out));
    add_contribution(r, &out, s);
    return PT_OK;
}

/* All micro-batches of a step: on the host with their losses, on a device queued. */
static pt_status run_all(pt_run *r, uint64_t step, bool train, pt_step_sums *s)
{
    places at = {0};
    bool later = pt_run_later(r);
    for (int i = 0; i < s->info.n_micro; i++) {
        pt_batch *b = &s->info.micro[i];
        if (train && r->overlap && i == s->info.n_micro - 1) pt_overlap_begin(r->overlap);
        PT_RETURN(later ? queue_micro(r, b, step, train, at) : run_micro(r, b, step, train, s));
        advance(&at, b);
    }
    return PT_OK;
}

static pt_status evaluate_all(pt_run *r, pt_step_sums *s)
{
    places at = {0};
    for (int i = 0; pt_run_later(r) && i < s->info.n_micro; i++) {
        PT_RETURN(evaluate_micro(r, &s->info.micro[i], at, s));
        advance(&at, &s->info.micro[i]);
    }
    return PT_OK;
}

/* ---- sums over ranks ------------------------------------------------------------------------------------------------- */

static pt_status io_get(void *user, float *host, pt_view src)
{
    pt_ctx *c = user;
    return c->ops->download(c, host, src);
}
static pt_status io_put(void *user, pt_view dst, const float *host)
{
    pt_ctx *c = user;
    return c->ops->upload(c, dst, host);
}

static pt_status sum_scalars(pt_run *r, pt_step_sums *s)
{
    double v[1 + PT_OBJECTIVE_METRICS];
    int64_t flag[2] = {r->hooks.stop && *r->hooks.stop, !s->margin_zero};
    v[0] = s->loss;
    memcpy(v + 1, s->metrics, sizeof s->metrics);
    PT_RETURN(r->comm->allreduce_f64(r->comm, v, 1 + PT_OBJECTIVE_METRICS));
    PT_RETURN(r->comm->allreduce_max(r->comm, flag, 2));
    s->loss = v[0];
    memcpy(s->metrics, v + 1, sizeof s->metrics);
    s->stop = flag[0] != 0;
    s->margin_zero = flag[1] == 0;
    s->finite = isfinite(s->loss);
    return PT_OK;
}

pt_status pt_run_gradients_start(pt_run *r, int64_t index, pt_step_sums *out)
{
    memset(out, 0, sizeof *out);
    out->margin_zero = true;
    PT_RETURN(pt_loader_step(r->train, index, &out->info));
    PT_RETURN(pt_model_zero_grad(r->model));
    PT_RETURN(run_all(r, (uint64_t)index, true, out));
    if (r->overlap) {
        if (out->info.n_micro == 0) pt_overlap_begin(r->overlap);
        return pt_overlap_end(r->overlap);
    }
    if (r->comm->size > 1) {
        pt_comm_io io = {.user = &r->ctx, .get = io_get, .put = io_put};
        PT_RETURN(r->comm->allreduce_sum(r->comm, pt_model_grad_view(r->model), &io));
    }
    return PT_OK;
}

pt_status pt_run_gradients_finish(pt_run *r, pt_step_sums *out)
{
    PT_RETURN(evaluate_all(r, out));
    PT_RETURN(sum_scalars(r, out));
    if (r->hooks.on_gradients) r->hooks.on_gradients(r->hooks.user, &r->ctx, r->model, out->info.index);
    return PT_OK;
}

pt_status pt_run_gradients(pt_run *r, int64_t index, pt_step_sums *out)
{
    PT_RETURN(pt_run_gradients_start(r, index, out));
    if (r->comm->settle) PT_RETURN(r->comm->settle(r->comm));
    if (pt_run_later(r)) PT_RETURN(r->ctx.ops->sync(&r->ctx));
    return pt_run_gradients_finish(r, out);
}

/* ---- evaluation ------------------------------------------------------------------------------------------------------ */

pt_status pt_run_measure(pt_run *r, pt_loader *l, int64_t index, pt_step_sums *out)
{
    memset(out, 0, sizeof *out);
    out->margin_zero = true;
    PT_RETURN(pt_loader_step(l, index, &out->info));
    PT_RETURN(run_all(r, (uint64_t)index, false, out));
    if (pt_run_later(r)) PT_RETURN(r->ctx.ops->sync(&r->ctx));
    PT_RETURN(evaluate_all(r, out));
    return sum_scalars(r, out);
}

pt_status pt_run_evaluate(pt_run *r, pt_loader *l, const char *set, pt_eval_report *out, bool *stopped)
{
    pt_loader_summary sum;
    double start = pt_seconds(), total = 0;
    *out = (pt_eval_report){
        .set = set, .step = r->step, .n_metrics = r->objective->n_metrics, .metric_name = r->objective->metrics};
    *stopped = false;
    PT_RETURN(pt_loader_summary_get(l, &sum));
    for (int64_t i = 0; i < sum.steps; i++) {
        pt_step_sums s;
        PT_RETURN(pt_run_measure(r, l, i, &s));
        *stopped = s.stop && i + 1 < sum.steps;
        if (*stopped) return PT_OK;
        double w = r->objective->pairs ? (double)s.info.pairs : s.info.row_weight;
        out->loss += w * s.loss;
        for (int k = 0; k < out->n_metrics; k++) out->metric[k] += w * s.metrics[k];
        out->records += s.info.records;
        total += w;
    }
    if (!(total > 0)) return pt_fail(PT_EARG, "the %s set has nothing to evaluate", set);
    out->loss /= total;
    for (int k = 0; k < out->n_metrics; k++) out->metric[k] /= total;
    out->seconds = pt_seconds() - start;
    return PT_OK;
}
