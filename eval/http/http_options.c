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

/* In the order of `places`. */
const pt_entry_key pt_http_keys[] = {
    {.name = "endpoint", .kind = PT_ENTRY_TEXT,
     .help = "Where an OpenAI-compatible server answers, such as http://127.0.0.1:8000/v1: /chat/completions is put behind it. No user, password or query."},
    {.name = "model", .kind = PT_ENTRY_TEXT, .help = "The model's name as that server knows it."},
    {.name = "api_key_env", .kind = PT_ENTRY_TEXT, .help = "Name of the environment variable that holds the API key; unset: none is sent. The key itself belongs into no file."},
    {.name = "max_requests", .kind = PT_ENTRY_WHOLE, .min = 1, .max = 1e12,
     .help = "Requests at most, repeated tries among them; then the rest fails by name, the exit code is 1, and a larger limit goes on from there."},
    {.name = "max_tokens", .kind = PT_ENTRY_WHOLE, .min = 1, .max = 1e15, .help = "Tokens at most, of questions and answers; a request first reserves its prompt and its longest answer."},
    {.name = "max_cost", .kind = PT_ENTRY_NUMBER, .min = 1e-9, .max = 1e9, .help = "Cost at most, in the currency of the prices."},
    {.name = "price_prompt", .kind = PT_ENTRY_NUMBER, .min = 0, .max = 1e9, .help = "Price of 1,000,000 tokens of questions."},
    {.name = "price_completion", .kind = PT_ENTRY_NUMBER, .min = 0, .max = 1e9, .help = "Price of 1,000,000 tokens of answers."},
    {.name = "concurrency", .kind = PT_ENTRY_WHOLE, .fallback = "4", .min = 1, .max = 256, .help = "Requests under way at once."},
    {.name = "tries", .kind = PT_ENTRY_WHOLE, .fallback = "5", .min = 1, .max = 5, .help = "Tries of a request: after status 408, 429 and 5xx, a time-out, a connection that fails or is cut."},
    {.name = "connect_timeout", .kind = PT_ENTRY_NUMBER, .fallback = "10", .min = 0.001, .max = 600, .help = "Seconds for a connection."},
    {.name = "timeout", .kind = PT_ENTRY_NUMBER, .fallback = "120", .min = 0.001, .max = 3600, .help = "Seconds for a whole try."},
    {.name = "backoff", .kind = PT_ENTRY_NUMBER, .fallback = "1", .min = 0, .max = 60,
     .help = "Seconds before the second try, twice as many before each further one, half of it by chance; a server's Retry-After counts where it is longer, up to 5 minutes."},
    {.name = "wait_scale", .kind = PT_ENTRY_NUMBER, .fallback = "1", .min = 0, .max = 1, .help = "For tests: all those waits are multiplied by it."},
    {.name = "stop", .kind = PT_ENTRY_LIST, .help = "Texts that end an answer, 4 at most."},
    {.name = "length_name", .kind = PT_ENTRY_TEXT, .fallback = "max_tokens",
     .help = "What the longest answer is called in a request: max_tokens, or max_completion_tokens of servers that refuse that."},
    {.name = "leave_out", .kind = PT_ENTRY_LIST, .help = "What is not sent, for servers that refuse it: temperature, top_p, seed."},
    {.name = "ca_file", .kind = PT_ENTRY_FILE, .help = "Certificates to trust in the place of the system's, as one PEM file; certificates are always verified."},
    {.name = "allow_insecure", .kind = PT_ENTRY_FLAG, .fallback = "false", .help = "A key may go over plain http to another machine."},
    {.name = NULL},
};

#define AT(field) offsetof(pt_http_options, field)
static const size_t places[] = {AT(endpoint), AT(model), AT(api_key_env), AT(max_requests), AT(max_tokens), AT(max_cost), AT(price_prompt),
                                AT(price_completion), AT(concurrency), AT(tries), AT(connect_timeout), AT(timeout), AT(backoff), AT(wait_scale),
                                AT(stop), AT(length_name), AT(leave_out), AT(ca_file), AT(allow_insecure)};
