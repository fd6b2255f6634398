/* One optimiser step's gradients, and evaluation: micro-batches -> channels -> loss -> backward -> sums over ranks. One flow for every backend:
 * everything is queued, the loss runs where the channels are, and what the host wants to know is there once it has waited. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/loop/overlap.h"
#include "train/loop/run.h"

/* ---- micro-batches ------------------------------------------------------------------------------------------------------ */

static int reference_slot(const pt_run *r)
{
    return r->reference == PT_REFERENCE_START ? 1 : PT_SLOT_NONE;
}

static bool makes_reference(const pt_run *r)
{
    return r->reference != PT_REFERENCE_NONE && !r->reference_stored;
}

/* Loads a batch, and its reference where this model makes it. The frozen copy never drops features. */
pt_status pt_run_load_batch(pt_run *r, const pt_batch *b, uint64_t step, bool train)
{
    PT_RETURN(pt_model_load_batch(r->model, b, step, train));
    PT_RETURN(pt_model_load_loss(r->model, b));
    if (!makes_reference(r)) return PT_OK;
    pt_model_drops(r->model, false);
    PT_RETURN(pt_model_forward(r->model, reference_slot(r), false));
    PT_RETURN(pt_model_keep_reference(r->model));
    pt_model_drops(r->model, train);
    return PT_OK;
}

/* forwarded: statistics have run its forward pass. */
static pt_status run_micro(pt_run *r, const pt_batch *b, const pt_core_step *core, uint64_t step, bool train, bool forwarded)
{
    if (!forwarded) PT_RETURN(pt_run_load_batch(r, b, step, train));
    if (!forwarded) PT_RETURN(pt_model_forward(r->model, PT_SLOT_OWN, train));
    PT_RETURN(pt_model_loss(r->model, core, train));
    return train ? pt_model_backward(r->model) : PT_OK;
}

/* What the core sees of this step, but for statistics. */
static void core_of(const pt_run *r, const pt_step *info, pt_core_step *core)
{
    const pt_objective *o = r->objective;
    *core = (pt_core_step){.norm = pt_objective_norm(o, info->row_weight, info->group_weight, info->record_weight), .first_tokens = info->first_weight,
                           .extra_tokens = info->extra_weight};
    pt_objective_options(o, r->cfg->options, core);
    for (int i = 0; i < info->n_columns; i++)
        for (int k = 0; k < o->n_columns && info->record_weight > 0; k++)
            if (!strcmp(info->columns[i].name, o->columns[k])) core->column_mean[k] = info->columns[i].sum / info->record_weight;
    memcpy(core->state, r->state, sizeof core->state);
}

/* All micro-batches of a step, queued; the report is fetched. Where the weights of the whole step sum to 0 there is no mean, on no rank: nothing
 * runs, and the report is 0. */
