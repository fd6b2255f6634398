/* Filters of lists and dicts. */
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja_priv.h"

/* make_attrgetter: "a.b.0" goes down three steps; no name: the thing itself. */
static jvalue get_attribute(jinja *J, jvalue v, jvalue name, jvalue otherwise)
{
    if (name.kind == J_ABSENT || name.kind == J_NONE) return v;
    if (name.kind != J_STRING) return jinja_item(J, v, name);
    for (size_t at = 0; at <= name.n && J->rc == PT_OK;) {
        size_t end = jstr_find(name, jv_lit("."), at), digits = 0;
        if (end == SIZE_MAX) end = name.n;
        while (at + digits < end && name.u.s[at + digits] >= '0' && name.u.s[at + digits] <= '9') digits++;
        jvalue key = jstr_sub(name, at, end - at);
        if (digits && digits == end - at && digits < 10) {
            int64_t i = 0;
            for (size_t k = at; k < end; k++) i = i * 10 + (name.u.s[k] - '0');
            key = jv_int(i);
        }
        v = jinja_item(J, v, key);
        if (v.kind == J_UNDEFINED && otherwise.kind != J_ABSENT && otherwise.kind != J_NONE) v = otherwise;
        at = end + 1;
    }
    return v;
}

static jvalue made(jinja *J, const char *what)
{
    jvalue l = jv_list(J, J_ITER);
    if (jv_is_list(l)) l.u.list->view = what;
    return l;
}

static jvalue f_length(jinja *J, jvalue in, const jargs *a)
{
    if (!jinja_take(J, a, "length", "", 0, NULL)) return in;
    if (in.kind == J_UNDEFINED) return jv_int(0);
    if (in.kind == J_STRING) return jv_int((int64_t)jstr_len(in));
    if (in.kind == J_DICT) return jv_int((int64_t)in.u.dict->n);
    if (in.kind == J_LOOP) return jv_int((int64_t)in.u.loop->items->n);
    if (jv_is_list(in) && in.kind != J_ITER) return jv_int((int64_t)in.u.list->n);
    return jinja_fail(J, PT_EFORMAT, "a %s has no length", jv_type(in));
}

static jvalue f_first(jinja *J, jvalue in, const jargs *a)
{
    const jlist *l = jinja_take(J, a, "first", "", 0, NULL) ? jv_items(J, in) : NULL;
    return l && l->n ? l->v[0] : jv_undefined("first of nothing");
}

static jvalue f_last(jinja *J, jvalue in, const jargs *a)
{
    const jlist *l = jinja_take(J, a, "last", "", 0, NULL) ? jv_items(J, in) : NULL;
    if (in.kind == J_ITER) return jinja_fail(J, PT_EFORMAT, "last of a generator");
    if (in.kind == J_UNDEFINED) return jinja_fail(J, PT_EFORMAT, "'%s' is undefined", in.u.s ? in.u.s : "it");
    return l && l->n ? l->v[l->n - 1] : jv_undefined("last of nothing");
}

static jvalue copy(jinja *J, jvalue in, jkind kind, bool backwards)
{
    jvalue out = jv_list(J, kind);
    const jlist *l = jv_items(J, in);
    if (jv_is_list(out)) out.u.list->view = "generator";
    for (size_t i = 0; l && i < l->n && J->rc == PT_OK; i++) jlist_add(J, out, l->v[backwards ? l->n - 1 - i : i]);
    return out;
}

static jvalue f_list(jinja *J, jvalue in, const jargs *a) { return jinja_take(J, a, "list", "", 0, NULL) ? copy(J, in, J_LIST, false) : in; }

static jvalue f_reverse(jinja *J, jvalue in, const jargs *a)
{
    if (!jinja_take(J, a, "reverse", "", 0, NULL)) return in;
    if (in.kind == J_STRING) {
        int64_t n = (int64_t)jstr_len(in);
        return jstr_slice(J, in, n - 1, -1, n);
    }
    return copy(J, in, J_ITER, true);
}

