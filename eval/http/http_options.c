#include "eval/http/http_options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define AT(field) offsetof(pt_http_options, field)
const pt_http_key pt_http_keys[] = {
    {"endpoint", PT_HTTP_TEXT, NULL, 0, 0, AT(endpoint), "where an OpenAI-compatible server answers, such as http://127.0.0.1:8000/v1: /chat/completions is put behind it. No user, password or query"},
    {"model", PT_HTTP_TEXT, NULL, 0, 0, AT(model), "the model's name as that server knows it"},
    {"api_key_env", PT_HTTP_TEXT, NULL, 0, 0, AT(api_key_env), "name of the environment variable that holds the API key; unset: none is sent. The key itself belongs into no file"},
    {"max_requests", PT_HTTP_WHOLE, NULL, 1, 1e12, AT(max_requests), "requests at most, repeated tries among them; then the rest fails by name, the exit code is 1, and a larger limit goes on from there"},
    {"max_tokens", PT_HTTP_WHOLE, NULL, 1, 1e15, AT(max_tokens), "tokens at most, of questions and answers; a request first reserves its prompt and its longest answer"},
    {"max_cost", PT_HTTP_NUMBER, NULL, 1e-9, 1e9, AT(max_cost), "cost at most, in the currency of the prices"},
    {"price_prompt", PT_HTTP_NUMBER, NULL, 0, 1e9, AT(price_prompt), "price of 1,000,000 tokens of questions"},
    {"price_completion", PT_HTTP_NUMBER, NULL, 0, 1e9, AT(price_completion), "price of 1,000,000 tokens of answers"},
    {"concurrency", PT_HTTP_WHOLE, "4", 1, 256, AT(concurrency), "requests under way at once"},
    {"tries", PT_HTTP_WHOLE, "5", 1, 5, AT(tries), "tries of a request: after status 408, 429 and 5xx, a time-out, a connection that fails or is cut"},
    {"connect_timeout", PT_HTTP_NUMBER, "10", 0.001, 600, AT(connect_timeout), "seconds for a connection"},
    {"timeout", PT_HTTP_NUMBER, "120", 0.001, 3600, AT(timeout), "seconds for a whole try"},
    {"backoff", PT_HTTP_NUMBER, "1", 0, 60, AT(backoff), "seconds before the second try, twice as many before each further one, half of it by chance; a server's Retry-After counts where it is longer, up to 5 minutes"},
    {"wait_scale", PT_HTTP_NUMBER, "1", 0, 1, AT(wait_scale), "for tests: all those waits are multiplied by it"},
    {"stop", PT_HTTP_LIST, NULL, 0, 0, AT(stop), "texts that end an answer, 4 at most"},
    {"length_name", PT_HTTP_TEXT, "max_tokens", 0, 0, AT(length_name), "what the longest answer is called in a request: max_tokens, or max_completion_tokens of servers that refuse that"},
    {"leave_out", PT_HTTP_LIST, NULL, 0, 0, AT(leave_out), "what is not sent, for servers that refuse it: temperature, top_p, seed"},
    {"ca_file", PT_HTTP_FILE, NULL, 0, 0, AT(ca_file), "certificates to trust in the place of the system's, as one PEM file; certificates are always verified"},
    {"allow_insecure", PT_HTTP_FLAG, "false", 0, 0, AT(allow_insecure), "a key may go over plain http to another machine"},
    {.name = NULL},
};

/* What people call a key: refused with where it belongs. */
static const char *const secrets[] = {"api_key", "apikey", "api-key", "key", "token", "api_token", "auth", "authorization", "bearer", "headers", "password", "secret", NULL};

