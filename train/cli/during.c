#include "train/cli/during.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/visible.h"
#include "train/cli/eval_plan.h"
#include "train/loop/manifest.h"
#include "train/model/source.h"

enum { ALONE, BOTH, SUITES }; /* entries that are measured of the model as it is; of both sides */

static const char *name_of(const pt_task_spec *s)
{
    return s->name ? s->name : s->task;
}

const pt_task_spec *pt_during_entry(const pt_cli_during *d, const char *name)
{
    for (size_t i = 0; i < d->hooks.n; i++)
        if (d->entries[i].name && !strcmp(d->entries[i].name, name)) return &d->entries[i];
    return NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static void forget(pt_during_numbers *x)
{
    for (size_t i = 0; i < x->n; i++) free(x->name[i]);
    x->n = 0;
}

void pt_during_numbers_free(pt_during_numbers *x)
{
    forget(x);
    free(x->name);
    free(x->value);
    *x = (pt_during_numbers){0};
}

pt_status pt_during_put(pt_during_numbers *x, const pt_task_spec *of, const char *metric, double value)
{
    pt_status rc = PT_OK;
    pt_str raw = {0}, name = {0};
    PT_TRY(pt_str_printf(&raw, "%s/%s", name_of(of), metric));
    PT_TRY(pt_str_visible(&name, raw.text, raw.len));
    PT_TRY(pt_reserve(&x->name, &x->name_cap, x->n + 1));
    PT_TRY(pt_reserve(&x->value, &x->value_cap, x->n + 1));
    x->value[x->n] = value;
    x->name[x->n++] = name.text;
    name.text = NULL;
done:
    pt_str_free(&raw);
    pt_str_free(&name);
    return rc;
}

/* What a task has found, over all its items. */
static pt_status collect(pt_during_numbers *x, const pt_task *t)
{
    for (const pt_task_metric *m = t->kind->metrics; m->key; m++) {
        int at = pt_metric_find(m->key);
        if (at >= 0 && !isnan(t->report.side[PT_AFTER].v[at])) PT_RETURN(pt_during_put(x, t->spec, m->key, t->report.side[PT_AFTER].v[at]));
    }
    for (size_t i = 0; i < t->findings.n; i++) {
        const pt_finding *f = &t->findings.list[i];
        if (!f->scope && !f->side[PT_AFTER].text[0]) PT_RETURN(pt_during_put(x, t->spec, f->metric, f->side[PT_AFTER].value));
    }
    return PT_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

pt_status pt_during_refuse(const pt_task_spec *s, const char *why)
{
    char text[1000];
    snprintf(text, sizeof text, "%s", why);
    return pt_entry_fail(s->file, s->line, s->column, "during_training: %s: %s", name_of(s), text);
}

/* What can be seen to be wrong without a model. */
static pt_status check_entry(const pt_cli_during *d, size_t at)
{
    char why[200];
    const pt_task_spec *s = &d->entries[at];
    const pt_entry_option *of = pt_task_source_of(s);
    for (size_t i = 0; i < at; i++)
        if (!strcmp(name_of(&d->entries[i]), name_of(s))) return pt_during_refuse(s, "another evaluation is called so: give it a `name`");
    if (strchr(name_of(s), '/')) return pt_during_refuse(s, "a / parts its name from its metrics': give it another `name`");
    if (!of || pt_during_entry(d, of->value)) return PT_OK;
    snprintf(why, sizeof why, "it is about '%.60s', which is not measured during training: say during_training: true there too", of->value);
    return pt_during_refuse(s, why);
}

static pt_status open_suite(const pt_cli_during *d, int which, pt_suite *s)
{
    const size_t from = which == ALONE ? 0 : d->n_alone, n = which == ALONE ? d->n_alone : d->hooks.n - d->n_alone;
    return pt_suite_open(s, NULL, d->entries + from, n, NULL, 0, d->cfg->run.seed);
}

static void free_suites(pt_suite s[SUITES])
{
    for (int k = 0; k < SUITES; k++) pt_suite_free(&s[k]);
}

static pt_status ask_suite(pt_suite *s, const pt_base *base)
{
    const pt_speller speller = {base->tok, base->tmpl};
    if (!base->tok) return pt_fail(PT_EARG, "evaluations with during_training: true ask in words, and this model has no tokenizer: set `tokenizer:`");
    return pt_suite_ask(s, &speller);
}

/* Whether two entries speak of the same dialogue. */
static bool together(const pt_task_spec *a, const pt_task_spec *b)
{
    const pt_entry_option *x = pt_task_source_of(a), *y = pt_task_source_of(b);
    const char *one = x ? x->value : a->name, *other = y ? y->value : b->name;
    return one && other && !strcmp(one, other);
}

/* Those of both sides behind the others: what compares them, and what speaks of the same dialogue. */
static pt_status sort_entries(pt_cli_during *d)
{
    pt_status rc = PT_OK;
    const size_t n = d->hooks.n;
    pt_suite all = {0};
    bool *both = NULL;
    pt_task_spec *sorted = NULL;
    size_t at = 0;
    d->n_alone = n;
    PT_TRY(open_suite(d, ALONE, &all));
    PT_TRY(pt_alloc0(&both, n));
    PT_TRY(pt_alloc0(&sorted, n));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            const pt_task *t = &all.tasks[k];
            if (t->kind->compares && t->kind->compares(t) && (i == k || together(&d->entries[i], &d->entries[k]))) both[i] = true;
        }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            if (both[i] == side) sorted[at++] = d->entries[i];
        if (!side) d->n_alone = at;
    }
    memcpy(d->entries, sorted, n * sizeof *sorted);
done:
    pt_suite_free(&all);
    free(both);
    free(sorted);
    return rc;
}

