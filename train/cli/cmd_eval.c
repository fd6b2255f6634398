/* eval: base beside tuned on the test data sets. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/evaluate.h"
#include "train/cli/open.h"
#include "train/cli/terminal.h"
#include "train/loop/manifest.h"

typedef struct eval_run {
    pt_cli *c;
    const char *run;         /* the RUN folder */
    pt_opened o;
    pt_questions test, train;
    pt_report report;
    pt_eval_texts texts[2];
    double *pair_logp[2];
    bool live, is_run;
} eval_run;

static void progress(void *user, const char *what, size_t done, size_t of)
{
    eval_run *e = user;
    if (!e->live) return;
    char line[160];
    snprintf(line, sizeof line, "\r%s %zu/%zu\x1b[K%s", what, done, of, done == of ? "\r\x1b[K" : "");
    pt_terminal_raw(stderr, line);
}

/* A config stands for its run; a run, or a model (folder or GGUF file), for itself. */
static pt_status find_run(pt_cli *c, char **run)
{
    pt_config *cfg = NULL;
    if (pt_dir_exists(c->args[0]) || pt_source_names_gguf(c->args[0])) return pt_strdup(run, c->args[0]);
    PT_RETURN(pt_config_load(&cfg, c->args[0], c->settings, (size_t)c->n_settings));
    pt_status rc = pt_strdup(run, cfg->run.output_dir);
    pt_config_free(cfg);
    return rc;
}

static pt_status load_questions(eval_run *e)
{
    const pt_config *cfg = e->o.cfg;
    bool pairs = cfg->objective->answers == 2;
    if (!cfg->data.n_test_datasets) return pt_fail(PT_EARG, "%s has no test_datasets: nothing to evaluate on", e->run);
    for (size_t i = 0; i < cfg->data.n_test_datasets; i++) {
        PT_RETURN(pt_questions_add(&e->test, &cfg->data.test_datasets[i], pairs && pt_reader_gives(cfg->data.test_datasets[i].type, true)));
    }
    for (size_t i = 0; i < cfg->data.n_datasets && !pairs; i++)
        if (!pt_data_type_find(cfg->data.datasets[i].type)->plain)
            PT_RETURN(pt_questions_add(&e->train, &cfg->data.datasets[i], false));
    if (!e->test.n && !e->test.n_pairs) return pt_fail(PT_EARG, "the test data sets hold no question with an answer");
    return PT_OK;
}

static pt_status measure_side(eval_run *e, pt_side side, int slot, const char *name)
{
    pt_evaluation v = {.model = e->o.model, .tok = e->o.base.tok, .tmpl = e->o.base.tmpl, .slot = slot, .max_tokens = 2048, .questions = &e->test,
                       .limit = (size_t)e->o.cfg->eval.questions, .train = &e->train, .reward = e->o.reward, .progress = progress, .user = e,
                       .gen = {.max_new_tokens = e->o.cfg->eval.max_new_tokens, .temperature = (float)e->o.cfg->eval.temperature, .top_p = 1,
                               .repetition_penalty = 1, .seed = e->o.cfg->run.seed}};
    if (!e->o.model) {
        int32_t prompt, record;
        PT_RETURN(pt_evaluate_needs(&v, &prompt, &record));
        int32_t tokens = record + 64 > 2048 ? (record + 127) / 64 * 64 : 2048;
        pt_model_caps caps = {.tokens = tokens, .segs = 256, .heads = tokens, .rows = tokens, .groups = 64,
                              .decode_rows = e->test.n && !e->o.reward ? 16 : 0, .decode_len = prompt + v.gen.max_new_tokens + 1};
        PT_RETURN(pt_open_model_caps(&e->o, &caps));
        v.model = e->o.model;
        v.max_tokens = tokens;
    }
    PT_RETURN(pt_report_name(&e->report, side, name));
    PT_RETURN(pt_evaluate(&v, &e->report, side, &e->texts[side]));
    if (!e->test.n_pairs) return PT_OK;
    PT_RETURN(pt_alloc0(&e->pair_logp[side], 2 * e->test.n_pairs));
    return pt_evaluate_pairs(&v, e->pair_logp[side]);
}

