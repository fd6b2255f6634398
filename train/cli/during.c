#include "train/cli/during.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/visible.h"
#include "eval/suite/suite.h"
#include "train/cli/eval_models.h"
#include "train/loop/manifest.h"
#include "train/model/source.h"

static const char *name_of(const pt_task_spec *s)
{
    return s->name ? s->name : s->task;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static pt_status refuse(const pt_task_spec *s, const char *why)
{
    return s->line ? pt_fail(PT_EARG, "%s:%d:%d: during_training: %s: %s", s->file, s->line, s->column, name_of(s), why) : pt_fail(PT_EARG, "during_training: %s: %s", name_of(s), why);
}

/* What can be seen to be wrong without a model. */
static pt_status check_entry(const pt_cli_during *d, size_t at)
{
    const pt_task_spec *s = &d->entries[at];
    for (size_t i = 0; i < at; i++)
        if (!strcmp(name_of(&d->entries[i]), name_of(s))) return refuse(s, "another evaluation is called so: give it a `name`");
    if (strchr(name_of(s), '/')) return refuse(s, "a / parts its name from its metrics': give it another `name`");
    if (pt_task_source_of(s)) return refuse(s, "it is about transcripts: `ptrain eval` measures it");
    return PT_OK;
}

/* An endpoint by its name; NULL: there is none. */
static const pt_voice_spec *spec_of(const pt_cli_during *d, const char *name)
{
    const pt_config_eval *e = &d->cfg->eval;
    for (size_t i = 0; i < e->n_models; i++)
        if (!strcmp(e->models[i].name, name) && pt_entry_said(e->models[i].options, e->models[i].n_options, "endpoint")) return &e->models[i];
    return NULL;
}

static pt_status open_suite(const pt_cli_during *d, const pt_task_spec *entries, size_t n, pt_suite *s)
{
    return pt_suite_open(s, NULL, entries, n, NULL, 0, d->cfg->run.seed);
}

static pt_status ask_suite(pt_suite *s, const pt_base *base)
{
    const pt_speller speller = {base->tok, base->tmpl};
    if (!base->tok) return pt_fail(PT_EARG, "evaluations with during_training: true ask in words, and this model has no tokenizer: set `tokenizer:`");
    return pt_suite_ask(s, &speller);
}

/* Whom the entries speak to: endpoints alone, for another model in memory is not planned here, and the one in training answers as it is asked. Tried on rank 0, which
 * has the keys. */
static pt_status check_voices(const pt_cli_during *d, const pt_suite *s, bool first)
{
    pt_status rc = PT_OK;
    pt_meetings m = {0};
    pt_voice *v = NULL;
    PT_TRY(pt_suite_meet(s, &m));
    for (size_t i = 0; i < m.n; i++) {
        const pt_voice_spec *spec = spec_of(d, m.list[i].name);
        if (!spec) {
            char why[300];
            snprintf(why, sizeof why, "it speaks to '%.60s', and in training an `endpoint` of `models` can be spoken to, no model in memory: `ptrain eval` measures it", m.list[i].name);
            PT_TRY(refuse(m.list[i].by, why));
        }
        if (first) PT_TRY(pt_eval_endpoint(spec, NULL, &v));
        if (v) v->close(v);
        v = NULL;
    }
done:
    pt_meetings_free(&m);
    return rc;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static void forget(pt_cli_during *d)
{
    for (size_t i = 0; i < d->n; i++) free(d->name[i]);
    d->n = 0;
}

/* NAME/METRIC, fit for a terminal and a file of JSON whatever the file of the task holds. */
static pt_status put(pt_cli_during *d, const pt_task *t, const char *metric, double value)
{
    pt_status rc = PT_OK;
    pt_str raw = {0}, name = {0};
    PT_TRY(pt_str_printf(&raw, "%s/%s", name_of(t->spec), metric));
    PT_TRY(pt_str_visible(&name, raw.text, raw.len));
    PT_TRY(pt_reserve(&d->name, &d->name_cap, d->n + 1));
    PT_TRY(pt_reserve(&d->value, &d->value_cap, d->n + 1));
    d->value[d->n] = value;
    d->name[d->n++] = name.text;
    name.text = NULL;
done:
    pt_str_free(&raw);
    pt_str_free(&name);
    return rc;
}

/* What a task has found, over all its items. */
static pt_status collect(pt_cli_during *d, const pt_task *t)
{
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m >= 0 && !isnan(t->report.side[PT_AFTER].v[m])) PT_RETURN(put(d, t, x->key, t->report.side[PT_AFTER].v[m]));
    }
    for (size_t i = 0; i < t->findings.n; i++) {
        const pt_finding *f = &t->findings.list[i];
        if (!f->scope && !f->side[PT_AFTER].text[0]) PT_RETURN(put(d, t, f->metric, f->side[PT_AFTER].value));
    }
    return PT_OK;
}

