/* POST requests under way with one endpoint, several at once, over libcurl. What comes back is bounded in size and time, redirects are not followed, certificates
 * are verified, proxies of the environment are not used. Single-threaded: nothing moves but in pt_line_wait. */
#ifndef PT_EVAL_EXCHANGE_H
#define PT_EVAL_EXCHANGE_H
#include "base/mem.h"
#include "base/version.h"
#include "eval/http/http_options.h"
#include "eval/http/spending.h"

enum { PT_REPLY_MOST = 1 << 20, PT_HEAD_MOST = 1 << 16 };

typedef struct pt_exchange {
    const char *body; /* borrowed, JSON */
    size_t bytes;
    /* Once it is done: */
    int cause;          /* PT_HTTP_CAUSE_NONE: status 200 and a whole reply */
    bool again;         /* what another try may mend */
    pt_str reply;       /* owned: the caller frees it; with other statuses too */
    double retry_after; /* seconds, as the header asks for; -1: it does not */
    char why[256];      /* in libcurl's words; without the key, which no URL holds */
    /* Its own: */
    void *easy;
    size_t head;
    bool head_done, large, no_memory;
} pt_exchange;

typedef struct pt_line pt_line;
/* key NULL: none is sent. Options are borrowed. PT_EIO: no such ca_file; PT_ENOMEM. */
pt_status pt_line_open(pt_line **out, const pt_http_options *o, const char *key);
/* After what was under way has been dropped. NULL-safe. */
void pt_line_close(pt_line *l);
/* Ends it, where it is under way; its reply stays the caller's. */
void pt_line_drop(pt_line *l, pt_exchange *x);
/* Begins; x stays where it is until it is done or dropped. */
pt_status pt_line_send(pt_line *l, pt_exchange *x);
/* The next one that is done, waiting `seconds` at most; NULL: none yet. PT_ENOMEM. */
pt_status pt_line_wait(pt_line *l, double seconds, pt_exchange **done);
/* What sends (base/version.h). */
void pt_line_library(char out[PT_LIBRARY_NAME]);
#endif
