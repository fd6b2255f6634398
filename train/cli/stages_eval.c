/* Evaluation stages: what they write, who waits for it, and running one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "train/cli/config_value.h"
#include "train/cli/eval_plan.h"
#include "train/cli/stages.h"
#include "train/cli/stop.h"
#include "train/loop/manifest.h"

/* A file that a stage before i writes and that is not there yet. */
static bool to_be_written(const pt_stages *s, int i, const char *path)
{
    for (int k = 0; k < i; k++)
        for (size_t j = 0; j < s->of[k].n_writes; j++)
            if (!strcmp(s->of[k].writes[j], path)) return !pt_file_exists(path);
    return false;
}

/* The sets that are there to be looked at; what is waited for is left out of the list for as long as that takes. */
pt_status pt_stages_check_data(const pt_stages *s, int i, const pt_config *cfg, const char **awaited)
{
    pt_config part = *cfg;
    size_t n = 0;
    *awaited = NULL;
    PT_RETURN(pt_alloc0(&part.data.datasets, cfg->data.n_datasets));
    for (size_t k = 0; k < cfg->data.n_datasets; k++) {
        if (!to_be_written(s, i, cfg->data.datasets[k].path)) part.data.datasets[n++] = cfg->data.datasets[k];
        else if (!*awaited) *awaited = cfg->data.datasets[k].path;
    }
    part.data.n_datasets = n;
    pt_status rc = pt_config_check_data(&part);
    free(part.data.datasets);
    return rc;
}

pt_status pt_stages_check_tasks(const pt_stages *s, int i, const pt_config *cfg)
{
    for (size_t k = 0; k < cfg->eval.n_evaluations; k++) {
        const pt_task_spec *x = &cfg->eval.evaluations[k];
        if (!x->path || pt_file_exists(x->path) || pt_dir_exists(x->path) || to_be_written(s, i, x->path)) continue;
        pt_place_fail((pt_place){x->file, x->line, x->column}, "path: %s: no such file or folder", x->path);
        return PT_EIO;
    }
    return PT_OK;
}

pt_status pt_stages_check(const pt_stages *s, int only)
{
    pt_status rc = PT_OK;
    pt_log_pause(true);
    for (int i = only < 0 ? 0 : only; i < (only < 0 ? s->n : only + 1) && rc == PT_OK; i++) {
        pt_config *cfg = NULL;
        const char *awaited;
        rc = pt_stages_config(s, i, false, false, &cfg);
        if (rc == PT_OK && (s->of[i].from < 0 || i == 0)) rc = pt_config_check_model(cfg);
        if (rc == PT_OK) rc = s->of[i].evaluates ? pt_stages_check_tasks(s, i, cfg) : pt_stages_check_data(s, i, cfg, &awaited);
        if (rc != PT_OK) pt_fail_prefix(rc, "stage %s", s->of[i].name);
        pt_config_free(cfg);
    }
    pt_log_pause(false);
    return rc;
}

/* The stage's folder with its config, which says what is measured and on which base. */
static pt_status make_folder(const pt_stage *g, const pt_config *cfg)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    PT_TRY(pt_dir_make(g->folder));
    PT_TRY(pt_path_join(&path, g->folder, "config.yaml"));
    PT_TRY(pt_manifest_claim(g->folder, "config.yaml"));
    PT_TRY(pt_file_write_whole(path, cfg->source.yaml_text, strlen(cfg->source.yaml_text)));
done:
    free(path);
    return rc;
}

pt_status pt_stages_evaluate(const pt_stages *s, int i, const pt_config *cfg, pt_comm *comm)
{
    const pt_stage *g = &s->of[i];
    pt_cli own = {.command = "eval", .args = {g->folder}, .n_args = 1, .adapter_dir = cfg->adapter.lora_model_dir, .base_only = true, .as_stage = true, .comm = comm,
                  .max_new_tokens = -1, .limit = -1, .rows = -1};
    if (comm->rank == 0) PT_RETURN(make_folder(g, cfg));
    PT_RETURN(comm->barrier(comm));
    pt_stop_set_mode(PT_STOP_NOW); /* answers are kept as they come */
    pt_status rc = pt_cmd_eval(&own);
    pt_stop_set_mode(PT_STOP_SOON);
    return rc;
}

/* A file or folder that is not there yet, and that an earlier stage leaves; NULL: it is there, or is none of theirs. A stage's folder may be there before its result is. */
static const char *missing(const pt_stages *s, int i, const char *path)
{
    const size_t n = strlen(s->output_dir);
    if (!path || strncmp(path, s->output_dir, n) || path[n] != '/') return NULL;
    for (int k = 0; k < i; k++)
        if (!strcmp(s->of[k].folder, path)) return pt_stages_result_there(&s->of[k]) ? NULL : path;
    return pt_file_exists(path) || pt_dir_exists(path) ? NULL : path;
}

static const char *awaited_by(const pt_stages *s, int i, const pt_config *cfg)
{
    const char *what = NULL;
    for (size_t e = 0; e < cfg->eval.n_evaluations && !what; e++) what = missing(s, i, cfg->eval.evaluations[e].path);
    for (size_t m = 0; m < cfg->eval.n_models; m++)
        for (size_t k = 0; k < cfg->eval.models[m].n_options && !what; k++) what = missing(s, i, cfg->eval.models[m].options[k].value);
    return what;
}

pt_status pt_stages_plan(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    pt_cli own = {.command = "plan", .as_stage = true, .limit = -1, .max_new_tokens = -1};
    const pt_stage *g = &c->stages->of[c->stage];
    const bool chained = pt_stages_start_there(c->stages, c->stage);
    PT_TRY(pt_stages_config(c->stages, c->stage, chained, false, &cfg));
    const char *what = awaited_by(c->stages, c->stage, cfg);
    if (what) printf("planned   when %s is there, which an earlier stage leaves\n", what);
    else rc = pt_eval_plan(&own, cfg, !chained && cfg->adapter.kind != PT_ADAPTER_NONE);
done:
    pt_config_free(cfg);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "stage %s", g->name);
}
