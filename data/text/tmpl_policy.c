/* Conversations that a template refuses, put as it takes them: a system text goes into the user's turn, messages of one speaker in a row become one,
 * an answer before any question gets a question put before it. Texts are joined by a blank line, and every part keeps its weight. */
#include <stdlib.h>
#include <string.h>

#include "data/text/tmpl_priv.h"
#include "data/text/tok_utf8.h"

#define BETWEEN "\n\n"

void pt_tmpl_taken_free(pt_tmpl_taken *k)
{
    for (size_t i = 0; i < k->cap_put; i++) {
        pt_str_free(&k->put[i].text);
        free(k->put[i].spans);
    }
    free(k->put);
    free(k->own);
    free(k->at);
    *k = (pt_tmpl_taken){0};
}

/* Whose part a message is in templates' eyes. */
static const pt_speaker *part(const pt_message *m)
{
    return m->speaker->like ? m->speaker->like : m->speaker;
}

static bool is_system(const pt_message *m)
{
    return part(m) == PT_SYSTEM;
}

/* Whether system message i goes into the user's turn. */
static bool folds(const pt_template *t, size_t i)
{
    if (t->policy.system_role != PT_SYSTEM_AUTO) return t->policy.system_role == PT_SYSTEM_FOLD;
    return i ? !t->takes.late : !t->takes.system;
}

static bool joins(const pt_template *t)
{
    return t->policy.alternate == PT_ALTERNATE_AUTO ? !t->takes.runs : t->policy.alternate == PT_ALTERNATE_JOIN;
}

/* A result answers one call, a thought stands before its own text, a call behind it: none of them is joined across. */
static bool one_speaker(const pt_message *a, const pt_message *b)
{
    return part(a) == part(b) && part(a) != PT_TOOL && !a->calls && !b->thought_bytes;
}

/* Whether an answer that nothing was asked for gets a question; m[n] behind folding and joining. *at = its place. */
static bool greets(const pt_template *t, const pt_message *m, size_t n, size_t *at)
{
    *at = 0;
    while (*at < n && is_system(&m[*at])) ++*at;
    return *at < n && part(&m[*at]) == PT_ASSISTANT && !t->takes.greeting && t->policy.alternate != PT_ALTERNATE_REFUSE;
}

static bool as_given(const pt_template *t, const pt_message *m, size_t n)
{
    bool join = joins(t);
    size_t at;
    for (size_t i = 0; i < n; i++)
        if ((is_system(&m[i]) && folds(t, i)) || (join && i && one_speaker(&m[i - 1], &m[i]))) return false;
    return !greets(t, m, n, &at);
}

/* The weights that a message at `at` of the joined text brings. */
static pt_status add_parts(struct pt_tmpl_put *p, const pt_message *m, size_t at)
{
    size_t more = m->n_spans ? m->n_spans : m->weight > 0;
    PT_RETURN(pt_reserve(&p->spans, &p->cap_spans, p->n_spans + more));
    for (size_t i = 0; i < more; i++)
        p->spans[p->n_spans++] = m->n_spans ? (pt_text_span){at + m->spans[i].from, at + m->spans[i].to, m->spans[i].weight} : (pt_text_span){at, at + m->bytes, m->weight};
    return PT_OK;
}

/* x behind a, whose joined text is p's. */
static pt_status append(struct pt_tmpl_put *p, pt_message *a, const pt_message *x)
{
    if (!p->text.text) {
        PT_RETURN(pt_str_puts(&p->text, ""));
        if (a->bytes) PT_RETURN(pt_str_add(&p->text, a->text, a->bytes));
    }
    if (!p->parts && (a->n_spans || x->n_spans || a->weight < x->weight || a->weight > x->weight)) {
        pt_message before = *a;
        before.bytes = p->text.len;
        PT_RETURN(add_parts(p, &before, 0));
        p->parts = true;
    }
    if (p->text.len && x->bytes) PT_RETURN(pt_str_puts(&p->text, BETWEEN));
    if (p->parts) PT_RETURN(add_parts(p, x, p->text.len));
    if (x->bytes) PT_RETURN(pt_str_add(&p->text, x->text, x->bytes));
    if (x->weight > a->weight) a->weight = x->weight;
    a->calls = x->calls;
    a->call_text = x->call_text;
    a->call_bytes = x->call_bytes;
    return PT_OK;
}

static pt_status room(pt_tmpl_taken *k)
{
    PT_RETURN(pt_reserve(&k->own, &k->cap, k->n + 1));
    return pt_reserve(&k->put, &k->cap_put, k->n + 1);
}

/* A question before message `at`. */
static pt_status ask_first(const pt_template *t, pt_tmpl_taken *k, size_t at)
{
    const char *text = t->policy.greeting_prompt ? t->policy.greeting_prompt : "";
    PT_RETURN(room(k));
    struct pt_tmpl_put spare = k->put[k->n];
    memmove(k->own + at + 1, k->own + at, (k->n - at) * sizeof *k->own);
    memmove(k->put + at + 1, k->put + at, (k->n - at) * sizeof *k->put);
    k->own[at] = (pt_message){.speaker = PT_USER, .text = text, .bytes = strlen(text)};
    k->put[at] = spare;
    k->n++;
    if (!at) { /* tools stand in the first message */
        k->own[0].tools = k->own[1].tools;
        k->own[1].tools = NULL;
    }
    return PT_OK;
}

