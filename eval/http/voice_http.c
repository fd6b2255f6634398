#include "eval/http/voice_http.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/threads.h"
#include "base/visible.h"
#include "eval/http/chat_reply.h"
#include "eval/http/chat_request.h"
#include "eval/http/exchange.h"
#include "eval/http/api_key.h"
#include "eval/http/spending.h"

enum { GIVE_UP_AFTER = 10, WHY_MOST = 200, SAY_EACH = 30, BACKOFF_MOST = 60 };

typedef struct http_voice {
    pt_voice v;
    pt_http_options o;
    char *key;
    pt_answers *answers, *own; /* own: where the caller has none */
    pt_line *line;
    pt_spending spending;
    pt_answer_key *counted; /* answers whose price counts: those of this run, and kept ones that were asked for */
    size_t n_counted, counted_cap;
    double wait_until; /* nobody is asked before */
} http_voice;

typedef enum job_state { JOB_FRESH, JOB_WAITS, JOB_SENT, JOB_DONE } job_state;

typedef struct job {
    size_t talk;
    char *body;
    pt_answer_key key;
    size_t bytes;
    pt_price most, likely; /* what a try costs at most; what it is taken to, where nobody says */
    job_state state;
    int tries;
    double not_before;
    struct job *twin; /* an earlier one that asks the same */
    pt_exchange x;
} job;

typedef struct asking {
    http_voice *h;
    const pt_talk *talks;
    pt_said *said;
    job *jobs;
    size_t n, next;  /* jobs before next are not fresh */
    job **waits;     /* those that will be tried again */
    size_t n_waits, waits_cap;
    size_t sent, done, useless; /* under way; ended; in a row, because the endpoint cannot be used */
    double told;
} asking;

/* ---- what is said of it ---- */
/* Appends words of a server's: without the key, visible, cut. */
static pt_status add_words(const http_voice *h, pt_str *out, const char *text, size_t n)
{
    pt_str masked = {0}, shown = {0};
    pt_status rc = pt_api_key_mask(&masked, text, n, h->key);
    size_t cut = masked.len < WHY_MOST ? masked.len : WHY_MOST;
    while (cut && cut < masked.len && ((unsigned char)masked.text[cut] & 0xc0) == 0x80) cut--;
    for (size_t i = 0; i < cut; i++)
        if (masked.text[i] == '\n' || masked.text[i] == '\t') masked.text[i] = ' ';
    if (rc == PT_OK) rc = pt_str_visible(&shown, masked.text ? masked.text : "", cut);
    if (rc == PT_OK && shown.len) rc = pt_str_printf(out, "%s%s", shown.text, cut < masked.len ? " ..." : "");
    pt_str_free(&masked);
    pt_str_free(&shown);
    return rc;
}

/* The job's failure: NAME: CAUSE after N tries: WORDS. */
static pt_status fail_job(asking *r, job *j, int cause, const char *words, size_t n)
{
    pt_status rc = PT_OK;
    pt_str why = {0};
    http_voice *h = r->h;
    bool gone = cause == PT_HTTP_CAUSE_CONNECTION || cause == PT_HTTP_CAUSE_TLS || cause == PT_HTTP_CAUSE_TIMEOUT || cause == 401 || cause == 403 || cause == 404;
    j->state = JOB_DONE;
    r->done++;
    if (cause != PT_HTTP_CAUSE_LIMIT && cause != PT_HTTP_CAUSE_GIVEN_UP) r->useless = gone ? r->useless + 1 : 0;
    h->spending.failures[cause]++;
    PT_TRY(pt_str_printf(&why, "%s: %s", h->v.name, pt_http_cause_name(cause)));
    if (j->tries > 1) PT_TRY(pt_str_printf(&why, " after %d tries", j->tries));
    if (n) PT_TRY(pt_str_puts(&why, ": "));
    PT_TRY(add_words(h, &why, words, n));
    PT_TRY(pt_strdup(&r->said[j->talk].failure, why.text));
done:
    pt_str_free(&why);
    return rc;
}

static void tell(asking *r)
{
    double now = pt_seconds();
    if (now - r->told < SAY_EACH) return;
    r->told = now;
    const pt_spending *s = &r->h->spending;
    pt_log(PT_LOG_INFO, "%s: %zu of %zu conversations; so far %.0f requests, %.0f of them again, %.0f tokens", r->h->v.name, r->done, r->n, s->tries, s->retries,
           s->spent.prompt + s->spent.answer);
}