/* ---- finding a metric ---------------------------------------------------------------------------------------------------- */

/* Answers as no model gives them, all different: enough for a task to say which rows it makes of answers. */
static pt_status rehearse(const pt_requests *q, pt_reply *replies)
{
    for (size_t i = 0; i < q->n; i++) {
        const pt_request *r = &q->list[i];
        replies[i] = (pt_reply){.value = -1 - (double)(i * 7919 % 1000) / 1000, .tokens = r->ask == PT_ASK_TEXT ? 1 : r->to - r->from, .stopped = true};
        if (r->ask == PT_ASK_TEXT) PT_RETURN(pt_asprintf(&replies[i].text, "%zu", 1 + i % 4));
    }
    return PT_OK;
}

static pt_status say_nothing(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    *(size_t *)v->of += n;
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_strdup(&said[i].failure, "nobody is asked yet"));
    return PT_OK;
}

static void close_mute(pt_voice *v)
{
    free(v->name);
    free(v->identity);
    free(v);
}

/* In the places of those that a task speaks to, some that answer nothing; *asked: how much they were asked, above 0 where there are none. */
static pt_status open_mutes(const pt_suite *s, size_t *asked, pt_voices *out)
{
    pt_status rc = PT_OK;
    pt_meetings m = {0};
    pt_voice *v = NULL;
    PT_TRY(pt_suite_meet(s, &m));
    for (size_t i = 0; i < m.n; i++) {
        PT_TRY(pt_alloc0(&v, 1));
        *v = (pt_voice){.of = asked, .ask = say_nothing, .close = close_mute};
        PT_TRY(pt_strdup(&v->name, m.list[i].name));
        PT_TRY(pt_strdup(&v->identity, "nobody"));
        rc = pt_voices_add(out, v);
        v = NULL;
        PT_TRY(rc);
    }
    *asked = m.n == 0; /* nobody to be asked */
done:
    if (v) close_mute(v);
    pt_meetings_free(&m);
    return rc;
}

/* The metrics of one entry: those that its kind knows, and those that its file names. *asked: what it asked of others. */
static pt_status metrics_of(const pt_cli_during *d, const pt_task_spec *entry, const pt_base *base, size_t *asked, pt_cli_during *out)
{
    pt_status rc = PT_OK;
    pt_suite s = {0};
    pt_reply *replies = NULL;
    pt_voices mutes = {0};
    PT_TRY(open_suite(d, entry, 1, &s));
    PT_TRY(ask_suite(&s, base));
    for (const pt_task_metric *x = s.tasks->kind->metrics; x->key; x++) PT_TRY(put(out, s.tasks, x->key, x->better));
    PT_TRY(pt_alloc0(&replies, s.requests.n));
    PT_TRY(rehearse(&s.requests, replies));
    PT_TRY(open_mutes(&s, asked, &mutes));
    if (s.tasks->kind->talk) PT_TRY(s.tasks->kind->talk(s.tasks, replies, &mutes, PT_AFTER));
    PT_TRY(s.tasks->kind->judge(s.tasks, replies, PT_AFTER));
    for (size_t i = 0; i < s.tasks->findings.n; i++) {
        const pt_finding *f = &s.tasks->findings.list[i];
        if (!f->scope && !f->side[PT_AFTER].text[0]) PT_TRY(put(out, s.tasks, f->metric, 0));
    }
done:
    pt_replies_free(replies, s.requests.n);
    pt_suite_free(&s);
    pt_voices_free(&mutes);
    return rc;
}

