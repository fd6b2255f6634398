#include "eval/http/exchange.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/file.h"
#include "eval/http/chat_reply.h"

struct pt_line {
    CURLM *multi;
    struct curl_slist *headers;
    const pt_http_options *o;
    char *url;
};

static CURLcode started;
static void start(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static pt_status add_header(pt_line *l, const char *text)
{
    struct curl_slist *more = curl_slist_append(l->headers, text);
    if (!more) return pt_fail(PT_ENOMEM, "out of memory for a request");
    l->headers = more;
    return PT_OK;
}

pt_status pt_line_open(pt_line **out, const pt_http_options *o, const char *key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pt_status rc = PT_OK;
    pt_line *l = NULL;
    char *bearer = NULL;
    *out = NULL;
    pthread_once(&once, start);
    PT_CHECK(!started, PT_EINTERNAL, "libcurl does not start: %s", curl_easy_strerror(started));
    if (o->ca_file) {
        pt_map ca;
        PT_TRY(pt_map_open(&ca, o->ca_file));
        pt_map_close(&ca);
    }
    PT_TRY(pt_alloc0(&l, 1));
    l->o = o;
    l->multi = curl_multi_init();
    PT_CHECK(l->multi, PT_ENOMEM, "out of memory for libcurl");
    size_t n = strlen(o->endpoint);
    while (n && o->endpoint[n - 1] == '/') n--;
    PT_TRY(pt_asprintf(&l->url, "%.*s/chat/completions", (int)n, o->endpoint));
    PT_TRY(add_header(l, "Content-Type: application/json"));
    PT_TRY(add_header(l, "Accept: application/json"));
    PT_TRY(add_header(l, "Expect:"));
    if (key) {
        PT_TRY(pt_asprintf(&bearer, "Authorization: Bearer %s", key));
        PT_TRY(add_header(l, bearer));
    }
    *out = l;
done:
    free(bearer);
    if (rc != PT_OK) pt_line_close(l);
    return rc;
}

void pt_line_close(pt_line *l)
{
    if (!l) return;
    curl_multi_cleanup(l->multi);
    curl_slist_free_all(l->headers);
    free(l->url);
    free(l);
}

void pt_line_drop(pt_line *l, pt_exchange *x)
{
    if (!x->easy) return;
    curl_multi_remove_handle(l->multi, x->easy);
    curl_easy_cleanup(x->easy);
    x->easy = NULL;
}

static size_t take_head(char *text, size_t size, size_t n, void *user)
{
    static const char name[] = "retry-after:";
    pt_exchange *x = user;
    n *= size;
    x->head += n;
    if (x->head > PT_HEAD_MOST) {
        x->large = true;
        return 0;
    }
    if (n >= 5 && !memcmp(text, "HTTP/", 5)) x->head_done = false; /* an interim reply's head may stand before it, trailers behind it */
    else if (n && (text[0] == '\r' || text[0] == '\n')) x->head_done = true;
    if (n <= sizeof name || n > 120 || strncasecmp(text, name, sizeof name - 1)) return n;
    char value[128];
    size_t from = sizeof name - 1, k = n;
    while (from < k && (text[from] == ' ' || text[from] == '\t')) from++;
    while (k > from && strchr(" \t\r\n", text[k - 1])) k--;
    memcpy(value, text + from, k - from);
    value[k - from] = 0;
    x->retry_after = pt_retry_after(value, time(NULL));
    return n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    pt_exchange *x = user;
    n *= size;
    x->large = x->reply.len + n > PT_REPLY_MOST;
    x->no_memory = !x->large && pt_str_add(&x->reply, bytes, n) != PT_OK;
    return x->large || x->no_memory ? 0 : n;
}

/* libcurl's varargs want exact types: L for long ones. */
static CURLcode set_up(CURL *e, const pt_line *l, pt_exchange *x)
{
    const pt_http_options *o = l->o;
    CURLcode c = CURLE_OK;
#define SET(option, value) (c = c ? c : curl_easy_setopt(e, CURLOPT_##option, value))
    SET(URL, l->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(PROTOCOLS_STR, "http,https");
#else
    SET(PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(PROXY, "");
    SET(FOLLOWLOCATION, 0L);
    SET(SSL_VERIFYPEER, 1L);
    SET(SSL_VERIFYHOST, 2L);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file) SET(CAINFO, o->ca_file);
    /* A connection that is used again and found closed is opened anew by libcurl, and the request sent again, unseen by us: each has its own. */
    SET(FORBID_REUSE, 1L);
    SET(FRESH_CONNECT, 1L);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(NOSIGNAL, 1L);
    SET(CONNECTTIMEOUT_MS, (long)(o->connect_timeout * 1000 + 0.5));
    SET(TIMEOUT_MS, (long)(o->timeout * 1000 + 0.5));
    SET(USERAGENT, "ptrain");
    SET(HTTPHEADER, l->headers);
    SET(POST, 1L);
    SET(POSTFIELDSIZE_LARGE, (curl_off_t)x->bytes);
    SET(POSTFIELDS, x->body);
    SET(HEADERFUNCTION, take_head);
    SET(HEADERDATA, x);
    SET(WRITEFUNCTION, take_body);
    SET(WRITEDATA, x);
    SET(ERRORBUFFER, x->why);
    SET(PRIVATE, x);
#undef SET
    return c;
}

pt_status pt_line_send(pt_line *l, pt_exchange *x)
{
    CURL *e = curl_easy_init();
    *x = (pt_exchange){.body = x->body, .bytes = x->bytes, .retry_after = -1, .easy = e};
    CURLcode c = e ? set_up(e, l, x) : CURLE_OUT_OF_MEMORY;
    if (!c && !curl_multi_add_handle(l->multi, e)) return PT_OK;
    curl_easy_cleanup(e);
    x->easy = NULL;
    return c && c != CURLE_OUT_OF_MEMORY ? pt_fail(PT_EINTERNAL, "libcurl takes no request: %s", curl_easy_strerror(c)) : pt_fail(PT_ENOMEM, "out of memory for a request");
}

static void judge_status(pt_exchange *x, long status)
{
    if (!x->head_done) x->cause = PT_HTTP_CAUSE_CUT;
    else if (status == 200) x->cause = PT_HTTP_CAUSE_NONE;
    else if (status >= 300 && status < 400) x->cause = PT_HTTP_CAUSE_REDIRECT;
    else x->cause = status >= PT_HTTP_CAUSE_STATUS && status < PT_HTTP_CAUSES ? (int)status : PT_HTTP_CAUSE_UNREADABLE;
    x->again = x->cause == PT_HTTP_CAUSE_CUT || status == 408 || status == 429 || (status >= 500 && status < 600);
}

static void judge(pt_exchange *x, CURLcode c, long status)
{
    switch (c) {
    case CURLE_OK: judge_status(x, status); return;
    case CURLE_OPERATION_TIMEDOUT: x->cause = PT_HTTP_CAUSE_TIMEOUT; break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: x->cause = PT_HTTP_CAUSE_CONNECTION; break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE: x->cause = PT_HTTP_CAUSE_CUT; break;
    case CURLE_SSL_CONNECT_ERROR: x->cause = PT_HTTP_CAUSE_TLS; break; /* perhaps cut in the middle of the handshake */
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER: x->cause = PT_HTTP_CAUSE_TLS; return;
    default: x->cause = x->large ? PT_HTTP_CAUSE_LARGE : PT_HTTP_CAUSE_UNREADABLE; return;
    }
    x->again = true;
}

pt_status pt_line_wait(pt_line *l, double seconds, pt_exchange **done)
{
    int running, left;
    CURLMsg *m;
    *done = NULL;
    CURLMcode c = curl_multi_perform(l->multi, &running);
    m = c ? NULL : curl_multi_info_read(l->multi, &left);
    if (!c && !m) {
        c = curl_multi_poll(l->multi, NULL, 0, (int)(seconds * 1000) + 1, NULL);
        if (!c) c = curl_multi_perform(l->multi, &running);
        m = c ? NULL : curl_multi_info_read(l->multi, &left);
    }
    if (c == CURLM_OUT_OF_MEMORY) return pt_fail(PT_ENOMEM, "out of memory for requests");
    if (c) return pt_fail(PT_EINTERNAL, "libcurl: %s", curl_multi_strerror(c));
    if (!m) return PT_OK;
    CURL *e = m->easy_handle;
    CURLcode how = m->data.result;
    pt_exchange *x = NULL;
    long status = 0;
    curl_easy_getinfo(e, CURLINFO_PRIVATE, (char **)&x);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    judge(x, how, status);
    if (how && !x->why[0]) snprintf(x->why, sizeof x->why, "%s", curl_easy_strerror(how));
    curl_multi_remove_handle(l->multi, e);
    curl_easy_cleanup(e);
    x->easy = NULL;
    if (x->no_memory || how == CURLE_OUT_OF_MEMORY) return pt_fail(PT_ENOMEM, "out of memory for a reply");
    *done = x;
    return PT_OK;
}

void pt_line_library(char out[PT_LIBRARY_NAME])
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    snprintf(out, PT_LIBRARY_NAME, "libcurl %s (%s)", v->version, v->ssl_version ? v->ssl_version : "no TLS");
}
