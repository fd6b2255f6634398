/* Which metrics the evaluations during training will give, before anything is measured: each is played through with answers that nobody gave. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/during.h"

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

/* ---- voices that answer nothing ---- */

static pt_status say_nothing(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    (void)v;
    (void)talks;
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_strdup(&said[i].failure, "nobody is asked yet"));
    return PT_OK;
}

static pt_status score_nothing(pt_voice *v, const pt_talk *talks, const char *const *answers, size_t n, double *value)
{
    (void)v;
    (void)talks;
    (void)answers;
    for (size_t i = 0; i < n; i++) value[i] = NAN;
    return PT_OK;
}

static void close_mute(pt_voice *v)
{
    free(v->name);
    free(v->identity);
    free(v);
}

/* In the place of all that the tasks speak to. */
static pt_status open_mutes(const pt_suite *s, pt_voices *out)
{
    pt_status rc = PT_OK;
    pt_meetings m = {0};
    pt_voice *v = NULL;
    PT_TRY(pt_suite_meet(s, &m));
    for (size_t i = 0; i < m.n; i++) {
        PT_TRY(pt_alloc0(&v, 1));
        *v = (pt_voice){.ask = say_nothing, .score = score_nothing, .close = close_mute};
        PT_TRY(pt_strdup(&v->name, m.list[i].name));
        PT_TRY(pt_strdup(&v->identity, "nobody"));
        rc = pt_voices_add(out, v);
        v = NULL;
        PT_TRY(rc);
    }
done:
    if (v) close_mute(v);
    pt_meetings_free(&m);
    return rc;
}

/* ---- one entry ---- */

/* A task's side, as the suite would go about it. */
static pt_status play(pt_task *t, const pt_speller *speller, const pt_voices *mutes, pt_side side)
{
    pt_status rc = PT_OK;
    pt_requests q = {0};
    pt_reply *replies = NULL;
    t->side = side;
    PT_TRY(t->kind->ask(t, speller, &q));
    PT_TRY(pt_alloc0(&replies, q.n));
    PT_TRY(rehearse(&q, replies));
    if (t->kind->talk) PT_TRY(t->kind->talk(t, replies, mutes, side));
    PT_TRY(t->kind->judge(t, replies, side));
done:
    pt_replies_free(replies, q.n);
    pt_requests_free(&q);
    return rc;
}

/* A number, also one that such answers do not give. */
static bool is_number(const pt_found *f)
{
    return !f->text[0] || !strcmp(f->text, "undefined");
}

/* The metrics of one entry: those that its kind knows, and those that its file names. */
static pt_status metrics_of(const pt_cli_during *d, const pt_task_spec *entry, const pt_base *base, pt_during_numbers *out)
{
    pt_status rc = PT_OK;
    const pt_entry_option *of = pt_task_source_of(entry);
    const pt_speller speller = {base->tok, base->tmpl};
    const pt_task_spec *source = of ? pt_during_entry(d, of->value) : NULL;
    pt_task_spec specs[2];
    size_t n = 0;
    pt_suite s = {0};
    pt_voices mutes = {0};
    if (source) specs[n++] = *source;
    specs[n++] = *entry;
    PT_TRY(pt_suite_open(&s, NULL, specs, n, NULL, 0, d->cfg->run.seed));
    PT_TRY(open_mutes(&s, &mutes));
    const pt_task *t = &s.tasks[n - 1];
    for (int side = t->kind->compares && t->kind->compares(t) ? PT_BEFORE : PT_AFTER; side <= PT_AFTER; side++)
        for (size_t i = 0; i < n; i++) PT_TRY(play(&s.tasks[i], &speller, &mutes, (pt_side)side));
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) PT_TRY(pt_during_put(out, entry, x->key, x->better));
    for (size_t i = 0; i < t->findings.n; i++)
        if (!t->findings.list[i].scope && is_number(&t->findings.list[i].side[PT_AFTER])) PT_TRY(pt_during_put(out, entry, t->findings.list[i].metric, 0));
done:
    pt_suite_free(&s);
    pt_voices_free(&mutes);
    return rc;
}

/* Which way is better: as the task says it with a label of its own, else as the metric itself. */
static int better_of(const pt_task_spec *entry, const char *metric)
{
    int m = pt_metric_find(metric);
    for (const pt_task_metric *x = pt_task_find(entry->task)->metrics; x->key; x++)
        if (!strcmp(x->key, metric) && x->label) return x->better;
    return m < 0 ? 0 : pt_metric_kind_at(m)->better;
}

static pt_status find_in(const pt_during_numbers *there, const pt_task_spec *entry, const char *metric, bool *found, int *better, pt_str *known)
{
    for (size_t k = 0; k < there->n; k++) {
        bool again = false;
        for (size_t b = 0; b < k; b++) again |= !strcmp(there->name[b], there->name[k]);
        if (!again) PT_RETURN(pt_str_printf(known, "%s%s", known->len ? ", " : "", there->name[k]));
        if (strcmp(there->name[k], metric)) continue;
        *found = true;
        *better = better_of(entry, strchr(metric, '/') + 1);
    }
    return PT_OK;
}

pt_status pt_during_find(void *user, const pt_base *base, const char *metric, bool *found, int *better, pt_str *known)
{
    const pt_cli_during *d = user;
    for (size_t i = 0; i < d->hooks.n && !*found; i++) {
        pt_during_numbers there = {0};
        pt_status rc = metrics_of(d, &d->entries[i], base, &there);
        if (rc == PT_OK) rc = find_in(&there, &d->entries[i], metric, found, better, known);
        pt_during_numbers_free(&there);
        PT_RETURN(rc);
    }
    return PT_OK;
}

pt_status pt_during_try(const pt_cli_during *d, const pt_base *base)
{
    for (size_t i = 0; i < d->hooks.n; i++) {
        pt_during_numbers there = {0};
        pt_status rc = pt_task_find(d->entries[i].task)->meet ? metrics_of(d, &d->entries[i], base, &there) : PT_OK;
        pt_during_numbers_free(&there);
        if (rc == PT_EFORMAT) rc = pt_during_refuse(&d->entries[i], pt_err_msg());
        PT_RETURN(rc);
    }
    return PT_OK;
}
