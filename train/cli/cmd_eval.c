/* eval: base beside tuned, or beside several, on the test data sets and the tasks of `evaluations`. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/suite/beside.h"
#include "train/cli/config_value.h"
#include "train/cli/eval_models.h"
#include "train/cli/eval_plan.h"
#include "train/cli/eval_questions.h"
#include "train/cli/terminal.h"
#include "train/generate/near.h"
#include "train/loop/manifest.h"

enum { PT_OWN_SETS = 65 };

/* What is measured beside the base: a RUN, a MODEL, an adapter. */
typedef struct column {
    char *path;          /* owned; of an adapter of its own: its base */
    const char *adapter; /* --adapter; NULL */
    bool shared;         /* an adapter of the base: a slot of one model */
    int slot;
    pt_suite *suite;     /* of e->suites */
    char *own[PT_OWN_SETS]; /* [n_own] test sets that were made for it, by name; owned */
    size_t n_own;
    pt_evaluation data;
    size_t spelled;      /* for which of the opened models its requests are */
} column;

typedef struct eval_run {
    pt_cli *c;
    char *path;          /* what is opened first: a RUN's folder or a model */
    pt_config *cfg;      /* of a CONFIG that was named: its evaluations hold, instead of the run's; NULL */
    pt_task_spec *entries; /* [n_entries] owned */
    size_t n_entries;
    pt_voice_spec *named;  /* [n_named] of `models`; owned */
    size_t n_named;
    pt_eval_models models; /* whom tasks speak to */
    bool is_base;          /* what is open holds the base's weights */
    int report_rows;       /* of the config that names the entries */
    pt_opened o;
    size_t opened;       /* how many so far */
    pt_questions test, train;
    pt_str more;         /* eval_sampling, a line each */
    column *columns;     /* [n]; one of them: before and after */
    pt_suite *suites;
    size_t n;
    pt_answers *answers;
    size_t asked, known;
    uint64_t content;    /* digest of the open base: all its weights are read for it, once; 0: not yet */
    int64_t tokens_asked, tokens_computed;
    size_t near_likelihoods, likelihoods, near_texts, texts; /* eval/ask/runner.h */
    bool live, is_run;   /* is_run: what is opened first is one */
    bool of_config;      /* it is the base of a CONFIG whose run is not there */
    bool plans;          /* nothing is measured: what it would take is said */
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
    pt_log(PT_LOG_INFO, "%s is not there: base_model is measured %s", e->cfg->run.output_dir, e->c->n_args > 1 || e->c->adapters.n ? "as the base" : "alone");
    e->of_config = true;
    e->c->says = e->cfg;
    return pt_strdup(&e->path, e->cfg->model.base_model);
}

/* Of the further ones: a config stands for its run. */
static pt_status find_named(const pt_cli *c, const char *arg, char **path)
{
    pt_config *cfg = NULL;
    if (pt_dir_exists(arg) || pt_source_names_gguf(arg)) return pt_strdup(path, arg);
    PT_RETURN(pt_config_load(&cfg, arg, c->settings, (size_t)c->n_settings));
    pt_status rc = pt_dir_exists(cfg->run.output_dir) ? pt_strdup(path, cfg->run.output_dir)
                                                      : pt_fail(PT_EARG, "%s does not exist: train first (ptrain %s)", cfg->run.output_dir, arg);
    pt_config_free(cfg);
    return rc;
}

