#include "eval/ask/answers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

typedef struct entry {
    pt_answer_key key;
    uint64_t of; /* digest of the identity */
    pt_reply reply;
} entry;

struct pt_answers {
    entry *list;
    size_t n, cap;
    size_t *slot, slots; /* entry + 1, or 0; a power of two */
    char *path;
    int fd;
    pt_str lines; /* put and not yet in the file */
};

static const char *const asks[] = {[PT_ASK_LOGP] = "logp", [PT_ASK_SCORE] = "score", [PT_ASK_TEXT] = "text"};

static uint64_t digest(const char *identity)
{
    return pt_fnv1a(PT_FNV_START, identity, strlen(identity));
}

/* Where a key is or would stand. */
static size_t *slot_of(const pt_answers *a, const pt_answer_key *key)
{
    size_t at;
    memcpy(&at, key->byte, sizeof at);
    for (at &= a->slots - 1; a->slot[at]; at = (at + 1) & (a->slots - 1))
        if (!memcmp(&a->list[a->slot[at] - 1].key, key, sizeof *key)) break;
    return &a->slot[at];
}

static pt_status more_slots(pt_answers *a)
{
    size_t *old = a->slot, *grown;
    if (2 * (a->n + 1) < a->slots) return PT_OK;
    PT_RETURN(pt_alloc0(&grown, a->slots ? 2 * a->slots : 1024));
    a->slot = grown;
    a->slots = a->slots ? 2 * a->slots : 1024;
    for (size_t i = 0; i < a->n; i++) *slot_of(a, &a->list[i].key) = i + 1;
    free(old);
    return PT_OK;
}

/* Takes over reply->text. The first answer to a question stands. */
static pt_status remember(pt_answers *a, const pt_answer_key *key, uint64_t of, pt_reply *reply)
{
    pt_status rc = more_slots(a);
    if (rc == PT_OK) rc = pt_reserve(&a->list, &a->cap, a->n + 1);
    size_t *slot = rc == PT_OK ? slot_of(a, key) : NULL;
    if (!slot || *slot) {
        free(reply->text);
        return rc;
    }
    a->list[a->n] = (entry){*key, of, *reply};
    *slot = ++a->n;
    return PT_OK;
}

static bool hex_key(const char *text, pt_answer_key *key)
{
    static const char digits[] = "0123456789abcdef";
    if (!text || strlen(text) != 2 * sizeof key->byte) return false;
    for (size_t i = 0; i < 2 * sizeof key->byte; i++) {
        const char *d = strchr(digits, text[i]);
        if (!d) return false;
        key->byte[i / 2] = (unsigned char)(key->byte[i / 2] << 4 | (d - digits));
    }
    return true;
}

/* A line into an entry; false: it holds no answer. */
static bool read_line(const json_t *row, pt_answer_key *key, uint64_t *of, pt_reply *reply, const char **text)
{
    const char *ask = json_string_value(json_object_get(row, "ask")), *who = json_string_value(json_object_get(row, "of"));
    const json_t *value = json_object_get(row, "value"), *tokens = json_object_get(row, "tokens");
    *text = json_string_value(json_object_get(row, "text"));
    if (!ask || !who || !hex_key(json_string_value(json_object_get(row, "key")), key)) return false;
    bool is_text = !strcmp(ask, asks[PT_ASK_TEXT]);
    if (!is_text && strcmp(ask, asks[PT_ASK_LOGP]) && strcmp(ask, asks[PT_ASK_SCORE])) return false;
    if (is_text ? !*text : !json_is_number(value) || !isfinite(json_number_value(value))) return false;
    *of = digest(who);
    *reply = (pt_reply){.value = json_number_value(value), .tokens = (int32_t)json_integer_value(tokens),
                        .stopped = json_is_true(json_object_get(row, "stopped")), .near = (int32_t)json_integer_value(json_object_get(row, "near")),
                        .prompt = (int32_t)json_integer_value(json_object_get(row, "prompt")), .tries = (int32_t)json_integer_value(json_object_get(row, "tries")),
                        .guessed = json_is_true(json_object_get(row, "guessed"))};
    return true;
}

static pt_status take_line(pt_answers *a, const char *line, size_t n, size_t number)
{
    pt_answer_key key = {0};
    pt_reply reply;
    uint64_t of;
    const char *text;
    json_t *row = NULL;
    pt_status rc = pt_json_parse(&row, line, n, a->path, PT_JSON_OBJECT);
    if (rc == PT_ENOMEM) return rc;
    if (rc != PT_OK || !read_line(row, &key, &of, &reply, &text)) {
        pt_log(PT_LOG_WARN, "%s:%zu: no answer of an evaluation: left alone", a->path, number);
        rc = PT_OK;
    } else {
        if (text) rc = pt_strdup(&reply.text, text);
        if (rc == PT_OK) rc = remember(a, &key, of, &reply);
    }
    json_decref(row);
    return rc;
}

static pt_status load(pt_answers *a)
{
    pt_status rc = PT_OK;
    char *all = NULL;
    size_t n, number = 1;
    PT_TRY(pt_file_read(&all, &n, a->path, (size_t)1 << 34));
    const char *at = all, *end = all + n;
    for (const char *nl; (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1, number++)
        if (nl > at) PT_TRY(take_line(a, at, (size_t)(nl - at), number));
    if (at < end) {
        pt_log(PT_LOG_WARN, "%s:%zu: the last line has no end: it is cut off", a->path, number);
        PT_CHECK(truncate(a->path, at - all) == 0, PT_EIO, "cannot cut %s: %s", a->path, strerror(errno));
    }
done:
    free(all);
    return rc;
}

pt_status pt_answers_open(pt_answers **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_answers *a = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&a, 1));
    a->fd = -1;
    PT_TRY(more_slots(a));
    if (path) {
        PT_TRY(pt_strdup(&a->path, path));
        if (pt_file_given(path)) PT_TRY(load(a));
        PT_TRY(pt_file_append(path, &a->fd));
    }
    *out = a;
    return PT_OK;