_Static_assert(sizeof places / sizeof *places + 1 == sizeof pt_http_keys / sizeof *pt_http_keys, "a place for each key");

static void *place_of(pt_http_options *o, const pt_entry_key *k)
{
    return (char *)o + places[k - pt_http_keys];
}

/* What people call a key: refused with where it belongs. */
static const char *const secrets[] = {"api_key", "apikey", "api-key", "key", "token", "api_token", "auth", "authorization", "bearer", "headers", "password", "secret", NULL};

void pt_http_options_start(pt_http_options *o)
{
    *o = (pt_http_options){.price_prompt = -1, .price_completion = -1};
    for (const pt_entry_key *k = pt_http_keys; k->name; k++)
        if (k->fallback && (k->kind == PT_ENTRY_NUMBER || k->kind == PT_ENTRY_WHOLE)) *(double *)place_of(o, k) = strtod(k->fallback, NULL);
}

static pt_status set_number(const pt_entry_key *k, const char *value, double *out)
{
    char *end;
    errno = 0;
    double x = strtod(value, &end);
    if (!*value || isspace((unsigned char)*value) || *end || !isfinite(x) || (k->kind == PT_ENTRY_WHOLE && x != floor(x)))
        return pt_fail(PT_EARG, "%s: '%.40s' is no %s", k->name, value, k->kind == PT_ENTRY_WHOLE ? "whole number" : "number");
    if (x < k->min || x > k->max) return pt_fail(PT_EARG, "%s: %.40s is outside %.15g to %.15g", k->name, value, k->min, k->max);
    *out = x;
    return PT_OK;
}

static pt_status set_text(const pt_entry_key *k, const char *value, char **out)
{
    size_t lines = 1, n = strlen(value);
    if (k->kind == PT_ENTRY_LIST && n && value[n - 1] == '\n') n--; /* a line for each of its parts, the last one's end among them or not */
    if (!n) return pt_fail(PT_EARG, "%s: is empty", k->name);
    for (const char *c = value; c < value + n; c++) {
        if (k->kind == PT_ENTRY_LIST) lines += *c == '\n';
        else if ((unsigned char)*c < 0x20 || *c == 0x7f) return pt_fail(PT_EARG, "%s: holds a control character", k->name);
    }
    if (lines > 4) return pt_fail(PT_EARG, "%s: %zu texts; a request has room for 4", k->name, lines);
    free(*out);
    *out = NULL;
    return pt_strndup(out, value, n);
}

pt_status pt_http_option(pt_http_options *o, const char *name, const char *value)
{
    const pt_entry_key *k = pt_entry_key_of(pt_http_keys, name);
    for (size_t i = 0; !k && secrets[i]; i++)
        if (!strcasecmp(name, secrets[i]))
            return pt_fail(PT_EARG, "%s: an API key belongs into no file and on no command line: put it into an environment variable, and that variable's name at api_key_env", secrets[i]);
    if (!k) return pt_fail(PT_EARG, "'%.60s' is no key of a model with an endpoint", name);
    void *at = place_of(o, k);
    switch (k->kind) {
    case PT_ENTRY_NUMBER:
    case PT_ENTRY_WHOLE: return set_number(k, value, at);
    case PT_ENTRY_FLAG:
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
    for (const pt_entry_key *k = pt_http_keys; k->name; k++) {
        const bool text = k->kind == PT_ENTRY_TEXT || k->kind == PT_ENTRY_FILE || k->kind == PT_ENTRY_LIST;
        const char *from = text ? *(char *const *)((const char *)o + places[k - pt_http_keys]) : NULL;
        pt_status rc = from ? pt_strdup(place_of(out, k), from) : PT_OK;
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
