/* Values that a schema states: const and enum. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"

pt_status pt_con_spell(pt_str *out, const char *text, size_t n)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    PT_RETURN(pt_str_puts(out, "\""));
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        const char *hit = c ? strchr(from, c) : NULL;
        if (hit)
            PT_RETURN(pt_str_printf(out, "\\%c", to[hit - from]));
        else if ((unsigned char)c < 0x20)
            PT_RETURN(pt_str_printf(out, "\\u%04x", (unsigned)(unsigned char)c));
        else
            PT_RETURN(pt_str_add(out, &c, 1));
    }
    return pt_str_puts(out, "\"");
}

unsigned pt_con_type_of(const json_t *j)
{
    if (!j || pt_json_odd(j)) return 0;
    switch (json_typeof(j)) {
    case JSON_OBJECT: return PT_CON_OBJECT;
    case JSON_ARRAY: return PT_CON_ARRAY;
    case JSON_STRING: return PT_CON_STRING;
    case JSON_INTEGER: return PT_CON_INTEGER;
    case JSON_REAL: return PT_CON_NUMBER;
    case JSON_NULL: return PT_CON_NULL;
    default: return PT_CON_BOOLEAN;
    }
}

/* The shortest decimal that is x again, with a point or an exponent. */
static pt_status real(pt_str *out, double x)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x && (digits >= 15 || !strchr(text, 'e') || fabs(x) >= 1e16 || fabs(x) < 1e-4)) break;
    }
    PT_RETURN(pt_str_puts(out, text));
    return strpbrk(text, ".e") ? PT_OK : pt_str_puts(out, ".0");
}

/* A value that holds no other. */
static pt_status scalar(pt_str *out, const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_STRING: return pt_con_spell(out, json_string_value(j), json_string_length(j));
    case JSON_INTEGER: return pt_str_printf(out, "%lld", (long long)json_integer_value(j));
    case JSON_REAL: return real(out, json_real_value(j));
    case JSON_TRUE: return pt_str_puts(out, "true");
    case JSON_FALSE: return pt_str_puts(out, "false");
    default: return pt_str_puts(out, "null");
    }
}

static uint32_t text_of(pt_con_schema *s, const json_t *j, uint32_t next)
{
    pt_str text = {0};
    pt_con_fail(s->g, scalar(&text, j));
    if (s->g->status == PT_OK) next = pt_con_text(s->g, text.text, text.len, next);
    pt_str_free(&text);
    return next;
}

static uint32_t key_text(pt_con_schema *s, const char *key, uint32_t next)
{
    pt_str text = {0};
    pt_con_fail(s->g, pt_con_spell(&text, key, strlen(key)));
    if (s->g->status == PT_OK) next = pt_con_text(s->g, text.text, text.len, next);
    pt_str_free(&text);
    return next;
}

/* Members in the order of the value: backwards, by a list of them. */
static uint32_t object(pt_con_schema *s, const json_t *j, uint32_t next)
{
    const char **keys = NULL, *key;
    json_t *value;
    size_t n = json_object_size(j), i = 0;
    pt_con_fail(s->g, pt_alloc0(&keys, n));
    if (s->g->status != PT_OK) return PT_CON_END;
    json_object_foreach((json_t *)j, key, value) keys[i++] = key;
    next = pt_con_text(s->g, "}", 1, next);
    while (i-- > 0 && s->g->status == PT_OK) {
        next = pt_con_mark(s->g, ':', pt_con_literal(s, json_object_get(j, keys[i]), next));
        next = key_text(s, keys[i], next);
        if (i) next = pt_con_mark(s->g, ',', next);
    }
    free(keys);
    return pt_con_text(s->g, "{", 1, next);
}

uint32_t pt_con_literal(pt_con_schema *s, const json_t *j, uint32_t next)
{
    if (pt_json_odd(j)) return pt_con_refuse(s, "%s is no value that can be written", pt_json_kind(j));
    if (++s->nested > PT_CONSTRAINT_NESTED) return pt_con_refuse(s, "a value is nested more than %d deep", PT_CONSTRAINT_NESTED);
    if (json_is_object(j)) {
        next = object(s, j, next);
    } else if (json_is_array(j)) {
        next = pt_con_text(s->g, "]", 1, next);
        for (size_t i = json_array_size(j); i-- > 0 && s->g->status == PT_OK;) {
            next = pt_con_literal(s, json_array_get(j, i), next);
            if (i) next = pt_con_mark(s->g, ',', next);
        }
        next = pt_con_text(s->g, "[", 1, next);
    } else {
        next = text_of(s, j, next);
    }
    s->nested--;
    return next;
}

/* Whether a value has a type of the schema. */
static bool fits(const json_t *j, unsigned types)
{
    unsigned t = pt_con_type_of(j);
    return (t & types) || (t == PT_CON_NUMBER && types & PT_CON_INTEGER && json_real_value(j) == floor(json_real_value(j)));
}

uint32_t pt_con_enum(pt_con_schema *s, const json_t *schema, unsigned types, uint32_t next)
{
    const json_t *one = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    const char *key;
    json_t *value;
    pt_con_graph *g = s->g;
    uint32_t from = pt_con_node(g);
    size_t n = one ? 1 : json_array_size(list), n_words = 0;
    pt_con_word *words = NULL;
    json_object_foreach((json_t *)schema, key, value)
    {
        static const char *const beside[] = {"pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
                                             "minItems", "maxItems", "items", "prefixItems", "properties", "required", "additionalProperties", "patternProperties",
                                             "minProperties", "maxProperties"};
        for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
            if (strcmp(key, beside[i]) == 0) return pt_con_refuse(s, "'%s' beside '%s' is not supported: list the values that satisfy both", key, one ? "const" : "enum");
    }
    if (n > PT_CONSTRAINT_CHOICES_MOST) return pt_con_refuse(s, "%zu values in 'enum': at most %d are supported", n, PT_CONSTRAINT_CHOICES_MOST);
    pt_con_fail(g, pt_alloc0(&words, n));
    for (size_t i = 0; i < n && g->status == PT_OK; i++) {
        const json_t *j = one ? one : json_array_get(list, i);
        pt_str text = {0};
        if (pt_json_odd(j)) pt_con_refuse(s, "value %zu of '%s' is %s", i, one ? "const" : "enum", pt_json_kind(j));
        if (!fits(j, types)) continue;
        if (json_is_object(j) || json_is_array(j)) {
            pt_con_none(g, from, pt_con_literal(s, j, next));
            continue;
        }
        pt_con_fail(g, scalar(&text, j));
        words[n_words++] = (pt_con_word){text.text, text.len};
    }
    if (n_words && g->status == PT_OK) pt_con_none(g, from, pt_con_words(g, words, n_words, next));
    while (n_words) free((char *)words[--n_words].s);
    free(words);
    return from;
}
