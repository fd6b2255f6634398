/* A validator of JSON schemas for tests, so that what constrained decoding gives is not judged by the code that made it: plain recursion over jansson's values, patterns by PCRE2.
 * It knows the keywords that tests/golden/constraints.py draws and stops at any other. tests/golden/constrain_verdicts.c holds it against jsonschema's verdicts. */
#ifndef PT_TESTS_SCHEMA_CHECK_H
#define PT_TESTS_SCHEMA_CHECK_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <pcre2.h>

static bool check_value(const json_t *root, const json_t *s, const json_t *v);

static bool check_equal(const json_t *a, const json_t *b)
{
    size_t i;
    const char *k;
    json_t *x;
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b)) return false;
        for (i = 0; i < json_array_size(a); i++)
            if (!check_equal(json_array_get(a, i), json_array_get(b, i))) return false;
        return true;
    }
    if (!json_is_object(a)) return json_equal(a, b);
    if (json_object_size(a) != json_object_size(b)) return false;
    json_object_foreach((json_t *)a, k, x)
        if (!json_object_get(b, k) || !check_equal(x, json_object_get(b, k))) return false;
    return true;
}

static bool check_type(const char *type, const json_t *v)
{
    if (!strcmp(type, "integer")) return json_is_integer(v) || (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
    return !strcmp(type, "string") ? json_is_string(v) : !strcmp(type, "number") ? json_is_number(v) : !strcmp(type, "boolean") ? json_is_boolean(v) : !strcmp(type, "null") ? json_is_null(v)
         : !strcmp(type, "array") ? json_is_array(v) : json_is_object(v);
}

static bool check_match(const char *pattern, const json_t *v)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &at, NULL);
    if (!code) abort();
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(code, NULL);
    bool yes = pcre2_match(code, (PCRE2_SPTR)json_string_value(v), json_string_length(v), 0, 0, m, NULL) >= 0;
    pcre2_match_data_free(m);
    pcre2_code_free(code);
    return yes;
}

/* Days of a month of the Gregorian calendar. */
static int check_days(int y, int m)
{
    return m == 2 ? 28 + ((y % 4 == 0 && y % 100) || y % 400 == 0) : 30 + ((m + (m > 7)) % 2);
}

static bool check_date(const char *s)
{
    int y, m, d;
    return sscanf(s, "%4d-%2d-%2d", &y, &m, &d) == 3 && y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= check_days(y, m);
}

static bool check_time(const char *s)
{
    int h, m, sec;
    if (sscanf(s, "%2d:%2d:%2d", &h, &m, &sec) != 3 || h > 23 || m > 59 || sec > 59) return false;
    const char *zone = s + 8 + (s[8] == '.' ? 1 + strspn(s + 9, "0123456789") : 0);
    return *zone == 'Z' || *zone == 'z' || (sscanf(zone + 1, "%2d:%2d", &h, &m) == 2 && h <= 23 && m <= 59);
}

static bool check_format(const char *format, const json_t *v)
{
    static const char *const shapes[][2] = {{"date", "^\\d{4}-\\d\\d-\\d\\d\\z"},
                                            {"time", "^\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?([Zz]|[+-]\\d\\d:\\d\\d)\\z"},
                                            {"date-time", "^\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?([Zz]|[+-]\\d\\d:\\d\\d)\\z"},
                                            {"uuid", "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\z"},
                                            {"email", "@"},
                                            {"ipv4", "^((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.|\\z)){4}\\z(?<!\\.)"}};
    const char *text = json_string_value(v);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(format, shapes[i][0])) continue;
        if (!check_match(shapes[i][1], v)) return false;
        return i == 0 ? check_date(text) : i == 1 ? check_time(text) : i == 2 ? check_date(text) && check_time(text + 11) : true;
    }
    fprintf(stderr, "this validator knows no format '%s'\n", format);
    abort();
}

static bool check_string(const json_t *s, const json_t *v)
{
    json_int_t n = 0;
    const char *text = json_string_value(v);
    for (size_t i = 0; i < json_string_length(v); i++) n += (text[i] & 0xc0) != 0x80;
    const json_t *least = json_object_get(s, "minLength"), *most = json_object_get(s, "maxLength"), *pattern = json_object_get(s, "pattern"), *format = json_object_get(s, "format");
    return !(least && n < json_integer_value(least)) && !(most && n > json_integer_value(most)) && !(pattern && !check_match(json_string_value(pattern), v)) &&
           !(format && !check_format(json_string_value(format), v));
}