/* Takes the entries over: the run's config goes when its base is opened. */
static void take_entries(eval_run *e)
{
    pt_config *from = e->cfg ? e->cfg : e->o.cfg;
    e->entries = from->eval.evaluations;
    e->n_entries = from->eval.n_evaluations;
    e->report_rows = from->eval.report_rows;
    from->eval.evaluations = NULL;
    from->eval.n_evaluations = 0;
    e->named = from->eval.models;
    e->n_named = from->eval.n_models;
    from->eval.models = NULL;
    from->eval.n_models = 0;
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

/* What is measured: the test data sets unless one task is asked for by name, and the tasks; of each column. */
static pt_status open_suites(eval_run *e)
{
    size_t n;
    const pt_config *cfg = e->o.cfg;
    bool data = cfg->data.n_test_datasets && !e->c->task;
    take_entries(e);
    for (size_t i = 0; i < e->n_entries; i++) PT_RETURN(pt_task_locate(&e->entries[i], cfg->eval.data));
    if (!data && !e->n_entries && !e->c->task)
        return pt_fail(PT_EARG, "%s has neither test_datasets nor evaluations: nothing to measure", e->cfg ? e->c->args[0] : e->path);
    PT_RETURN(choose_entries(e, &n));
    for (size_t i = 0; i < cfg->eval.n_sampling; i++) PT_RETURN(pt_str_printf(&e->more, "%s\n", cfg->eval.sampling[i]));
    if (data) PT_RETURN(pt_eval_questions(cfg, &e->test, &e->train));
    for (size_t i = 0; i < e->n; i++) {
        column *x = &e->columns[i];
        x->data = (pt_evaluation){.questions = &e->test, .limit = (size_t)cfg->eval.questions, .train = &e->train, .reward = e->o.reward,
                                  .sampling = {cfg->eval.max_new_tokens, (float)cfg->eval.temperature, 1, cfg->run.seed, e->more.text}};
        PT_RETURN(pt_suite_open(x->suite, data ? &x->data : NULL, e->entries, n, e->c->task, e->c->limit, cfg->run.seed));
    }
    pt_beside_number(e->suites, e->n);
    return PT_OK;
}

/* Where answers are kept: a model's own folder is left alone. */
static pt_status open_answers(eval_run *e)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    if (e->c->comm->rank) return pt_answers_open(&e->answers, NULL); /* one writer */
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

static uint64_t content(eval_run *e)
{
    if (!e->content) e->content = pt_source_content(e->o.base.source);
    return e->content;
}

static pt_status open_models(eval_run *e)
{
    e->models = (pt_eval_models){.c = e->c, .specs = e->named, .n = e->n_named, .answers = e->answers, .base = e->path, .base_of_run = e->is_run,
                                 .progress = progress, .user = e};
    return pt_eval_models_begin(&e->models, e->suites, 1);
}

static void count(eval_run *e, const pt_runner *r)
{
    e->tokens_asked += r->tokens_asked;
    e->tokens_computed += r->tokens_computed;
    e->near_likelihoods += r->near_likelihoods;
    e->likelihoods += r->likelihoods;
    e->near_texts += r->near_texts;
    e->texts += r->texts;
    e->known += r->known;
    e->asked += r->asked;
}

/* One side of a column. adapter: the folder of what stands in the slot. */
static pt_status measure_side(eval_run *e, column *x, pt_side side, int slot, const char *adapter, const char *name)
{
    pt_status rc = PT_OK;
    pt_str who = {0};
    pt_model_caps caps = {0};
    pt_speller speller = {e->o.base.tok, e->o.base.tmpl};
    if (x->spelled != e->opened) PT_TRY(pt_suite_ask(x->suite, &speller));
    x->spelled = e->opened;
    PT_TRY(pt_runner_needs(&x->suite->requests, &caps));
    PT_TRY(pt_eval_models_plan(&e->models, &e->o, e->is_base, !e->o.model, &caps));
    if (e->plans) {
        rc = pt_eval_plan_say(&e->o, &caps, x->suite, &e->models, e->is_base);
        goto done;
    }
    if (!e->o.model) PT_TRY(pt_open_model_caps(&e->o, &caps));
    PT_CHECK(!e->o.reward || pt_model_width(e->o.model) == 1, PT_EARG,
             "this model gives %d numbers at an answer's end, and no score to judge by: ptrain score shows them", pt_model_width(e->o.model));
    PT_TRY(pt_eval_identity(&e->o, content(e), adapter, &who));
    pt_runner r = pt_eval_runner(&e->o, slot, &caps, e->answers, who.text, e->c->comm);
    r.progress = progress;
    r.user = e;
    if (!e->asked && x->suite->requests.n && pt_answers_count(e->answers) && pt_answers_foreign(e->answers, who.text) == pt_answers_count(e->answers))
        pt_log(PT_LOG_INFO, "the answers kept so far are of other models: everything is asked anew");
    PT_TRY(pt_eval_models_speak(&e->models, &e->o, e->is_base, &r, content(e)));
    x->suite->voices = &e->models.voices;
    x->suite->server = &e->models.server;
    PT_TRY(pt_suite_measure(x->suite, &r, side, name));
    if (side == PT_BEFORE && x != e->columns) goto done; /* the base once more: nobody is asked */
    for (size_t i = 0; i < e->models.server.n; i++) count(e, e->models.server.runners[i]);
done:
    x->suite->voices = NULL;
    x->suite->server = NULL;
    pt_eval_models_hush(&e->models);
    pt_str_free(&who);
    return rc;
}

static pt_status open_as(eval_run *e, const char *path, const char *adapter, bool base_only)
{
    pt_open_close(&e->o);
    e->c->adapter_dir = adapter;
    e->c->base_only = base_only;
    e->opened++;
    e->content = 0;
    return pt_open_named(e->c, path, true, &e->o);
}

static const char *base_name(const eval_run *e)
{
    return e->o.cfg->model.init.random ? "random weights" : e->o.cfg->model.base_model;
}

/* Tuned weights of their own need the base opened anew; an adapter is switched off. */
static pt_status measure_one(eval_run *e)
{
    column *x = e->columns;
    const char *name = x->adapter ? x->adapter : x->path;
    e->is_base = !e->o.reward && (e->o.adapter || !e->is_run || e->c->base_only);
    if (e->o.reward) return measure_side(e, x, PT_AFTER, 0, e->o.adapter, name);
    if (e->c->as_stage) return measure_side(e, x, PT_AFTER, e->o.adapter ? 0 : PT_SLOT_NONE, e->o.adapter, e->o.adapter ? e->o.adapter : base_name(e));
    if (e->o.adapter) {
        PT_RETURN(measure_side(e, x, PT_BEFORE, PT_SLOT_NONE, NULL, base_name(e)));
        return measure_side(e, x, PT_AFTER, 0, e->o.adapter, name);
    }
    if (!e->is_run || e->c->base_only)
        return measure_side(e, x, e->is_run ? PT_BEFORE : PT_AFTER, PT_SLOT_NONE, NULL, e->is_run ? base_name(e) : name);
    PT_RETURN(measure_side(e, x, PT_AFTER, PT_SLOT_NONE, NULL, name));
    PT_RETURN(open_as(e, e->path, NULL, true));
    if (e->o.cfg->model.init.random) return PT_OK; /* what a random model says is not worth a column */
    e->is_base = true;
    return measure_side(e, x, PT_BEFORE, PT_SLOT_NONE, NULL, base_name(e));
}

/* ---- several ---- */

static bool same_file(const char *a, const char *b)
{
    char *x = a ? realpath(a, NULL) : NULL, *y = b ? realpath(b, NULL) : NULL;
    bool same = x && y && !strcmp(x, y);
    free(x);
    free(y);
    return same;
}

/* Whether a column is an adapter of what is open, asked in the same words: the base is loaded once then. */
static pt_status find_shared(eval_run *e, column *x)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    const pt_config_model *mine = &e->o.cfg->model, *its;
    if (e->o.reward) return PT_OK;
    x->shared = x->adapter || same_file(x->path, e->o.adapter);
    if (x->shared) return PT_OK;
    e->c->adapter_dir = NULL, e->c->base_only = false;
    PT_TRY(pt_open_named(e->c, x->path, true, &o));
    its = &o.cfg->model;
    if (!o.adapter || o.reward || o.ctx.act != e->o.ctx.act || o.ctx.ops != e->o.ctx.ops) goto done;
    if (its->tokenizer || mine->tokenizer ? !same_file(its->tokenizer, mine->tokenizer) : false) goto done;
    if ((o.base.tmpl != NULL) != (e->o.base.tmpl != NULL)) goto done;
    if (o.base.tmpl && pt_template_fingerprint(o.base.tmpl) != pt_template_fingerprint(e->o.base.tmpl)) goto done;
    x->shared = same_file(its->base_model, mine->base_model) || pt_source_content(o.base.source) == content(e);
done:
    pt_open_close(&o);
    return rc;
}

