/* Objects and lists of a schema. Members stand in the order of `properties`, then required ones that are not listed there, then others. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"

/* What members may have that `properties` does not list. */
typedef struct others {
    const char *pattern; /* of their keys; NULL: any but the listed ones */
    json_t *schema;      /* of their values; NULL: there are none */
    const char *keyword; /* which says so */
} others;

static json_t *get(const json_t *schema, const char *key)
{
    return json_object_get(schema, key);
}

static bool is_required(const json_t *required, const char *name)
{
    size_t i;
    json_t *x;
    json_array_foreach(required, i, x)
        if (json_is_string(x) && strcmp(json_string_value(x), name) == 0) return true;
    return false;
}

/* Keywords of an object, checked. */
static bool read_others(pt_con_schema *s, const json_t *schema, others *o)
{
    json_t *props = get(schema, "properties"), *patterns = get(schema, "patternProperties"), *more = get(schema, "additionalProperties"), *x;
    const char *key;
    size_t i;
    *o = (others){.keyword = "additionalProperties"};
    if (props && !json_is_object(props)) return pt_con_refuse(s, "'properties' must be an object, not %s", pt_json_kind(props)), false;
    if (get(schema, "required") && !json_is_array(get(schema, "required"))) return pt_con_refuse(s, "'required' must be a list of names"), false;
    json_array_foreach(get(schema, "required"), i, x)
        if (!json_is_string(x)) return pt_con_refuse(s, "'required' must be a list of names"), false;
    if (!patterns) {
        bool nothing = !props && !get(schema, "required");
        o->schema = json_is_false(more) ? NULL : more ? more : nothing ? json_true() : NULL;
        return true;
    }
    if (json_object_size(patterns) != 1 || (more && !json_is_false(more)))
        return pt_con_refuse(s, "'patternProperties' is supported with one pattern, and without 'additionalProperties' but false"), false;
    json_object_foreach(patterns, o->pattern, o->schema) break;
    o->keyword = "patternProperties";
    json_object_foreach(props, key, x)
        if (pt_con_matches(s, o->pattern, key)) return pt_con_refuse(s, "'patternProperties' whose pattern the property '%.80s' matches too is not supported", key), false;
    return true;
}

/* A member that is not listed: key, mark, value; as a rule. */
static uint32_t other_member(pt_con_schema *s, const json_t *props, const json_t *required, const others *o)
{
    pt_con_graph *g = s->g;
    const char **names = NULL, *key;
    json_t *x;
    size_t n = 0, i;
    uint32_t rule = pt_con_rule_new(g, false);
    size_t before = pt_con_enter(s, o->keyword, 0);
    if (o->pattern) (void)pt_con_enter(s, o->pattern, 0);
    uint32_t value = pt_con_mark(g, ':', pt_con_value(s, o->schema, PT_CON_END)), start = 0;
    pt_con_fail(g, pt_alloc0(&names, json_object_size(props) + json_array_size(required)));
    if (g->status == PT_OK) {
        json_object_foreach((json_t *)props, key, x) names[n++] = key;
        json_array_foreach(required, i, x)
            if (!get(props, json_string_value(x))) names[n++] = json_string_value(x);
        start = o->pattern ? pt_con_pattern(s, o->pattern, 0, PT_CON_MANY, value) : pt_con_other_string(s, names, n, value);
    }
    pt_con_leave(s, before);
    if (g->status == PT_OK) g->rule[rule].start = start;
    free(names);
    return rule;
}

/* first, and times more of them behind commas; or nothing where min is 0. */
static uint32_t listed(pt_con_graph *g, uint32_t rule, uint32_t min, uint32_t max, uint32_t next)
{
    if (!max) return next;
    uint32_t more = pt_con_rule_new(g, false), one = pt_con_node(g), from = pt_con_node(g);
    pt_con_call(g, one, rule, PT_CON_END);
    uint32_t start = pt_con_mark(g, ',', one);
    if (g->status != PT_OK) return PT_CON_END;
    g->rule[more].start = start;
    pt_con_call(g, from, rule, pt_con_times(g, more, min ? min - 1 : 0, max == PT_CON_MANY ? max : max - 1, next));
    if (!min) pt_con_none(g, from, next);
    return from;
}

static uint32_t name_text(pt_con_schema *s, const char *name, uint32_t next)
{
    pt_str text = {0};
    pt_con_fail(s->g, pt_con_spell(&text, name, strlen(name)));
    if (s->g->status == PT_OK) next = pt_con_text(s->g, text.text, text.len, next);
    pt_str_free(&text);
    return next;
}

/* Members from the last one back: some[0] is where none stands yet, some[1] where one does. */
static void member(pt_con_schema *s, const char *name, json_t *schema, bool required, uint32_t some[2])
{
    pt_con_graph *g = s->g;
    size_t before = pt_con_enter(s, "properties", 0);
    (void)pt_con_enter(s, name, 0);
    uint32_t one = name_text(s, name, pt_con_mark(g, ':', pt_con_value(s, schema, some[1])));
    uint32_t behind = pt_con_mark(g, ',', one);
    pt_con_leave(s, before);
    some[0] = required ? one : pt_con_either(g, one, some[0]);
    some[1] = required ? behind : pt_con_either(g, behind, some[1]);
}

