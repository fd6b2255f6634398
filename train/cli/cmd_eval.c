/* eval: base beside tuned on the test data sets and the tasks of `evaluations`. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/suite.h"
#include "train/cli/config_value.h"
#include "train/cli/open.h"
#include "train/cli/terminal.h"
#include "train/loop/manifest.h"

typedef struct eval_run {
    pt_cli *c;
    char *path;          /* what is opened: a RUN's folder or a model */
    pt_config *cfg;      /* of a CONFIG that was named: its evaluations hold, instead of the run's; NULL */
    pt_task_spec *entries; /* [n_entries] owned */
    size_t n_entries;
    pt_opened o;
    pt_questions test, train;
    pt_evaluation data;
    pt_suite suite;
    pt_answers *answers;
    size_t asked, known;
    uint64_t content;    /* digest of the open base: all its weights are read for it, once */
    int64_t tokens_asked, tokens_computed;
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

/* A run, or a model (folder or GGUF file), stands for itself; a config for its run, and before that is there for its base model. */
static pt_status find_subject(eval_run *e)
{
    const char *arg = e->c->args[0];
    char *yaml = NULL;
    if (pt_dir_exists(arg) || pt_source_names_gguf(arg)) return pt_strdup(&e->path, arg);
    PT_RETURN(pt_config_load(&e->cfg, arg, e->c->settings, (size_t)e->c->n_settings));
    PT_RETURN(pt_path_join(&yaml, e->cfg->run.output_dir, "config.yaml"));
    bool there = pt_file_given(yaml);
    free(yaml);
    if (there || pt_dir_exists(e->cfg->run.output_dir)) return pt_strdup(&e->path, e->cfg->run.output_dir);
    if (!e->cfg->eval.n_evaluations || !e->cfg->model.base_model)
        return pt_fail(PT_EARG, "%s does not exist: train first (ptrain %s)", e->cfg->run.output_dir, arg);
    pt_log(PT_LOG_INFO, "%s is not there: base_model is measured alone", e->cfg->run.output_dir);
    return pt_strdup(&e->path, e->cfg->model.base_model);
}

/* Takes the entries over: the run's config goes when its base is opened. */
static void take_entries(eval_run *e)
{
    pt_config *from = e->cfg ? e->cfg : e->o.cfg;
    e->entries = from->eval.evaluations;
    e->n_entries = from->eval.n_evaluations;
    from->eval.evaluations = NULL;
    from->eval.n_evaluations = 0;
}

static pt_status load_questions(eval_run *e)
{
    const pt_config *cfg = e->o.cfg;
    bool pairs = cfg->objective->answers == 2;
    for (size_t i = 0; i < cfg->data.n_test_datasets; i++)
        PT_RETURN(pt_questions_add(&e->test, &cfg->data.test_datasets[i], pairs && pt_reader_gives(cfg->data.test_datasets[i].type, true)));
    for (size_t i = 0; i < cfg->data.n_datasets && !pairs; i++)
        if (!pt_data_type_find(cfg->data.datasets[i].type)->plain)
            PT_RETURN(pt_questions_add(&e->train, &cfg->data.datasets[i], false));
    return e->test.n || e->test.n_pairs ? PT_OK : pt_fail(PT_EARG, "the test data sets hold no question with an answer");
}

/* Of a reward model the entries that ask for scores come first; *n: how many can be measured. */
static pt_status choose_entries(eval_run *e, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < e->n_entries; i++) {
        const pt_task_spec x = e->entries[i];
        const bool named = !e->c->task || (x.name && !strcmp(x.name, e->c->task)) || (x.task && !strcmp(x.task, e->c->task));
        if (!e->o.reward && pt_task_scores(&x) && named)
            return pt_fail(PT_EARG, "%s:%d:%d: method: score wants a reward model, which gives one", x.file ? x.file : "", x.line, x.column);
        if (e->o.reward && !pt_task_scores(&x) && e->c->task && named) return pt_fail(PT_EARG, "a reward model gives scores, no likelihoods of texts: %s needs those", e->c->task);
        if (e->o.reward && !pt_task_scores(&x)) continue;
        memmove(e->entries + *n + 1, e->entries + *n, (i - *n) * sizeof x);
        e->entries[(*n)++] = x;
    }
    return PT_OK;
}

