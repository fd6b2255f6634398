/* JSON schemas: keywords, types, alternatives. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"

enum { ONE_OF_MOST = 1000 }; /* each is compared with each */

uint32_t pt_con_refuse(pt_con_schema *s, const char *fmt, ...)
{
    char why[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (s->g->status == PT_OK) pt_con_fail(s->g, pt_fail(PT_EARG, "at #%.300s: %s", s->path.text ? s->path.text : "", why));
    return PT_CON_END;
}

bool pt_con_spend(pt_con_schema *s, size_t n)
{
    enum { MOST = 20000000 };
    s->compared += n < MOST ? n : MOST;
    if (s->compared >= MOST) pt_con_refuse(s, "too many values and names are compared with each other (enum, required, oneOf): shorter lists are needed");
    return s->g->status == PT_OK;
}

size_t pt_con_enter(pt_con_schema *s, const char *key, size_t index)
{
    size_t before = s->path.len;
    pt_status rc = key ? pt_str_puts(&s->path, "/") : pt_str_printf(&s->path, "/%zu", index);
    for (; key && *key && rc == PT_OK; key++)
        rc = *key == '~' ? pt_str_puts(&s->path, "~0") : *key == '/' ? pt_str_puts(&s->path, "~1") : pt_str_add(&s->path, key, 1);
    pt_con_fail(s->g, rc);
    return before;
}

void pt_con_leave(pt_con_schema *s, size_t before)
{
    s->path.len = before;
    if (s->path.text) s->path.text[before] = 0;
}

/* Keywords: the types that they are about (0: any), or an annotation. */
static const struct keyword {
    const char *name;
    unsigned types;
    bool note;
} keywords[] = {{"title", 0, true}, {"description", 0, true}, {"default", 0, true}, {"examples", 0, true}, {"$schema", 0, true}, {"$comment", 0, true},
                {"deprecated", 0, true}, {"readOnly", 0, true}, {"writeOnly", 0, true}, {"$defs", 0, true}, {"definitions", 0, true}, {"$id", 0, true},
                {"type", 0, false}, {"enum", 0, false}, {"const", 0, false}, {"anyOf", 0, false}, {"oneOf", 0, false}, {"allOf", 0, false}, {"$ref", 0, false},
                {"properties", PT_CON_OBJECT, false}, {"required", PT_CON_OBJECT, false}, {"additionalProperties", PT_CON_OBJECT, false},
                {"patternProperties", PT_CON_OBJECT, false}, {"minProperties", PT_CON_OBJECT, false}, {"maxProperties", PT_CON_OBJECT, false},
                {"items", PT_CON_ARRAY, false}, {"prefixItems", PT_CON_ARRAY, false}, {"minItems", PT_CON_ARRAY, false}, {"maxItems", PT_CON_ARRAY, false},
                {"uniqueItems", PT_CON_ARRAY, false},
                {"minLength", PT_CON_STRING, false}, {"maxLength", PT_CON_STRING, false}, {"pattern", PT_CON_STRING, false}, {"format", PT_CON_STRING, false},
                {"minimum", PT_CON_NUMBER, false}, {"maximum", PT_CON_NUMBER, false}, {"exclusiveMinimum", PT_CON_NUMBER, false},
                {"exclusiveMaximum", PT_CON_NUMBER, false}, {"multipleOf", PT_CON_NUMBER, false}};

static const struct keyword *keyword(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0) return &keywords[i];
    return NULL;
}

static const struct {
    const char *name;
    unsigned bits;
} types[] = {{"null", PT_CON_NULL}, {"boolean", PT_CON_BOOLEAN}, {"integer", PT_CON_INTEGER}, {"number", PT_CON_NUMBER | PT_CON_INTEGER},
             {"string", PT_CON_STRING}, {"array", PT_CON_ARRAY}, {"object", PT_CON_OBJECT}};

static unsigned type_named(const json_t *name)
{
    for (size_t i = 0; json_is_string(name) && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, json_string_value(name)) == 0) return types[i].bits;
    return 0;
}