/* Who is named and never asked is one of two sides, of which there is but one in training. */
static pt_status check_asks(const pt_cli_during *d, const pt_task_spec *entry, const pt_base *base)
{
    pt_cli_during there = {0};
    size_t asked;
    if (!pt_task_find(entry->task)->meet) return PT_OK;
    pt_status rc = metrics_of(d, entry, base, &asked, &there);
    pt_during_free(&there);
    if (rc == PT_OK && !asked) rc = refuse(entry, "it compares the two sides of an evaluation, and in training there is one: `ptrain eval` measures it");
    return rc;
}

static pt_status open_during(void *user, const pt_base *base, unsigned heads, bool first, pt_model_caps *caps)
{
    pt_status rc = PT_OK;
    pt_cli_during *d = user;
    pt_suite s = {0};
    for (size_t i = 0; i < d->hooks.n; i++) {
        bool scores = pt_task_scores(&d->entries[i]);
        if (scores && !(heads & PT_HEAD_VALUES)) return refuse(&d->entries[i], "method: score wants a reward model, and this one learns to write");
        if (!scores && !(heads & PT_HEAD_VOCABULARY)) return refuse(&d->entries[i], "a reward model gives scores, no likelihoods of texts: it can do method: score alone");
    }
    PT_TRY(open_suite(d, d->entries, d->hooks.n, &s));
    PT_TRY(check_voices(d, &s, first));
    PT_TRY(ask_suite(&s, base));
    PT_TRY(pt_runner_needs_within(&s.requests, caps));
    for (size_t i = 0; i < d->hooks.n; i++) PT_TRY(check_asks(d, &d->entries[i], base));
done:
    pt_suite_free(&s);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "during_training");
}

/* Which way is better: as the task says it with a label of its own, else as the metric itself. */
static int better_of(const pt_task_spec *entry, const char *metric)
{
    int m = pt_metric_find(metric);
    for (const pt_task_metric *x = pt_task_find(entry->task)->metrics; x->key; x++)
        if (!strcmp(x->key, metric) && x->label) return x->better;
    return m < 0 ? 0 : pt_metric_kind_at(m)->better;
}

static pt_status find_during(void *user, const pt_base *base, const char *metric, bool *found, int *better, pt_str *known)
{
    pt_status rc = PT_OK;
    const pt_cli_during *d = user;
    pt_cli_during there = {0};
    size_t asked;
    for (size_t i = 0; i < d->hooks.n && !*found; i++) {
        const pt_task_spec *entry = &d->entries[i];
        forget(&there);
        PT_TRY(metrics_of(d, entry, base, &asked, &there));
        for (size_t k = 0; k < there.n; k++) {
            bool again = false;
            for (size_t b = 0; b < k; b++) again |= !strcmp(there.name[b], there.name[k]);
            if (!again) PT_TRY(pt_str_printf(known, "%s%s", known->len ? ", " : "", there.name[k]));
            if (strcmp(there.name[k], metric)) continue;
            *found = true;
            *better = better_of(entry, strchr(metric, '/') + 1);
        }
    }
done:
    pt_during_free(&there);
    return rc;
}

/* ---- measuring ----------------------------------------------------------------------------------------------------------- */

typedef struct asking {
    pt_cli_during *d;
    const pt_during_model *m;
    pt_suite suite;
    pt_answers *answers;
    pt_reply *replies;
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
    if (mine == PT_ENOMEM) return mine;
    if (failed) snprintf(out->failure, sizeof out->failure, "%s", pt_err_msg());
    PT_RETURN(a->m->comm->allreduce_max(a->m->comm, &failed, 1));
    if (failed && !out->failure[0]) snprintf(out->failure, sizeof out->failure, "another rank says why");
    return PT_OK;
}

static pt_status prepare(asking *a)
{
    PT_RETURN(open_suite(a->d, a->d->entries, a->d->hooks.n, &a->suite));
    PT_RETURN(ask_suite(&a->suite, a->m->base));
    pt_model_caps caps = a->m->caps;
    PT_RETURN(pt_runner_needs_within(&a->suite.requests, &caps));
    if (caps.tokens > a->m->caps.tokens || caps.decode_len > a->m->caps.decode_len || caps.decode_rows > a->m->caps.decode_rows)
        return pt_fail(PT_EARG, "a file of the evaluations has changed since the run began: a question is longer than all that were planned for");
    PT_RETURN(pt_answers_open(&a->answers, NULL)); /* of these weights alone */
    return pt_alloc0(&a->replies, a->suite.requests.n);
}