/* What is measured: the test data sets unless one task is asked for by name, and the tasks. */
static pt_status open_suite(eval_run *e)
{
    size_t n;
    const pt_config *cfg = e->o.cfg;
    bool data = cfg->data.n_test_datasets && !e->c->task;
    take_entries(e);
    for (size_t i = 0; i < e->n_entries; i++) PT_RETURN(pt_task_locate(&e->entries[i], cfg->eval.data));
    if (!data && !e->n_entries && !e->c->task)
        return pt_fail(PT_EARG, "%s has neither test_datasets nor evaluations: nothing to measure", e->cfg ? e->c->args[0] : e->path);
    PT_RETURN(choose_entries(e, &n));
    if (data) PT_RETURN(load_questions(e));
    e->data = (pt_evaluation){.questions = &e->test, .limit = (size_t)cfg->eval.questions, .train = &e->train, .reward = e->o.reward,
                              .sampling = {cfg->eval.max_new_tokens, (float)cfg->eval.temperature, 1, cfg->run.seed}};
    return pt_suite_open(&e->suite, data ? &e->data : NULL, e->entries, n, e->c->task, e->c->limit, cfg->run.seed);
}

/* Where answers are kept: a model's own folder is left alone. */
static pt_status open_answers(eval_run *e)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    if (e->c->answers) {
        PT_TRY(pt_guard_output(e->c, &e->o, e->c->answers));
        PT_TRY(pt_strdup(&path, e->c->answers));
    } else if (e->is_run) {
        PT_TRY(pt_path_join(&path, e->path, "eval_answers.jsonl"));
        PT_TRY(pt_manifest_claim(e->path, "eval_answers.jsonl"));
    }
    PT_TRY(pt_answers_open(&e->answers, path));
done:
    free(path);
    return rc;
}

/* What gives the answers, in words: weights, adapter, template, compute type. */
static pt_status identity(const eval_run *e, int slot, pt_str *out)
{
    pt_status rc = PT_OK;
    char digest[65] = "none", *file = NULL;
    if (slot != PT_SLOT_NONE && e->o.adapter) {
        PT_TRY(pt_path_join(&file, e->o.adapter, "adapter_model.safetensors"));
        PT_TRY(pt_sha256_file(digest, file));
        digest[16] = 0;
    }
    PT_TRY(pt_str_printf(out, "model %016llx, adapter %s, template %016llx, %s", (unsigned long long)e->content, digest,
                         e->o.base.tmpl ? (unsigned long long)pt_template_fingerprint(e->o.base.tmpl) : 0, e->o.ctx.act == PT_BF16 ? "bf16" : "f32"));
done:
    free(file);
    return rc;
}

static pt_status measure_side(eval_run *e, pt_side side, int slot, const char *name)
{
    pt_status rc = PT_OK;
    pt_str who = {0};
    pt_model_caps caps = {0};
    pt_speller speller = {e->o.base.tok, e->o.base.tmpl};
    if (!e->o.model) PT_TRY(pt_suite_ask(&e->suite, &speller));
    PT_TRY(pt_runner_needs(&e->suite.requests, &caps));
    if (!e->o.model) {
        PT_TRY(pt_open_model_caps(&e->o, &caps));
        e->content = pt_source_content(e->o.base.source);
    }
    PT_CHECK(!e->o.reward || pt_model_width(e->o.model) == 1, PT_EARG,
             "this model gives %d numbers at an answer's end, and no score to judge by: ptrain score shows them", pt_model_width(e->o.model));
    PT_TRY(identity(e, slot, &who));
    pt_runner r = {.model = e->o.model, .tok = e->o.base.tok, .slot = slot, .caps = caps, .answers = e->answers, .identity = who.text,
                   .progress = progress, .user = e};
    if (e->o.base.tmpl) r.stops = pt_template_stops(e->o.base.tmpl, &r.n_stops);
    else r.stops = pt_tok_stops(e->o.base.tok, &r.n_stops);
    if (!e->asked && pt_answers_count(e->answers) && pt_answers_foreign(e->answers, who.text) == pt_answers_count(e->answers))
        pt_log(PT_LOG_INFO, "the answers kept so far are of other models: everything is asked anew");
    PT_TRY(pt_suite_measure(&e->suite, &r, side, name));
    e->known += r.known;
    e->asked += r.asked;
    e->tokens_asked += r.tokens_asked;
    e->tokens_computed += r.tokens_computed;
done:
    pt_str_free(&who);
    return rc;
}

