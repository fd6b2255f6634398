/* What expressions give. */
#include <math.h>
#include <string.h>

#include "data/text/jinja_priv.h"

static jvalue wants_defined(jinja *J, jvalue v)
{
    return jinja_fail(J, PT_EFORMAT, "'%s' is undefined", v.u.s ? v.u.s : "it");
}

static jvalue refuse(jinja *J, const char *op, jvalue a, jvalue b)
{
    if (a.kind == J_UNDEFINED) return wants_defined(J, a);
    if (b.kind == J_UNDEFINED) return wants_defined(J, b);
    return jinja_fail(J, PT_EFORMAT, "'%s' between %s and %s", op, jv_type(a), jv_type(b));
}

/* ---- names ---- */

static const char *const functions[] = {"range", "dict", "namespace", "raise_exception", "strftime_now", "cycler", "joiner", "lipsum"};

static jvalue lookup(jinja *J, const char *name)
{
    for (const jframe *f = J->frame; f; f = f->parent) {
        if (!jinja_tick(J, 1)) return jv_undefined(NULL);
        for (size_t i = 0; i < f->n; i++)
            if (f->vars[i].name == name || !strcmp(f->vars[i].name, name)) return f->vars[i].v;
    }
    if (!strcmp(name, "self")) return jinja_fail(J, PT_ENOSUP, "self");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i], name)) return (jvalue){.kind = J_FUNCTION, .u.s = functions[i]};
    return jv_undefined(name);
}

/* ---- a.b and a[b] ---- */

static jvalue loop_attr(jinja *J, jvalue v, const char *name)
{
    const jloop *l = v.u.loop;
    int64_t at = (int64_t)l->at, n = (int64_t)l->items->n;
    if (!strcmp(name, "index")) return jv_int(at + 1);
    if (!strcmp(name, "index0")) return jv_int(at);
    if (!strcmp(name, "revindex")) return jv_int(n - at);
    if (!strcmp(name, "revindex0")) return jv_int(n - at - 1);
    if (!strcmp(name, "first")) return jv_bool(at == 0);
    if (!strcmp(name, "last")) return jv_bool(at + 1 == n);
    if (!strcmp(name, "length")) return jv_int(n);
    if (!strcmp(name, "depth")) return jv_int(1);
    if (!strcmp(name, "depth0")) return jv_int(0);
    if (!strcmp(name, "previtem")) return at ? l->items->v[at - 1] : jv_undefined("there is no previous item");
    if (!strcmp(name, "nextitem")) return at + 1 < n ? l->items->v[at + 1] : jv_undefined("there is no next item");
    if (strcmp(name, "cycle") && strcmp(name, "changed")) return jv_undefined(name);
    jmethod *m = jinja_alloc(J, sizeof *m);
    if (!m) return jv_undefined(NULL);
    *m = (jmethod){v, name};
    return (jvalue){.kind = J_METHOD, .u.method = m};
}

