/* The run: steps, evaluation, saving, stopping. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mapped.h"
#include "base/threads.h"
#include "train/loop/run.h"

enum { BAD_LIMIT = 10 }; /* steps in a row that are not finite before the run gives up */

/* ---- one step ---------------------------------------------------------------------------------------------------------- */

static double flops_so_far(const pt_run *r)
{
    double sum = 0;
    for (int i = 0; i < PT_PROF_COUNT; i++) sum += r->profile.flops[i];
    return sum;
}

/* Policy and reference are the same weights before the first update: a metric that must be 0 then and is not is a bug of ours. */
static pt_status check_first_step(const pt_run *r, const pt_step_sums *s)
{
    bool fresh = r->reference == PT_REFERENCE_BASE && !r->cfg->adapter.lora_model_dir;
    bool start = r->reference == PT_REFERENCE_START && r->cfg->adapter.lora_dropout == 0;
    if (r->step > 0 || r->reference_stored || !(fresh || start) || s->apart == 0 || !s->finite) return PT_OK;
    return pt_fail(PT_EINTERNAL, "%s: policy and reference differ by %g before the first update: a bug of ptrain", r->objective->name, s->apart);
}

/* The step did not count: says what was not finite; ends the run past the limit. */
static pt_status skip_step(pt_run *r, const pt_step_sums *s)
{
    char text[400];
    PT_RETURN(pt_run_blame(r, s, text, sizeof text));
    r->skipped++;
    r->bad_in_row++;
    pt_log(PT_LOG_WARN, "step %lld is not finite and was skipped: %s", (long long)r->step + 1, text);
    if (r->bad_in_row < BAD_LIMIT) return PT_OK;
    return pt_fail(PT_ENONFINITE,
                   "step %lld: %d steps in a row were not finite, the last: %s; lower the learning rate or look at the data",
                   (long long)r->step + 1, BAD_LIMIT, text);
}

/* The whole step is queued and waited for once. A gradient that is not finite moves nothing, and a loss that is not finite makes its gradient
 * so (kernels/loss.h), on all ranks through their sum. */
static pt_status move(pt_run *r, pt_step_sums *s, float lr, float *norm, bool *moved)
{
    PT_RETURN(pt_run_queue_gradients(r, r->step, s));
    if (s->empty) return pt_run_sum_report(r, s); /* a stop is heard */
    PT_RETURN(pt_optim_step(r->optim, pt_model_param_view(r->model), pt_model_grad_view(r->model), lr, norm, moved));
    PT_RETURN(pt_run_sum_report(r, s));
    PT_RETURN(check_first_step(r, s));
    if (*moved && r->objective->n_state) r->objective->advance(&s->core, s->metrics, r->state);
    if (s->finite) return PT_OK;
    *norm = 0;
    if (!*moved) return PT_OK;
    return pt_fail(PT_EINTERNAL, "the loss is not finite, and the weights have moved all the same: a bug of ptrain");
}

/* No weight, no gradient: not even weight decay moves anything. Neither a good step nor a bad one. */
static void pass_step(pt_run *r)
{
    r->empty++;
    pt_log(PT_LOG_WARN, "step %lld was skipped: the weights of its records sum to 0", (long long)r->step + 1);
}

static pt_status one_step(pt_run *r, pt_step_sums *s, pt_step_report *rep)
{
    pt_status rc = PT_OK;
    double start = pt_seconds(), flops = flops_so_far(r);
    float norm = 0;
    bool moved = false;
    double lr = pt_schedule_rate(&r->schedule, r->step);
    PT_TRY(move(r, s, (float)lr, &norm, &moved));
    *rep = (pt_step_report){.step = r->step + 1,
                            .steps = r->plan.data.steps,
                            .epoch = s->info.epoch,
                            .loss = s->loss,
                            .grad_norm = norm,
                            .lr = lr,
                            .tokens = s->info.tokens,
                            .supervised_tokens = s->info.rows,
                            .records = s->info.records,
                            .skipped = !moved,
                            .empty = s->empty};
    if (!s->empty) rep->n_metrics = pt_run_shown(r->objective, pt_model_width(r->model), s->metrics, s->tokens, rep->metric, rep->metric_name);
    if (moved) {
        r->bad_in_row = 0;
        r->last_loss = s->loss;
    } else if (s->empty)
        pass_step(r);
    else
        PT_TRY(skip_step(r, s));
    rep->seconds = pt_seconds() - start;
    rep->tokens_per_second = (double)rep->tokens / (rep->seconds > 1e-9 ? rep->seconds : 1e-9);
    double rate = r->ctx.compute == PT_COMPUTE_BF16 ? r->plan.choice.bf16_rate : r->plan.choice.f32_rate;
    if (rate > 0) rep->peak_share = (flops_so_far(r) - flops) / rep->seconds / (rate * 1e9);
done:
    return rc;
}