/* Tuned weights of their own need the base opened anew; an adapter is switched off. */
static pt_status measure_all(eval_run *e)
{
    PT_RETURN(pt_open_named(e->c, e->run, true, &e->o));
    e->is_run = e->o.is_run;
    PT_RETURN(pt_guard_output(e->c, &e->o, e->c->output));
    PT_RETURN(load_questions(e));
    if (e->o.reward) return measure_side(e, PT_AFTER, 0, e->run);
    if (e->o.adapter) {
        PT_RETURN(measure_side(e, PT_BEFORE, PT_SLOT_NONE, e->o.cfg->model.init.random ? "random weights" : e->o.cfg->model.base_model));
        return measure_side(e, PT_AFTER, 0, e->run);
    }
    PT_RETURN(measure_side(e, PT_AFTER, PT_SLOT_NONE, e->run));
    if (!e->o.is_run || !strcmp(e->o.cfg->model.base_model, "")) return PT_OK;
    pt_open_close(&e->o);
    e->c->base_only = true;
    PT_RETURN(pt_open_named(e->c, e->run, true, &e->o));
    if (e->o.cfg->model.init.random) return PT_OK; /* what a random model says is not worth a column */
    return measure_side(e, PT_BEFORE, PT_SLOT_NONE, e->o.cfg->model.base_model);
}

/* DPO's own measure: does the tuned model raise chosen over rejected, against the base? */
static void say_implicit(const eval_run *e)
{
    const double *b = e->pair_logp[0], *a = e->pair_logp[1];
    if (!a || !b) return;
    size_t right = 0, n = e->test.n_pairs;
    double margin = 0;
    for (size_t i = 0; i < n; i++) {
        double m = (a[2 * i] - a[2 * i + 1]) - (b[2 * i] - b[2 * i + 1]);
        right += m > 0;
        margin += m;
    }
    printf("\nimplicit reward against the base: accuracy %.3f, margin %.3f nats over %zu pairs\n", (double)right / (double)n, margin / (double)n, n);
}

static pt_status say_answers(const eval_run *e)
{
    const pt_eval_texts *a = &e->texts[PT_AFTER], *b = &e->texts[PT_BEFORE];
    for (size_t i = 0; i < a->n && i < 3; i++) {
        size_t k = i * a->n / (a->n < 3 ? a->n : 3);
        const pt_question *q = &e->test.list[a->index[k]];
        printf("\n%s%s%s\n", q->role ? q->role : "", q->role ? ", asked: " : "", q->prompt[q->n_prompt - 1].text);
        if (k < b->n) printf("  base:  %s\n", b->answer[k]);
        printf("  tuned: %s\n  ref:   %s\n", a->answer[k], q->references[0]);
    }
    return PT_OK;
}

static pt_status finish(eval_run *e)
{
    pt_status rc = PT_OK;
    pt_str table = {0};
    char *json = NULL, *path = NULL;
    PT_TRY(pt_report_table(&e->report, &table));
    fputs(table.text, stdout);
    say_implicit(e);
    PT_TRY(say_answers(e));
    PT_TRY(pt_report_json(&e->report, &json));
    if (e->c->output) PT_TRY(pt_strdup(&path, e->c->output));
    else PT_TRY(e->is_run ? pt_path_join(&path, e->run, "eval.json") : pt_strdup(&path, "-")); /* a model's folder is left alone */
    if (!e->c->output && e->is_run) PT_TRY(pt_manifest_claim(e->run, "eval.json"));
    if (!strcmp(path, "-")) puts(json);
    else PT_TRY(pt_file_write_whole(path, json, strlen(json)));
    if (strcmp(path, "-")) printf("\nwrote %s\n", path);
done:
    pt_str_free(&table);
    free(json);
    free(path);
    return rc;
}

pt_status pt_cmd_eval(pt_cli *c)
{
    pt_status rc = PT_OK;
    eval_run e = {.c = c, .live = pt_terminal_is(stderr)};
    char *run = NULL;
    pt_report_init(&e.report);
    PT_CHECK(c->n_args == 1, PT_EARG, "ptrain eval CONFIG|RUN");
    PT_TRY(find_run(c, &run));
    PT_CHECK(pt_dir_exists(run) || pt_file_exists(run), PT_EARG, "%s does not exist: train first (ptrain %s)", run, c->args[0]);
    e.run = run;
    PT_TRY(measure_all(&e));
    PT_TRY(finish(&e));
done:
    for (int i = 0; i < 2; i++) {
        pt_eval_texts_free(&e.texts[i]);
        free(e.pair_logp[i]);
    }
    pt_report_free(&e.report);
    pt_questions_free(&e.test);
    pt_questions_free(&e.train);
    pt_open_close(&e.o);
    free(run);
    return rc;
}