const pt_http_key *pt_http_key_of(const char *name)
{
    for (const pt_http_key *k = pt_http_keys; k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

void pt_http_options_start(pt_http_options *o)
{
    *o = (pt_http_options){.price_prompt = -1, .price_completion = -1};
    for (const pt_http_key *k = pt_http_keys; k->name; k++)
        if (k->fallback && (k->kind == PT_HTTP_NUMBER || k->kind == PT_HTTP_WHOLE)) *(double *)((char *)o + k->at) = strtod(k->fallback, NULL);
}

static pt_status set_number(const pt_http_key *k, const char *value, double *out)
{
    char *end;
    errno = 0;
    double x = strtod(value, &end);
    if (!*value || isspace((unsigned char)*value) || *end || !isfinite(x) || (k->kind == PT_HTTP_WHOLE && x != floor(x)))
        return pt_fail(PT_EARG, "%s: '%.40s' is no %s", k->name, value, k->kind == PT_HTTP_WHOLE ? "whole number" : "number");
    if (x < k->min || x > k->max) return pt_fail(PT_EARG, "%s: %.40s is outside %.15g to %.15g", k->name, value, k->min, k->max);
    *out = x;
    return PT_OK;
}

static pt_status set_text(const pt_http_key *k, const char *value, char **out)
{
    size_t lines = 1;
    if (!*value) return pt_fail(PT_EARG, "%s: is empty", k->name);
    for (const char *c = value; *c; c++) {
        if (k->kind == PT_HTTP_LIST) lines += *c == '\n';
        else if ((unsigned char)*c < 0x20 || *c == 0x7f) return pt_fail(PT_EARG, "%s: holds a control character", k->name);
    }
    if (lines > 4) return pt_fail(PT_EARG, "%s: %zu texts; a request has room for 4", k->name, lines);
    free(*out);
    *out = NULL;
    return pt_strdup(out, value);
}

pt_status pt_http_option(pt_http_options *o, const char *name, const char *value)
{
    const pt_http_key *k = pt_http_key_of(name);
    for (size_t i = 0; !k && secrets[i]; i++)
        if (!strcasecmp(name, secrets[i]))
            return pt_fail(PT_EARG, "%s: an API key belongs into no file and on no command line: put it into an environment variable, and that variable's name at api_key_env", secrets[i]);
    if (!k) return pt_fail(PT_EARG, "'%.60s' is no key of a model with an endpoint", name);
    void *at = (char *)o + k->at;
    switch (k->kind) {
    case PT_HTTP_NUMBER:
    case PT_HTTP_WHOLE: return set_number(k, value, at);
    case PT_HTTP_FLAG:
        if (strcmp(value, "true") && strcmp(value, "false")) return pt_fail(PT_EARG, "%s: true or false, not '%.40s'", k->name, value);
        *(bool *)at = *value == 't';
        return PT_OK;
    default: return set_text(k, value, at);
    }
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[64];
    size_t n = strlen(host);
    if (!strcasecmp(host, "localhost")) return true;
    if (inet_pton(AF_INET, host, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    if (*host != '[' || n >= sizeof bare) return false;
    memcpy(bare, host + 1, n - 2);
    bare[n - 2] = 0;
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool url_has(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

/* The URL is not said again: who writes a password into it is told without it. */
static pt_status check_url(const pt_http_options *o)
{
    pt_status rc = PT_OK;
    char *scheme = NULL, *host = NULL;
    const char *slashes = strstr(o->endpoint, "://");
    CURLU *u = curl_url();
    PT_CHECK(u, PT_ENOMEM, "out of memory for a URL");
    PT_CHECK(!strchr(o->endpoint, '?') && !strchr(o->endpoint, '#') && !strchr(o->endpoint, ' '), PT_EARG,
             "endpoint: a URL without ?, # and spaces: what stands behind a ? is often a secret, and no file may hold one");
    PT_CHECK(slashes, PT_EARG, "endpoint: a whole URL, such as http://127.0.0.1:8000/v1");
    PT_CHECK(!strchr(o->endpoint, '@'), PT_EARG, "endpoint: a URL without user and password (no @): a key comes by api_key_env");
    PT_CHECK(!strncasecmp(o->endpoint, "http://", 7) || !strncasecmp(o->endpoint, "https://", 8), PT_EARG, "endpoint: http:// or https://, nothing else");
    PT_CHECK(curl_url_set(u, CURLUPART_URL, o->endpoint, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host &&
                 curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK,
             PT_EARG, "endpoint: is no URL that can be used");
    PT_CHECK(!url_has(u, CURLUPART_USER) && !url_has(u, CURLUPART_PASSWORD) && !url_has(u, CURLUPART_QUERY), PT_EARG, "endpoint: a URL without user, password and query");
    PT_CHECK(!o->api_key_env || o->allow_insecure || !strcasecmp(scheme, "https") || is_loopback(host), PT_EARG,
             "endpoint: a key goes over plain http to this machine alone: use https, or say allow_insecure: true");
done:
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return rc;
}

/* A key that was put where the name of its variable belongs is not said again. */
static bool is_variable(const char *name)
{
    if (isdigit((unsigned char)*name) || strlen(name) > 64) return false;
    for (; *name; name++)
        if (!isupper((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '_') return false;
    return true;
}

static pt_status check_left_out(const char *lines)
{
    static const char *const known[] = {"temperature", "top_p", "seed"};
    for (const char *at = lines; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        size_t n = strcspn(at, "\n"), k = 0;
        while (k < 3 && (strlen(known[k]) != n || strncmp(at, known[k], n))) k++;
        if (k == 3) return pt_fail(PT_EARG, "leave_out: temperature, top_p or seed, not '%.*s'", (int)(n < 40 ? n : 40), at);
    }
    return PT_OK;
}

pt_status pt_http_check(const pt_http_options *o)
{
    if (!o->endpoint) return pt_fail(PT_EARG, "endpoint is missing");
    if (!o->model) return pt_fail(PT_EARG, "model is missing: the name by which the endpoint knows it");
    if (o->api_key_env && !is_variable(o->api_key_env))
        return pt_fail(PT_EARG, "api_key_env: the NAME of an environment variable (capital letters, digits, _), not the key itself");
    if (o->length_name && strcmp(o->length_name, "max_tokens") && strcmp(o->length_name, "max_completion_tokens"))
        return pt_fail(PT_EARG, "length_name: max_tokens or max_completion_tokens, not '%.40s'", o->length_name);
    PT_RETURN(check_left_out(o->leave_out));
    if ((o->price_prompt < 0) != (o->price_completion < 0)) return pt_fail(PT_EARG, "price_prompt and price_completion stand together; 0 is a price");
    if (o->max_cost > 0 && o->price_prompt < 0) return pt_fail(PT_EARG, "max_cost needs price_prompt and price_completion");
    return check_url(o);
}

pt_status pt_http_options_copy(pt_http_options *out, const pt_http_options *o)
{
    *out = *o;
    out->endpoint = out->model = out->api_key_env = out->ca_file = out->stop = out->length_name = out->leave_out = NULL;
    for (const pt_http_key *k = pt_http_keys; k->name; k++) {
        const char *text = k->kind == PT_HTTP_TEXT || k->kind == PT_HTTP_FILE || k->kind == PT_HTTP_LIST ? *(char *const *)((const char *)o + k->at) : NULL;
        pt_status rc = text ? pt_strdup((char **)((char *)out + k->at), text) : PT_OK;
        if (rc == PT_OK) continue;
        pt_http_options_free(out);
        return rc;
    }
    return PT_OK;
}

void pt_http_options_free(pt_http_options *o)
{
    free(o->endpoint);
    free(o->model);
    free(o->api_key_env);
    free(o->ca_file);
    free(o->stop);
    free(o->length_name);
    free(o->leave_out);
    *o = (pt_http_options){0};
}