static const char *adapter_of(const column *x)
{
    return x->adapter ? x->adapter : x->path;
}

/* The shared ones into slots: the first as the model's own adapter, the others as its guests. */
static pt_status take_slots(eval_run *e)
{
    int slots = 0;
    for (size_t i = 0; i < e->n; i++) PT_RETURN(find_shared(e, &e->columns[i]));
    for (size_t i = 0; i < e->n; i++) {
        column *x = &e->columns[i];
        if (!x->shared) continue;
        x->slot = slots++;
        if (x->slot) {
            e->o.guests[e->o.n_guests++] = adapter_of(x);
            continue;
        }
        free(e->o.adapter);
        e->o.adapter = NULL;
        PT_RETURN(pt_strdup(&e->o.adapter, adapter_of(x)));
    }
    return PT_OK;
}

/* The base, then what shares its model, then one model after another. */
static pt_status measure_beside(eval_run *e)
{
    bool base = !e->o.reward;
    if (base && e->is_run && !e->o.adapter) {
        PT_RETURN(open_as(e, e->path, NULL, true));
        base = !e->o.cfg->model.init.random;
    }
    if (base) {
        e->is_base = true;
        PT_RETURN(take_slots(e));
        for (size_t i = 0; i < e->n; i++) PT_RETURN(measure_side(e, &e->columns[i], PT_BEFORE, PT_SLOT_NONE, NULL, base_name(e)));
    }
    for (size_t i = 0; i < e->n; i++) {
        column *x = &e->columns[i];
        if (x->shared) PT_RETURN(measure_side(e, x, PT_AFTER, x->slot, adapter_of(x), adapter_of(x)));
    }
    for (size_t i = 0; i < e->n; i++) {
        column *x = &e->columns[i];
        if (x->shared) continue;
        e->is_base = false;
        PT_RETURN(open_as(e, x->path, x->adapter, false));
        if (e->o.reward != x->data.reward)
            return pt_fail(PT_EARG, "%s %s: they cannot be measured side by side", adapter_of(x), e->o.reward ? "gives scores, the first does not" : "gives no scores, the first does");
        PT_RETURN(measure_side(e, x, PT_AFTER, e->o.adapter ? 0 : PT_SLOT_NONE, e->o.adapter, adapter_of(x)));
    }
    return PT_OK;
}