static jvalue f_join(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2], texts = jv_list(J, J_LIST);
    const jlist *l = jinja_take(J, a, "join", "d attribute", 0, v) ? jv_items(J, in) : NULL;
    for (size_t i = 0; l && i < l->n && J->rc == PT_OK; i++) jlist_add(J, texts, jv_str(J, get_attribute(J, l->v[i], v[1], (jvalue){0})));
    return J->rc == PT_OK ? jstr_join(J, jv_str(J, v[0]), texts.u.list) : in;
}

/* A filter or test given by name, with the arguments behind its own `skip`. */
static jargs rest(const jargs *a, size_t skip)
{
    jargs r = *a;
    r.v += skip;
    r.n -= skip;
    return r;
}

static int named(jinja *J, jvalue name, int (*find)(const char *), const char *what)
{
    char buf[64];
    int i = -1;
    if (name.kind == J_STRING && name.n < sizeof buf) {
        memcpy(buf, name.u.s, name.n);
        buf[name.n] = 0;
        i = find(buf);
    }
    if (i < 0) jinja_fail(J, PT_EFORMAT, "no such %s", what);
    return i;
}

static jvalue f_map(jinja *J, jvalue in, const jargs *a)
{
    jvalue out = made(J, "map"), v[2] = {{0}};
    int filter = -1;
    if (a->n) {
        filter = named(J, a->v[0], jinja_filter_find, "filter");
    } else if (!jinja_take(J, a, "map", "attribute default", 1, v)) {
        return in;
    }
    const jlist *l = jv_true(J, in) ? jv_items(J, in) : NULL;
    jargs behind = a->n ? rest(a, 1) : *a;
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++)
        jlist_add(J, out, filter >= 0 ? jinja_filter(filter)->run(J, l->v[i], &behind) : get_attribute(J, l->v[i], v[0], v[1]));
    return out;
}

static jvalue choose(jinja *J, jvalue in, const jargs *a, bool keep, bool attribute)
{
    jvalue out = made(J, "select");
    size_t own = attribute;
    int test = -1;
    if (a->n < own) return jinja_fail(J, PT_EFORMAT, "the name of an attribute is missing");
    if (a->n > own) test = named(J, a->v[own], jinja_test_find, "test");
    const jlist *l = jv_true(J, in) ? jv_items(J, in) : NULL;
    jargs behind = test >= 0 ? rest(a, own + 1) : *a;
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++) {
        jvalue v = attribute ? get_attribute(J, l->v[i], a->v[0], (jvalue){0}) : l->v[i];
        bool is = test >= 0 ? jinja_test(J, test, v, &behind) : jv_true(J, v);
        if (is == keep) jlist_add(J, out, l->v[i]);
    }
    return out;
}
static jvalue f_select(jinja *J, jvalue in, const jargs *a) { return choose(J, in, a, true, false); }
static jvalue f_reject(jinja *J, jvalue in, const jargs *a) { return choose(J, in, a, false, false); }
static jvalue f_selectattr(jinja *J, jvalue in, const jargs *a) { return choose(J, in, a, true, true); }
static jvalue f_rejectattr(jinja *J, jvalue in, const jargs *a) { return choose(J, in, a, false, true); }

/* What a thing is compared by: an attribute, letter case aside. */
static jvalue key_of(jinja *J, jvalue v, jvalue attribute, bool cased)
{
    v = get_attribute(J, v, attribute, (jvalue){0});
    return v.kind == J_STRING && !cased ? jstr_case(J, v, CASE_LOWER) : v;
}

