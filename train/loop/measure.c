/* An evaluation: steps of a set, and sets, as one report. What is summed are the objective's own metrics; those that are made of others (macro F1, a
 * correlation) are made when all of it is there. */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "train/loop/run.h"

/* b beside a; means of both are still sums by weight. */
static void join(const pt_objective *o, pt_eval_sums *a, const pt_eval_sums *b)
{
    for (int k = 0; k < o->n_metrics; k++) a->metric[k] = a->weight > 0 ? pt_reduced(a->metric[k], b->metric[k], o->metrics[k].reduce) : b->metric[k];
    for (int k = 0; k < PT_TOKEN_SUMS; k++) a->tokens[k] += b->tokens[k];
    a->loss += b->loss;
    a->weight += b->weight;
    a->records += b->records;
    a->seconds += b->seconds;
}

/* A step's means, as shares of a sum by weight. */
static pt_eval_sums of_step(const pt_objective *o, const pt_step_sums *s)
{
    pt_eval_sums e = {.loss = s->core.norm * s->loss, .weight = s->core.norm};
    for (int k = 0; k < o->n_metrics; k++) e.metric[k] = (o->metrics[k].reduce == PT_REDUCE_MEAN ? s->core.norm : 1) * s->metrics[k];
    memcpy(e.tokens, s->tokens, sizeof e.tokens);
    return e;
}

pt_status pt_run_sum_set(pt_run *r, pt_loader *l, const char *set, pt_eval_sums *out, bool *stopped)
{
    pt_loader_summary sum;
    double start = pt_seconds();
    *out = (pt_eval_sums){0};
    *stopped = false;
    PT_RETURN(pt_loader_summary_get(l, &sum));
    for (int64_t i = 0; i < sum.steps; i++) {
        pt_step_sums s;
        PT_RETURN(pt_run_measure(r, l, i, &s));
        *stopped = s.stop && i + 1 < sum.steps;
        if (*stopped) return PT_OK;
        pt_eval_sums step = of_step(r->objective, &s);
        if (!s.empty) join(r->objective, out, &step);
        out->records += s.info.records;
    }
    if (!(out->weight > 0)) return pt_fail(PT_EARG, "the %s set has nothing to evaluate", set);
    out->seconds = pt_seconds() - start;
    return PT_OK;
}

void pt_run_report_sets(const pt_objective *o, int width, const pt_eval_sums *each, size_t n, pt_eval_report *out)
{
    pt_eval_sums all = {0};
    for (size_t i = 0; i < n; i++) join(o, &all, &each[i]);
    for (int k = 0; k < o->n_metrics; k++)
        if (o->metrics[k].reduce == PT_REDUCE_MEAN) all.metric[k] /= all.weight;
    out->loss = all.loss / all.weight;
    out->records = all.records;
    out->seconds = all.seconds;
    out->n_metrics = pt_run_shown(o, width, all.metric, all.tokens, out->metric, out->metric_name);
}

pt_status pt_run_evaluate(pt_run *r, pt_loader *l, const char *set, pt_eval_report *out, bool *stopped)
{
    pt_eval_sums sums;
    PT_RETURN(pt_run_sum_set(r, l, set, &sums, stopped));
    *out = (pt_eval_report){.set = set, .step = r->step};
    if (!*stopped) pt_run_report_sets(r->objective, pt_model_width(r->model), &sums, 1, out);
    return PT_OK;
}

int pt_run_shown(const pt_objective *o, int width, const double *metric, const double tokens[PT_TOKEN_SUMS], double *values, const char **names)
{
    int n = 0;
    for (int k = 0; k < o->n_metrics && n < PT_FLOW_METRICS; k++) {
        double v = o->metrics[k].derive ? o->metrics[k].derive(metric, width) : metric[k];
        if (!o->metrics[k].name || (o->metrics[k].derive && isnan(v))) continue;
        names[n] = o->metrics[k].name;
        values[n++] = v;
    }
    if (!(tokens[PT_TOKEN_WEIGHT] > 0) || n + 2 > PT_FLOW_METRICS) return n;
    names[n] = "entropy"; /* as TRL's trainers call them */
    values[n++] = tokens[PT_TOKEN_ENTROPY] / tokens[PT_TOKEN_WEIGHT];
    names[n] = "mean_token_accuracy";
    values[n++] = tokens[PT_TOKEN_HITS] / tokens[PT_TOKEN_WEIGHT];
    return n;
}