unsigned pt_con_types(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *item = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    unsigned bits = 0, given = 0;
    size_t i;
    const char *key;
    json_t *value;
    if (json_is_string(type)) return type_named(type);
    if (json_is_array(type)) {
        json_array_foreach(type, i, value) bits |= type_named(value);
        return bits;
    }
    if (item) return pt_con_type_of(item);
    if (json_is_array(list)) {
        json_array_foreach(list, i, value) bits |= pt_con_type_of(value);
        return bits;
    }
    json_object_foreach((json_t *)schema, key, value)
    {
        const struct keyword *k = keyword(key);
        if (k) given |= k->types;
    }
    if (given & PT_CON_NUMBER) given |= PT_CON_INTEGER;
    return given ? given : PT_CON_ALL;
}

/* Every keyword is known, and what it holds is of the right kind. */
static bool check(pt_con_schema *s, const json_t *schema)
{
    const char *key;
    json_t *value, *one;
    size_t i;
    json_object_foreach((json_t *)schema, key, value)
    {
        if (!keyword(key)) return pt_con_refuse(s, "the keyword '%.80s' is not supported", key), false;
        if (strcmp(key, "oneOf") == 0 && json_array_size(value) > ONE_OF_MOST)
            return pt_con_refuse(s, "'oneOf' of %zu branches: at most %d are supported", json_array_size(value), ONE_OF_MOST), false;
        bool list = strcmp(key, "anyOf") == 0 || strcmp(key, "oneOf") == 0 || strcmp(key, "allOf") == 0 || strcmp(key, "enum") == 0;
        if (list && !json_array_size(value)) return pt_con_refuse(s, "'%s' must be a list that is not empty, not %s", key, pt_json_kind(value)), false;
        if (strcmp(key, "$id") == 0 && s->path.len) return pt_con_refuse(s, "the keyword '$id' is not supported but at the root"), false;
        if (strcmp(key, "uniqueItems") == 0 && !json_is_false(value)) return pt_con_refuse(s, "the keyword 'uniqueItems' is not supported"), false;
        if (strcmp(key, "type") != 0) continue;
        if (!type_named(value) && !json_array_size(value)) return pt_con_refuse(s, "'type' must be a type or a list of types"), false;
        json_array_foreach(value, i, one)
            if (!type_named(one)) return pt_con_refuse(s, "'type' has an entry that is no type"), false;
    }
    return true;
}

/* Whether it holds nothing but annotations and this keyword. */
static bool alone(const json_t *schema, const char *name)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        const struct keyword *k = keyword(key);
        if (strcmp(key, name) != 0 && !(k && k->note)) return false;
    }
    return true;
}

uint32_t pt_con_count(pt_con_schema *s, const json_t *schema, const char *key, uint32_t fallback)
{
    const json_t *j = json_object_get(schema, key);
    if (!j) return fallback;
    double x = json_number_value(j);
    if (!json_is_number(j) || x < 0 || x != floor(x)) return pt_con_refuse(s, "'%s' must be a whole number that is not negative, not %s", key, pt_json_kind(j));
    if (x > PT_CONSTRAINT_REPEAT) return pt_con_refuse(s, "'%s' of more than %d is not supported", key, PT_CONSTRAINT_REPEAT);
    return (uint32_t)x;
}

uint32_t pt_con_mark(pt_con_graph *g, char mark, uint32_t next)
{
    uint32_t from = pt_con_node(g), blank = pt_con_node(g);
    pt_con_byte(g, from, (unsigned)mark, (unsigned)mark, blank);
    pt_con_none(g, blank, next);
    pt_con_byte(g, blank, ' ', ' ', next);
    return from;
}

/* A value of each of these types. */
static uint32_t of_types(pt_con_schema *s, json_t *schema, unsigned bits, uint32_t next)
{
    pt_con_graph *g = s->g;
    uint32_t from = pt_con_node(g);
    if (bits & PT_CON_NULL) pt_con_none(g, from, pt_con_text(g, "null", 4, next));
    if (bits & PT_CON_BOOLEAN) {
        pt_con_none(g, from, pt_con_text(g, "true", 4, next));
        pt_con_none(g, from, pt_con_text(g, "false", 5, next));
    }
    if (bits & (PT_CON_NUMBER | PT_CON_INTEGER)) pt_con_none(g, from, pt_con_number(s, schema, !(bits & PT_CON_NUMBER), next));
    if (bits & PT_CON_STRING) pt_con_none(g, from, pt_con_string(s, schema, next));
    if (bits & PT_CON_ARRAY) pt_con_none(g, from, pt_con_array(s, schema, next));
    if (bits & PT_CON_OBJECT) pt_con_none(g, from, pt_con_object(s, schema, next));
    return from;
}