/* ---- answers ---- */
/* Whether it counts from now on and did not before. The list is sorted by bytes. */
static pt_status count_once(http_voice *h, const pt_answer_key *key, bool *first)
{
    size_t lo = 0, hi = h->n_counted;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = memcmp(&h->counted[mid], key, sizeof *key);
        if (!order) {
            *first = false;
            return PT_OK;
        }
        if (order < 0) lo = mid + 1;
        else hi = mid;
    }
    PT_RETURN(pt_reserve(&h->counted, &h->counted_cap, h->n_counted + 1));
    memmove(h->counted + lo + 1, h->counted + lo, (h->n_counted - lo) * sizeof *key);
    h->counted[lo] = *key;
    h->n_counted++;
    *first = true;
    return PT_OK;
}

static pt_status take_answer(asking *r, job *j, const pt_reply *reply, bool known)
{
    pt_said *s = &r->said[j->talk];
    PT_RETURN(pt_strdup(&s->text, reply->text));
    s->stopped = reply->stopped;
    s->tokens = reply->tokens;
    s->known = known;
    j->state = JOB_DONE;
    r->done++;
    return PT_OK;
}

/* A kept answer: what it took counts, once. */
static pt_status take_known(asking *r, job *j, const pt_reply *reply)
{
    pt_spending *s = &r->h->spending;
    bool first;
    PT_RETURN(take_answer(r, j, reply, true));
    PT_RETURN(count_once(r->h, &j->key, &first));
    if (!first) return PT_OK;
    s->kept++;
    s->kept_tries += reply->tries > 0 ? reply->tries : 0;
    s->before.prompt += reply->prompt > 0 ? reply->prompt : 0;
    s->before.answer += reply->tokens > 0 ? reply->tokens : 0;
    return PT_OK;
}

static double guess(size_t bytes)
{
    return (double)((bytes + 2) / 3);
}

/* The reply of status 200: an answer, kept at once, or none. */
static pt_status read_reply(asking *r, job *j)
{
    pt_status rc = PT_OK;
    http_voice *h = r->h;
    pt_chat_reply got;
    pt_str masked = {0};
    bool first;
    const char *body = j->x.reply.text ? j->x.reply.text : "";
    rc = pt_chat_reply_read(&got, body, j->x.reply.len);
    if (rc == PT_EFORMAT) {
        pt_str words = {0};
        pt_spending_settle(&h->spending, j->most, j->likely);
        h->spending.unsure++;
        h->spending.failed_tries[PT_HTTP_CAUSE_UNREADABLE]++;
        rc = pt_str_printf(&words, "%s: ", pt_err_msg());
        if (rc == PT_OK) rc = pt_chat_reply_error(&words, body, j->x.reply.len);
        pt_err_clear();
        if (rc == PT_OK) rc = fail_job(r, j, PT_HTTP_CAUSE_UNREADABLE, words.text, words.len);
        pt_str_free(&words);
        return rc;
    }
    if (rc != PT_OK) goto done;
    r->useless = 0;
    PT_TRY(pt_api_key_mask(&masked, got.text, strlen(got.text), h->key));
    bool guessed = got.prompt < 0 || got.answer < 0;
    pt_price cost = {got.prompt < 0 ? j->likely.prompt : (double)got.prompt, got.answer < 0 ? fmin(guess(strlen(got.text)), j->most.answer) : (double)got.answer};
    const pt_reply reply = {.text = masked.text, .stopped = got.stopped, .tokens = (int32_t)cost.answer, .prompt = (int32_t)cost.prompt, .tries = j->tries, .guessed = guessed};
    pt_spending_settle(&h->spending, j->most, cost);
    h->spending.answers++;
    h->spending.guessed += guessed;
    PT_TRY(count_once(h, &j->key, &first));
    PT_TRY(pt_answers_put(h->answers, &j->key, h->v.identity, PT_ASK_TEXT, &reply));
    PT_TRY(pt_answers_flush(h->answers));
    PT_TRY(take_answer(r, j, &reply, false));
done:
    free(got.text);
    pt_str_free(&masked);
    return rc;
}

