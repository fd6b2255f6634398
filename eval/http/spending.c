#include "eval/http/spending.h"

#include <stdio.h>

const char *pt_http_cause_name(int cause)
{
    static const char *const names[] = {[PT_HTTP_CAUSE_NONE] = "none", [PT_HTTP_CAUSE_CONNECTION] = "connection", [PT_HTTP_CAUSE_TLS] = "tls", [PT_HTTP_CAUSE_TIMEOUT] = "timeout", [PT_HTTP_CAUSE_CUT] = "cut off",
                                        [PT_HTTP_CAUSE_LARGE] = "too large", [PT_HTTP_CAUSE_REDIRECT] = "redirect", [PT_HTTP_CAUSE_UNREADABLE] = "unreadable", [PT_HTTP_CAUSE_LIMIT] = "limit",
                                        [PT_HTTP_CAUSE_GIVEN_UP] = "given up"};
    static _Thread_local char status[32];
    if (cause < PT_HTTP_CAUSE_STATUS) return names[cause];
    snprintf(status, sizeof status, "status %d", cause);
    return status;
}

double pt_spending_cost(const pt_http_options *o, pt_price p)
{
    return o->price_prompt < 0 ? 0 : (p.prompt * o->price_prompt + p.answer * o->price_completion) / 1e6;
}

const char *pt_spending_bar(const pt_spending *s, pt_price most)
{
    const pt_http_options *o = s->limits;
    pt_price all = {s->spent.prompt + s->before.prompt + s->held.prompt + most.prompt, s->spent.answer + s->before.answer + s->held.answer + most.answer};
    if (o->max_requests > 0 && s->tries + s->kept_tries + 1 > o->max_requests) return "max_requests";
    if (o->max_tokens > 0 && all.prompt + all.answer > o->max_tokens) return "max_tokens";
    if (o->max_cost > 0 && pt_spending_cost(o, all) > o->max_cost * (1 + 1e-12)) return "max_cost";
    return NULL;
}

void pt_spending_hold(pt_spending *s, pt_price most)
{
    s->tries++;
    s->in_flight++;
    s->held.prompt += most.prompt;
    s->held.answer += most.answer;
}

void pt_spending_settle(pt_spending *s, pt_price most, pt_price cost)
{
    s->in_flight--;
    s->held.prompt -= most.prompt;
    s->held.answer -= most.answer;
    s->spent.prompt += cost.prompt;
    s->spent.answer += cost.answer;
}

static json_t *counts(const uint32_t n[PT_HTTP_CAUSES], json_int_t *sum)
{
    json_t *o = json_object();
    *sum = 0;
    for (int c = 0; o && c < PT_HTTP_CAUSES; c++) {
        if (!n[c]) continue;
        *sum += n[c];
        if (!json_object_set_new(o, pt_http_cause_name(c), json_integer(n[c]))) continue;
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *money(const pt_http_options *o, pt_price p)
{
    return o->price_prompt < 0 ? json_null() : json_real(pt_spending_cost(o, p));
}

pt_status pt_spending_json(const pt_spending *s, json_t **out)
{
    const pt_http_options *o = s->limits;
    json_int_t failed, failed_tries;
    json_t *failures = counts(s->failures, &failed), *tries = counts(s->failed_tries, &failed_tries);
    *out = json_pack("{sI sI sI sI sI so* so* sI sI sI sI so sI sI sI so}", "requests", (json_int_t)s->tries, "retries", (json_int_t)s->retries, "answers", (json_int_t)s->answers,
                     "kept", (json_int_t)s->kept, "failed", failed, "failures", failures, "failed_requests", tries, "prompt_tokens", (json_int_t)s->spent.prompt, "answer_tokens",
                     (json_int_t)s->spent.answer, "estimated", (json_int_t)s->guessed, "unsure", (json_int_t)s->unsure, "cost", money(o, s->spent), "kept_requests",
                     (json_int_t)s->kept_tries, "kept_prompt_tokens", (json_int_t)s->before.prompt, "kept_answer_tokens", (json_int_t)s->before.answer, "kept_cost", money(o, s->before));
    return *out && failures && tries ? PT_OK : (json_decref(*out), *out = NULL, pt_fail(PT_ENOMEM, "out of memory for what an endpoint has cost"));
}
