/* References within a schema, schemas that hold at once, schemas that exclude each other. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One step of a JSON pointer in a URI: the text up to '/', with %XX, ~0 and ~1 undone. */
static pt_status step(const char **p, pt_str *key)
{
    key->len = 0;
    PT_RETURN(pt_str_add(key, "", 0));
    for (; **p && **p != '/'; ++*p) {
        char c = **p;
        if (c == '%' && hex((*p)[1]) >= 0 && hex((*p)[2]) >= 0) {
            c = (char)(hex((*p)[1]) << 4 | hex((*p)[2]));
            *p += 2;
        } else if (c == '~' && ((*p)[1] == '0' || (*p)[1] == '1')) {
            c = (*p)[1] == '0' ? '~' : '/';
            ++*p;
        }
        PT_RETURN(pt_str_add(key, &c, 1));
    }
    return PT_OK;
}

json_t *pt_con_resolve(pt_con_schema *s, const char *ref)
{
    json_t *at = s->root;
    pt_str key = {0};
    if (ref[0] != '#') return pt_con_refuse(s, "'$ref' to '%.200s': only references within the schema (#/...) are supported; nothing else is opened", ref), NULL;
    if (ref[1] && ref[1] != '/') return pt_con_refuse(s, "'$ref' to '%.200s': only JSON pointers (#/...) are supported, no anchors", ref), NULL;
    for (const char *p = ref + 1; *p && at;) {
        p++;
        pt_con_fail(s->g, step(&p, &key));
        if (s->g->status != PT_OK) break;
        char *end;
        size_t i = strtoul(key.text, &end, 10);
        at = json_is_array(at) ? (key.len && !*end ? json_array_get(at, i) : NULL) : json_object_get(at, key.text);
    }
    pt_str_free(&key);
    if (!at) pt_con_refuse(s, "'$ref' to '%.200s': there is no such place in the schema", ref);
    return s->g->status == PT_OK ? at : NULL;
}

static bool full(pt_con_schema *s)
{
    if (++s->merged > PT_CON_MERGED_MOST) pt_con_refuse(s, "too many schemas are combined (allOf, or keywords beside anyOf, oneOf or $ref)");
    return s->g->status != PT_OK;
}

static void set(pt_con_schema *s, json_t *to, const char *key, json_t *value)
{
    if (full(s)) return;
    if (json_object_set(to, key, value)) pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory"));
}

static void set_new(pt_con_schema *s, json_t *to, const char *key, json_t *value)
{
    set(s, to, key, value);
    json_decref(value);
}

/* Both schemas, to be combined where they are built. */
static json_t *later(pt_con_schema *s, json_t *a, json_t *b)
{
    json_t *both;
    if (json_is_true(a) || json_equal(a, b)) return json_incref(b);
    if (json_is_true(b)) return json_incref(a);
    if (json_is_false(a) || json_is_false(b)) return json_false();
    both = json_pack("{s:[O,O]}", "allOf", a, b);
    if (!both) pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory"));
    return both;
}

/* The types that both have, as a list; false where none is left. */
static json_t *types_of_both(pt_con_schema *s, unsigned bits)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    json_t *list = json_array();
    for (unsigned i = 0; list && i < 7; i++)
        if (bits >> i & 1 && !(i == 2 && bits & PT_CON_NUMBER)) json_array_append_new(list, json_string(names[i]));
    if (!list) pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory"));
    return list;
}

static json_t *union_of(pt_con_schema *s, const json_t *a, const json_t *b, bool both)
{
    json_t *out = json_array(), *x, *y;
    size_t i, k;
    if (!pt_con_spend(s, 2 * json_array_size(a) * json_array_size(b))) return out;
    json_array_foreach(a, i, x)
    {
        bool in = false;
        json_array_foreach(b, k, y) in |= json_equal(x, y);
        if (!both || in) json_array_append(out, x);
    }
    if (!both)
        json_array_foreach(b, i, x)
        {
            bool in = false;
            json_array_foreach(a, k, y) in |= json_equal(x, y);
            if (!in) json_array_append(out, x);
        }
    return out;
}