/* ---- tries ---- */
/* Seconds before the next try. */
static double wait_of(const http_voice *h, const job *j)
{
    uint64_t seed;
    memcpy(&seed, j->key.byte, sizeof seed);
    double chance = (double)(pt_hash_mix(seed, (uint64_t)j->tries) >> 11) * 0x1p-53;
    double wait = fmin(h->o.backoff * exp2(j->tries - 1), BACKOFF_MOST) * (0.5 + 0.5 * chance);
    return fmax(wait, j->x.retry_after) * h->o.wait_scale;
}

static pt_status try_again(asking *r, job *j)
{
    http_voice *h = r->h;
    double now = pt_seconds(), wait = wait_of(h, j);
    PT_RETURN(pt_reserve(&r->waits, &r->waits_cap, r->n_waits + 1));
    r->waits[r->n_waits++] = j;
    j->state = JOB_WAITS;
    j->not_before = now + wait;
    if (j->x.retry_after > 0) h->wait_until = fmax(h->wait_until, now + j->x.retry_after * h->o.wait_scale);
    if (wait > 5) pt_log(PT_LOG_INFO, "%s: %s; the next try in %.0f seconds", h->v.name, pt_http_cause_name(j->x.cause), wait);
    return PT_OK;
}

/* What has come back, or has not. */
static pt_status finish(asking *r, job *j)
{
    pt_status rc = PT_OK;
    pt_spending *s = &r->h->spending;
    pt_exchange *x = &j->x;
    pt_str words = {0};
    r->sent--;
    if (x->cause == PT_HTTP_CAUSE_NONE) {
        rc = read_reply(r, j);
        goto done;
    }
    bool unsure = x->cause == PT_HTTP_CAUSE_TIMEOUT || x->cause == PT_HTTP_CAUSE_CUT || x->cause == PT_HTTP_CAUSE_LARGE || x->cause == PT_HTTP_CAUSE_UNREADABLE;
    pt_spending_settle(s, j->most, unsure ? j->likely : (pt_price){0});
    s->unsure += unsure;
    s->failed_tries[x->cause]++;
    if (x->again && j->tries < (int)r->h->o.tries) rc = try_again(r, j);
    else {
        if (x->cause >= PT_HTTP_CAUSE_STATUS) PT_TRY(pt_chat_reply_error(&words, x->reply.text ? x->reply.text : "", x->reply.len));
        else if (x->cause == PT_HTTP_CAUSE_REDIRECT) PT_TRY(pt_str_puts(&words, "the endpoint sends elsewhere, and nothing is sent there: put the right URL at endpoint"));
        else if (x->cause == PT_HTTP_CAUSE_LARGE) PT_TRY(pt_str_printf(&words, "more than %d bytes", PT_REPLY_MOST));
        else PT_TRY(pt_str_puts(&words, x->why));
        rc = fail_job(r, j, x->cause, words.text ? words.text : "", words.len);
    }
done:
    pt_str_free(&words);
    pt_str_free(&x->reply);
    return rc;
}

static pt_status send_job(asking *r, job *j)
{
    http_voice *h = r->h;
    j->x = (pt_exchange){.body = j->body, .bytes = strlen(j->body)};
    PT_RETURN(pt_line_send(h->line, &j->x));
    pt_spending_hold(&h->spending, j->most);
    h->spending.retries += j->tries > 0;
    j->tries++;
    j->state = JOB_SENT;
    r->sent++;
    return PT_OK;
}

/* All that is not under way ends. */
static pt_status end_rest(asking *r, int cause, const char *words)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->jobs[i].twin && (r->jobs[i].state == JOB_FRESH || r->jobs[i].state == JOB_WAITS)) PT_RETURN(fail_job(r, &r->jobs[i], cause, words, strlen(words)));
    r->n_waits = 0;
    r->next = r->n;
    return PT_OK;
}

static pt_status reach_limit(asking *r, const char *bar)
{
    pt_status rc = PT_OK;
    http_voice *h = r->h;
    char *words = NULL, *line = NULL;
    double most = !strcmp(bar, "max_requests") ? h->o.max_requests : !strcmp(bar, "max_tokens") ? h->o.max_tokens : h->o.max_cost;
    PT_TRY(pt_asprintf(&words, "%s: %.15g leaves no room for another request", bar, most));
    PT_TRY(pt_asprintf(&line, "%s: %s; what was answered is kept, and a larger %s goes on from there", h->v.name, words, bar));
    if (!h->v.limit) h->v.limit = line, line = NULL;
    PT_TRY(end_rest(r, PT_HTTP_CAUSE_LIMIT, words));
done:
    free(words);
    free(line);
    return rc;
}