static pt_status run_all(pt_run *r, uint64_t step, bool train, pt_step_sums *s)
{
    core_of(r, &s->info, &s->core);
    s->core.training = train;
    s->empty = !(s->core.norm > 0);
    if (s->empty) {
        memset(r->report, 0, sizeof r->report);
        memset(r->tokens, 0, sizeof r->tokens);
        return PT_OK;
    }
    if (r->objective->n_stats) PT_RETURN(pt_run_statistics(r, &s->info, step, train, &s->core));
    PT_RETURN(pt_model_report_begin(r->model));
    for (int i = 0; i < s->info.n_micro; i++) {
        if (train && r->overlap && i == s->info.n_micro - 1) pt_overlap_begin(r->overlap);
        PT_RETURN(run_micro(r, &s->info.micro[i], &s->core, step, train, pt_run_one_pass(r, &s->info)));
    }
    if (r->cfg->run.log_token_metrics) PT_RETURN(pt_model_tokens_fetch(r->model, r->tokens));
    return pt_model_report_fetch(r->model, r->report);
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

/* The largest or smallest of n numbers `step` apart; NaN where one is. */
static double outermost(const double *x, size_t step, size_t n, bool largest)
{
    double best = x[0];
    for (size_t k = 1; k < n && !isnan(best); k++)
        if (isnan(x[k * step]) || (largest ? x[k * step] > best : x[k * step] < best)) best = x[k * step];
    return best;
}

/* One exchange of all ranks: the report's sums, the token sums where they are logged, and a row of each rank that no other adds
 * to: its wish to stop, and its metrics whose largest or smallest counts. */
pt_status pt_run_sum_report(pt_run *r, pt_step_sums *s)
{
    const pt_loss_metric *m = r->objective->metrics;
    const int n = r->objective->n_metrics;
    const size_t tokens = r->cfg->run.log_token_metrics ? PT_TOKEN_SUMS : 0, before = PT_REPORT_SIZE + tokens, ranks = (size_t)r->comm->size,
                 row = 1 + (size_t)n;
    double *all = NULL;
    pt_status rc = PT_OK;
    PT_TRY(pt_calloc(&all, before + row * ranks, sizeof *all));
    double *own = all + before + row * (size_t)r->comm->rank;
    memcpy(all, r->report, PT_REPORT_SIZE * sizeof *all);
    memcpy(all + PT_REPORT_SIZE, r->tokens, tokens * sizeof *all);
    own[0] = r->hooks.stop && *r->hooks.stop;
    for (int k = 0; k < n; k++) {
        if (m[k].reduce <= PT_REDUCE_SUM) continue;
        own[1 + k] = all[PT_REPORT_METRICS + k];
        all[PT_REPORT_METRICS + k] = 0;
    }
    PT_TRY(r->comm->allreduce_f64(r->comm, all, before + row * ranks));
    memcpy(s->tokens, r->tokens, sizeof s->tokens);
    memcpy(s->tokens, all + PT_REPORT_SIZE, tokens * sizeof *all);
    s->loss = all[PT_REPORT_LOSS];
    s->stop = false;
    for (size_t k = 0; k < ranks; k++) s->stop = s->stop || all[before + row * k] != 0;
    for (int k = 0; k < n; k++) {
        s->metrics[k] = m[k].reduce <= PT_REDUCE_SUM ? all[PT_REPORT_METRICS + k] : outermost(all + before + 1 + k, row, ranks, m[k].reduce == PT_REDUCE_MAX);
        if (m[k].zero_at_start && s->metrics[k] != 0) s->apart = s->metrics[k];
    }
    s->finite = isfinite(s->loss);
done:
    free(all);
    return rc;
}

static pt_status sum_gradients(pt_run *r, const pt_step *info)
{
    if (r->overlap) {
        if (info->n_micro == 0) pt_overlap_begin(r->overlap);
        return pt_overlap_end(r->overlap);
    }
    if (r->comm->size < 2) return PT_OK;
    pt_comm_io io = {.user = &r->ctx, .get = io_get, .put = io_put};
    return r->comm->allreduce_sum(r->comm, pt_model_grad_view(r->model), &io);
}

/* ---- a step ---------------------------------------------------------------------------------------------------------- */

pt_status pt_run_queue_gradients(pt_run *r, int64_t index, pt_step_sums *out)
{
    memset(out, 0, sizeof *out);
    PT_RETURN(pt_loader_step(r->train, index, &out->info));
    PT_RETURN(pt_model_zero_grad(r->model));
    PT_RETURN(run_all(r, (uint64_t)index, true, out));
    if (!out->empty) PT_RETURN(sum_gradients(r, &out->info));
    if (!r->hooks.on_gradients) return PT_OK;
    if (r->comm->allreduce_end) PT_RETURN(r->comm->allreduce_end(r->comm));
    PT_RETURN(r->ctx.ops->sync(&r->ctx));
    r->hooks.on_gradients(r->hooks.user, &r->ctx, r->model, out->info.index);
    return PT_OK;
}

pt_status pt_run_gradients(pt_run *r, int64_t index, pt_step_sums *out)
{
    PT_RETURN(pt_run_queue_gradients(r, index, out));
    if (r->comm->allreduce_end) PT_RETURN(r->comm->allreduce_end(r->comm));
    PT_RETURN(r->ctx.ops->sync(&r->ctx));
    return pt_run_sum_report(r, out);
}

/* ---- evaluation ------------------------------------------------------------------------------------------------------ */

pt_status pt_run_measure(pt_run *r, pt_loader *l, int64_t index, pt_step_sums *out)
{
    memset(out, 0, sizeof *out);
    PT_RETURN(pt_loader_step(l, index, &out->info));
    PT_RETURN(run_all(r, (uint64_t)index, false, out));
    PT_RETURN(r->ctx.ops->sync(&r->ctx));
    return pt_run_sum_report(r, out);
}