static pt_status rewrite(const pt_template *t, const pt_message *m, size_t n, pt_rendered *r, pt_tmpl_taken *k)
{
    size_t at;
    PT_RETURN(pt_reserve(&k->at, &k->cap_at, n));
    for (size_t i = 0; i < n; i++) {
        pt_message x = m[i];
        bool fold = is_system(&x) && folds(t, i);
        bool leads = fold && i && k->n == 1 && is_system(&k->own[0]); /* a second system text joins the first where that one may stay */
        if (fold && !leads) x.speaker = PT_USER;
        PT_RETURN(room(k));
        struct pt_tmpl_put *p = k->n ? &k->put[k->n - 1] : NULL;
        pt_message *a = k->n ? &k->own[k->n - 1] : NULL;
        r->noted[PT_NOTE_FOLDED] += fold && !leads;
        if (a && one_speaker(a, &x) && (fold || p->folded || joins(t))) {
            r->noted[PT_NOTE_JOINED] += leads || (!fold && !p->folded);
            PT_RETURN(append(p, a, &x));
            p->folded = fold && p->folded;
            k->at[i] = k->n - 1;
            continue;
        }
        k->at[i] = k->n;
        k->own[k->n] = x;
        k->put[k->n++].folded = fold && !leads;
    }
    if (greets(t, k->own, k->n, &at)) {
        PT_RETURN(ask_first(t, k, at));
        for (size_t i = 0; i < n; i++) k->at[i] += k->at[i] >= at;
        r->noted[PT_NOTE_GREETING]++;
    }
    for (size_t i = 0; i < k->n; i++) {
        const struct pt_tmpl_put *p = &k->put[i];
        if (!p->text.text) continue;
        k->own[i].text = p->text.text;
        k->own[i].bytes = p->text.len;
        k->own[i].spans = p->parts ? p->spans : NULL;
        k->own[i].n_spans = p->parts ? p->n_spans : 0;
    }
    k->m = k->own;
    return PT_OK;
}

pt_status pt_tmpl_take(const pt_template *t, const pt_message *m, size_t n, pt_rendered *r, pt_tmpl_taken *k)
{
    *k = (pt_tmpl_taken){.m = m, .n = n};
    if (as_given(t, m, n)) return PT_OK;
    k->n = 0;
    return rewrite(t, m, n, r, k);
}

/* ---- what the model's own template takes ---- */

/* who: a letter a message, s(ystem), u(ser), a(ssistant). *yes: it does not refuse them; *sound: it renders them. */
static pt_status ask(const pt_template *t, const char *who, bool *yes, bool *sound)
{
    pt_message m[4];
    size_t n = strlen(who);
    pt_rendered r = {0};
    for (size_t i = 0; i < n; i++) m[i] = (pt_message){.speaker = who[i] == 's' ? PT_SYSTEM : who[i] == 'u' ? PT_USER : PT_ASSISTANT, .text = "text", .bytes = 4};
    pt_status rc = pt_template_render(t, m, n, who[n - 1] == 'u', &r);
    *yes = rc != PT_EARG;
    if (sound) *sound = rc == PT_OK;
    pt_rendered_free(&r);
    return rc == PT_OK || rc == PT_ENOMEM ? rc : pt_err_forgive(rc);
}

pt_status pt_tmpl_probe(pt_template *t)
{
    pt_tmpl_takes found = {0};
    bool sound, users, answers;
    t->takes = (pt_tmpl_takes){.system = true, .late = true, .runs = true, .greeting = true}; /* while it is asked, nothing is put otherwise */
    PT_RETURN(ask(t, "uau", &users, &sound));
    if (!sound) return PT_OK; /* what it refuses is not the order */
    PT_RETURN(ask(t, "su", &found.system, NULL));
    PT_RETURN(ask(t, "uasu", &found.late, NULL));
    PT_RETURN(ask(t, "uu", &users, NULL));
    PT_RETURN(ask(t, "uaau", &answers, NULL));
    PT_RETURN(ask(t, "au", &found.greeting, NULL));
    found.runs = users && answers;
    t->takes = found;
    return PT_OK;
}

pt_status pt_template_set_policy(pt_template *t, const pt_template_policy *p)
{
    char *text = NULL;
    if (t->program && t->system && p->system_role == PT_SYSTEM_FOLD)
        return pt_fail(PT_ENOSUP, "system_role: fold with default_system_message is known of named templates alone; the data set's system_prompt gives rows a system text");
    if (p->greeting_prompt) {
        size_t n = strlen(p->greeting_prompt);
        if (pt_utf8_check(p->greeting_prompt, n) != n) return pt_fail(PT_EFORMAT, "greeting_prompt is not UTF-8");
        PT_RETURN(pt_strdup(&text, p->greeting_prompt));
    }
    free((char *)t->policy.greeting_prompt);
    t->policy = *p;
    t->policy.greeting_prompt = text;
    return PT_OK;
}
