/* Which evaluation of a run was the best: by what it is chosen, what a checkpoint keeps of it, and its weights at the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/loop/run.h"

/* ---- by what ------------------------------------------------------------------------------------------------------------- */

/* Joins the names that a report with this prefix has. */
static pt_status names_of(const pt_run *r, const char *prefix, pt_str *known, bool *found)
{
    char key[160];
    int n = 0;
    for (int k = -1; k < r->objective->n_metrics && n <= PT_FLOW_METRICS; k++) {
        const char *name = k < 0 ? "loss" : r->objective->metrics[k].name;
        if (!name) continue;
        n++;
        snprintf(key, sizeof key, "%s_%s", prefix, name);
        *found = *found || pt_watch_is(r->watched, key);
        PT_RETURN(pt_str_printf(known, "%s%s", known->len ? ", " : "", key));
    }
    return PT_OK;
}

static pt_status find_watched(pt_run *r, pt_str *known, int *better)
{
    bool found = false;
    *better = 0;
    if (r->valid) PT_RETURN(names_of(r, "eval", known, &found));
    if (r->test) PT_RETURN(names_of(r, r->valid ? "test" : "eval", known, &found));
    for (size_t i = 0; i < r->n_sets; i++) PT_RETURN(names_of(r, r->sets[i].prefix, known, &found));
    if (!found && r->plan.during) {
        const char *name = strncmp(r->watched, "eval_", 5) ? r->watched : r->watched + 5;
        PT_RETURN(r->hooks.during->find(r->hooks.during->user, &r->base, name, &found, better, known));
    }
    if (found) return PT_OK;
    if (!known->len)
        return pt_fail(PT_EARG, "metric_for_best_model: %s: nothing is measured during training: give val_set_size, test_datasets, or an evaluation with during_training: true", r->watched);
    return pt_fail(PT_EARG, "metric_for_best_model: nobody computes %s; there are: %s", r->watched, known->text);
}

pt_status pt_run_open_watch(pt_run *r)
{
    const pt_config_run *c = &r->cfg->run;
    pt_status rc = PT_OK;
    pt_str known = {0};
    int better;
    r->watched_now = NAN;
    r->watched = c->metric_for_best_model ? c->metric_for_best_model : c->load_best_model_at_end || c->early_stopping_patience ? "loss" : NULL;
    if (!r->watched) return PT_OK;
    r->watch = (pt_watch){.greater = c->greater_is_better ? c->greater_is_better == PT_GREATER_YES : pt_watch_greater(r->watched), .patience = c->early_stopping_patience,
                          .threshold = c->early_stopping_threshold};
    if (r->hooks.no_data) return PT_OK; /* which sets there are is not known */
    PT_TRY(find_watched(r, &known, &better));
    if (better && (better > 0) != r->watch.greater && r->comm->rank == 0)
        pt_log(PT_LOG_WARN, "%s: %s is better, and greater_is_better is %s%s", r->watched, better > 0 ? "more" : "less", r->watch.greater ? "true" : "false",
               c->greater_is_better ? "" : ", as always where the name does not end in loss");
done:
    pt_str_free(&known);
    return rc;
}

void pt_run_watch_value(pt_run *r, const char *prefix, const char *name, double value)
{
    char key[300];
    if (!r->watched) return;
    snprintf(key, sizeof key, "%s_%s", prefix, name);
    if (pt_watch_is(r->watched, key)) r->watched_now = value;
}

pt_status pt_run_choose(pt_run *r, bool *best)
{
    double now = r->watched_now;
    PT_RETURN(r->comm->broadcast(r->comm, &now, sizeof now, 0));
    r->watched_now = NAN;
    *best = pt_watch_see(&r->watch, r->step, now);
    if (*best) {
        free(r->best_folder);
        r->best_folder = NULL;
    }
    if (r->comm->rank) return PT_OK;
    if (*best) pt_log(PT_LOG_INFO, "step %lld: %s %.6g is the best so far", (long long)r->step, r->watched, now);
    else if (!isfinite(now)) pt_log(PT_LOG_WARN, "step %lld: %s is no number: it is not the best, and counts as one that did no better", (long long)r->step, r->watched);
    if (pt_watch_over(&r->watch))
        pt_log(PT_LOG_INFO, "step %lld: %s did no better in %lld evaluation%s (early_stopping_patience): the run ends here", (long long)r->step, r->watched, (long long)r->watch.misses,
               r->watch.misses == 1 ? "" : "s");
    return PT_OK;
}

/* ---- in checkpoints ------------------------------------------------------------------------------------------------------ */

pt_status pt_run_put_watch(pt_run *r, pt_state_writer *w)
{
    if (!r->watched) return PT_OK;
    PT_RETURN(pt_state_put_text(w, "best_metric", r->watched));
    PT_RETURN(pt_state_put_int(w, "best_greater", r->watch.greater));
    PT_RETURN(pt_state_put_int(w, "best_misses", r->watch.misses));
    if (r->pending && isfinite(r->watched_now)) PT_RETURN(pt_state_put_num(w, "best_now", r->watched_now));
    if (!r->watch.have) return PT_OK;
    if (r->best_folder) PT_RETURN(pt_state_put_text(w, "best_folder", r->best_folder));
    PT_RETURN(pt_state_put_int(w, "best_step", r->watch.step));
    return pt_state_put_num(w, "best_value", r->watch.value);
}

