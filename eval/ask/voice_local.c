#include "eval/ask/voice_local.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

typedef struct local {
    pt_voice voice; /* first */
    pt_server *server;
    size_t number;
    pt_speller speller;
} local;

static pt_runner *runner_of(const local *l)
{
    return l->server->runners[l->number];
}

/* Requests of talks, and which talk each is of. */
typedef struct asked {
    pt_requests q;
    size_t *of; /* [q.n] */
    pt_reply *replies;
} asked;

static void asked_free(asked *a)
{
    pt_replies_free(a->replies, a->q.n);
    pt_requests_free(&a->q);
    free(a->of);
}

/* Why a talk cannot be asked: the message that is set; NULL: it can. *rc: what ends everything. */
static const char *obstacle(const local *l, const pt_talk *t, const char *answer, asked *a, pt_status *rc)
{
    const pt_runner *r = runner_of(l);
    *rc = PT_OK;
    if (!l->speller.tmpl) return "the model has no chat template that is known here, and a conversation needs one";
    const pt_status said = answer ? pt_spell_scored(&l->speller, &a->q, t->turns, t->n, answer, strlen(answer)) : pt_spell_question(&l->speller, &a->q, t->turns, t->n, &t->how, t->repeat);
    if (said == PT_ENOMEM) *rc = said;
    if (said != PT_OK) return pt_err_msg();
    pt_request *x = &a->q.list[a->q.n - 1];
    const long long whole = (long long)x->n + (answer ? 0 : t->how.max_new_tokens + 1), room = answer ? r->caps.tokens : r->caps.decode_len;
    if (whole <= room) {
        *rc = answer ? PT_OK : pt_spell_constrain(&a->q, t->constraint);
        return NULL;
    }
    pt_fail(PT_EARG, "the conversation has %d tokens%s, and %lld are planned for: `context` says how long it may become", x->n, answer ? "" : " without its answer", room);
    free(a->q.list[--a->q.n].ids);
    return pt_err_msg();
}

static pt_status run(local *l, asked *a)
{
    PT_RETURN(pt_alloc0(&a->replies, a->q.n));
    return a->q.n ? pt_server_run(l->server, l->number, &a->q, a->replies) : PT_OK;
}

static pt_status ask(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    pt_status rc = PT_OK;
    local *l = v->of;
    const pt_runner *r = runner_of(l);
    asked a = {0};
    PT_TRY(pt_alloc0(&a.of, n));
    for (size_t i = 0; i < n; i++) {
        const char *why = v->score ? "it is a reward model, which gives scores and no text" : obstacle(l, &talks[i], NULL, &a, &rc);
        PT_TRY(rc);
        if (why) {
            PT_TRY(pt_strdup(&said[i].failure, why));
            continue;
        }
        pt_answer_key key;
        pt_answers_key(&key, r->identity, &a.q.list[a.q.n - 1], r->stops, r->n_stops);
        said[i].known = pt_answers_find(r->answers, &key) != NULL;
        a.of[a.q.n - 1] = i;
    }
    PT_TRY(run(l, &a));
    for (size_t k = 0; k < a.q.n; k++) {
        pt_said *to = &said[a.of[k]];
        to->text = a.replies[k].text;
        a.replies[k].text = NULL;
        to->stopped = a.replies[k].stopped;
        to->tokens = a.replies[k].tokens;
        to->near = a.replies[k].near;
    }
done:
    asked_free(&a);
    return rc;
}

static pt_status score(pt_voice *v, const pt_talk *talks, const char *const *answers, size_t n, double *value)
{
    pt_status rc = PT_OK;
    local *l = v->of;
    asked a = {0};
    PT_TRY(pt_alloc0(&a.of, n));
    for (size_t i = 0; i < n; i++) {
        value[i] = NAN;
        const bool can = !obstacle(l, &talks[i], answers[i], &a, &rc);
        PT_TRY(rc);
        if (can) a.of[a.q.n - 1] = i;
    }
    PT_TRY(run(l, &a));
    for (size_t k = 0; k < a.q.n; k++) value[a.of[k]] = a.replies[k].value;
done:
    asked_free(&a);
    return rc;
}

static pt_status account(const pt_voice *v, json_t **out)
{
    const pt_runner *r = runner_of(v->of);
    *out = json_pack("{sI}", "requests", (json_int_t)r->asked); /* whether they were answered before or not: who asks again gets the same */
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory for what a model was asked");
}

static void close_local(pt_voice *v)
{
    free(v->name);
    free(v->identity);
    free(v->limit);
    free(v);
}

pt_status pt_voice_local(pt_voice **out, const char *name, pt_server *s, size_t number, const pt_speller *speller, bool scores)
{
    local *l;
    *out = NULL;
    PT_RETURN(pt_alloc0(&l, 1));
    *l = (local){.voice = {.of = l, .ask = ask, .score = scores ? score : NULL, .account = account, .close = close_local}, .server = s, .number = number, .speller = *speller};
    pt_status rc = pt_strdup(&l->voice.name, name);
    if (rc == PT_OK) rc = pt_strdup(&l->voice.identity, s->runners[number]->identity);
    if (rc == PT_OK) *out = &l->voice;
    else close_local(&l->voice);
    return rc;
}