/* What would change a list or dict: it is there, and the sandbox gives an undefined value for it. */
static bool changes(jvalue v, const char *name)
{
    static const char *const lists[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove", NULL},
                             *const dicts[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
    const char *const *names = v.kind == J_LIST ? lists : v.kind == J_DICT ? dicts : NULL;
    for (; names && *names; names++)
        if (!strcmp(*names, name)) return true;
    return false;
}

static jvalue own_attr(jinja *J, jvalue v, const char *name)
{
    jvalue out;
    if (v.kind == J_NAMESPACE) return jdict_named(v.u.dict, name, &out) ? out : (jvalue){0};
    if (v.kind == J_LOOP) return loop_attr(J, v, name);
    if (v.kind == J_MACRO && !strcmp(name, "name")) return jv_lit(v.u.macro->node->name);
    if (changes(v, name)) return jv_undefined(name);
    return jinja_method(J, v, name);
}

jvalue jinja_attr(jinja *J, jvalue v, const char *name)
{
    jvalue out;
    if (v.kind == J_UNDEFINED) return wants_defined(J, v);
    out = own_attr(J, v, name);
    if (out.kind != J_ABSENT) return out;
    if (v.kind == J_DICT && jdict_named(v.u.dict, name, &out)) return out;
    return jv_undefined(name);
}

static jvalue attr_by_value(jinja *J, jvalue v, jvalue key)
{
    char *name = jinja_alloc(J, key.n + 1);
    if (!name) return jv_undefined(NULL);
    memcpy(name, key.u.s, key.n);
    jvalue out = own_attr(J, v, name);
    return out.kind == J_ABSENT ? jv_undefined(name) : out;
}

jvalue jinja_item(jinja *J, jvalue v, jvalue key)
{
    jvalue out;
    if (v.kind == J_UNDEFINED) return wants_defined(J, v);
    if (v.kind == J_DICT && key.kind != J_NAMESPACE && jdict_get(J, v.u.dict, key, &out)) return out;
    bool places = v.kind == J_LIST || v.kind == J_TUPLE || v.kind == J_RANGE;
    if ((places || v.kind == J_STRING) && (key.kind == J_INT || key.kind == J_BOOL)) {
        int64_t i = key.kind == J_INT ? key.u.i : key.u.b, n = places ? (int64_t)v.u.list->n : (int64_t)jstr_len(v);
        if (i < 0) i += n;
        if (i < 0 || i >= n) return jv_undefined("an item outside of the list");
        return places ? v.u.list->v[i] : jstr_slice(J, v, i, 1, 1);
    }
    return key.kind == J_STRING ? attr_by_value(J, v, key) : jv_undefined("an item");
}

static jvalue range_of(jinja *J, int64_t from, int64_t to, int64_t step)
{
    jvalue out = jv_list(J, J_RANGE);
    int64_t count = 0;
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        if (++count > 100000) return jinja_fail(J, PT_EFORMAT, "a range of more than 100000");
        jlist_add(J, out, jv_int(i));
        if (J->rc != PT_OK || __builtin_add_overflow(i, step, &i)) break;
    }
    jlist_add(J, out, jv_int(from)); /* behind its items: what it is printed as */
    jlist_add(J, out, jv_int(to));
    jlist_add(J, out, jv_int(step));
    if (J->rc == PT_OK) out.u.list->n -= 3;
    return out;
}

static bool bound(jinja *J, const jnode *n, int64_t *out, bool *given)
{
    jvalue v = n ? jinja_eval(J, n) : jv_none();
    *given = v.kind == J_INT || v.kind == J_BOOL;
    if (*given) *out = v.kind == J_INT ? v.u.i : v.u.b;
    return *given || v.kind == J_NONE;
}

static jvalue slice(jinja *J, jvalue v, const jnode *n)
{
    int64_t from = 0, to = 0, step = 1, len;
    bool has_from, has_to, has_step;
    bool places = v.kind == J_LIST || v.kind == J_TUPLE || v.kind == J_RANGE;
    bool ok = bound(J, n->a, &from, &has_from);
    ok = bound(J, n->b, &to, &has_to) && ok;
    ok = bound(J, n->c, &step, &has_step) && ok;
    if (v.kind == J_UNDEFINED) return wants_defined(J, v);
    if (J->rc != PT_OK || !ok || (!places && v.kind != J_STRING)) return jv_undefined("a slice");
    if (step == 0) return jinja_fail(J, PT_EFORMAT, "a slice by steps of 0");
    if (step < -(INT64_C(1) << 40)) step = -(INT64_C(1) << 40);
    if (step > INT64_C(1) << 40) step = INT64_C(1) << 40;
    len = places ? (int64_t)v.u.list->n : (int64_t)jstr_len(v);
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? len - 1 : len;
    if (!has_from) from = step < 0 ? high : low;
    else if (from < 0) from = from + len < low ? low : from + len;
    else if (from > high) from = high;
    if (!has_to) to = step < 0 ? low : high;
    else if (to < 0) to = to + len < low ? low : to + len;
    else if (to > high) to = high;
    int64_t count = step > 0 ? (to > from ? (to - from - 1) / step + 1 : 0) : (from > to ? (from - to - 1) / -step + 1 : 0);
    if (!places) return jstr_slice(J, v, from, step, count);
    if (v.kind == J_RANGE) {
        const jvalue *r = v.u.list->v + v.u.list->n;
        return range_of(J, r[0].u.i + from * r[2].u.i, r[0].u.i + to * r[2].u.i, step * r[2].u.i);
    }
    jvalue out = jv_list(J, v.kind == J_TUPLE ? J_TUPLE : J_LIST);
    out.origin = v.origin;
    for (int64_t i = 0; i < count && J->rc == PT_OK; i++) jlist_add(J, out, v.u.list->v[from + i * step]);
    return out;
}

/* ---- arithmetic ---- */

static int64_t whole(jvalue v)
{
    return v.kind == J_BOOL ? v.u.b : v.u.i;
}

static jvalue too_big(jinja *J)
{
    return jinja_fail(J, PT_ENOSUP, "an int of more than 63 bits");
}

static jvalue join_texts(jinja *J, jvalue a, jvalue b)
{
    jbuild s = {0};
    bool safe = a.safe || b.safe;
    jbuild_str(J, &s, safe ? jstr_escape(J, a) : a);
    jbuild_str(J, &s, safe ? jstr_escape(J, b) : b);
    jvalue v = jbuild_done(&s);
    v.safe = safe;
    return v;
}

jvalue jinja_add(jinja *J, jvalue a, jvalue b)
{
    if (jv_number(a) && jv_number(b)) {
        int64_t r;
        if (a.kind == J_FLOAT || b.kind == J_FLOAT) return jv_float(jv_real(a) + jv_real(b));
        return __builtin_add_overflow(whole(a), whole(b), &r) ? too_big(J) : jv_int(r);
    }
    if (a.kind == J_STRING && b.kind == J_STRING) return join_texts(J, a, b);
    if (a.kind == b.kind && (a.kind == J_LIST || a.kind == J_TUPLE)) {
        jvalue out = jv_list(J, (jkind)a.kind);
        for (size_t i = 0; i < a.u.list->n && J->rc == PT_OK; i++) jlist_add(J, out, a.u.list->v[i]);
        for (size_t i = 0; i < b.u.list->n && J->rc == PT_OK; i++) jlist_add(J, out, b.u.list->v[i]);
        return out;
    }
    return refuse(J, "+", a, b);
}

static jvalue repeat(jinja *J, jvalue v, int64_t n)
{
    jbuild b = {0};
    if (v.kind == J_STRING) {
        for (int64_t i = 0; i < n && jinja_tick(J, 1); i++) jbuild_str(J, &b, v);
        jvalue out = jbuild_done(&b);
        out.safe = v.safe;
        return out;
    }
    jvalue out = jv_list(J, (jkind)v.kind);
    for (int64_t i = 0; i < n && jinja_tick(J, 1); i++)
        for (size_t k = 0; k < v.u.list->n && J->rc == PT_OK; k++) jlist_add(J, out, v.u.list->v[k]);
    return out;
}

static bool repeats(jvalue v)
{
    return v.kind == J_STRING || v.kind == J_LIST || v.kind == J_TUPLE;
}

static jvalue format(jinja *J, jvalue fmt, jvalue v)
{
    jargs a = {.v = &v, .n = 1};
    if (v.kind == J_TUPLE) a = (jargs){.v = v.u.list->v, .n = v.u.list->n};
    if (v.kind == J_DICT) return jinja_fail(J, PT_ENOSUP, "%% with a dict");
    return jinja_format(J, fmt, &a);
}

static jvalue power(jinja *J, jvalue a, jvalue b)
{
    int64_t r = 1;
    if (a.kind == J_FLOAT || b.kind == J_FLOAT || whole(b) < 0) {
        double x = jv_real(a), y = jv_real(b);
        if (x < 0 && y < floor(y) + 0.5 && y > floor(y)) return jinja_fail(J, PT_ENOSUP, "a complex number");
        if (!(x < 0) && !(x > 0) && y < 0) return jinja_fail(J, PT_EFORMAT, "0 to a negative power");
        return jv_float(pow(x, y));
    }
    int64_t base = whole(a);
    if (base == 0 || base == 1 || base == -1) return jv_int(whole(b) == 0 ? 1 : base == -1 && whole(b) % 2 == 0 ? 1 : base);
    for (int64_t i = 0; i < whole(b); i++)
        if (__builtin_mul_overflow(r, base, &r)) return too_big(J);
    return jv_int(r);
}

static jvalue divide(jinja *J, jop op, jvalue a, jvalue b)
{
    double y = jv_real(b), x = jv_real(a), m;
    if (!(y < 0) && !(y > 0) && !isnan(y)) return jinja_fail(J, PT_EFORMAT, "division by zero");
    if (op == E_DIV) return jv_float(x / y);
    if (a.kind == J_FLOAT || b.kind == J_FLOAT) {
        m = fmod(x, y);
        if (m * y < 0) m += y;
        return jv_float(op == E_MOD ? m : floor((x - m) / y + 0.5));
    }
    int64_t p = whole(a), q = whole(b), r;
    if (q == -1) return op == E_MOD ? jv_int(0) : __builtin_sub_overflow((int64_t)0, p, &r) ? too_big(J) : jv_int(r);
    r = p % q;
    if (r && (r < 0) != (q < 0)) r += q;
    return jv_int(op == E_MOD ? r : (p - r) / q);
}

static jvalue arithmetic(jinja *J, const jnode *n)
{
    jvalue a = jinja_eval(J, n->a), b = jinja_eval(J, n->b);
    int64_t r;
    J->at = n->at;
    if (J->rc != PT_OK) return a;
    if (n->op == E_ADD) return jinja_add(J, a, b);
    if (n->op == E_MOD && a.kind == J_STRING) return format(J, a, b);
    if (n->op == E_MUL && repeats(a) && (b.kind == J_INT || b.kind == J_BOOL)) return repeat(J, a, whole(b));
    if (n->op == E_MUL && repeats(b) && (a.kind == J_INT || a.kind == J_BOOL)) return repeat(J, b, whole(a));
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (!jv_number(a) || !jv_number(b)) return refuse(J, names[n->op - E_ADD], a, b);
    if (n->op == E_POW) return power(J, a, b);
    if (n->op != E_SUB && n->op != E_MUL) return divide(J, n->op, a, b);
    if (a.kind == J_FLOAT || b.kind == J_FLOAT) return jv_float(n->op == E_SUB ? jv_real(a) - jv_real(b) : jv_real(a) * jv_real(b));
    bool over = n->op == E_SUB ? __builtin_sub_overflow(whole(a), whole(b), &r) : __builtin_mul_overflow(whole(a), whole(b), &r);
    return over ? too_big(J) : jv_int(r);
}

static jvalue sign(jinja *J, const jnode *n)
{
    jvalue v = jinja_eval(J, n->a);
    J->at = n->at;
    if (v.kind == J_UNDEFINED) return wants_defined(J, v);
    if (!jv_number(v)) return jinja_fail(J, PT_EFORMAT, "a sign before a %s", jv_type(v));
    if (v.kind == J_FLOAT) return jv_float(n->op == E_NEG ? -v.u.f : v.u.f);
    if (whole(v) == INT64_MIN) return too_big(J);
    return jv_int(n->op == E_NEG ? -whole(v) : whole(v));
}

static jvalue compare(jinja *J, const jnode *n)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};
    jvalue left = jinja_eval(J, n->a);
    for (const jnode *k = n->list; k && J->rc == PT_OK; k = k->next) {
        jvalue right = jinja_eval(J, k->a);
        bool yes;
        J->at = n->at;
        if (J->rc != PT_OK) break;
        if (k->what == C_EQ || k->what == C_NE) {
            yes = jv_equal(J, left, right) == (k->what == C_EQ);
        } else if (k->what == C_IN || k->what == C_NOTIN) {
            yes = jv_in(J, left, right) == (k->what == C_IN);
        } else {
            int c = jv_order(J, left, right, names[k->what]);
            yes = c != 2 && (k->what == C_LT ? c < 0 : k->what == C_LE ? c <= 0 : k->what == C_GT ? c > 0 : c >= 0);
        }
        if (!yes) return jv_bool(false);
        left = right;
    }
    return jv_bool(true);
}

