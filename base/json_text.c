/* JSON values for people and for files: their kind in words, their text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_odd.h"

void pt_json_library(char out[PT_LIBRARY_NAME])
{
    snprintf(out, PT_LIBRARY_NAME, "jansson %s", jansson_version_str());
}

json_t *pt_json_odd_new(pt_json_odd_kind kind, const char *source, size_t n)
{
    pt_str s = {0};
    json_t *o = NULL;
    char digit = (char)('0' + kind);
    if (pt_str_add(&s, &digit, 1) == PT_OK && pt_str_add(&s, source, n) == PT_OK) {
        o = json_object();
        if (o && json_object_set_new_nocheck(o, PT_JSON_ODD_KEY, json_stringn_nocheck(s.text, s.len))) {
            json_decref(o);
            o = NULL;
        }
    }
    pt_str_free(&s);
    return o;
}

const char *pt_json_odd_name(pt_json_odd_kind kind)
{
    switch (kind) {
    case PT_JSON_ODD_NAN: return "NaN";
    case PT_JSON_ODD_INF: return "Infinity";
    case PT_JSON_ODD_NINF: return "-Infinity";
    case PT_JSON_ODD_NUL: return "a text with a NUL character";
    default: return "a text with half a surrogate pair";
    }
}

bool pt_json_odd(const json_t *j)
{
    return json_is_object(j) && json_object_get(j, PT_JSON_ODD_KEY);
}

const char *pt_json_kind(const json_t *j)
{
    if (!j) return "missing";
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return pt_json_odd(j) ? pt_json_odd_name((pt_json_odd_kind)(*json_string_value(json_object_get(j, PT_JSON_ODD_KEY)) - '0'))
                              : "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a text";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

/* The dumped text holds an odd value as {"KEY": "DIGIT SOURCE"}, with spaces and line ends as the flags ask; the quote before KEY
 * is not escaped, so it is no part of anybody's text. The source alone is shorter: it is written in place. */
char *pt_json_dump(const json_t *j, size_t flags)
{
    static const char mark[] = "\"" PT_JSON_ODD_KEY "\":"; /* with the colon: a key, no value of this text */
    char *text = json_dumps(j, flags), *from = text, *to = text, *hit;
    if (!text || !strstr(text, mark)) return text;
    while ((hit = strstr(from, mark)) != NULL) {
        char *open = hit;
        while (*open != '{') open--;
        memmove(to, from, (size_t)(open - from));
        to += open - from;
        from = strchr(hit + sizeof mark - 1, '"') + 2; /* the value's quote and the digit */
        for (; *from != '"'; *to++ = *from++) from += *from == '\\';
        from = strchr(from, '}') + 1;
    }
    memmove(to, from, strlen(from) + 1);
    return text;
}