/* Counts of members beside a list of them: only what the list says anyhow. */
static bool counted(pt_con_schema *s, const json_t *schema, size_t n, size_t required, bool more)
{
    uint32_t min = pt_con_count(s, schema, "minProperties", 0), max = pt_con_count(s, schema, "maxProperties", PT_CON_MANY);
    if (min <= required && (max == PT_CON_MANY || (max >= n && !more))) return true;
    return pt_con_refuse(s, "'minProperties' and 'maxProperties' beside listed properties are supported only where 'required' and 'properties' say the same"), false;
}

uint32_t pt_con_object(pt_con_schema *s, json_t *schema, uint32_t next)
{
    pt_con_graph *g = s->g;
    json_t *props = get(schema, "properties"), *required = get(schema, "required"), *x;
    size_t n = json_object_size(props), k = 0, i;
    const char *key, **names = NULL;
    others o;
    if (!read_others(s, schema, &o)) return PT_CON_END;
    uint32_t close = pt_con_text(g, "}", 1, next), some[2] = {close, close};
    if (!n && !json_array_size(required)) {
        uint32_t min = pt_con_count(s, schema, "minProperties", 0), max = pt_con_count(s, schema, "maxProperties", PT_CON_MANY);
        uint32_t rule = o.schema ? other_member(s, props, required, &o) : 0;
        if (min > max || (!o.schema && min)) return pt_con_node(g);
        return pt_con_text(g, "{", 1, o.schema ? listed(g, rule, min, max, close) : close);
    }
    if (!counted(s, schema, n, json_array_size(required), o.schema != NULL)) return PT_CON_END;
    if (!pt_con_spend(s, 2 * (n + json_array_size(required)) * json_array_size(required))) return PT_CON_END;
    if (o.schema) {
        uint32_t rule = other_member(s, props, required, &o), loop = pt_con_node(g), one = pt_con_node(g);
        pt_con_call(g, one, rule, loop);
        pt_con_none(g, loop, pt_con_mark(g, ',', one));
        pt_con_none(g, loop, close);
        some[1] = loop;
        some[0] = pt_con_either(g, one, close);
    }
    for (i = json_array_size(required); i-- > 0 && g->status == PT_OK;) {
        const char *name = json_string_value(json_array_get(required, i));
        bool twice = false;
        for (size_t m = 0; m < i; m++) twice |= strcmp(json_string_value(json_array_get(required, m)), name) == 0;
        if (get(props, name) || twice) continue;
        bool by_pattern = o.pattern && pt_con_matches(s, o.pattern, name), none = o.pattern ? !by_pattern && json_is_false(get(schema, "additionalProperties")) : json_is_false(get(schema, "additionalProperties"));
        json_t *value = none ? json_false() : by_pattern || (o.schema && !o.pattern) ? o.schema : json_true();
        member(s, name, value, true, some);
    }
    pt_con_fail(g, pt_alloc0(&names, n));
    if (g->status == PT_OK) json_object_foreach(props, key, x) names[k++] = key;
    while (k-- > 0 && g->status == PT_OK) member(s, names[k], get(props, names[k]), is_required(required, names[k]), some);
    free(names);
    return pt_con_text(g, "{", 1, some[0]);
}

/* Items that prefixItems lists, one by one; then, behind min of them in all, the rest. */
uint32_t pt_con_array(pt_con_schema *s, json_t *schema, uint32_t next)
{
    pt_con_graph *g = s->g;
    json_t *first = get(schema, "prefixItems"), *items = get(schema, "items");
    uint32_t min = pt_con_count(s, schema, "minItems", 0), max = pt_con_count(s, schema, "maxItems", PT_CON_MANY), rule = 0;
    size_t n = json_array_size(first), before;
    if (first && !n) return pt_con_refuse(s, "'prefixItems' must be a list that is not empty");
    if (json_is_array(items)) return pt_con_refuse(s, "'items' as a list is not supported: 'prefixItems' is");
    if (min > max) return pt_con_node(g);
    if (n > max) n = max;
    uint32_t close = pt_con_text(g, "]", 1, next);
    if (!items) items = n && min <= n ? json_false() : json_true();
    bool more = !json_is_false(items) && max > n;
    if (!more && min > n) return pt_con_node(g);
    if (more) {
        rule = pt_con_rule_new(g, false);
        before = pt_con_enter(s, "items", 0);
        uint32_t start = pt_con_value(s, items, PT_CON_END);
        pt_con_leave(s, before);
        if (g->status == PT_OK) g->rule[rule].start = start;
    }
    if (!n) return pt_con_text(g, "[", 1, more ? listed(g, rule, min, max, close) : close);
    uint32_t rest = min > n ? min - (uint32_t)n : 0, most = max == PT_CON_MANY ? max : max - (uint32_t)n, at = close;
    if (more) {
        uint32_t one = pt_con_rule_new(g, false), item = pt_con_node(g);
        pt_con_call(g, item, rule, PT_CON_END);
        uint32_t start = pt_con_mark(g, ',', item);
        if (g->status == PT_OK) g->rule[one].start = start;
        at = pt_con_times(g, one, rest, most, close);
    }
    before = pt_con_enter(s, "prefixItems", 0);
    for (size_t i = n; i-- > 0 && g->status == PT_OK;) {
        size_t here = pt_con_enter(s, NULL, i);
        at = pt_con_value(s, json_array_get(first, i), at);
        pt_con_leave(s, here);
        if (i) at = pt_con_mark(g, ',', at);
        if (i >= min) at = pt_con_either(g, at, close);
    }
    pt_con_leave(s, before);
    return pt_con_text(g, "[", 1, at);
}