static bool check_number(const json_t *s, const json_t *v)
{
    const json_t *x;
    double d = json_number_value(v);
    if ((x = json_object_get(s, "minimum")) && d < json_number_value(x)) return false;
    if ((x = json_object_get(s, "maximum")) && d > json_number_value(x)) return false;
    if ((x = json_object_get(s, "exclusiveMinimum")) && d <= json_number_value(x)) return false;
    if ((x = json_object_get(s, "exclusiveMaximum")) && d >= json_number_value(x)) return false;
    return !(x = json_object_get(s, "multipleOf")) || fmod(d, json_number_value(x)) == 0;
}

static bool check_array(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *first = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items"), *x;
    const size_t n = json_array_size(v), prefix = json_array_size(first);
    if ((x = json_object_get(s, "minItems")) && (json_int_t)n < json_integer_value(x)) return false;
    if ((x = json_object_get(s, "maxItems")) && (json_int_t)n > json_integer_value(x)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *sub = i < prefix ? json_array_get(first, i) : items;
        if (sub && !check_value(root, sub, json_array_get(v, i))) return false;
    }
    return true;
}

/* The schema of patternProperties (of one pattern) for a key; NULL: it does not match, or there is none. */
static const json_t *by_pattern(const json_t *s, const char *key)
{
    const char *pattern;
    json_t *sub, *list = json_object_get(s, "patternProperties"), *text = json_string(key);
    const json_t *found = NULL;
    json_object_foreach(list, pattern, sub)
        if (check_match(pattern, text)) found = sub;
    json_decref(text);
    return found;
}

static bool check_object(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *properties = json_object_get(s, "properties"), *more = json_object_get(s, "additionalProperties"), *required = json_object_get(s, "required"), *n;
    const char *k;
    json_t *x;
    size_t i;
    json_array_foreach((json_t *)required, i, x)
        if (!json_object_get(v, json_string_value(x))) return false;
    if ((n = json_object_get(s, "minProperties")) && (json_int_t)json_object_size(v) < json_integer_value(n)) return false;
    if ((n = json_object_get(s, "maxProperties")) && (json_int_t)json_object_size(v) > json_integer_value(n)) return false;
    json_object_foreach((json_t *)v, k, x)
    {
        const json_t *sub = json_object_get(properties, k), *like = by_pattern(s, k);
        if (like && !check_value(root, like, x)) return false;
        if (!sub && !like) sub = more;
        if (sub && !check_value(root, sub, x)) return false;
    }
    return true;
}

static void check_known(const json_t *s)
{
    static const char *const known[] = {"$defs", "$ref", "title", "description", "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "items",
                                        "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                                        "multipleOf", "patternProperties", "minProperties", "maxProperties"};
    const char *k;
    json_t *x;
    json_object_foreach((json_t *)s, k, x)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], k)) i++;
        if (i < sizeof known / sizeof *known) continue;
        fprintf(stderr, "this validator knows no keyword '%s'\n", k);
        abort();
    }
}

/* How many of a list of schemas hold. */
static size_t check_some(const json_t *root, const json_t *list, const json_t *v)
{
    size_t i, n = 0;
    json_t *x;
    json_array_foreach((json_t *)list, i, x) n += check_value(root, x, v);
    return n;
}

static bool check_value(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *x;
    size_t i;
    json_t *one;
    if (json_is_boolean(s)) return json_is_true(s);
    check_known(s);
    if ((x = json_object_get(s, "$ref"))) {
        if (strncmp(json_string_value(x), "#/$defs/", 8)) abort();
        if (!check_value(root, json_object_get(json_object_get(root, "$defs"), json_string_value(x) + 8), v)) return false;
    }
    if ((x = json_object_get(s, "type"))) {
        bool any = json_is_string(x) && check_type(json_string_value(x), v);
        json_array_foreach((json_t *)x, i, one) any = any || check_type(json_string_value(one), v);
        if (!any) return false;
    }
    if ((x = json_object_get(s, "const")) && !check_equal(x, v)) return false;
    if ((x = json_object_get(s, "enum"))) {
        bool any = false;
        json_array_foreach((json_t *)x, i, one) any = any || check_equal(one, v);
        if (!any) return false;
    }
    if ((x = json_object_get(s, "anyOf")) && !check_some(root, x, v)) return false;
    if ((x = json_object_get(s, "oneOf")) && check_some(root, x, v) != 1) return false;
    if ((x = json_object_get(s, "allOf")) && check_some(root, x, v) != json_array_size(x)) return false;
    if (json_is_string(v)) return check_string(s, v);
    if (json_is_number(v)) return check_number(s, v);
    if (json_is_array(v)) return check_array(root, s, v);
    return !json_is_object(v) || check_object(root, s, v);
}

/* Whether a text is JSON (one value; of a key that stands twice the last one) that the schema accepts. */
static bool check_text(const json_t *schema, const char *text, size_t n)
{
    json_t *v = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!v) v = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL); /* more digits than 64 bits hold */
    bool yes = v && check_value(schema, schema, v);
    json_decref(v);
    return yes;
}
#endif