/* Properties that only one side lists are what the other side says about unlisted ones. */
static void close_properties(pt_con_schema *s, json_t *props, const json_t *mine, const json_t *rest)
{
    const char *key;
    json_t *value;
    if (!rest) return;
    json_object_foreach(props, key, value)
    {
        if (json_object_get(mine, key)) continue;
        json_t *both = later(s, value, (json_t *)rest);
        if (both) set_new(s, props, key, both);
        if (s->g->status != PT_OK) return;
    }
}

static void merge_properties(pt_con_schema *s, json_t *out, const json_t *a, const json_t *b)
{
    const json_t *pa = json_object_get(a, "properties"), *pb = json_object_get(b, "properties");
    json_t *props = json_object(), *value;
    const char *key;
    if (!props) pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory"));
    json_object_foreach((json_t *)pa, key, value) set(s, props, key, value);
    json_object_foreach((json_t *)pb, key, value)
    {
        json_t *there = json_object_get(pa, key), *both = there ? later(s, there, value) : json_incref(value);
        if (both) set_new(s, props, key, both);
        if (s->g->status != PT_OK) break;
    }
    if (s->g->status == PT_OK) close_properties(s, props, pa, json_object_get(a, "additionalProperties"));
    if (s->g->status == PT_OK) close_properties(s, props, pb, json_object_get(b, "additionalProperties"));
    if (json_object_size(props)) set(s, out, "properties", props);
    json_decref(props);
}