/* An adapter on the base's weights, which stay as they are. */
static bool is_base(const pt_cli_during *d)
{
    return d->cfg->adapter.kind != PT_ADAPTER_NONE;
}

static pt_status begin_during(void *user, pt_comm *comm, const char *const **guests, size_t *n)
{
    pt_status rc = PT_OK;
    pt_cli_during *d = user;
    const pt_config_eval *e = &d->cfg->eval;
    pt_suite s[SUITES] = {{0}};
    d->cli = (pt_cli){.command = "train", .comm = comm};
    d->models = (pt_eval_models){.c = &d->cli, .specs = e->models, .n = e->n_models, .training = d->cfg, .base = d->cfg->model.base_model};
    d->live = (pt_opened){.adapter = is_base(d) ? d->cfg->run.output_dir : NULL};
    PT_TRY(sort_entries(d));
    for (int k = 0; k < SUITES; k++) PT_TRY(open_suite(d, k, &s[k]));
    PT_TRY(pt_eval_models_begin(&d->models, s, SUITES));
    if (is_base(d)) PT_TRY(pt_eval_models_guests(&d->models, &d->live));
    *guests = d->live.guests;
    *n = d->live.n_guests;
done:
    free_suites(s);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "during_training");
}

/* The model in training, as those see it that are beside it. */
static void look(pt_cli_during *d, const pt_during_model *m, bool reward)
{
    d->live.base = *m->base;
    d->live.ctx = *m->ctx;
    d->live.model = m->model;
    d->live.reward = reward;
}

static pt_status check_heads(const pt_cli_during *d, unsigned heads)
{
    for (size_t i = 0; i < d->hooks.n; i++) {
        bool scores = pt_task_scores(&d->entries[i]);
        if (scores && !(heads & PT_HEAD_VALUES)) return pt_during_refuse(&d->entries[i], "method: score wants a reward model, and this one learns to write");
        if (!scores && !(heads & PT_HEAD_VOCABULARY)) return pt_during_refuse(&d->entries[i], "a reward model gives scores, no likelihoods of texts: it can do method: score alone");
    }
    return PT_OK;
}

/* What is beside the model, in words: models of their own, and adapters in its slots. */
static pt_status say_beside(const pt_cli_during *d, pt_during_beside *out)
{
    pt_str s = {0};
    pt_status rc = pt_eval_models_memory(&d->models, &out->bytes, &s);
    if (rc == PT_OK && is_base(d) && d->live.n_guests)
        rc = pt_str_printf(&s, "%s%zu adapter%s of the base, in slots of the model", s.len ? ", " : "", d->live.n_guests, d->live.n_guests == 1 ? "" : "s");
    snprintf(out->said, sizeof out->said, "%s", s.text ? s.text : "");
    pt_str_free(&s);
    return rc;
}

static pt_status open_during(void *user, const pt_during_model *m, unsigned heads, pt_model_caps *caps, pt_during_beside *beside)
{
    pt_status rc = PT_OK;
    pt_cli_during *d = user;
    pt_suite s[SUITES] = {{0}};
    pt_model_caps before = {0};
    const bool another = d->n_alone < d->hooks.n && !is_base(d); /* the base of full tuning is a model of its own */
    PT_RETURN(check_heads(d, heads));
    look(d, m, !(heads & PT_HEAD_VOCABULARY));
    for (int k = 0; k < SUITES; k++) {
        PT_TRY(open_suite(d, k, &s[k]));
        PT_TRY(ask_suite(&s[k], m->base));
        PT_TRY(pt_runner_needs_within(&s[k].requests, caps));
    }
    PT_TRY(pt_runner_needs(&s[BOTH].requests, &before));
    PT_TRY(pt_eval_models_plan(&d->models, &d->live, is_base(d), false, caps));
    PT_TRY(pt_eval_models_open(&d->models, &d->live, is_base(d), another ? &before : NULL));
    PT_TRY(say_beside(d, beside));
    beside->constraints = pt_eval_held_bytes(m->base, s, SUITES);
    beside->samplers = pt_eval_sampler_bytes(m->base, caps, s, SUITES);
    PT_TRY(pt_during_try(d, m->base));
done:
    free_suites(s);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "during_training");
}