/* Tuned weights of their own need the base opened anew; an adapter is switched off. */
static pt_status measure_all(eval_run *e)
{
    PT_RETURN(pt_open_named(e->c, e->path, true, &e->o));
    e->is_run = e->o.is_run;
    PT_RETURN(pt_guard_output(e->c, &e->o, e->c->output));
    PT_RETURN(open_suite(e));
    PT_RETURN(open_answers(e));
    const char *base = e->o.cfg->model.init.random ? "random weights" : e->o.cfg->model.base_model;
    if (e->o.reward) return measure_side(e, PT_AFTER, 0, e->path);
    if (e->o.adapter) {
        PT_RETURN(measure_side(e, PT_BEFORE, PT_SLOT_NONE, base));
        return measure_side(e, PT_AFTER, 0, e->path);
    }
    if (!e->is_run || e->c->base_only) return measure_side(e, e->is_run ? PT_BEFORE : PT_AFTER, PT_SLOT_NONE, e->is_run ? base : e->path);
    PT_RETURN(measure_side(e, PT_AFTER, PT_SLOT_NONE, e->path));
    pt_open_close(&e->o);
    e->c->base_only = true;
    PT_RETURN(pt_open_named(e->c, e->path, true, &e->o));
    if (e->o.cfg->model.init.random) return PT_OK; /* what a random model says is not worth a column */
    return measure_side(e, PT_BEFORE, PT_SLOT_NONE, e->o.cfg->model.base_model);
}

/* DPO's own measure: does the tuned model raise chosen over rejected, against the base? */
static void say_implicit(const eval_run *e)
{
    const double *b = e->suite.pairs[0], *a = e->suite.pairs[1];
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

static void say_answers(const eval_run *e)
{
    const pt_eval_texts *a = &e->suite.texts[PT_AFTER], *b = &e->suite.texts[PT_BEFORE];
    for (size_t i = 0; i < a->n && i < 3; i++) {
        size_t k = i * a->n / (a->n < 3 ? a->n : 3);
        const pt_question *q = &e->test.list[a->index[k]];
        printf("\n%s%s%s\n", q->role ? q->role : "", q->role ? ", asked: " : "", q->prompt[q->n_prompt - 1].text);
        if (k < b->n) printf("  base:  %s\n", b->answer[k]);
        printf("  tuned: %s\n  ref:   %s\n", a->answer[k], q->references[0]);
    }
}

static pt_status finish(eval_run *e)
{
    pt_status rc = PT_OK;
    pt_str table = {0};
    char *json = NULL, *path = NULL;
    PT_TRY(pt_suite_table(&e->suite, &table));
    fputs(table.text, stdout);
    say_implicit(e);
    say_answers(e);
    PT_TRY(pt_suite_json(&e->suite, &json));
    if (e->c->output) PT_TRY(pt_strdup(&path, e->c->output));
    else PT_TRY(e->is_run ? pt_path_join(&path, e->path, "eval.json") : pt_strdup(&path, "-")); /* a model's folder is left alone */
    if (!e->c->output && e->is_run) PT_TRY(pt_manifest_claim(e->path, "eval.json"));
    if (!strcmp(path, "-")) puts(json);
    else PT_TRY(pt_file_write_whole(path, json, strlen(json)));
    pt_log(PT_LOG_INFO, "%zu questions to the model, %zu of them answered before; likelihoods: %lld tokens, %lld after sharing", e->asked, e->known, (long long)e->tokens_asked, (long long)e->tokens_computed);
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
    PT_CHECK(c->n_args == 1, PT_EARG, "ptrain eval RUN|MODEL|CONFIG");
    PT_TRY(find_subject(&e));
    PT_CHECK(pt_dir_exists(e.path) || pt_file_exists(e.path), PT_EARG, "%s does not exist: train first (ptrain %s)", e.path, c->args[0]);
    PT_TRY(measure_all(&e));
    PT_TRY(finish(&e));
done:
    pt_suite_free(&e.suite);
    pt_evaluation_free(&e.data);
    pt_questions_free(&e.test);
    pt_questions_free(&e.train);
    pt_answers_free(e.answers);
    pt_open_close(&e.o);
    pt_config_free(e.cfg);
    pt_evaluations_free(e.entries, e.n_entries);
    free(e.path);
    return rc;
}