static bool is(const char *key, const char *names)
{
    size_t n = strlen(key);
    for (const char *p = names; (p = strstr(p, key)); p += n)
        if ((p == names || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

/* A keyword that both have. */
static void merge_key(pt_con_schema *s, json_t *out, const char *key, json_t *a, json_t *b)
{
    bool low = is(key, "minimum exclusiveMinimum minLength minItems minProperties"), high = is(key, "maximum exclusiveMaximum maxLength maxItems maxProperties");
    if (strcmp(key, "properties") == 0 || json_equal(a, b) || is(key, "title description default examples $comment $defs definitions $schema $id")) return;
    if ((low || high) && json_is_number(a) && json_is_number(b)) {
        bool larger = json_number_value(b) > json_number_value(a);
        if (larger == low) set(s, out, key, b);
    } else if (strcmp(key, "required") == 0) {
        set_new(s, out, key, union_of(s, a, b, false));
    } else if (strcmp(key, "enum") == 0) {
        set_new(s, out, key, union_of(s, a, b, true));
    } else if (strcmp(key, "items") == 0 || strcmp(key, "additionalProperties") == 0) {
        json_t *both = later(s, a, b);
        if (both) set_new(s, out, key, both);
    } else {
        pt_con_refuse(s, "'%.80s' stands in two schemas that hold at once (allOf, or beside anyOf, oneOf or $ref), which is not supported", key);
    }
}

json_t *pt_con_merge(pt_con_schema *s, json_t *a, json_t *b)
{
    const char *key;
    json_t *value, *out;
    if (json_is_true(a)) return b;
    if (json_is_true(b) || json_is_false(a)) return a;
    if (json_is_false(b)) return b;
    if (!json_is_object(a) || !json_is_object(b)) return pt_con_refuse(s, "a schema is an object, true or false, not %s", pt_json_kind(json_is_object(a) ? b : a)), NULL;
    out = json_copy(a);
    if (!out || json_array_append_new(s->owned, out)) return pt_con_fail(s->g, pt_fail(PT_ENOMEM, "out of memory")), NULL;
    s->merged += json_object_size(a);
    if (json_object_get(a, "properties") || json_object_get(b, "properties")) merge_properties(s, out, a, b);
    json_object_foreach(b, key, value)
    {
        json_t *mine = json_object_get(a, key);
        if (s->g->status != PT_OK) break;
        if (strcmp(key, "type") == 0 && mine)
            set_new(s, out, key, types_of_both(s, pt_con_types(a) & pt_con_types(b)));
        else if (mine)
            merge_key(s, out, key, mine, value);
        else if (strcmp(key, "properties") != 0)
            set(s, out, key, value);
    }
    const json_t *types = json_object_get(out, "type"), *list = json_object_get(out, "enum");
    if (s->g->status != PT_OK) return NULL;
    return (json_is_array(types) && !json_array_size(types)) || (list && !json_array_size(list)) ? json_false() : out;
}

/* Past a reference that stands alone. */
static const json_t *seen(pt_con_schema *s, const json_t *a)
{
    for (int i = 0; i < PT_CONSTRAINT_DEPTH && a && json_is_string(json_object_get(a, "$ref")); i++) a = pt_con_resolve(s, json_string_value(json_object_get(a, "$ref")));
    return a;
}

static bool in_list(const json_t *list, const char *name)
{
    size_t i;
    json_t *x;
    json_array_foreach(list, i, x)
        if (json_is_string(x) && strcmp(json_string_value(x), name) == 0) return true;
    return false;
}

/* The values that const or enum leave, as a list that the caller frees; NULL where neither stands. */
static json_t *values(const json_t *a)
{
    json_t *one = json_object_get(a, "const"), *list = json_object_get(a, "enum");
    return one ? json_pack("[O]", one) : json_is_array(list) ? json_incref(list) : NULL;
}

static bool values_apart(pt_con_schema *s, const json_t *a, const json_t *b)
{
    json_t *x = values(a), *y = values(b), *both = x && y ? union_of(s, x, y, true) : NULL;
    bool apart = both && !json_array_size(both);
    size_t i, k;
    json_t *p, *q;
    if (apart && s->g->status == PT_OK) json_array_foreach(x, i, p) json_array_foreach(y, k, q) apart &= !(json_is_number(p) && json_is_number(q) && json_number_value(p) == json_number_value(q));
    json_decref(both);
    json_decref(y);
    json_decref(x);
    return apart;
}

bool pt_con_apart(pt_con_schema *s, const json_t *a, const json_t *b, int depth)
{
    a = seen(s, a);
    b = seen(s, b);
    if (s->g->status != PT_OK || json_is_false(a) || json_is_false(b)) return true;
    if (!json_is_object(a) || !json_is_object(b)) return false;
    bool stated_a = json_object_get(a, "type") || json_object_get(a, "const") || json_object_get(a, "enum");
    bool stated_b = json_object_get(b, "type") || json_object_get(b, "const") || json_object_get(b, "enum");
    if (stated_a && stated_b && !(pt_con_types(a) & pt_con_types(b))) return true;
    if (values_apart(s, a, b)) return true;
    if (pt_con_types(a) != PT_CON_OBJECT || pt_con_types(b) != PT_CON_OBJECT) return false;
    const json_t *side[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        const json_t *props = json_object_get(side[k], "properties"), *other = json_object_get(side[!k], "properties");
        const json_t *need = json_object_get(side[k], "required"), *need2 = json_object_get(side[!k], "required");
        size_t i;
        json_t *x;
        if (!pt_con_spend(s, 1 + json_array_size(need) * json_array_size(need2))) return true;
        json_array_foreach(need, i, x)
        {
            const char *name = json_is_string(x) ? json_string_value(x) : "";
            const json_t *p = json_object_get(props, name), *q = json_object_get(other, name);
            if (!q && json_is_false(json_object_get(side[!k], "additionalProperties")) && !json_object_get(side[!k], "patternProperties")) return true;
            if (p && q && in_list(need2, name) && depth < 8 && pt_con_apart(s, p, q, depth + 1)) return true;
        }
    }
    return false;
}