/* ---- calls ---- */

static void add_named(jinja *J, jargs *out, const char *name, jvalue v, size_t *cap, size_t *cap_names)
{
    out->named = jinja_grow(J, out->named, cap, out->n_named + 1, sizeof v);
    out->names = jinja_grow(J, out->names, cap_names, out->n_named + 1, sizeof name);
    if (!out->named || !out->names) return;
    out->names[out->n_named] = name;
    out->named[out->n_named++] = v;
}

/* **v */
static void add_dict(jinja *J, jargs *out, jvalue v, size_t *cap, size_t *cap_names)
{
    if (v.kind != J_DICT) {
        jinja_fail(J, PT_EFORMAT, "** of a %s", jv_type(v));
        return;
    }
    for (size_t i = 0; i < v.u.dict->n && J->rc == PT_OK; i++) {
        jvalue k = v.u.dict->k[i];
        char *name = k.kind == J_STRING ? jinja_alloc(J, k.n + 1) : NULL;
        if (k.kind != J_STRING) jinja_fail(J, PT_EFORMAT, "** with a key that is a %s", jv_type(k));
        if (!name) return;
        memcpy(name, k.u.s, k.n);
        add_named(J, out, name, v.u.dict->v[i], cap, cap_names);
    }
}

void jinja_args(jinja *J, const jnode *list, jargs *out)
{
    size_t cap = 0, cap_named = 0, cap_names = 0;
    *out = (jargs){0};
    for (const jnode *k = list; k && J->rc == PT_OK; k = k->next) {
        jvalue v = jinja_eval(J, k->op == E_NAMED ? k->a : k);
        const jlist *star = k->op == E_NAMED && k->what == 1 ? jv_items(J, v) : NULL;
        if (k->op == E_NAMED && k->what == 2) {
            add_dict(J, out, v, &cap_named, &cap_names);
        } else if (k->op == E_NAMED && k->what == 0) {
            add_named(J, out, k->name, v, &cap_named, &cap_names);
        } else {
            size_t n = k->op == E_NAMED ? star ? star->n : 0 : 1;
            out->v = jinja_grow(J, out->v, &cap, out->n + n, sizeof v);
            if (J->rc != PT_OK) return;
            if (n) memcpy(out->v + out->n, star ? star->v : &v, n * sizeof v);
            out->n += n;
        }
    }
}