done:
    pt_answers_free(a);
    return rc;
}

void pt_answers_free(pt_answers *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->n; i++) free(a->list[i].reply.text);
    if (a->fd >= 0) close(a->fd);
    pt_str_free(&a->lines);
    free(a->list);
    free(a->slot);
    free(a->path);
    free(a);
}

size_t pt_answers_count(const pt_answers *a)
{
    return a->n;
}

size_t pt_answers_foreign(const pt_answers *a, const char *identity)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) n += a->list[i].of != digest(identity);
    return n;
}

void pt_answers_key(pt_answer_key *key, const char *identity, const pt_request *r, const int32_t *stops, size_t n_stops)
{
    unsigned char full[32];
    pt_sha256 h;
    int64_t place[] = {r->ask, r->from, r->to, r->n, 0, 0};
    pt_sha256_start(&h);
    pt_sha256_add(&h, identity, strlen(identity) + 1);
    if (r->ask == PT_ASK_TEXT) {
        place[4] = r->sampling.max_new_tokens;
        place[5] = (int64_t)n_stops;
    }
    pt_sha256_add(&h, place, sizeof place);
    pt_sha256_add(&h, r->ids, (size_t)r->n * sizeof *r->ids);
    if (r->ask == PT_ASK_TEXT) pt_sha256_add(&h, stops, n_stops * sizeof *stops);
    if (r->ask == PT_ASK_TEXT && r->sampling.temperature > 0) {
        double shape[] = {(double)r->sampling.temperature, (double)r->sampling.top_p};
        uint64_t draw[] = {r->sampling.seed, (uint64_t)r->repeat};
        pt_sha256_add(&h, shape, sizeof shape);
        if (shape[1] < 1 && shape[0] != 1) pt_sha256_add(&h, "top_p first", 11); /* answers kept before the filter came before the temperature are others */
        pt_sha256_add(&h, draw, sizeof draw);
    }
    if (r->ask == PT_ASK_TEXT && r->sampling.more) pt_sha256_add(&h, r->sampling.more, strlen(r->sampling.more) + 1);
    if (r->constraint) pt_sha256_add(&h, r->constraint, strlen(r->constraint) + 1);
    pt_sha256_end(&h, full);
    memcpy(key->byte, full, sizeof key->byte);
}

void pt_answers_key_text(pt_answer_key *key, const char *identity, const char *text, size_t n)
{
    unsigned char full[32];
    pt_sha256 h;
    pt_sha256_start(&h);
    pt_sha256_add(&h, identity, strlen(identity) + 1);
    pt_sha256_add(&h, text, n);
    pt_sha256_end(&h, full);
    memcpy(key->byte, full, sizeof key->byte);
}

const pt_reply *pt_answers_find(const pt_answers *a, const pt_answer_key *key)
{
    size_t at = *slot_of(a, key);
    return at ? &a->list[at - 1].reply : NULL;
}

static bool set_count(json_t *row, const char *key, int32_t n)
{
    return !n || !json_object_set_new(row, key, json_integer(n));
}

static pt_status add_line(pt_answers *a, const pt_answer_key *key, const char *identity, pt_ask ask, const pt_reply *reply)
{
    pt_status rc = PT_OK;
    char hex[2 * sizeof key->byte + 1], *line = NULL;
    for (size_t i = 0; i < sizeof key->byte; i++) snprintf(hex + 2 * i, 3, "%02x", key->byte[i]);
    json_t *row = ask == PT_ASK_TEXT ? json_pack("{ss ss ss ss si sb}", "key", hex, "of", identity, "ask", asks[ask], "text", reply->text, "tokens",
                                                 (int)reply->tokens, "stopped", (int)reply->stopped)
                                     : json_pack("{ss ss ss sf si}", "key", hex, "of", identity, "ask", asks[ask], "value", reply->value, "tokens",
                                                 (int)reply->tokens);
    if (row && set_count(row, "near", reply->near) && set_count(row, "prompt", reply->prompt) && set_count(row, "tries", reply->tries) &&
        (!reply->guessed || !json_object_set_new(row, "guessed", json_true())))
        line = json_dumps(row, JSON_REAL_PRECISION(17));
    PT_CHECK(line, PT_ENOMEM, "out of memory for an answer's line");
    PT_TRY(pt_str_printf(&a->lines, "%s\n", line));
done:
    json_decref(row);
    free(line);
    return rc;
}

pt_status pt_answers_put(pt_answers *a, const pt_answer_key *key, const char *identity, pt_ask ask, const pt_reply *reply)
{
    pt_reply copy = *reply;
    copy.text = NULL;
    if (reply->text) PT_RETURN(pt_strdup(&copy.text, reply->text));
    PT_RETURN(remember(a, key, digest(identity), &copy));
    return a->fd >= 0 ? add_line(a, key, identity, ask, reply) : PT_OK;
}

pt_status pt_answers_flush(pt_answers *a)
{
    for (size_t at = 0; at < a->lines.len;) {
        ssize_t n = write(a->fd, a->lines.text + at, a->lines.len - at);
        if (n < 0 && errno != EINTR) return pt_fail(PT_EIO, "cannot write to %s: %s", a->path, strerror(errno));
        if (n > 0) at += (size_t)n;
    }
    a->lines.len = 0;
    if (a->fd >= 0 && fdatasync(a->fd)) return pt_fail(PT_EIO, "cannot flush %s: %s", a->path, strerror(errno));
    return PT_OK;
}
