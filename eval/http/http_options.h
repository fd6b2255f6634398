/* What a config says of a remote endpoint: an entry of `models` with `endpoint`. One table drives parsing, checks, help and docs; every value comes as a text.
 *
 *     pt_http_options o;  pt_http_options_start(&o);
 *     for each key of the entry but name: pt_http_option(&o, key, value)     a list (stop) is a line for each of its parts
 *     pt_http_check(&o)                                                      after the last one
 *     pt_voice_http(&voice, name, &o, getenv(o.api_key_env), answers)        eval/http/voice_http.h
 *
 * Messages never hold a value that could be a secret: a key in the file, a URL with a password. */
#ifndef PT_EVAL_HTTP_OPTIONS_H
#define PT_EVAL_HTTP_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>

#include "base/entry.h"

typedef struct pt_http_options {
    char *endpoint, *model, *api_key_env, *ca_file, *stop; /* owned; NULL = unset. stop: a line for each */
    char *length_name, *leave_out;                         /* what max_tokens is called; fields that are not sent, a line for each */
    double max_requests, max_tokens, max_cost;             /* of one evaluation, answers kept from before among them; 0 = no limit */
    double price_prompt, price_completion;                 /* of 1,000,000 tokens; -1 = unset */
    double concurrency, tries;
    double connect_timeout, timeout; /* seconds; timeout: of a whole try */
    double backoff, wait_scale;      /* seconds before the second try; all waits are multiplied by wait_scale */
    bool allow_insecure;
} pt_http_options;

/* All keys, in the order of the docs; ends with name NULL. */
extern const pt_entry_key pt_http_keys[];

/* Fallbacks everywhere. */
void pt_http_options_start(pt_http_options *o);
/* Sets one. PT_EARG: no such key, a value that is none, a key that says a secret. */
pt_status pt_http_option(pt_http_options *o, const char *name, const char *value);
/* What must fit together: endpoint and model are there, the URL is http(s) without user, password, query and fragment, prices where max_cost is, a key
 * over plain http only to this machine. PT_EARG. */
pt_status pt_http_check(const pt_http_options *o);
/* A copy of its own. PT_ENOMEM. */
pt_status pt_http_options_copy(pt_http_options *out, const pt_http_options *o);
void pt_http_options_free(pt_http_options *o);
#endif
