#include "eval/http/chat_reply.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { TOKENS_MOST = 1000000000 };

static int64_t tokens_of(const json_t *usage, const char *key)
{
    const json_t *n = json_object_get(usage, key);
    return json_is_integer(n) && json_integer_value(n) >= 0 && json_integer_value(n) <= TOKENS_MOST ? json_integer_value(n) : -1;
}

/* Members of an odd value are none of its own (base/json.h). */
static const json_t *member(const json_t *j, const char *key)
{
    return json_is_object(j) && !pt_json_odd(j) ? json_object_get(j, key) : NULL;
}

/* Why there may be no text, where the server says it in a known word. */
static const char *reason(const json_t *finish)
{
    static const char *const words[] = {"stop", "length", "content_filter", "tool_calls", "function_call"}, *const said[] = {"; finish_reason is stop", "; finish_reason is length",
                                        "; finish_reason is content_filter", "; finish_reason is tool_calls", "; finish_reason is function_call"};
    for (size_t i = 0; json_is_string(finish) && i < sizeof words / sizeof *words; i++)
        if (!strcmp(json_string_value(finish), words[i])) return said[i];
    return "";
}

pt_status pt_chat_reply_read(pt_chat_reply *out, const char *body, size_t n)
{
    pt_status rc = PT_OK;
    json_t *all = NULL;
    *out = (pt_chat_reply){.prompt = -1, .answer = -1};
    PT_TRY(pt_json_parse(&all, body, n, "reply", PT_JSON_OBJECT));
    const json_t *choices = member(all, "choices"), *first = json_array_get(choices, 0), *content = member(member(first, "message"), "content"), *finish = member(first, "finish_reason");
    PT_CHECK(!member(all, "error") || first, PT_EFORMAT, "an error in a reply of status 200");
    PT_CHECK(json_is_array(choices) && first, PT_EFORMAT, "choices is %s", json_is_array(choices) ? "an empty list" : pt_json_kind(choices));
    PT_CHECK(json_is_object(member(first, "message")), PT_EFORMAT, "choices[0].message is %s, not an object", pt_json_kind(member(first, "message")));
    PT_CHECK(json_is_string(content), PT_EFORMAT, "choices[0].message.content is %s, not a text%s", pt_json_kind(content), reason(finish));
    PT_TRY(pt_strndup(&out->text, json_string_value(content), json_string_length(content)));
    out->stopped = json_is_string(finish) && !strcmp(json_string_value(finish), "stop");
    out->prompt = tokens_of(member(all, "usage"), "prompt_tokens");
    out->answer = tokens_of(member(all, "usage"), "completion_tokens");
done:
    json_decref(all);
    return rc;
}

pt_status pt_chat_reply_error(pt_str *out, const char *body, size_t n)
{
    static const char *const keys[] = {"error", "message", "detail"};
    json_t *all = NULL;
    const json_t *said = NULL;
    pt_status rc = pt_json_parse(&all, body, n, "reply", PT_JSON_OBJECT);
    if (rc == PT_ENOMEM) return rc;
    for (size_t i = 0; i < 3 && !json_is_string(said); i++) {
        said = member(all, keys[i]);
        if (member(said, "message")) said = member(said, "message");
    }
    if (json_is_string(said)) body = json_string_value(said), n = json_string_length(said);
    rc = pt_str_add(out, body, n);
    json_decref(all);
    return rc;
}

double pt_retry_after(const char *value, time_t now)
{
    const char *c = value;
    double seconds = 0;
    while (isdigit((unsigned char)*c)) seconds = seconds < 1e9 ? seconds * 10 + (*c - '0') : seconds, c++;
    if (c == value || *c) { /* a date begins with the name of a day */
        if (!isalpha((unsigned char)*value)) return -1;
        time_t then = curl_getdate(value, NULL);
        if (then == (time_t)-1) return -1;
        seconds = difftime(then, now);
    }
    return seconds < 0 ? 0 : seconds > PT_RETRY_AFTER_MOST ? PT_RETRY_AFTER_MOST : seconds;
}
