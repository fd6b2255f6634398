/* What tasks ask of a model, and what it answers. A request is in token ids already: the text that a template or a raw prompt makes of it is
 * settled when it is asked (eval/ask/spell.h), so that equal ids are equal questions whatever task asks them. */
#ifndef PT_EVAL_REQUEST_H
#define PT_EVAL_REQUEST_H
#include "data/text/tokenizer.h"

typedef enum pt_ask {
    PT_ASK_LOGP,  /* sum over i in [from, to) of log p(ids[i] | ids[0 .. i-1]), nats */
    PT_ASK_SCORE, /* of the scalar head at token `from` */
    PT_ASK_TEXT   /* what is generated behind ids */
} pt_ask;

/* How a text is generated. temperature 0 = greedy: then neither seed nor top_p matter. */
typedef struct pt_sampling {
    int max_new_tokens;
    float temperature, top_p; /* top_p 1 = off */
    uint64_t seed;
    const char *more; /* lent while it is asked: lines NAME=VALUE of other samplers (eval/ask/sampling.h); NULL: none */
} pt_sampling;

/* Constraints of an answer (data/constrain): a JSON schema, a regular expression, a JSON list of texts. */
#define PT_CONSTRAINT_SCHEMA "json_schema "
#define PT_CONSTRAINT_REGEX "regex "
#define PT_CONSTRAINT_CHOICES "choices "

typedef struct pt_request {
    pt_ask ask;
    int32_t *ids; /* [n], owned */
    int32_t n, from, to;
    pt_sampling sampling; /* TEXT */
    char *constraint;     /* TEXT, owned: what the answer must be, one of the three below and what it is; NULL: anything */
    int repeat;           /* TEXT, sampled: the same question once more has another number, and another answer */
} pt_request;

typedef struct pt_requests {
    pt_request *list;
    size_t n, cap;
} pt_requests;
void pt_requests_free(pt_requests *q);

typedef struct pt_reply {
    double value;   /* LOGP, SCORE */
    int32_t tokens; /* LOGP: to - from; TEXT: how many were generated */
    char *text;     /* TEXT: owned */
    bool stopped;   /* TEXT: it ended by itself */
    int32_t near;   /* TEXT: tokens chosen at a near tie, where that was counted (several ranks) */
    int32_t prompt, tries; /* TEXT of a remote endpoint: tokens of what was asked, and the requests that it took */
    bool guessed;          /* its tokens are estimates: the endpoint does not say */
} pt_reply;
void pt_replies_free(pt_reply *r, size_t n); /* and the list itself */
#endif