static pt_status commit_during(void *user)
{
    pt_cli_during *d = user;
    pt_status rc = pt_eval_models_commit(&d->models);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "during_training");
}

/* ---- measuring ----------------------------------------------------------------------------------------------------------- */

typedef struct asking {
    pt_cli_during *d;
    const pt_during_model *m;
    pt_suite suite[SUITES];
    pt_answers *own; /* of the weights as they are now, which nobody will ask again */
    bool lost;       /* the ranks do not stand at the same place any more */
} asking;

static bool stop_now(void *user)
{
    const asking *a = user;
    return a->m->stop && *a->m->stop;
}

/* Whether any rank failed; then all have, each for its own reason or with those of others. A status that nobody outlives comes back as it is. */
static pt_status agree(const asking *a, pt_status mine, pt_during_report *out)
{
    int64_t failed = mine != PT_OK;
    if (mine == PT_ENOMEM || mine == PT_ESTOP || a->lost) return mine;
    if (failed) snprintf(out->failure, sizeof out->failure, "%s", pt_err_msg());
    PT_RETURN(a->m->comm->allreduce_max(a->m->comm, &failed, 1));
    if (failed && !out->failure[0]) snprintf(out->failure, sizeof out->failure, "another rank says why");
    return PT_OK;
}

/* What others answer is kept once the run has its folder, by rank 0. */
static pt_status keep_answers(pt_cli_during *d)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    const char *dir = d->cfg->run.output_dir;
    if (d->kept) return PT_OK;
    if (!d->cli.comm->rank && (d->models.meetings.n || d->n_alone < d->hooks.n)) {
        PT_TRY(pt_path_join(&path, dir, "eval_answers.jsonl"));
        PT_TRY(pt_manifest_claim(dir, "eval_answers.jsonl"));
    }
    PT_TRY(pt_answers_open(&d->kept, path));
    PT_TRY(pt_eval_models_keep(&d->models, d->kept));
done:
    free(path);
    return rc;
}

static bool fits(const pt_model_caps *needs, const pt_model_caps *planned)
{
    return needs->tokens <= planned->tokens && needs->decode_len <= planned->decode_len && (!needs->decode_rows || planned->decode_rows);
}

static pt_status prepare(asking *a)
{
    PT_RETURN(keep_answers(a->d));
    for (int k = 0; k < SUITES; k++) {
        pt_model_caps caps = a->m->caps;
        PT_RETURN(open_suite(a->d, k, &a->suite[k]));
        PT_RETURN(ask_suite(&a->suite[k], a->m->base));
        PT_RETURN(pt_runner_needs_within(&a->suite[k].requests, &caps));
        if (!fits(&caps, &a->m->caps)) return pt_fail(PT_EARG, "a file of the evaluations has changed since the run began: a question is longer than all that were planned for");
    }
    return pt_answers_open(&a->own, NULL);
}

/* Who is measured: the model as it is now, or the base, whose answers are kept. *content: of the weights of *o, where these are the base's. */
static pt_status find_side(asking *a, pt_side side, pt_opened **o, uint64_t *content, pt_runner *r, pt_str *who)
{
    pt_cli_during *d = a->d;
    pt_beside_model *b = NULL;
    const pt_model_caps *caps = &a->m->caps;
    *o = &d->live;
    if (is_base(d) && !d->content) d->content = pt_source_content(a->m->base->source);
    *content = d->content;
    if (side == PT_AFTER) {
        PT_RETURN(pt_str_printf(who, "in training, step %lld", (long long)a->m->step));
        *r = pt_eval_runner(*o, a->m->slot, caps, a->own, who->text, a->m->comm);
        return PT_OK;
    }
    if (!is_base(d)) {
        PT_RETURN(pt_eval_models_base(&d->models, &d->live, &b));
        *o = &b->o;
        *content = b->content;
        caps = &b->caps;
    }
    PT_RETURN(pt_eval_identity(*o, *content, NULL, who));
    *r = pt_eval_runner(*o, PT_SLOT_NONE, caps, d->kept, who->text, a->m->comm);
    return PT_OK;
}