static jvalue f_unique(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2], out = made(J, "unique"), seen = jv_dict(J), had;
    const jlist *l = jinja_take(J, a, "unique", "case_sensitive attribute", 0, v) ? jv_items(J, in) : NULL;
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++) {
        jvalue key = key_of(J, l->v[i], v[1], jv_true(J, v[0]));
        if (seen.kind != J_DICT || jdict_get(J, seen.u.dict, key, &had)) continue;
        jdict_put(J, seen.u.dict, key, jv_none());
        jlist_add(J, out, l->v[i]);
    }
    return out;
}

/* Puts the items of l into order by keys, equal ones staying as they are. */
static void sort(jinja *J, jlist *l, jvalue *keys, bool backwards)
{
    for (size_t i = 1; i < l->n; i++) {
        jvalue item = l->v[i], key = keys[i];
        size_t k = i;
        for (; k > 0 && jinja_tick(J, 1); k--) {
            int c = jv_order(J, key, keys[k - 1], "<");
            if (J->rc != PT_OK || (backwards ? c <= 0 : c >= 0) || c == 2) break;
            l->v[k] = l->v[k - 1];
            keys[k] = keys[k - 1];
        }
        l->v[k] = item;
        keys[k] = key;
    }
}

static jvalue f_sort(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[3];
    if (!jinja_take(J, a, "sort", "reverse case_sensitive attribute", 0, v)) return in;
    if (v[2].kind == J_STRING && memchr(v[2].u.s, ',', v[2].n)) return jinja_fail(J, PT_ENOSUP, "sort by several attributes");
    jvalue out = copy(J, in, J_LIST, false), keys = jv_list(J, J_LIST);
    for (size_t i = 0; J->rc == PT_OK && i < out.u.list->n; i++) jlist_add(J, keys, key_of(J, out.u.list->v[i], v[2], jv_true(J, v[1])));
    if (J->rc == PT_OK) sort(J, out.u.list, keys.u.list->v, jv_true(J, v[0]));
    return out;
}

static jvalue f_dictsort(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[3], out = jv_list(J, J_LIST), keys = jv_list(J, J_LIST);
    if (!jinja_take(J, a, "dictsort", "case_sensitive by reverse", 0, v)) return in;
    bool by_value = jv_says(v[1], "value");
    if (v[1].kind != J_ABSENT && !by_value && !jv_says(v[1], "key")) return jinja_fail(J, PT_EFORMAT, "dictsort: by key or value");
    if (in.kind != J_DICT) return jinja_fail(J, PT_EFORMAT, "dictsort of a %s", jv_type(in));
    for (size_t i = 0; i < in.u.dict->n && J->rc == PT_OK; i++) {
        jvalue pair = jv_list(J, J_TUPLE);
        jlist_add(J, pair, in.u.dict->k[i]);
        jlist_add(J, pair, in.u.dict->v[i]);
        jlist_add(J, out, pair);
        jlist_add(J, keys, key_of(J, by_value ? in.u.dict->v[i] : in.u.dict->k[i], (jvalue){0}, jv_true(J, v[0])));
    }
    if (J->rc == PT_OK) sort(J, out.u.list, keys.u.list->v, jv_true(J, v[2]));
    return out;
}

static jvalue extreme(jinja *J, jvalue in, const jargs *a, int sign)
{
    jvalue v[2], best = jv_undefined("an extreme of nothing"), key = best;
    const jlist *l = jinja_take(J, a, "min", "case_sensitive attribute", 0, v) ? jv_items(J, in) : NULL;
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++) {
        jvalue k = key_of(J, l->v[i], v[1], jv_true(J, v[0]));
        if (i && sign * jv_order(J, k, key, "<") <= 0) continue;
        best = l->v[i];
        key = k;
    }
    return best;
}
static jvalue f_min(jinja *J, jvalue in, const jargs *a) { return extreme(J, in, a, -1); }
static jvalue f_max(jinja *J, jvalue in, const jargs *a) { return extreme(J, in, a, 1); }