static bool is_there(const char *folder)
{
    char *json = NULL;
    bool there = pt_path_join(&json, folder, "state.json") == PT_OK && pt_file_given(json);
    free(json);
    return there;
}

/* NULL where it is output_dir/checkpoint-STEP, under whatever name. */
static pt_status forget_own(pt_run *r)
{
    char *own, *real;
    PT_RETURN(pt_state_folder(&own, r->cfg->run.output_dir, r->watch.step));
    real = realpath(own, NULL);
    if (real && r->best_folder && !strcmp(real, r->best_folder)) {
        free(r->best_folder);
        r->best_folder = NULL;
    }
    free(real);
    free(own);
    return PT_OK;
}

/* The best model's checkpoint as this run, which goes on from another, can reach it: that one itself, where that one says, or beside it. */
static pt_status find_folder(pt_run *r, const pt_state *s)
{
    pt_status rc = PT_OK;
    const char *said = NULL, *dir = r->resume_path;
    char *beside = NULL, *parent = NULL;
    size_t n = strlen(dir);
    free(r->best_folder);
    r->best_folder = NULL;
    while (n > 1 && dir[n - 1] == '/') n--;
    if (r->watch.step == pt_state_step(s)) {
        PT_CHECK((r->best_folder = realpath(dir, NULL)) != NULL, PT_EIO, "%s is not there any more", dir);
        return forget_own(r);
    }
    if (pt_state_has(s, "best_folder")) PT_TRY(pt_state_text(s, "best_folder", &said));
    while (n > 0 && dir[n - 1] != '/') n--;
    PT_TRY(n ? pt_strndup(&parent, dir, n) : pt_strdup(&parent, "."));
    PT_TRY(pt_state_folder(&beside, parent, r->watch.step));
    if (said && is_there(said)) PT_TRY(pt_strdup(&r->best_folder, said));
    else if (is_there(beside)) r->best_folder = realpath(beside, NULL);
    PT_CHECK(r->best_folder || !r->cfg->run.load_best_model_at_end, PT_EARG, "%s says that the best model so far is that of step %lld, and its checkpoint is not there (%s): put it back, or say "
             "load_best_model_at_end: false", dir, (long long)r->watch.step, said ? said : beside);
    PT_TRY(forget_own(r));
done:
    free(parent);
    free(beside);
    return rc;
}

pt_status pt_run_get_watch(pt_run *r, const pt_state *s)
{
    const char *metric;
    int64_t greater, step;
    pt_watch *w = &r->watch;
    if (!r->watched || !pt_state_has(s, "best_metric")) return PT_OK;
    PT_RETURN(pt_state_text(s, "best_metric", &metric));
    PT_RETURN(pt_state_int(s, "best_greater", &greater));
    if (strcmp(metric, r->watched) || (greater != 0) != w->greater) {
        pt_log(PT_LOG_WARN, "%s chose the best model by %s (%s is better), this run by %s (%s is better): the best is looked for anew", r->resume_path, metric, greater ? "more" : "less",
               r->watched, w->greater ? "more" : "less");
        return PT_OK;
    }
    PT_RETURN(pt_state_int(s, "best_misses", &w->misses));
    if (pt_state_has(s, "best_now")) PT_RETURN(pt_state_num(s, "best_now", &r->watched_now));
    if (!pt_state_has(s, "best_step")) return PT_OK;
    PT_RETURN(pt_state_int(s, "best_step", &step));
    PT_RETURN(pt_state_num(s, "best_value", &w->value));
    w->have = true;
    w->step = step;
    return find_folder(r, s);
}

/* ---- at the end ---------------------------------------------------------------------------------------------------------- */

pt_status pt_run_best_folder(const pt_run *r, char **path)
{
    return r->best_folder ? pt_strdup(path, r->best_folder) : pt_state_folder(path, r->cfg->run.output_dir, r->watch.step);
}

pt_status pt_run_load_best(pt_run *r)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_state *s = NULL;
    if (!r->cfg->run.load_best_model_at_end) return PT_OK;
    if (!r->watch.have) {
        pt_log(PT_LOG_WARN, "load_best_model_at_end: %s was a number in no evaluation: the result is the model of the last step", r->watched);
        return PT_OK;
    }
    if (r->watch.step == r->step) {
        r->best_loaded = true;
        return PT_OK;
    }
    PT_TRY(pt_run_best_folder(r, &path));
    PT_TRY(pt_state_open(&s, path));
    PT_CHECK(pt_state_step(s) == r->watch.step, PT_EFORMAT, "%s is of step %lld, and the best model is that of step %lld", path, (long long)pt_state_step(s), (long long)r->watch.step);
    PT_TRY(pt_run_get_view(r, s, "parameters", pt_model_param_view(r->model)));
    r->best_loaded = true;
done:
    pt_state_close(s);
    free(path);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "load_best_model_at_end");
}