/* ---- between steps ------------------------------------------------------------------------------------------------------- */

static void set_output(pt_train_result *res, const char *path)
{
    snprintf(res->output, sizeof res->output, "%s", path);
}

/* Saves where the run stands and leaves with PT_ESTOP. */
static pt_status stop_here(pt_run *r, bool saved, pt_train_result *res)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    if (saved)
        PT_TRY(pt_state_folder(&path, r->cfg->run.output_dir, r->step));
    else
        PT_TRY(pt_run_save(r, &path));
    set_output(res, path);
    rc = pt_fail(PT_ESTOP, "stopped after step %lld of %lld; saved in %s; go on with --resume_from_checkpoint=auto",
                 (long long)r->step, (long long)r->plan.data.steps, path);
done:
    free(path);
    return rc;
}

/* A device or another rank failed in the middle: in which step, and from where the run can go on. */
static pt_status name_step(const pt_run *r, int64_t step, pt_status rc)
{
    if (rc != PT_EINTERNAL && rc != PT_ENOMEM && !(rc == PT_EIO && r->comm->size > 1)) return rc;
    if (r->saved)
        return pt_fail_prefix(rc, "step %lld (the checkpoint of step %lld is whole)", (long long)step, (long long)r->saved);
    return pt_fail_prefix(rc, "step %lld (no checkpoint yet)", (long long)step);
}

/* The loss stays above what the config calls hopeless. */
static pt_status watch_loss(pt_run *r, double loss)
{
    const pt_config_run *c = &r->cfg->run;
    r->high_in_row = loss > c->loss_watchdog_threshold ? r->high_in_row + 1 : 0;
    if (c->loss_watchdog_threshold <= 0 || r->high_in_row < c->loss_watchdog_patience) return PT_OK;
    return pt_fail(PT_ENONFINITE, "step %lld: the loss (%.4g) was above loss_watchdog_threshold %g for %d steps in a row%s", (long long)r->step, loss,
                   c->loss_watchdog_threshold, c->loss_watchdog_patience, r->saved ? "; the last checkpoint is whole" : "");
}

/* One step and what is due after it. started: when the run's first step began, first: the steps done before that. */
static pt_status step_and_after(pt_run *r, int64_t first, double started, pt_train_result *res)
{
    pt_step_sums s;
    pt_step_report rep;
    int64_t total = r->plan.data.steps;
    PT_RETURN(one_step(r, &s, &rep));
    r->step++;
    if (!rep.skipped) pt_run_watch_drift(r, s.metrics);
    if (!rep.skipped) PT_RETURN(pt_run_sync_reference(r));
    rep.eta = (pt_seconds() - started) / (double)(r->step - first) * (double)(total - r->step);
    if (r->metrics) PT_RETURN(pt_metrics_step(r->metrics, &rep));
    if (r->hooks.on_step) r->hooks.on_step(r->hooks.user, &rep);
    if (!rep.empty) PT_RETURN(watch_loss(r, rep.loss));
    bool last = r->step == total, saved = false, stop = s.stop, best = false;
    if (last || (r->plan.eval_steps && r->step % r->plan.eval_steps == 0)) r->pending = pt_run_due(r);
    PT_RETURN(pt_run_round(r, &stop, &best));
    if (best || (r->plan.save_steps && r->step % r->plan.save_steps == 0)) {
        PT_RETURN(pt_run_save(r, NULL));
        saved = true;
    }
    last |= pt_watch_over(&r->watch);
    if (stop && (!last || r->pending)) return stop_here(r, saved, res);
    return PT_OK;
}

static pt_status run_steps(pt_run *r, pt_train_result *res)
{
    double started = pt_seconds();
    int64_t first = r->step;
    bool stop = false, best = false;
    PT_RETURN(pt_run_round(r, &stop, &best)); /* a stop came before it was done */
    if (best) PT_RETURN(pt_run_save(r, NULL));
    if (stop) return stop_here(r, best, res);
    while (r->step < r->plan.data.steps && !pt_watch_over(&r->watch)) {
        int64_t step = r->step + 1;
        pt_status rc = step_and_after(r, first, started, res);
        if (rc != PT_OK) return name_step(r, step, rc);
    }
    return PT_OK;
}

