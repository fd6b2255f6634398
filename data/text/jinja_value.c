/* Values as Python has them: making, comparing, looking into. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

jvalue jv_none(void)
{
    return (jvalue){.kind = J_NONE};
}

jvalue jv_bool(bool b)
{
    return (jvalue){.kind = J_BOOL, .u.b = b};
}

jvalue jv_int(int64_t i)
{
    return (jvalue){.kind = J_INT, .u.i = i};
}

jvalue jv_float(double f)
{
    return (jvalue){.kind = J_FLOAT, .u.f = f};
}

jvalue jv_undefined(const char *name)
{
    return (jvalue){.kind = J_UNDEFINED, .u.s = name};
}

jvalue jv_text(const char *s, size_t n, uint32_t origin)
{
    return (jvalue){.kind = J_STRING, .n = (uint32_t)n, .origin = origin, .u.s = s};
}

jvalue jv_lit(const char *s)
{
    return jv_text(s, strlen(s), 0);
}

jvalue jv_list(jinja *J, jkind kind)
{
    jlist *l = jinja_alloc(J, sizeof *l);
    return l ? (jvalue){.kind = (uint8_t)kind, .u.list = l} : jv_undefined(NULL);
}

void jlist_add(jinja *J, jvalue list, jvalue v)
{
    if (!jv_is_list(list) || !jinja_tick(J, 1)) return;
    jlist *l = list.u.list;
    jvalue *p = jinja_grow(J, l->v, &l->cap, l->n + 1, sizeof v);
    if (!p) return;
    l->v = p;
    l->v[l->n++] = v;
}

jvalue jv_dict(jinja *J)
{
    jdict *d = jinja_alloc(J, sizeof *d);
    return d ? (jvalue){.kind = J_DICT, .u.dict = d} : jv_undefined(NULL);
}

static size_t place(jinja *J, const jdict *d, jvalue k)
{
    if (!jinja_tick(J, 1 + d->n / 8)) return d->n;
    for (size_t i = 0; i < d->n; i++) {
        const jvalue *have = &d->k[i];
        if (k.kind == J_STRING && have->kind == J_STRING ? have->n == k.n && !memcmp(have->u.s, k.u.s, k.n) : have->kind != J_STRING && k.kind != J_STRING && jv_equal(J, *have, k))
            return i;
    }
    return d->n;
}

static bool hashable(jinja *J, jvalue k)
{
    if (k.kind != J_LIST && k.kind != J_DICT && k.kind != J_NAMESPACE) return true;
    jinja_fail(J, PT_EFORMAT, "a %s cannot be a key", jv_type(k));
    return false;
}

void jdict_put(jinja *J, jdict *d, jvalue k, jvalue v)
{
    if (!hashable(J, k)) return;
    size_t i = place(J, d, k), cap = d->cap;
    if (J->rc != PT_OK) return;
    if (i == d->n) {
        jvalue *keys = jinja_grow(J, d->k, &cap, d->n + 1, sizeof k);
        cap = d->cap;
        jvalue *values = jinja_grow(J, d->v, &cap, d->n + 1, sizeof v);
        if (!keys || !values) return;
        d->k = keys;
        d->v = values;
        d->cap = cap;
        d->k[d->n++] = k;
    }
    d->v[i] = v;
}

bool jdict_get(jinja *J, const jdict *d, jvalue k, jvalue *out)
{
    if (k.kind == J_LIST || k.kind == J_DICT) return false;
    size_t i = place(J, d, k);
    if (J->rc != PT_OK || i == d->n) return false;
    *out = d->v[i];
    return true;
}

bool jdict_named(const jdict *d, const char *name, jvalue *out)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < d->n; i++)
        if (d->k[i].kind == J_STRING && d->k[i].n == n && !memcmp(d->k[i].u.s, name, n)) {
            *out = d->v[i];
            return true;
        }
    return false;
}

bool jv_is_list(jvalue v)
{
    return v.kind >= J_LIST && v.kind <= J_RANGE;
}

bool jv_number(jvalue v)
{
    return v.kind == J_BOOL || v.kind == J_INT || v.kind == J_FLOAT;
}

double jv_real(jvalue v)
{
    return v.kind == J_FLOAT ? v.u.f : v.kind == J_BOOL ? v.u.b : (double)v.u.i;
}

static int64_t whole(jvalue v)
{
    return v.kind == J_BOOL ? v.u.b : v.u.i;
}

const char *jv_type(jvalue v)
{
    static const char *const names[] = {"nothing", "undefined", "None", "bool", "int", "float", "str", "list", "tuple", "generator",
                                        "view", "range", "dict", "namespace", "macro", "function", "method", "loop"};
    return names[v.kind];
}

bool jv_true(jinja *J, jvalue v)
{
    (void)J;
    switch (v.kind) {
    case J_ABSENT:
    case J_UNDEFINED:
    case J_NONE: return false;
    case J_BOOL: return v.u.b;
    case J_INT: return v.u.i != 0;
    case J_FLOAT: return v.u.f != 0;
    case J_STRING: return v.n > 0;
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
    case J_RANGE: return v.u.list->n > 0;
    case J_DICT: return v.u.dict->n > 0;
    default: return true;
    }
}

static bool lists_equal(jinja *J, const jlist *a, const jlist *b)
{
    if (a == b) return true;
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!jv_equal(J, a->v[i], b->v[i])) return false;
    return true;
}

static bool dicts_equal(jinja *J, const jdict *a, const jdict *b)
{
    if (a == b) return true;
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        jvalue v;
        if (!jdict_get(J, b, a->k[i], &v) || !jv_equal(J, a->v[i], v)) return false;
    }
    return true;
}

bool jv_equal(jinja *J, jvalue a, jvalue b)
{
    bool same = false;
    if (jv_number(a) && jv_number(b)) {
        if (a.kind == J_FLOAT || b.kind == J_FLOAT) return !(jv_real(a) < jv_real(b)) && !(jv_real(a) > jv_real(b)) && !isnan(jv_real(a)) && !isnan(jv_real(b));
        return whole(a) == whole(b);
    }
    if (a.kind != b.kind) return false;
    if (!jinja_enter(J)) return false;
    switch (a.kind) {
    case J_UNDEFINED:
    case J_NONE: same = true; break;
    case J_STRING: same = a.n == b.n && !memcmp(a.u.s, b.u.s, a.n); break;
    case J_LIST:
    case J_TUPLE:
    case J_RANGE: same = lists_equal(J, a.u.list, b.u.list); break;
    case J_DICT: same = dicts_equal(J, a.u.dict, b.u.dict); break;
    case J_METHOD: same = a.u.method == b.u.method; break;
    case J_FUNCTION: same = a.u.s == b.u.s; break;
    default: same = a.u.list == b.u.list; break;
    }
    jinja_leave(J);
    return same && J->rc == PT_OK;
}

int jv_order(jinja *J, jvalue a, jvalue b, const char *op)
{
    if (jv_number(a) && jv_number(b)) {
        if (a.kind != J_FLOAT && b.kind != J_FLOAT) return (whole(a) > whole(b)) - (whole(a) < whole(b));
        double x = jv_real(a), y = jv_real(b);
        return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
    }
    if (a.kind == J_STRING && b.kind == J_STRING) { /* bytes of UTF-8 are in the order of characters */
        int c = memcmp(a.u.s, b.u.s, a.n < b.n ? a.n : b.n);
        return c ? (c > 0) - (c < 0) : (a.n > b.n) - (a.n < b.n);
    }
    if (a.kind == b.kind && (a.kind == J_LIST || a.kind == J_TUPLE)) {
        const jlist *x = a.u.list, *y = b.u.list;
        int c = 0;
        if (!jinja_enter(J)) return 0;
        for (size_t i = 0; i < x->n && i < y->n && !c && J->rc == PT_OK; i++)
            if (!jv_equal(J, x->v[i], y->v[i])) c = jv_order(J, x->v[i], y->v[i], op);
        jinja_leave(J);
        return c ? c : (x->n > y->n) - (x->n < y->n);
    }
    if (a.kind == J_UNDEFINED || b.kind == J_UNDEFINED)
        jinja_fail(J, PT_EFORMAT, "'%s' is undefined", a.kind == J_UNDEFINED && a.u.s ? a.u.s : b.kind == J_UNDEFINED && b.u.s ? b.u.s : "it");
    else
        jinja_fail(J, PT_EFORMAT, "'%s' between %s and %s", op, jv_type(a), jv_type(b));
    return 0;
}