static jvalue range(jinja *J, const jargs *a)
{
    jvalue v[3];
    if (a->n_named) return jinja_fail(J, PT_EFORMAT, "range takes no named arguments");
    if (!jinja_take(J, a, "range", "start stop step", 1, v)) return jv_none();
    int64_t from = v[1].kind == J_ABSENT ? 0 : jinja_take_int(J, v[0], 0), to = jinja_take_int(J, v[1].kind == J_ABSENT ? v[0] : v[1], 0);
    int64_t step = jinja_take_int(J, v[2], 1);
    if (J->rc != PT_OK) return jv_none();
    if (step == 0) return jinja_fail(J, PT_EFORMAT, "range by steps of 0");
    return range_of(J, from, to, step);
}

static jvalue dict(jinja *J, const jargs *a, bool namespace)
{
    jvalue out = jv_dict(J);
    if (out.kind != J_DICT) return out;
    if (a->n > 1) return jinja_fail(J, PT_EFORMAT, "dict takes one value");
    if (a->n && a->v[0].kind == J_DICT) {
        for (size_t i = 0; i < a->v[0].u.dict->n; i++) jdict_put(J, out.u.dict, a->v[0].u.dict->k[i], a->v[0].u.dict->v[i]);
    } else if (a->n) {
        const jlist *l = jv_items(J, a->v[0]);
        for (size_t i = 0; l && i < l->n && J->rc == PT_OK; i++) {
            const jlist *pair = jv_items(J, l->v[i]);
            if (!pair || pair->n != 2) return jinja_fail(J, PT_EFORMAT, "dict takes pairs");
            jdict_put(J, out.u.dict, pair->v[0], pair->v[1]);
        }
    }
    for (size_t i = 0; i < a->n_named && J->rc == PT_OK; i++) jdict_put(J, out.u.dict, jv_lit(a->names[i]), a->named[i]);
    for (size_t i = 0; namespace && J->rc == PT_OK && i < out.u.dict->n; i++)
        if (out.u.dict->k[i].kind == J_STRING && out.u.dict->k[i].n && out.u.dict->k[i].u.s[0] == '_') jinja_fail(J, PT_EFORMAT, "a namespace's names begin with no _");
    if (namespace) out.kind = J_NAMESPACE;
    return out;
}