static jvalue f_sum(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2];
    const jlist *l = jinja_take(J, a, "sum", "attribute start", 0, v) ? jv_items(J, in) : NULL;
    jvalue all = v[1].kind == J_ABSENT ? jv_int(0) : v[1];
    for (size_t i = 0; l && i < l->n && jinja_tick(J, 1); i++) all = jinja_add(J, all, get_attribute(J, l->v[i], v[0], (jvalue){0}));
    return all;
}

static jvalue f_batch(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2], out = made(J, "batch"), row = {0};
    const jlist *l = jinja_take(J, a, "batch", "linecount fill_with", 1, v) ? jv_items(J, in) : NULL;
    int64_t n = jinja_take_int(J, v[0], 1);
    if (n < 1) return jinja_fail(J, PT_EFORMAT, "batch of %lld", (long long)n);
    for (size_t i = 0; l && i < l->n && J->rc == PT_OK; i++) {
        if (i % (uint64_t)n == 0) jlist_add(J, out, row = jv_list(J, J_LIST));
        jlist_add(J, row, l->v[i]);
    }
    while (v[1].kind != J_ABSENT && v[1].kind != J_NONE && J->rc == PT_OK && row.kind && row.u.list->n < (size_t)n) jlist_add(J, row, v[1]);
    return out;
}

static jvalue f_slice(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2], out = made(J, "slice");
    const jlist *l = jinja_take(J, a, "slice", "slices fill_with", 1, v) ? jv_items(J, in) : NULL;
    int64_t n = jinja_take_int(J, v[0], 1), at = 0;
    if (!l || n < 1) return jinja_fail(J, PT_EFORMAT, "slice into %lld", (long long)n);
    int64_t each = (int64_t)l->n / n, more = (int64_t)l->n % n;
    for (int64_t i = 0; i < n && J->rc == PT_OK; i++) {
        jvalue row = jv_list(J, J_LIST);
        for (int64_t k = 0; k < each + (i < more) && J->rc == PT_OK; k++) jlist_add(J, row, l->v[at++]);
        if (v[1].kind != J_ABSENT && v[1].kind != J_NONE && i >= more) jlist_add(J, row, v[1]);
        jlist_add(J, out, row);
    }
    return out;
}

static jvalue f_items(jinja *J, jvalue in, const jargs *a)
{
    jargs none = {0};
    if (!jinja_take(J, a, "items", "", 0, NULL)) return in;
    if (in.kind == J_UNDEFINED) return made(J, "items");
    if (in.kind != J_DICT) return jinja_fail(J, PT_EFORMAT, "items of a %s", jv_type(in));
    return copy(J, jinja_call(J, jinja_method(J, in, "items"), &none), J_ITER, false);
}

static jvalue f_attr(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[1];
    char name[64];
    if (!jinja_take(J, a, "attr", "name", 1, v)) return in;
    if (v[0].kind != J_STRING || v[0].n >= sizeof name || in.kind == J_UNDEFINED) return jv_undefined("attr");
    memcpy(name, v[0].u.s, v[0].n);
    name[v[0].n] = 0;
    if (in.kind == J_DICT || in.kind == J_STRING || jv_is_list(in)) {
        jvalue m = jinja_method(J, in, name);
        return m.kind == J_ABSENT ? jv_undefined("attr") : m;
    }
    return jinja_attr(J, in, name);
}

const jfilter jinja_list_filters[] = {{"length", f_length}, {"count", f_length}, {"first", f_first}, {"last", f_last}, {"list", f_list},
                                      {"reverse", f_reverse}, {"join", f_join}, {"map", f_map}, {"select", f_select}, {"reject", f_reject},
                                      {"selectattr", f_selectattr}, {"rejectattr", f_rejectattr}, {"unique", f_unique}, {"sort", f_sort},
                                      {"dictsort", f_dictsort}, {"min", f_min}, {"max", f_max}, {"sum", f_sum}, {"batch", f_batch}, {"slice", f_slice},
                                      {"items", f_items}, {"attr", f_attr}, {NULL, NULL}};
