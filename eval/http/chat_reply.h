/* What a chat/completions endpoint sends back, read strictly. */
#ifndef PT_EVAL_CHAT_REPLY_H
#define PT_EVAL_CHAT_REPLY_H
#include <time.h>

#include "base/mem.h"

typedef struct pt_chat_reply {
    char *text;              /* owned; may be empty */
    bool stopped;            /* finish_reason is stop */
    int64_t prompt, answer;  /* tokens as usage says; -1: it does not, or nothing that can be */
} pt_chat_reply;

/* {"choices": [{"message": {"content": TEXT}, "finish_reason": TEXT or absent}, ...], "usage": {"prompt_tokens": N, "completion_tokens": N} or absent};
 * whatever else there is counts for nothing. PT_EFORMAT says what is not so, without words of the server's;
 * PT_ENOMEM. */
pt_status pt_chat_reply_read(pt_chat_reply *out, const char *body, size_t n);
/* Appends the server's own words on an error, as they came: error.message, error, message or detail of an object, else the body. */
pt_status pt_chat_reply_error(pt_str *out, const char *body, size_t n);

enum { PT_RETRY_AFTER_MOST = 300 };
/* Seconds that a Retry-After header asks for, of its two forms (seconds; an HTTP date), 0 to PT_RETRY_AFTER_MOST; -1: neither. */
double pt_retry_after(const char *value, time_t now);
#endif