static jvalue call_loop(jinja *J, const jmethod *m, const jargs *a)
{
    jloop *l = m->self.u.loop;
    if (!strcmp(m->name, "cycle")) {
        if (!a->n) return jinja_fail(J, PT_EFORMAT, "cycle through nothing");
        return a->v[l->at % a->n];
    }
    jvalue now = jv_list(J, J_TUPLE);
    for (size_t i = 0; i < a->n && J->rc == PT_OK; i++) jlist_add(J, now, a->v[i]);
    bool changed = l->changed.kind == J_ABSENT || !jv_equal(J, l->changed, now);
    l->changed = now;
    return jv_bool(changed);
}

static jvalue call_function(jinja *J, const char *name, const jargs *a)
{
    jvalue v[1];
    if (!strcmp(name, "range")) return range(J, a);
    if (!strcmp(name, "dict")) return dict(J, a, false);
    if (!strcmp(name, "namespace")) return dict(J, a, true);
    if (!strcmp(name, "strftime_now")) return jinja_take(J, a, name, "format", 1, v) ? jinja_strftime(J, v[0]) : jv_none();
    if (strcmp(name, "raise_exception")) return jinja_fail(J, PT_ENOSUP, "the function %s", name);
    if (!jinja_take(J, a, name, "message", 1, v)) return jv_none();
    jvalue text = jv_str(J, v[0]);
    return jinja_fail(J, PT_EARG, "it refuses this: %.*s", (int)(text.n > 400 ? 400 : text.n), text.u.s);
}