bool jv_says(jvalue s, const char *text)
{
    return s.kind == J_STRING && s.n == strlen(text) && !memcmp(s.u.s, text, s.n);
}

bool jv_in(jinja *J, jvalue a, jvalue b)
{
    if (b.kind == J_STRING) {
        if (a.kind != J_STRING) return jinja_fail(J, PT_EFORMAT, "'in <str>' with %s on its left", jv_type(a)), false;
        return jinja_tick(J, 1 + b.n / 16) && jstr_find(b, a, 0) != SIZE_MAX;
    }
    if (b.kind == J_DICT) {
        jvalue v;
        return hashable(J, a) && jdict_get(J, b.u.dict, a, &v);
    }
    const jlist *l = jv_items(J, b);
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++)
        if (jv_equal(J, l->v[i], a)) return true;
    return false;
}

static jlist *characters(jinja *J, jvalue s)
{
    jvalue l = jv_list(J, J_LIST);
    for (size_t i = 0, k; i < s.n && J->rc == PT_OK; i += k) {
        k = pt_utf8_len((unsigned char)s.u.s[i]);
        jlist_add(J, l, jstr_sub(s, i, k));
    }
    return jv_is_list(l) ? l.u.list : NULL;
}

jlist *jv_items(jinja *J, jvalue v)
{
    if (jv_is_list(v)) return v.u.list;
    if (v.kind == J_STRING) return characters(J, v);
    if (v.kind == J_LOOP) return v.u.loop->items;
    if (v.kind == J_UNDEFINED || v.kind == J_DICT) {
        jvalue l = jv_list(J, J_LIST);
        if (!jv_is_list(l)) return NULL;
        if (v.kind == J_DICT) {
            l.u.list->v = v.u.dict->k;
            l.u.list->n = l.u.list->cap = v.u.dict->n;
        }
        return l.u.list;
    }
    jinja_fail(J, PT_EFORMAT, "a %s has no items to go through", jv_type(v));
    return NULL;
}

