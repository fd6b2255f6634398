#include "eval/http/chat_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"

/* Bytes that stand in no character, each replaced. */
static pt_status as_utf8(pt_str *out, const char *text, size_t n)
{
    PT_RETURN(pt_str_puts(out, ""));
    if (pt_utf8_valid(text, n)) return pt_str_add(out, text, n);
    for (size_t i = 0, k; i < n; i += k) {
        for (k = 1; k <= 4 && i + k <= n && !pt_utf8_valid(text + i, k); k++) continue;
        bool is = k <= 4 && i + k <= n;
        if (!is) k = 1;
        PT_RETURN(pt_str_add(out, is ? text + i : "\xef\xbf\xbd", is ? k : 3));
    }
    return PT_OK;
}

static const char *role_of(const pt_message *m)
{
    return pt_speaker_is(m->speaker, PT_SYSTEM) ? "system" : pt_speaker_is(m->speaker, PT_ASSISTANT) ? "assistant" : "user";
}

static pt_status add_message(json_t *list, const pt_message *m)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    PT_TRY(as_utf8(&text, m->text ? m->text : "", m->text ? m->bytes : 0));
    json_t *one = json_pack("{ss ss%}", "role", role_of(m), "content", text.text, text.len);
    PT_CHECK(one && !json_array_append_new(list, one), PT_ENOMEM, "out of memory for a request");
done:
    pt_str_free(&text);
    return rc;
}

static json_t *stops(const char *lines)
{
    json_t *list = json_array();
    for (const char *at = lines, *end; list && at; at = *end ? end + 1 : NULL) {
        end = strchr(at, '\n');
        if (!end) end = at + strlen(at);
        if (json_array_append_new(list, json_stringn(at, (size_t)(end - at)))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool set(json_t *o, const char *key, json_t *value)
{
    return value && !json_object_set_new(o, key, value);
}

/* Sets what the config does not leave out. */
static bool set_open(json_t *all, const pt_http_options *o, const char *key, json_t *value)
{
    for (const char *at = o->leave_out; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        if (strcspn(at, "\n") != strlen(key) || strncmp(at, key, strlen(key))) continue;
        json_decref(value);
        return true;
    }
    return set(all, key, value);
}

pt_status pt_chat_request(char **out, const pt_talk *talk, const pt_http_options *o, size_t *bytes)
{
    pt_status rc = PT_OK;
    json_t *all = json_object(), *list = json_array();
    const pt_sampling *how = &talk->how;
    *out = NULL;
    *bytes = 0;
    PT_CHECK(talk->n > 0, PT_EARG, "a conversation without a turn");
    PT_CHECK(!talk->constraint, PT_EARG, "an endpoint's answers are held to nothing: constraints are for models in memory");
    PT_CHECK(all && list, PT_ENOMEM, "out of memory for a request");
    for (size_t i = 0; i < talk->n; i++) {
        PT_TRY(add_message(list, &talk->turns[i]));
        *bytes += talk->turns[i].bytes;
    }
    bool right = set(all, "model", json_string(o->model)) && set(all, o->length_name ? o->length_name : "max_tokens", json_integer(how->max_new_tokens)) &&
                 set_open(all, o, "temperature", json_real((double)how->temperature));
    if (right && how->temperature > 0) {
        uint64_t seed = pt_hash_mix(how->seed, (uint64_t)talk->repeat) >> 33;
        right = set_open(all, o, "seed", json_integer((json_int_t)seed)) && (how->top_p >= 1 || set_open(all, o, "top_p", json_real((double)how->top_p)));
    }
    if (right && o->stop) right = set(all, "stop", stops(o->stop));
    PT_CHECK(right && !json_object_set(all, "messages", list), PT_ENOMEM, "out of memory for a request");
    *out = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(7));
    PT_CHECK(*out, PT_ENOMEM, "out of memory for a request");
done:
    json_decref(list);
    json_decref(all);
    return rc;
}