static pt_status ask_model(asking *a)
{
    char who[64];
    const pt_base *base = a->m->base;
    snprintf(who, sizeof who, "in training, step %lld", (long long)a->m->step);
    pt_runner r = {.model = a->m->model, .tok = base->tok, .slot = a->m->slot, .caps = a->m->caps, .answers = a->answers, .identity = who, .comm = a->m->comm,
                   .stop = stop_now, .user = a};
    if (base->tmpl) r.stops = pt_template_stops(base->tmpl, &r.n_stops);
    else r.stops = pt_tok_stops(base->tok, &r.n_stops);
    return pt_runner_run(&r, &a->suite.requests, a->replies);
}

/* The endpoints, once the run has its folder. Rank 0. */
static pt_status open_voices(pt_cli_during *d, const pt_suite *s)
{
    pt_status rc = PT_OK;
    pt_meetings m = {0};
    char *path = NULL;
    const char *dir = d->cfg->run.output_dir;
    if (d->opened) return PT_OK;
    d->opened = true;
    PT_TRY(pt_suite_meet(s, &m));
    if (!m.n) goto done;
    PT_TRY(pt_path_join(&path, dir, "eval_answers.jsonl"));
    PT_TRY(pt_manifest_claim(dir, "eval_answers.jsonl"));
    PT_TRY(pt_answers_open(&d->kept, path));
    for (size_t i = 0; i < m.n; i++) {
        pt_voice *v;
        PT_TRY(pt_eval_endpoint(spec_of(d, m.list[i].name), d->kept, &v));
        PT_TRY(pt_voices_add(&d->voices, v));
    }
done:
    free(path);
    pt_meetings_free(&m);
    return rc;
}

static pt_status judge(asking *a)
{
    PT_RETURN(open_voices(a->d, &a->suite));
    a->suite.voices = &a->d->voices;
    PT_RETURN(pt_suite_judge(&a->suite, a->replies, PT_AFTER, "in training"));
    for (size_t i = 0; i < a->suite.n; i++) PT_RETURN(collect(a->d, &a->suite.tasks[i]));
    for (size_t i = 0; i < a->d->voices.n; i++)
        if (a->d->voices.at[i]->limit) pt_log(PT_LOG_WARN, "step %lld: %s: %s", (long long)a->m->step, a->d->voices.at[i]->name, a->d->voices.at[i]->limit);
    return PT_OK;
}

static pt_status measure_during(void *user, const pt_during_model *m, pt_during_report *out)
{
    pt_status rc = PT_OK;
    asking a = {.d = user, .m = m};
    forget(a.d);
    out->step = m->step;
    PT_TRY(agree(&a, prepare(&a), out));
    if (out->failure[0]) goto done;
    rc = ask_model(&a);
    if (rc != PT_OK && rc != PT_ENONFINITE) goto done;
    if (rc == PT_OK && !m->comm->rank) rc = judge(&a);
    PT_TRY(agree(&a, rc, out));
    out->n = out->failure[0] ? 0 : a.d->n;
    out->name = a.d->name;
    out->value = a.d->value;
done:
    pt_replies_free(a.replies, a.suite.requests.n);
    pt_answers_free(a.answers);
    pt_suite_free(&a.suite);
    return rc;
}

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
    *d = (pt_cli_during){.hooks = {.user = d, .open = open_during, .find = find_during, .measure = measure_during}, .cfg = cfg};
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
        PT_RETURN(check_entry(d, d->hooks.n - 1));
    }
    return PT_OK;
}

void pt_during_free(pt_cli_during *d)
{
    forget(d);
    pt_voices_free(&d->voices);
    pt_answers_free(d->kept);
    for (size_t i = 0; i < d->hooks.n; i++) {
        free(d->entries[i].path);
        free(d->entries[i].options);
    }
    free(d->entries);
    free(d->name);
    free(d->value);
    *d = (pt_cli_during){0};
}