/* ---- what comes from outside ---- */

uint32_t jinja_origin(jinja *J, uint32_t parent, const char *key, size_t index)
{
    pt_jinja_origin *o = jinja_grow(J, J->origins, &J->cap_origins, J->n_origins + 2, sizeof *o);
    if (!o) return 0;
    J->origins = o;
    if (!J->n_origins) J->n_origins = 1;
    int32_t message = parent ? o[parent].message : -1;
    if (parent && !key && !o[parent].parent && o[parent].key && !strcmp(o[parent].key, "messages")) message = (int32_t)index;
    o[J->n_origins] = (pt_jinja_origin){.parent = parent, .key = key, .index = index, .message = message};
    return (uint32_t)J->n_origins++;
}

static jvalue import_text(jinja *J, const char *s, size_t n, uint32_t origin)
{
    char *copy = jinja_alloc(J, n + 1);
    if (!copy) return jv_undefined(NULL);
    memcpy(copy, s, n);
    return jv_text(copy, n, origin);
}

static jvalue import_list(jinja *J, const json_t *j, uint32_t origin)
{
    jvalue l = jv_list(J, J_LIST);
    for (size_t i = 0; i < json_array_size(j) && J->rc == PT_OK; i++) jlist_add(J, l, jv_import(J, json_array_get(j, i), origin ? jinja_origin(J, origin, NULL, i) : 0));
    return l;
}

static jvalue import_object(jinja *J, const json_t *j, uint32_t origin)
{
    jvalue d = jv_dict(J);
    for (void *it = json_object_iter((json_t *)j); it && J->rc == PT_OK; it = json_object_iter_next((json_t *)j, it)) {
        const char *key = json_object_iter_key(it);
        jvalue k = import_text(J, key, strlen(key), 0);
        uint32_t mine = origin && J->rc == PT_OK ? jinja_origin(J, origin, k.u.s, 0) : 0;
        k.origin = mine;
        jvalue v = jv_import(J, json_object_iter_value(it), mine);
        if (J->rc == PT_OK) jdict_put(J, d.u.dict, k, v);
    }
    return d;
}

jvalue jv_import(jinja *J, const json_t *j, uint32_t origin)
{
    jvalue v = jv_none();
    if (!jinja_enter(J)) return jv_undefined(NULL);
    if (pt_json_odd(j)) {
        const char *kind = pt_json_kind(j); /* a number that JSON does not have, or a text that UTF-8 does not */
        if (!strcmp(kind, "NaN"))
            v = jv_float(NAN);
        else
            jinja_fail(J, PT_ENOSUP, "%s in what it is given", kind);
        jinja_leave(J);
        return v;
    }
    switch (json_typeof(j)) {
    case JSON_OBJECT: v = import_object(J, j, origin); break;
    case JSON_ARRAY: v = import_list(J, j, origin); break;
    case JSON_STRING: v = import_text(J, json_string_value(j), json_string_length(j), origin); break;
    case JSON_INTEGER: v = jv_int(json_integer_value(j)); break;
    case JSON_REAL: v = jv_float(json_real_value(j)); break;
    case JSON_TRUE:
    case JSON_FALSE: v = jv_bool(json_is_true(j)); break;
    default: break;
    }
    v.origin = origin;
    jinja_leave(J);
    return v;
}