/* The next one to be sent: first of those that have waited, then a fresh one. NULL: none now; *until: when one that waits is due. */
static job *pick(asking *r, double now, double *until)
{
    *until = INFINITY;
    for (size_t i = 0; i < r->n_waits; i++) {
        double due = fmax(r->waits[i]->not_before, r->h->wait_until);
        if (due <= now) return r->waits[i];
        *until = fmin(*until, due);
    }
    while (r->next < r->n && (r->jobs[r->next].state != JOB_FRESH || r->jobs[r->next].twin)) r->next++;
    if (r->next == r->n) return NULL;
    if (r->h->wait_until > now) {
        *until = fmin(*until, r->h->wait_until);
        return NULL;
    }
    return &r->jobs[r->next];
}

static void leave_waits(asking *r, const job *j)
{
    for (size_t i = 0; i < r->n_waits; i++)
        if (r->waits[i] == j) {
            memmove(r->waits + i, r->waits + i + 1, (r->n_waits - i - 1) * sizeof *r->waits);
            r->n_waits--;
            return;
        }
}

/* Sends as many as may be under way. *until: when something is due that waits. */
static pt_status fill(asking *r, double *until)
{
    http_voice *h = r->h;
    *until = INFINITY;
    while (r->sent < (size_t)h->o.concurrency) {
        job *j = pick(r, pt_seconds(), until);
        if (!j) return PT_OK;
        const char *bar = pt_spending_bar(&h->spending, j->most);
        if (bar && r->sent > 0) return PT_OK; /* those under way may take less than they hold */
        if (bar) return reach_limit(r, bar);
        leave_waits(r, j);
        PT_RETURN(send_job(r, j));
    }
    return PT_OK;
}

static pt_status run(asking *r)
{
    for (;;) {
        pt_exchange *x;
        double until;
        if (r->useless >= GIVE_UP_AFTER)
            PT_RETURN(end_rest(r, PT_HTTP_CAUSE_GIVEN_UP, "the endpoint could not be used ten times in a row"));
        PT_RETURN(fill(r, &until));
        if (!r->sent && !r->n_waits && r->next == r->n) return PT_OK;
        double wait = fmin(fmax(until - pt_seconds(), 0), 1);
        PT_RETURN(pt_line_wait(r->h->line, wait, &x));
        if (x) PT_RETURN(finish(r, (job *)((char *)x - offsetof(job, x))));
        tell(r);
    }
}

/* ---- all of it ---- */
static int by_key(const void *a, const void *b)
{
    const job *x = *(job *const *)a, *y = *(job *const *)b;
    int order = memcmp(&x->key, &y->key, sizeof x->key);
    return order ? order : (x->talk > y->talk) - (x->talk < y->talk);
}

/* Who asks what an earlier one asks waits for its answer. */
static pt_status pair_twins(asking *r)
{
    job **order;
    PT_RETURN(pt_alloc0(&order, r->n));
    for (size_t i = 0; i < r->n; i++) order[i] = &r->jobs[i];
    qsort(order, r->n, sizeof *order, by_key);
    for (size_t i = 1; i < r->n; i++) {
        job *first = order[i - 1]->twin ? order[i - 1]->twin : order[i - 1];
        if (!memcmp(&first->key, &order[i]->key, sizeof first->key)) order[i]->twin = first;
    }
    free(order);
    return PT_OK;
}

/* The request as it is sent; of a drawn answer its draw too, which a server that takes no seed is not told. */
static pt_status key_of(const http_voice *h, const pt_talk *t, job *j)
{
    pt_str text = {0};
    pt_status rc = pt_str_puts(&text, j->body);
    if (rc == PT_OK && t->how.temperature > 0) rc = pt_str_printf(&text, "\n%llu %d", (unsigned long long)t->how.seed, t->repeat);
    if (rc == PT_OK) pt_answers_key_text(&j->key, h->v.identity, text.text, text.len);
    pt_str_free(&text);
    return rc;
}