static pt_status add_column(eval_run *e, const char *path, const char *adapter)
{
    e->columns[e->n].suite = &e->suites[e->n];
    e->columns[e->n].adapter = adapter;
    return pt_strdup(&e->columns[e->n++].path, path);
}

static pt_status add_own(column *x, const pt_dataset_spec *sets, size_t i)
{
    char name[PT_DATASET_NAME];
    if (x->n_own == PT_OWN_SETS) return PT_OK;
    pt_dataset_name(&sets[i], 1, 0, name);
    PT_RETURN(pt_strdup(&x->own[x->n_own], name));
    x->suite->own_sets = (const char *const *)x->own;
    x->suite->n_own_sets = ++x->n_own;
    return PT_OK;
}

/* A column's own test sets: those that bear its folder's name, or a name that its run gave to training data. */
static pt_status find_own(column *x)
{
    pt_status rc = PT_OK;
    const char *dir = x->adapter ? x->adapter : x->path;
    char *yaml = NULL;
    pt_config *cfg = NULL;
    pt_dataset_spec folder = {.name = (char *)pt_path_base(dir)};
    PT_TRY(pt_path_join(&yaml, dir, "config.yaml"));
    PT_TRY(add_own(x, &folder, 0));
    if (!pt_file_given(yaml) || pt_config_load(&cfg, yaml, NULL, 0) != PT_OK) {
        pt_err_clear(); /* a model of others */
        goto done;
    }
    for (size_t i = 0; i < cfg->data.n_datasets; i++)
        if (cfg->data.datasets[i].name) PT_TRY(add_own(x, cfg->data.datasets, i));
done:
    pt_config_free(cfg);
    free(yaml);
    return rc;
}

static pt_status find_columns(eval_run *e)
{
    pt_status rc = PT_OK;
    const pt_cli *c = e->c;
    char *yaml = NULL, *path = NULL;
    PT_TRY(pt_alloc0(&e->columns, 2 * PT_CLI_MOST));
    PT_TRY(pt_alloc0(&e->suites, 2 * PT_CLI_MOST));
    PT_TRY(pt_path_join(&yaml, e->path, "config.yaml"));
    e->is_run = pt_file_given(yaml) && !e->of_config;
    PT_CHECK(!c->base_only || (c->n_args == 1 && !c->adapters.n), PT_EARG, "--base measures the base of one run alone");
    if (e->is_run || (c->n_args == 1 && !c->adapters.n)) PT_TRY(add_column(e, e->path, NULL)); /* else the model is the base */
    for (int i = 1; i < c->n_args; i++) {
        PT_TRY(find_named(c, c->args[i], &path));
        PT_TRY(add_column(e, path, NULL));
        free(path);
        path = NULL;
    }
    for (int i = 0; i < c->adapters.n; i++) PT_TRY(add_column(e, e->path, c->adapters.at[i]));
    for (size_t i = 0; i < e->n; i++) PT_TRY(find_own(&e->columns[i]));
done:
    free(yaml);
    free(path);
    return rc;
}

