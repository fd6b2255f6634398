/* What a remote endpoint has been asked and has cost, and what it still may. Limits hold for one evaluation: answers that it kept from before count with what
 * they took then; an attempt without an answer in a run that was killed is not known any more. */
#ifndef PT_EVAL_SPENDING_H
#define PT_EVAL_SPENDING_H
#include <jansson.h>

#include "eval/http/http_options.h"
#include "base/mem.h"

/* What ended a try, or a request. From 100 on: the HTTP status itself. */
typedef enum pt_http_cause {
    PT_HTTP_CAUSE_NONE,
    PT_HTTP_CAUSE_CONNECTION, /* none could be made */
    PT_HTTP_CAUSE_TLS,        /* a certificate that is not to be trusted, no common protocol */
    PT_HTTP_CAUSE_TIMEOUT,
    PT_HTTP_CAUSE_CUT,        /* the connection ended before the reply did */
    PT_HTTP_CAUSE_LARGE,      /* more than a reply may have */
    PT_HTTP_CAUSE_REDIRECT,
    PT_HTTP_CAUSE_UNREADABLE, /* status 200, and no answer in it */
    PT_HTTP_CAUSE_LIMIT,      /* not sent: a limit of the config is reached */
    PT_HTTP_CAUSE_GIVEN_UP,   /* not sent: the endpoint cannot be used */
    PT_HTTP_CAUSE_STATUS = 100,
    PT_HTTP_CAUSES = 1000
} pt_http_cause;
/* "time-out", "status 429"; valid until the thread's next call. */
const char *pt_http_cause_name(int cause);

/* Tokens and money of one request or of many. */
typedef struct pt_price {
    double prompt, answer; /* tokens */
} pt_price;

typedef struct pt_spending {
    const pt_http_options *limits; /* borrowed */
    double tries, retries, answers, guessed; /* of this run; guessed: answers whose usage was not said */
    double unsure;                           /* tries that failed when they could have been charged: at what they could cost */
    double kept, kept_tries;                 /* answers from before, and the tries that they took */
    pt_price spent, before, held;            /* of this run; of kept answers; of requests under way */
    double in_flight;
    uint32_t failed_tries[PT_HTTP_CAUSES], failures[PT_HTTP_CAUSES];
} pt_spending;

/* The name of the limit that one more request of at most this price would pass; NULL: none. Requests under way count with what they hold. */
const char *pt_spending_bar(const pt_spending *s, pt_price most);
void pt_spending_hold(pt_spending *s, pt_price most);
/* A try that held `most` has ended: it has cost `cost`. */
void pt_spending_settle(pt_spending *s, pt_price most, pt_price cost);
/* In money; 0 without prices. */
double pt_spending_cost(const pt_http_options *o, pt_price p);
/* {"requests", "retries", "answers", "kept", "failed", "failures": {cause: n}, "failed_requests": {cause: n}, "prompt_tokens", "answer_tokens", "estimated",
 * "unsure", "cost": x | null, "kept_requests", "kept_prompt_tokens", "kept_answer_tokens", "kept_cost": x | null}. PT_ENOMEM. */
pt_status pt_spending_json(const pt_spending *s, json_t **out);
#endif