static void say_limits(const asking *a)
{
    for (size_t i = 0; i < a->d->models.voices.n; i++)
        if (a->d->models.voices.at[i]->limit) pt_log(PT_LOG_WARN, "step %lld: %s: %s", (long long)a->m->step, a->d->models.voices.at[i]->name, a->d->models.voices.at[i]->limit);
}

static pt_status measure_side(asking *a, int which, pt_side side)
{
    pt_status rc = PT_OK;
    pt_cli_during *d = a->d;
    pt_suite *s = &a->suite[which];
    pt_opened *o;
    pt_runner r;
    pt_str who = {0};
    uint64_t content;
    if (!s->n) return PT_OK;
    PT_TRY(find_side(a, side, &o, &content, &r, &who));
    r.stop = d->models.stop = stop_now;
    r.user = d->models.user = a;
    PT_TRY(pt_eval_models_speak(&d->models, o, side == PT_BEFORE || is_base(d), &r, content));
    s->voices = &d->models.voices;
    s->server = &d->models.server;
    rc = pt_suite_measure(s, &r, side, side == PT_BEFORE ? "the base" : "in training");
    a->lost = d->models.server.lost;
    say_limits(a);
done:
    s->voices = NULL;
    s->server = NULL;
    pt_eval_models_hush(&d->models);
    pt_str_free(&who);
    return rc;
}

static pt_status measure_during(void *user, const pt_during_model *m, pt_during_report *out)
{
    static const struct { int which; pt_side side; } order[] = {{BOTH, PT_BEFORE}, {BOTH, PT_AFTER}, {ALONE, PT_AFTER}};
    pt_status rc = PT_OK;
    pt_cli_during *d = user;
    asking a = {.d = d, .m = m};
    forget(&d->now);
    out->step = m->step;
    look(d, m, d->live.reward);
    PT_TRY(agree(&a, prepare(&a), out));
    for (int i = 0; i < 3 && !out->failure[0]; i++) PT_TRY(agree(&a, measure_side(&a, order[i].which, order[i].side), out));
    for (int k = 0; k < SUITES && !m->comm->rank && !out->failure[0]; k++)
        for (size_t i = 0; i < a.suite[k].n; i++) PT_TRY(collect(&d->now, &a.suite[k].tasks[i]));
    out->n = out->failure[0] ? 0 : d->now.n;
    out->name = d->now.name;
    out->value = d->now.value;
done:
    free_suites(a.suite);
    pt_answers_free(a.own);
    return rc;
}

/* ---- the config's entries ------------------------------------------------------------------------------------------------ */

/* Its options but those that name a file that the task writes: `ptrain eval` does, once. */
static pt_status take_options(pt_task_spec *s, const pt_task_spec *from)
{
    const pt_task_kind *kind = pt_task_find(from->task);
    s->options = NULL;
    s->n_options = 0;
    PT_RETURN(pt_alloc0(&s->options, from->n_options));
    for (size_t i = 0; i < from->n_options; i++) {
        const pt_task_key *k = pt_task_key_of(kind, from->options[i].name);
        if (!k || !k->written) s->options[s->n_options++] = from->options[i];
    }
    return PT_OK;
}

pt_status pt_during_init(pt_cli_during *d, const pt_config *cfg)
{
    const pt_config_eval *e = &cfg->eval;
    *d = (pt_cli_during){.hooks = {.user = d, .begin = begin_during, .open = open_during, .commit = commit_during, .find = pt_during_find, .measure = measure_during}, .cfg = cfg};
    PT_RETURN(pt_alloc0(&d->entries, e->n_evaluations));
    for (size_t i = 0; i < e->n_evaluations; i++) {
        if (!e->evaluations[i].during_training) continue;
        pt_task_spec *s = &d->entries[d->hooks.n];
        *s = e->evaluations[i];
        s->path = NULL;
        d->hooks.n++;
        PT_RETURN(take_options(s, &e->evaluations[i]));
        if (e->evaluations[i].path) PT_RETURN(pt_strdup(&s->path, e->evaluations[i].path));
        PT_RETURN(pt_task_locate(s, e->data));
    }
    for (size_t i = 0; i < d->hooks.n; i++) PT_RETURN(check_entry(d, i));
    return PT_OK;
}

void pt_during_free(pt_cli_during *d)
{
    pt_during_numbers_free(&d->now);
    pt_eval_models_free(&d->models);
    pt_answers_free(d->kept);
    for (size_t i = 0; i < d->hooks.n; i++) {
        free(d->entries[i].path);
        free(d->entries[i].options);
    }
    free(d->entries);
    *d = (pt_cli_during){0};
}
