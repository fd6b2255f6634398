/* Evaluations between steps: the losses of held-out sets, and what the program asks of the model besides. What a stop cuts off stays pending. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/threads.h"
#include "train/loop/run.h"

unsigned pt_run_due(const pt_run *r)
{
    unsigned due = (r->valid ? PT_PENDING_VALIDATION : 0u) | (r->test ? PT_PENDING_TEST : 0u) | (r->plan.during ? PT_PENDING_DURING : 0u);
    return due && r->watched ? due | PT_PENDING_BEST : due;
}

/* Of the names in metrics. axolotl's eval_loss comes from test_datasets too. */
static const char *prefix_of(const pt_run *r, unsigned set)
{
    return set == PT_PENDING_TEST && r->valid ? "test" : "eval";
}

static pt_status tell_report(pt_run *r, const pt_eval_report *e)
{
    pt_run_watch_value(r, e->prefix, "loss", e->loss);
    for (int i = 0; i < e->n_metrics; i++) pt_run_watch_value(r, e->prefix, e->metric_name[i], e->metric[i]);
    if (r->metrics) PT_RETURN(pt_metrics_eval(r->metrics, e));
    if (r->hooks.on_eval) r->hooks.on_eval(r->hooks.user, e);
    return PT_OK;
}

/* Each of several test sets, then all of them together. Nothing is told before the last is measured: a stop between them begins them anew. */
static pt_status measure_sets(pt_run *r, pt_eval_report *all, bool *stopped)
{
    pt_status rc = PT_OK;
    pt_eval_sums *each = NULL;
    int width = pt_model_width(r->model);
    PT_TRY(pt_alloc0(&each, r->n_sets));
    for (size_t i = 0; i < r->n_sets && !*stopped; i++) PT_TRY(pt_run_sum_set(r, r->sets[i].loader, r->sets[i].name, &each[i], stopped));
    if (*stopped) goto done;
    for (size_t i = 0; i < r->n_sets; i++) {
        pt_eval_report one = {.set = r->sets[i].name, .prefix = r->sets[i].prefix, .step = r->step};
        pt_run_report_sets(r->objective, width, &each[i], 1, &one);
        PT_TRY(tell_report(r, &one));
    }
    *all = (pt_eval_report){.set = "test", .step = r->step};
    pt_run_report_sets(r->objective, width, each, r->n_sets, all);
done:
    free(each);
    return rc;
}

static pt_status evaluate_set(pt_run *r, unsigned set, bool *stopped)
{
    bool test = set == PT_PENDING_TEST;
    pt_eval_report e;
    if (*stopped || !(r->pending & set)) return PT_OK;
    if (test && r->n_sets) PT_RETURN(measure_sets(r, &e, stopped));
    else PT_RETURN(pt_run_evaluate(r, test ? r->test : r->valid, test ? "test" : "validation", &e, stopped));
    if (*stopped) return PT_OK;
    r->pending &= ~set;
    e.prefix = prefix_of(r, set);
    r->last_eval = e.loss;
    return tell_report(r, &e);
}

pt_during_model pt_run_during_model(const pt_run *r)
{
    const bool lora = r->cfg->adapter.kind != PT_ADAPTER_NONE;
    return (pt_during_model){.model = r->model, .base = &r->base, .ctx = &r->ctx, .comm = r->comm, .slot = lora ? 0 : PT_SLOT_NONE, .caps = r->plan.caps, .step = r->step, .stop = r->hooks.stop};
}

/* The program's own. What failed is no number, and the run goes on. */
static pt_status evaluate_during(pt_run *r, bool *stopped)
{
    const pt_during_model m = pt_run_during_model(r);
    pt_during_report rep = {.step = r->step};
    double start = pt_seconds();
    if (*stopped || !(r->pending & PT_PENDING_DURING)) return PT_OK;
    pt_status rc = r->hooks.during->measure(r->hooks.during->user, &m, &rep);
    *stopped = rc == PT_ESTOP;
    if (*stopped) return pt_err_forgive(rc);
    PT_RETURN(rc);
    r->pending &= ~(unsigned)PT_PENDING_DURING;
    if (r->comm->rank) return PT_OK;
    rep.seconds = pt_seconds() - start;
    if (rep.failure[0]) pt_log(PT_LOG_WARN, "step %lld: the evaluations failed and count as no number: %s", (long long)r->step, rep.failure);
    for (size_t i = 0; i < rep.n; i++) pt_run_watch_value(r, "eval", rep.name[i], rep.value[i]);
    if (r->metrics) PT_RETURN(pt_metrics_during(r->metrics, &rep));
    if (r->hooks.on_during) r->hooks.on_during(r->hooks.user, &rep);
    return PT_OK;
}

pt_status pt_run_round(pt_run *r, bool *stopped, bool *best)
{
    PT_RETURN(evaluate_set(r, PT_PENDING_VALIDATION, stopped));
    PT_RETURN(evaluate_set(r, PT_PENDING_TEST, stopped));
    PT_RETURN(evaluate_during(r, stopped));
    if (r->pending != PT_PENDING_BEST) return PT_OK;
    r->pending = 0;
    return pt_run_choose(r, best);
}

void pt_run_prefixes(const pt_run *r, const char *prefix[PT_PREFIXES])
{
    size_t n = 0;
    if (r->pending & PT_PENDING_VALIDATION) prefix[n++] = prefix_of(r, PT_PENDING_VALIDATION);
    if (r->pending & PT_PENDING_TEST) prefix[n++] = prefix_of(r, PT_PENDING_TEST);
    for (size_t i = 0; r->pending & PT_PENDING_TEST && i < r->n_sets && n + 2 < PT_PREFIXES; i++) prefix[n++] = r->sets[i].prefix;
    if (r->pending & PT_PENDING_DURING) prefix[n++] = "during";
    prefix[n] = NULL;
}