uint32_t pt_con_any(pt_con_schema *s, uint32_t next)
{
    pt_con_graph *g = s->g;
    uint32_t from = pt_con_node(g);
    if (!s->any) {
        json_t *nothing = json_object();
        uint32_t rule = pt_con_rule_new(g, true);
        s->any = rule + 1;
        if (!nothing) pt_con_fail(g, pt_fail(PT_ENOMEM, "out of memory"));
        uint32_t start = nothing ? of_types(s, nothing, PT_CON_ALL, PT_CON_END) : 0;
        if (g->status == PT_OK) g->rule[rule].start = start;
        json_decref(nothing);
    }
    pt_con_call(g, from, s->any - 1, next);
    return from;
}

/* A $ref that stands alone: a call of its target's rule, which is built where it is met first. */
static uint32_t reference(pt_con_schema *s, const char *ref, uint32_t next)
{
    pt_con_graph *g = s->g;
    json_t *to = pt_con_resolve(s, ref);
    uint32_t from = pt_con_node(g), rule = UINT32_MAX;
    for (size_t i = 0; to && i < s->n_targets; i++)
        if (s->target[i].schema == to) rule = s->target[i].rule;
    if (to && rule == UINT32_MAX) {
        pt_str path = s->path;
        rule = pt_con_rule_new(g, true);
        pt_con_fail(g, pt_reserve(&s->target, &s->cap_targets, s->n_targets + 1));
        if (g->status != PT_OK) return PT_CON_END;
        s->target[s->n_targets++] = (pt_con_target){to, rule};
        s->path = (pt_str){0};
        pt_con_fail(g, pt_str_puts(&s->path, ref + 1));
        uint32_t start = pt_con_value(s, to, PT_CON_END);
        pt_str_free(&s->path);
        s->path = path;
        if (g->status == PT_OK) g->rule[rule].start = start;
    }
    if (g->status == PT_OK) pt_con_call(g, from, rule, next);
    return from;
}

/* What is left without a keyword. */
static json_t *without(pt_con_schema *s, json_t *schema, const char *key)
{
    json_t *rest = json_copy(schema);
    if (!rest || json_array_append_new(s->owned, rest)) {
        pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory"));
        return NULL;
    }
    json_object_del(rest, key);
    return rest;
}

/* anyOf, oneOf: each branch together with what stands beside it. */
static uint32_t branches(pt_con_schema *s, json_t *schema, const char *key, uint32_t next)
{
    pt_con_graph *g = s->g;
    const json_t *list = json_object_get(schema, key);
    json_t *rest = alone(schema, key) ? NULL : without(s, schema, key), *branch, *other;
    size_t i, k, before = pt_con_enter(s, key, 0);
    uint32_t from = pt_con_node(g);
    json_array_foreach(list, i, branch)
    {
        size_t here = pt_con_enter(s, NULL, i);
        json_array_foreach(list, k, other)
            if (k < i && g->status == PT_OK && strcmp(key, "oneOf") == 0 && !pt_con_apart(s, branch, other, 0))
                pt_con_refuse(s, "a branch of 'oneOf' that is not told apart from branch %zu (by type, const, enum, or those of a required property): use 'anyOf' where both may hold", k);
        json_t *both = rest ? pt_con_merge(s, rest, branch) : branch;
        uint32_t one = g->status == PT_OK ? pt_con_value(s, both, next) : 0;
        pt_con_none(g, from, one);
        pt_con_leave(s, here);
        if (g->status != PT_OK) break;
    }
    pt_con_leave(s, before);
    return from;
}