jvalue jinja_call(jinja *J, jvalue f, const jargs *a)
{
    jvalue out;
    if (J->rc != PT_OK || !jinja_enter(J)) return jv_undefined(NULL);
    switch (f.kind) {
    case J_FUNCTION: out = call_function(J, f.u.s, a); break;
    case J_METHOD: out = f.u.method->self.kind == J_LOOP ? call_loop(J, f.u.method, a) : jinja_call_method(J, f.u.method, a); break;
    case J_MACRO: out = jinja_run_macro(J, f.u.macro, a); break;
    case J_UNDEFINED: out = wants_defined(J, f); break;
    default: out = jinja_fail(J, PT_EFORMAT, "a %s is called", jv_type(f));
    }
    jinja_leave(J);
    return out;
}

static jvalue use(jinja *J, const jnode *n)
{
    jargs a;
    jvalue v = jinja_eval(J, n->a);
    jinja_args(J, n->list, &a);
    J->at = n->at;
    if (J->rc != PT_OK) return v;
    if (n->op == E_CALL) return jinja_call(J, v, &a);
    if (n->what < 0) return jinja_fail(J, PT_EFORMAT, "no %s named '%s'", n->op == E_TEST ? "test" : "filter", n->name);
    return n->op == E_TEST ? jv_bool(jinja_test(J, n->what, v, &a)) : jinja_filter(n->what)->run(J, v, &a);
}

static jvalue several(jinja *J, const jnode *n)
{
    jvalue out = n->op == E_DICT ? jv_dict(J) : jv_list(J, n->op == E_LIST ? J_LIST : J_TUPLE);
    jbuild b = {0};
    for (const jnode *k = n->list; k && J->rc == PT_OK; k = k->next) {
        jvalue v = jinja_eval(J, k);
        if (n->op == E_DICT) {
            k = k->next;
            jvalue value = jinja_eval(J, k);
            J->at = n->at;
            if (J->rc == PT_OK) jdict_put(J, out.u.dict, v, value);
        } else if (n->op == E_CONCAT) {
            J->at = n->at;
            jbuild_str(J, &b, jv_str(J, v));
        } else {
            jlist_add(J, out, v);
        }
    }
    return n->op == E_CONCAT ? jbuild_done(&b) : out;
}

static jvalue eval(jinja *J, const jnode *n)
{
    jvalue v;
    J->at = n->at;
    switch (n->op) {
    case E_CONST: return n->value;
    case E_NAME: return lookup(J, n->name);
    case E_HOLE: return J->hole;
    case E_LIST:
    case E_TUPLE:
    case E_DICT:
    case E_CONCAT: return several(J, n);
    case E_ATTR:
        v = jinja_eval(J, n->a);
        J->at = n->at;
        return J->rc == PT_OK ? jinja_attr(J, v, n->name) : v;
    case E_ITEM: {
        v = jinja_eval(J, n->a);
        if (n->b->op == E_SLICE) return slice(J, v, n->b);
        jvalue key = jinja_eval(J, n->b);
        J->at = n->at;
        return J->rc == PT_OK ? jinja_item(J, v, key) : v;
    }
    case E_CALL:
    case E_FILTER:
    case E_TEST: return use(J, n);
    case E_COND:
        if (jv_true(J, jinja_eval(J, n->b))) return jinja_eval(J, n->a);
        return n->c ? jinja_eval(J, n->c) : jv_undefined("an if without else");
    case E_AND: v = jinja_eval(J, n->a); return jv_true(J, v) ? jinja_eval(J, n->b) : v;
    case E_OR: v = jinja_eval(J, n->a); return jv_true(J, v) ? v : jinja_eval(J, n->b);
    case E_NOT: return jv_bool(!jv_true(J, jinja_eval(J, n->a)));
    case E_NEG:
    case E_POS: return sign(J, n);
    case E_COMPARE: return compare(J, n);
    default: return arithmetic(J, n);
    }
}

jvalue jinja_eval(jinja *J, const jnode *n)
{
    if (J->rc != PT_OK || !jinja_enter(J)) return jv_undefined(NULL);
    jvalue v = eval(J, n);
    jinja_leave(J);
    return v;
}