/* ---- the calls of flow.h ------------------------------------------------------------------------------------------------- */

/* The pack's table and the plan's. */
static pt_status plan_text(const pt_run *r, pt_str *out)
{
    if (r->pack) PT_RETURN(pt_pack_report_text(&r->plan.pack, out));
    if (r->test_pack) {
        PT_RETURN(pt_str_puts(out, "test set\n"));
        PT_RETURN(pt_pack_report_text(&r->plan.test, out));
    }
    return pt_run_plan_text(&r->plan, out);
}

pt_status pt_train_plan(const pt_config *cfg, const pt_train_hooks *hooks, pt_run_plan *plan, pt_str *text)
{
    pt_run r;
    PT_RETURN(pt_run_open(&r, cfg, hooks));
    pt_status rc = text ? plan_text(&r, text) : PT_OK;
    if (rc == PT_OK && plan) *plan = r.plan;
    pt_run_close(&r);
    return rc;
}

static pt_status announce_plan(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    if (!r->hooks.on_plan) return PT_OK;
    PT_TRY(plan_text(r, &text));
    r->hooks.on_plan(r->hooks.user, &r->plan, text.text);
done:
    pt_str_free(&text);
    return rc;
}

/* More than the machine has is refused before anything is allocated. */
static pt_status check_fits(pt_run *r)
{
    const pt_run_plan *p = &r->plan;
    if (!pt_run_plan_fits(p, p->device_need)) return pt_run_refuse_device(r);
    if (!p->machine || p->total * (size_t)p->local_ranks <= p->machine) return PT_OK;
    return pt_fail(PT_ENOMEM,
                   "this run needs %.0f MiB%s, the machine has %.0f: lower sequence_len or micro_batch_size, or set "
                   "gradient_checkpointing: true",
                   (double)p->total / 1048576.0, p->local_ranks > 1 ? " a process" : "", (double)p->machine / 1048576.0);
}

static pt_status start_files(pt_run *r)
{
    if (r->comm->rank == 0) {
        const char *again[PT_PREFIXES];
        pt_run_prefixes(r, again);
        PT_RETURN(pt_run_prepare_folder(r));
        PT_RETURN(pt_run_try_result(r));
        PT_RETURN(pt_metrics_open(&r->metrics, r->cfg->run.output_dir, r->step, again));
    }
    return r->comm->barrier(r->comm);
}

pt_status pt_train_run(const pt_config *cfg, const pt_train_hooks *hooks, pt_train_result *result)
{
    pt_status rc = PT_OK;
    pt_run r;
    pt_train_result res = {.loss = NAN, .eval_loss = NAN};
    double start = pt_seconds();
    PT_RETURN(pt_run_open(&r, cfg, hooks));
    if (r.resume_path) set_output(&res, r.resume_path); /* a stop before the first step leaves it at that */
    PT_TRY(announce_plan(&r));
    PT_TRY(check_fits(&r));
    PT_TRY(pt_run_audit(&r));
    PT_TRY(pt_run_commit(&r));
    PT_TRY(start_files(&r));
    if (r.hooks.on_start) r.hooks.on_start(r.hooks.user, r.resume_path);
    PT_TRY(run_steps(&r, &res));
    set_output(&res, cfg->run.output_dir);
    if (r.comm->rank == 0) PT_TRY(pt_mapped_check());
    if (r.comm->rank == 0) PT_TRY(pt_run_finish(&r));
    PT_TRY(r.comm->barrier(r.comm));
done:
    if (rc == PT_OK || rc == PT_ESTOP) r.comm->broken = false; /* all ranks end here: they may wait for each other */
    res.steps = r.step;
    res.skipped = r.skipped;
    res.empty = r.empty;
    res.loss = r.last_loss;
    res.eval_loss = r.last_eval;
    res.watched = r.watched;
    if (r.watch.have) res.best_step = r.watch.step, res.best_value = r.watch.value;
    res.best_loaded = r.best_loaded;
    res.early = r.step < r.plan.data.steps && pt_watch_over(&r.watch);
    res.seconds = pt_seconds() - start;
    res.peak_rss = (size_t)pt_rss_peak();
    res.profile = r.profile;
    res.gemm_rate = r.plan.choice.compute == PT_COMPUTE_BF16 ? r.plan.choice.bf16_rate : r.plan.choice.f32_rate;
    res.planned = r.plan.total;
    if (result) *result = res;
    pt_run_close(&r);
    return rc;
}