static pt_status measure_all(eval_run *e)
{
    PT_RETURN(find_columns(e));
    e->c->ranks = true;
    const char *adapter = e->c->as_stage ? e->c->adapter_dir : e->is_run || !e->c->adapters.n ? NULL : e->c->adapters.at[0];
    PT_RETURN(open_as(e, e->path, adapter, e->c->base_only));
    if (e->c->comm->rank) {
        pt_log_set_sink(NULL, NULL);
        e->live = false;
    }
    PT_RETURN(pt_guard_output(e->c, &e->o, e->c->output));
    PT_RETURN(open_suites(e));
    PT_RETURN(open_answers(e));
    PT_RETURN(open_models(e));
    return e->n == 1 && !(e->c->n_args > 1) ? measure_one(e) : measure_beside(e);
}

/* DPO's own measure: does the tuned model raise chosen over rejected, against the base? */
static void say_implicit(const eval_run *e, size_t at)
{
    const double *b = e->suites[at].pairs[0], *a = e->suites[at].pairs[1];
    if (!a || !b) return;
    size_t right = 0, n = e->test.n_pairs;
    double margin = 0;
    for (size_t i = 0; i < n; i++) {
        double m = (a[2 * i] - a[2 * i + 1]) - (b[2 * i] - b[2 * i + 1]);
        right += m > 0;
        margin += m;
    }
    if (e->n > 1) printf("\n(%zu) ", at + 1);
    else printf("\n");
    printf("implicit reward against the base: accuracy %.3f, margin %.3f nats over %zu pairs\n", (double)right / (double)n, margin / (double)n, n);
}

static void say_answers(const eval_run *e)
{
    const pt_eval_texts *a = &e->suites->texts[PT_AFTER], *b = &e->suites->texts[PT_BEFORE];
    for (size_t i = 0; i < a->n && i < 3; i++) {
        size_t k = i * a->n / (a->n < 3 ? a->n : 3);
        const pt_question *q = &e->test.list[a->index[k]];
        printf("\n%s%s%s\n", q->role ? q->role : "", q->role ? ", asked: " : "", q->prompt[q->n_prompt - 1].text);
        if (k < b->n) printf("  base:  %s\n", b->answer[k]);
        if (e->n == 1) printf("  tuned: %s\n", a->answer[k]);
        for (size_t x = 0; x < e->n && e->n > 1; x++) printf("  (%zu):   %s\n", x + 1, e->suites[x].texts[PT_AFTER].answer[k]);
        printf("  ref:   %s\n", q->references[0]);
    }
}

/* Tables to the terminal; *json: all of it. */
static pt_status say_tables(eval_run *e, char **json)
{
    pt_status rc = PT_OK;
    pt_str table = {0};
    if (e->n == 1) {
        PT_TRY(pt_suite_table(e->suites, &table));
        PT_TRY(pt_suite_json(e->suites, json));
    } else {
        PT_TRY(pt_beside_correct(e->suites, e->n));
        PT_TRY(pt_beside_table(e->suites, e->n, &table));
        PT_TRY(pt_beside_json(e->suites, e->n, json));
    }
    fputs(table.text, stdout);
done:
    pt_str_free(&table);
    return rc;
}

/* Where several ranks may say something else than one. */
static void say_near(const eval_run *e)
{
    if (e->c->comm->size < 2) return;
    pt_log(PT_LOG_INFO, "%d ranks; near ties, which rounding may turn: %zu of %zu questions with several answers (two likeliest within %g nat), %zu of %zu texts (a token within %g nat, a draw within %g of a border)",
           e->c->comm->size, e->near_likelihoods, e->likelihoods, PT_NEAR_GAP, e->near_texts, e->texts, PT_NEAR_GAP, PT_NEAR_BORDER);
}