/* all and one at once; what one refers to and what it combines itself is taken in. */
static json_t *take_in(pt_con_schema *s, json_t *all, json_t *one, int depth)
{
    size_t i;
    json_t *part;
    if (depth > PT_CONSTRAINT_DEPTH) return pt_con_refuse(s, "'allOf' and '$ref' inside each other more than %d deep", PT_CONSTRAINT_DEPTH), NULL;
    const json_t *ref = json_object_get(one, "$ref"), *list = json_object_get(one, "allOf");
    if (json_is_string(ref)) {
        json_t *to = pt_con_resolve(s, json_string_value(ref));
        all = to ? take_in(s, all, to, depth + 1) : NULL;
        one = all ? without(s, one, "$ref") : NULL;
    }
    if (json_is_array(list)) {
        json_array_foreach(list, i, part) all = all ? take_in(s, all, part, depth + 1) : NULL;
        one = all ? without(s, one, "allOf") : NULL;
    }
    return one ? pt_con_merge(s, all, one) : NULL;
}

static uint32_t combined(pt_con_schema *s, json_t *schema, uint32_t next)
{
    json_t *list = json_object_get(schema, "allOf"), *all = without(s, schema, "allOf"), *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        size_t before = pt_con_enter(s, "allOf", 0);
        (void)pt_con_enter(s, NULL, i);
        all = all ? take_in(s, all, one, 0) : NULL;
        pt_con_leave(s, before);
    }
    return all ? pt_con_value(s, all, next) : PT_CON_END;
}

static uint32_t value(pt_con_schema *s, json_t *schema, uint32_t next)
{
    pt_con_graph *g = s->g;
    const json_t *ref = json_object_get(schema, "$ref");
    if (json_is_true(schema)) return pt_con_any(s, next);
    if (json_is_false(schema)) return pt_con_node(g); /* nothing follows: no text */
    if (!json_is_object(schema) || pt_json_odd(schema)) return pt_con_refuse(s, "a schema is an object, true or false, not %s", pt_json_kind(schema));
    if (!check(s, schema)) return PT_CON_END;
    if (ref && !json_is_string(ref)) return pt_con_refuse(s, "'$ref' must be a text");
    if (ref && alone(schema, "$ref")) return reference(s, json_string_value(ref), next);
    if (ref) {
        json_t *rest = without(s, schema, "$ref"), *to = rest ? pt_con_resolve(s, json_string_value(ref)) : NULL, *both = to ? pt_con_merge(s, to, rest) : NULL;
        return both ? pt_con_value(s, both, next) : PT_CON_END;
    }
    if (json_object_get(schema, "allOf")) return combined(s, schema, next);
    if (json_object_get(schema, "anyOf")) return branches(s, schema, "anyOf", next);
    if (json_object_get(schema, "oneOf")) return branches(s, schema, "oneOf", next);
    unsigned bits = pt_con_types(schema);
    if (json_object_get(schema, "enum") || json_object_get(schema, "const")) return pt_con_enum(s, schema, bits, next);
    return bits == PT_CON_ALL && !json_object_get(schema, "type") ? pt_con_any(s, next) : of_types(s, schema, bits, next);
}

uint32_t pt_con_value(pt_con_schema *s, json_t *schema, uint32_t next)
{
    if (s->g->status != PT_OK) return PT_CON_END;
    if (++s->nested > PT_CONSTRAINT_NESTED) return pt_con_refuse(s, "schemas are nested more than %d deep", PT_CONSTRAINT_NESTED);
    uint32_t from = value(s, schema, next);
    s->nested--;
    return s->g->status == PT_OK ? from : PT_CON_END;
}

pt_status pt_con_schema_build(pt_con_graph *g, const char *text, size_t n)
{
    pt_con_schema s = {.g = g};
    pt_status rc = PT_OK;
    PT_CHECK(n <= PT_CONSTRAINT_TEXT, PT_EARG, "%zu bytes of text: at most %d are read", n, PT_CONSTRAINT_TEXT);
    rc = pt_json_parse(&s.root, text, n, "schema", 0);
    if (rc == PT_EFORMAT) rc = PT_EARG;
    if (rc != PT_OK) goto done;
    s.owned = json_array();
    PT_CHECK(s.owned, PT_ENOMEM, "out of memory");
    PT_TRY(pt_str_add(&s.path, "", 0));
    g->start = pt_con_value(&s, s.root, PT_CON_END);
    rc = g->status;
done:
    json_decref(s.owned);
    json_decref(s.root);
    pt_str_free(&s.path);
    free(s.target);
    return rc;
}