static pt_status prepare(asking *r)
{
    http_voice *h = r->h;
    for (size_t i = 0; i < r->n; i++) {
        job *j = &r->jobs[i];
        size_t bytes;
        j->talk = i;
        if (r->talks[i].how.more) return pt_fail(PT_EARG, "%s: `sampling` is of models here; an endpoint takes temperature, top_p and seed", h->v.name);
        PT_RETURN(pt_chat_request(&j->body, &r->talks[i], &h->o, &bytes));
        PT_RETURN(key_of(h, &r->talks[i], j));
        j->most = (pt_price){(double)(bytes + 8 * r->talks[i].n), r->talks[i].how.max_new_tokens};
        j->likely = (pt_price){guess(bytes) + 4 * (double)r->talks[i].n, r->talks[i].how.max_new_tokens};
    }
    PT_RETURN(pair_twins(r));
    for (size_t i = 0; i < r->n; i++) {
        const pt_reply *known = r->jobs[i].twin ? NULL : pt_answers_find(h->answers, &r->jobs[i].key);
        if (known && known->text) PT_RETURN(take_known(r, &r->jobs[i], known));
    }
    return PT_OK;
}

static pt_status end_twins(asking *r)
{
    for (size_t i = 0; i < r->n; i++) {
        job *j = &r->jobs[i];
        if (!j->twin) continue;
        const pt_said *of = &r->said[j->twin->talk];
        if (of->failure) PT_RETURN(pt_strdup(&r->said[j->talk].failure, of->failure));
        const pt_reply *known = of->failure ? NULL : pt_answers_find(r->h->answers, &j->key);
        if (known) PT_RETURN(take_answer(r, j, known, true));
    }
    return PT_OK;
}

static pt_status ask(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    pt_status rc = PT_OK;
    asking r = {.h = v->of, .talks = talks, .said = said, .n = n, .told = pt_seconds()};
    PT_TRY(pt_alloc0(&r.jobs, n));
    PT_TRY(prepare(&r));
    PT_TRY(run(&r));
    PT_TRY(end_twins(&r));
done:
    for (size_t i = 0; r.jobs && i < n; i++) {
        pt_line_drop(r.h->line, &r.jobs[i].x);
        pt_str_free(&r.jobs[i].x.reply);
        free(r.jobs[i].body);
    }
    free(r.waits);
    free(r.jobs);
    return rc;
}

static pt_status account(const pt_voice *v, json_t **out)
{
    const http_voice *h = v->of;
    PT_RETURN(pt_spending_json(&h->spending, out));
    if (!json_object_set_new(*out, "endpoint", json_string(h->o.endpoint)) && !json_object_set_new(*out, "model", json_string(h->o.model))) return PT_OK;
    json_decref(*out);
    *out = NULL;
    return pt_fail(PT_ENOMEM, "out of memory for what an endpoint has cost");
}

static void close_voice(pt_voice *v)
{
    http_voice *h = v->of;
    pt_line_close(h->line);
    pt_answers_free(h->own);
    free(h->counted);
    if (h->key) explicit_bzero(h->key, strlen(h->key));
    free(h->key);
    pt_http_options_free(&h->o);
    free(v->name);
    free(v->identity);
    free(v->limit);
    free(h);
}

pt_status pt_voice_http(pt_voice **out, const char *name, const pt_http_options *o, const char *api_key, pt_answers *answers)
{
    pt_status rc = PT_OK;
    http_voice *h = NULL;
    *out = NULL;
    PT_TRY(pt_http_check(o));
    PT_CHECK(!o->api_key_env || (api_key && *api_key), PT_EARG, "api_key_env: the environment variable that it names is not set, or is empty");
    if (o->api_key_env) PT_TRY(pt_api_key_check(api_key));
    PT_TRY(pt_alloc0(&h, 1));
    h->v = (pt_voice){.of = h, .ask = ask, .account = account, .close = close_voice};
    PT_TRY(pt_http_options_copy(&h->o, o));
    if (o->api_key_env) PT_TRY(pt_strdup(&h->key, api_key));
    if (!answers) PT_TRY(pt_answers_open(&h->own, NULL));
    h->answers = answers ? answers : h->own;
    h->spending.limits = &h->o;
    PT_TRY(pt_strdup(&h->v.name, name));
    PT_TRY(pt_asprintf(&h->v.identity, "%s at %s", o->model, o->endpoint));
    PT_TRY(pt_line_open(&h->line, &h->o, h->key));
    *out = &h->v;
done:
    if (rc != PT_OK && h) close_voice(&h->v);
    return rc;
}