static pt_status finish(eval_run *e)
{
    pt_status rc = PT_OK;
    const char *own = e->n == 1 ? "eval.json" : "eval_beside.json";
    char *json = NULL, *path = NULL, *page = NULL;
    PT_TRY(say_tables(e, &json));
    for (size_t i = 0; i < e->n; i++) say_implicit(e, i);
    say_answers(e);
    if (e->c->output) PT_TRY(pt_strdup(&path, e->c->output));
    else PT_TRY(e->is_run ? pt_path_join(&path, e->path, own) : pt_strdup(&path, "-")); /* a model's folder is left alone */
    if (!e->c->output && e->is_run) PT_TRY(pt_manifest_claim(e->path, own));
    if (!strcmp(path, "-")) puts(json);
    else PT_TRY(pt_file_write_whole(path, json, strlen(json)));
    pt_log(PT_LOG_INFO, "%zu questions to the model, %zu of them answered before; likelihoods: %lld tokens, %lld after sharing", e->asked, e->known, (long long)e->tokens_asked, (long long)e->tokens_computed);
    say_near(e);
    if (strcmp(path, "-")) printf("\nwrote %s\n", path);
    if (e->is_run) PT_TRY(pt_report_of_run(e->path, e->report_rows, &page));
    if (page) printf("report: %s\n", page);
done:
    free(json);
    free(path);
    free(page);
    return rc;
}

static void close_all(eval_run *e)
{
    for (size_t i = 0; i < e->n; i++) {
        pt_suite_free(&e->suites[i]);
        pt_evaluation_free(&e->columns[i].data);
        free(e->columns[i].path);
        for (size_t k = 0; k < e->columns[i].n_own; k++) free(e->columns[i].own[k]);
    }
    free(e->columns);
    free(e->suites);
    pt_questions_free(&e->test);
    pt_questions_free(&e->train);
    pt_str_free(&e->more);
    pt_eval_models_free(&e->models);
    pt_answers_free(e->answers);
    pt_open_close(&e->o);
    pt_config_free(e->cfg);
    pt_models_free(e->named, e->n_named);
    pt_evaluations_free(e->entries, e->n_entries);
    free(e->path);
}

pt_status pt_eval_plan(pt_cli *c, const pt_config *cfg, bool fresh)
{
    pt_status rc = PT_OK;
    eval_run e = {.c = c, .plans = true, .is_base = true};
    PT_TRY(pt_strdup(&e.path, cfg->run.output_dir));
    PT_TRY(pt_alloc0(&e.columns, 1));
    PT_TRY(pt_alloc0(&e.suites, 1));
    PT_TRY(add_column(&e, e.path, NULL));
    PT_TRY(pt_cli_join(&cfg->ranks, &c->comm));
    PT_TRY(pt_open_base(c, cfg, &e.o));
    if (cfg->adapter.lora_model_dir) PT_TRY(pt_strdup(&e.o.adapter, cfg->adapter.lora_model_dir));
    e.o.fresh = fresh && !e.o.adapter;
    pt_eval_plan_unwritten(e.o.cfg);
    PT_TRY(open_suites(&e));
    PT_TRY(open_models(&e));
    PT_TRY(measure_side(&e, e.columns, PT_AFTER, PT_SLOT_NONE, NULL, cfg->run.output_dir));
done:
    close_all(&e);
    if (c->comm) c->comm->close(c->comm);
    c->comm = NULL;
    return rc;
}

pt_status pt_cmd_eval(pt_cli *c)
{
    pt_status rc = PT_OK;
    eval_run e = {.c = c, .live = pt_terminal_is(stderr)};
    const bool lent = c->comm != NULL;
    PT_CHECK(c->n_args >= 1, PT_EARG, "ptrain eval RUN|MODEL|CONFIG ... [--adapter DIR ...]");
    PT_TRY(find_subject(&e));
    PT_CHECK(pt_dir_exists(e.path) || pt_file_exists(e.path), PT_EARG, "%s does not exist: train first (ptrain %s)", e.path, c->args[0]);
    PT_TRY(measure_all(&e));
    if (!c->comm->rank) PT_TRY(finish(&e));
    PT_TRY(pt_eval_models_limit(&e.models));
done:
    if (rc != PT_OK && !lent && c->comm && c->comm->size > 1) rc = pt_cli_leave(c->comm, rc);
    close_all(&e);
    if (c->comm && !lent) c->comm->close(c->comm);
    if (!lent) c->comm = NULL;
    return rc;
}
