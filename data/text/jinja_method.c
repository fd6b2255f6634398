/* The methods of strings, dicts and lists that change nothing: what an immutable sandbox lets a template call. */
#include <string.h>

#include <utf8proc.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

typedef jvalue method_fn(jinja *J, jvalue s, const jargs *a);

static bool is_text(jinja *J, jvalue v, const char *what)
{
    if (v.kind == J_STRING) return true;
    jinja_fail(J, PT_EFORMAT, "%s takes a str, not a %s", what, jv_type(v));
    return false;
}

static jvalue strip_by(jinja *J, jvalue s, const jargs *a, bool left, bool right)
{
    jvalue v[1];
    if (!jinja_take(J, a, "strip", "chars", 0, v)) return s;
    return jstr_strip(J, s, v[0], left, right);
}
static jvalue m_strip(jinja *J, jvalue s, const jargs *a) { return strip_by(J, s, a, true, true); }
static jvalue m_lstrip(jinja *J, jvalue s, const jargs *a) { return strip_by(J, s, a, true, false); }
static jvalue m_rstrip(jinja *J, jvalue s, const jargs *a) { return strip_by(J, s, a, false, true); }

static void split_spaces(jinja *J, jvalue s, int64_t max, jvalue out)
{
    size_t at = 0, k, from;
    while (jinja_tick(J, 1)) {
        while ((k = jinja_space(s.u.s, s.n, at)) != 0) at += k;
        if (at >= s.n) return;
        from = at;
        if (max-- == 0) {
            jlist_add(J, out, jstr_sub(s, from, s.n - from));
            return;
        }
        while (at < s.n && !jinja_space(s.u.s, s.n, at)) at += pt_utf8_len((unsigned char)s.u.s[at]);
        jlist_add(J, out, jstr_sub(s, from, at - from));
    }
}

static void reverse(jlist *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        jvalue v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
}

static size_t find_last(jvalue s, jvalue what, size_t end)
{
    if (what.n > end) return SIZE_MAX;
    for (size_t i = end - what.n + 1; i-- > 0;)
        if (!memcmp(s.u.s + i, what.u.s, what.n)) return i;
    return SIZE_MAX;
}

static jvalue split(jinja *J, jvalue s, const jargs *a, bool right)
{
    jvalue v[2], out = jv_list(J, J_LIST);
    if (!jinja_take(J, a, "split", "sep maxsplit", 0, v) || !jv_is_list(out)) return s;
    int64_t max = jinja_take_int(J, v[1], -1);
    if (v[0].kind == J_ABSENT || v[0].kind == J_NONE) {
        if (right && max >= 0) return jinja_fail(J, PT_ENOSUP, "rsplit at spaces with maxsplit");
        split_spaces(J, s, max, out);
        return out;
    }
    if (!is_text(J, v[0], "split")) return out;
    if (!v[0].n) return jinja_fail(J, PT_EFORMAT, "split by an empty string");
    size_t at = 0, end = s.n, hit;
    if (right) {
        for (; max != 0 && jinja_tick(J, 1 + s.n / 64) && (hit = find_last(s, v[0], end)) != SIZE_MAX; max--) {
            jlist_add(J, out, jstr_sub(s, hit + v[0].n, end - hit - v[0].n));
            end = hit;
        }
        jlist_add(J, out, jstr_sub(s, 0, end));
        reverse(out.u.list);
        return out;
    }
    for (; max != 0 && jinja_tick(J, 1) && (hit = jstr_find(s, v[0], at)) != SIZE_MAX; max--) {
        jlist_add(J, out, jstr_sub(s, at, hit - at));
        at = hit + v[0].n;
    }
    jlist_add(J, out, jstr_sub(s, at, s.n - at));
    return out;
}
static jvalue m_split(jinja *J, jvalue s, const jargs *a) { return split(J, s, a, false); }
static jvalue m_rsplit(jinja *J, jvalue s, const jargs *a) { return split(J, s, a, true); }

static jvalue cut(jinja *J, jvalue s, const jargs *a, bool last)
{
    jvalue v[1], out = jv_list(J, J_TUPLE), none = jstr_sub(s, 0, 0);
    if (!jinja_take(J, a, "partition", "sep", 1, v) || !is_text(J, v[0], "partition")) return s;
    size_t hit = last ? find_last(s, v[0], s.n) : jstr_find(s, v[0], 0);
    bool found = hit != SIZE_MAX;
    jlist_add(J, out, found ? jstr_sub(s, 0, hit) : last ? none : s);
    jlist_add(J, out, found ? v[0] : none);
    jlist_add(J, out, found ? jstr_sub(s, hit + v[0].n, s.n - hit - v[0].n) : last ? s : none);
    return out;
}
static jvalue m_partition(jinja *J, jvalue s, const jargs *a) { return cut(J, s, a, false); }
static jvalue m_rpartition(jinja *J, jvalue s, const jargs *a) { return cut(J, s, a, true); }

static jvalue m_splitlines(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    return jinja_take(J, a, "splitlines", "keepends", 0, v) ? jstr_lines(J, s, jv_true(J, v[0])) : s;
}

static bool at_end(jvalue s, jvalue part, bool end)
{
    return part.n <= s.n && !memcmp(s.u.s + (end ? s.n - part.n : 0), part.u.s, part.n);
}

static jvalue with(jinja *J, jvalue s, const jargs *a, bool end)
{
    jvalue v[3];
    bool is = false;
    if (!jinja_take(J, a, end ? "endswith" : "startswith", "prefix start end", 1, v)) return s;
    if (v[1].kind != J_ABSENT) return jinja_fail(J, PT_ENOSUP, "startswith with a place");
    if (v[0].kind == J_TUPLE) {
        for (size_t i = 0; i < v[0].u.list->n; i++) is = is || (is_text(J, v[0].u.list->v[i], "startswith") && at_end(s, v[0].u.list->v[i], end));
    } else if (is_text(J, v[0], "startswith")) {
        is = at_end(s, v[0], end);
    }
    return jv_bool(is);
}
static jvalue m_startswith(jinja *J, jvalue s, const jargs *a) { return with(J, s, a, false); }
static jvalue m_endswith(jinja *J, jvalue s, const jargs *a) { return with(J, s, a, true); }

static jvalue m_removeprefix(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    if (!jinja_take(J, a, "removeprefix", "prefix", 1, v) || !is_text(J, v[0], "removeprefix")) return s;
    return at_end(s, v[0], false) ? jstr_sub(s, v[0].n, s.n - v[0].n) : s;
}

static jvalue m_removesuffix(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    if (!jinja_take(J, a, "removesuffix", "suffix", 1, v) || !is_text(J, v[0], "removesuffix")) return s;
    return at_end(s, v[0], true) ? jstr_sub(s, 0, s.n - v[0].n) : s;
}

static jvalue m_replace(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[3];
    if (!jinja_take(J, a, "replace", "old new count", 2, v) || !is_text(J, v[0], "replace") || !is_text(J, v[1], "replace")) return s;
    return jstr_replace(J, s, v[0], s.safe ? jstr_escape(J, v[1]) : v[1], jinja_take_int(J, v[2], -1));
}

static jvalue no_args(jinja *J, const jargs *a, const char *name, jvalue v)
{
    return jinja_take(J, a, name, "", 0, NULL) ? v : jv_undefined(NULL);
}
static jvalue m_upper(jinja *J, jvalue s, const jargs *a) { return no_args(J, a, "upper", jstr_case(J, s, CASE_UPPER)); }
static jvalue m_lower(jinja *J, jvalue s, const jargs *a) { return no_args(J, a, "lower", jstr_case(J, s, CASE_LOWER)); }
static jvalue m_title(jinja *J, jvalue s, const jargs *a) { return no_args(J, a, "title", jstr_case(J, s, CASE_TITLE)); }
static jvalue m_capitalize(jinja *J, jvalue s, const jargs *a) { return no_args(J, a, "capitalize", jstr_case(J, s, CASE_CAPITAL)); }
static jvalue m_swapcase(jinja *J, jvalue s, const jargs *a) { return no_args(J, a, "swapcase", jstr_case(J, s, CASE_SWAP)); }

static jvalue find(jinja *J, jvalue s, const jargs *a, bool last, bool must)
{
    jvalue v[3];
    if (!jinja_take(J, a, "find", "sub start end", 1, v) || !is_text(J, v[0], "find")) return s;
    if (v[1].kind != J_ABSENT) return jinja_fail(J, PT_ENOSUP, "find with a place");
    size_t hit = last ? find_last(s, v[0], s.n) : jstr_find(s, v[0], 0);
    if (hit == SIZE_MAX) return must ? jinja_fail(J, PT_EFORMAT, "substring not found") : jv_int(-1);
    return jv_int((int64_t)jstr_len(jstr_sub(s, 0, hit)));
}
static jvalue m_find(jinja *J, jvalue s, const jargs *a) { return find(J, s, a, false, false); }
static jvalue m_rfind(jinja *J, jvalue s, const jargs *a) { return find(J, s, a, true, false); }
static jvalue m_index(jinja *J, jvalue s, const jargs *a) { return find(J, s, a, false, true); }
static jvalue m_rindex(jinja *J, jvalue s, const jargs *a) { return find(J, s, a, true, true); }

static jvalue m_count(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    int64_t n = 0;
    if (!jinja_take(J, a, "count", "sub", 1, v) || !is_text(J, v[0], "count")) return s;
    if (!v[0].n) return jv_int((int64_t)jstr_len(s) + 1);
    for (size_t at = 0; (at = jstr_find(s, v[0], at)) != SIZE_MAX; at += v[0].n) n++;
    return jv_int(n);
}

static jvalue m_join(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    jlist *l = jinja_take(J, a, "join", "iterable", 1, v) ? jv_items(J, v[0]) : NULL;
    for (size_t i = 0; l && i < l->n; i++)
        if (l->v[i].kind != J_STRING) return jinja_fail(J, PT_EFORMAT, "join: item %zu is a %s", i, jv_type(l->v[i]));
    return l ? jstr_join(J, s, l) : s;
}

static jvalue pad(jinja *J, jvalue s, const jargs *a, int side)
{
    jvalue v[2];
    if (!jinja_take(J, a, "just", "width fillchar", 1, v)) return s;
    if (v[1].kind == J_STRING && v[1].n != 1) return jinja_fail(J, PT_ENOSUP, "padding with more than an ASCII character");
    return jstr_pad(J, s, jinja_take_int(J, v[0], 0), side, v[1].kind == J_STRING ? v[1].u.s[0] : ' ');
}
static jvalue m_center(jinja *J, jvalue s, const jargs *a) { return pad(J, s, a, 0); }
static jvalue m_ljust(jinja *J, jvalue s, const jargs *a) { return pad(J, s, a, -1); }
static jvalue m_rjust(jinja *J, jvalue s, const jargs *a) { return pad(J, s, a, 1); }

static jvalue m_zfill(jinja *J, jvalue s, const jargs *a)
{
    jvalue v[1];
    bool sign = s.n && (s.u.s[0] == '-' || s.u.s[0] == '+');
    if (!jinja_take(J, a, "zfill", "width", 1, v)) return s;
    jvalue out = jstr_pad(J, jstr_sub(s, sign, s.n - sign), jinja_take_int(J, v[0], 0) - sign, 1, '0');
    jbuild b = {0};
    jbuild_part(J, &b, s, 0, sign);
    jbuild_str(J, &b, out);
    return jbuild_done(&b);
}

typedef bool letter_fn(utf8proc_category_t k, uint32_t c);
static bool is_digit(utf8proc_category_t k, uint32_t c) { return k == UTF8PROC_CATEGORY_ND || c == 0xB2 || c == 0xB3 || c == 0xB9; }
static bool is_decimal(utf8proc_category_t k, uint32_t c) { return (void)c, k == UTF8PROC_CATEGORY_ND; }
static bool is_alpha(utf8proc_category_t k, uint32_t c) { return (void)c, k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO; }
static bool is_alnum(utf8proc_category_t k, uint32_t c) { return (void)c, is_alpha(k, c) || (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO); }
static bool is_space(utf8proc_category_t k, uint32_t c) { return (void)k, pt_utf8_is_py_space(c); }
static bool is_ascii(utf8proc_category_t k, uint32_t c) { return (void)k, c < 128; }

static jvalue all_are(jinja *J, jvalue s, const jargs *a, letter_fn *is, bool empty)
{
    bool yes = s.n || empty;
    for (size_t i = 0, k; i < s.n && yes; i += k) {
        uint32_t c = pt_utf8_get(s.u.s + i, &k);
        yes = is(utf8proc_category((utf8proc_int32_t)c), c);
    }
    return no_args(J, a, "is...", jv_bool(yes));
}
static jvalue m_isdigit(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_digit, false); }
static jvalue m_isdecimal(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_decimal, false); }
static jvalue m_isalpha(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_alpha, false); }
static jvalue m_isalnum(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_alnum, false); }
static jvalue m_isspace(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_space, false); }
static jvalue m_isascii(jinja *J, jvalue s, const jargs *a) { return all_are(J, s, a, is_ascii, true); }

static jvalue one_case(jinja *J, jvalue s, const jargs *a, utf8proc_category_t want, utf8proc_category_t not)
{
    bool some = false, other = false;
    for (size_t i = 0, k; i < s.n; i += k) {
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)pt_utf8_get(s.u.s + i, &k));
        some |= c == want;
        other |= c == not || c == UTF8PROC_CATEGORY_LT;
    }
    return no_args(J, a, "is...", jv_bool(some && !other));
}
static jvalue m_isupper(jinja *J, jvalue s, const jargs *a) { return one_case(J, s, a, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL); }
static jvalue m_islower(jinja *J, jvalue s, const jargs *a) { return one_case(J, s, a, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU); }

/* "{} {0} {name}".format(...): fields without attributes and formats of their own. */
static jvalue m_format(jinja *J, jvalue s, const jargs *a)
{
    jbuild b = {0};
    size_t next = 0;
    for (size_t i = 0; i < s.n && J->rc == PT_OK; i++) {
        char c = s.u.s[i];
        if ((c == '{' || c == '}') && i + 1 < s.n && s.u.s[i + 1] == c) {
            jbuild_part(J, &b, s, i++, 1);
            continue;
        }
        if (c == '}') return jinja_fail(J, PT_EFORMAT, "a single '}' in a format");
        if (c != '{') {
            jbuild_part(J, &b, s, i, 1);
            continue;
        }
        size_t from = i + 1, k = 0;
        while (i < s.n && s.u.s[i] != '}') i++;
        if (i >= s.n) return jinja_fail(J, PT_EFORMAT, "a '{' in a format that does not end");
        jvalue field = jstr_sub(s, from, i - from), v = {0};
        bool digits = field.n > 0 && field.n < 9;
        for (size_t x = 0; x < field.n; x++) {
            if (strchr(".[:!{", field.u.s[x])) return jinja_fail(J, PT_ENOSUP, "format fields other than {}, {0} and {name}");
            digits = digits && field.u.s[x] >= '0' && field.u.s[x] <= '9';
            if (digits) k = k * 10 + (size_t)(field.u.s[x] - '0');
        }
        if (!field.n) k = next++;
        if ((digits || !field.n) && k < a->n) v = a->v[k];
        for (size_t x = 0; x < a->n_named && !digits; x++)
            if (jv_says(field, a->names[x])) v = a->named[x];
        if (v.kind == J_ABSENT) return jinja_fail(J, PT_EFORMAT, "format: no value for {%.*s}", (int)field.n, field.u.s);
        jbuild_str(J, &b, jv_str(J, v));
    }
    return jbuild_done(&b);
}

/* ---- dicts and lists ---- */

static jvalue m_get(jinja *J, jvalue d, const jargs *a)
{
    jvalue v[2], out;
    if (a->n_named) return jinja_fail(J, PT_EFORMAT, "get takes no named arguments");
    if (!jinja_take(J, a, "get", "key default", 1, v)) return d;
    if (v[0].kind == J_LIST || v[0].kind == J_DICT) return jinja_fail(J, PT_EFORMAT, "a %s cannot be a key", jv_type(v[0]));
    return jdict_get(J, d.u.dict, v[0], &out) ? out : v[1].kind == J_ABSENT ? jv_none() : v[1];
}

static jvalue view(jinja *J, jvalue d, const jargs *a, const char *name, bool keys, bool values)
{
    jvalue out = jv_list(J, J_VIEW);
    if (!jinja_take(J, a, name, "", 0, NULL) || !jv_is_list(out)) return d;
    out.u.list->view = name;
    out.origin = d.origin;
    for (size_t i = 0; i < d.u.dict->n && J->rc == PT_OK; i++) {
        jvalue one = keys ? d.u.dict->k[i] : d.u.dict->v[i];
        if (keys && values) {
            one = jv_list(J, J_TUPLE);
            one.origin = d.origin;
            jlist_add(J, one, d.u.dict->k[i]);
            jlist_add(J, one, d.u.dict->v[i]);
        }
        jlist_add(J, out, one);
    }
    return out;
}
static jvalue m_items(jinja *J, jvalue d, const jargs *a) { return view(J, d, a, "dict_items", true, true); }
static jvalue m_keys(jinja *J, jvalue d, const jargs *a) { return view(J, d, a, "dict_keys", true, false); }
static jvalue m_values(jinja *J, jvalue d, const jargs *a) { return view(J, d, a, "dict_values", false, true); }

static jvalue m_copy(jinja *J, jvalue v, const jargs *a) { return no_args(J, a, "copy", v); }

static jvalue m_list_count(jinja *J, jvalue l, const jargs *a)
{
    jvalue v[1];
    int64_t n = 0;
    if (!jinja_take(J, a, "count", "value", 1, v)) return l;
    for (size_t i = 0; i < l.u.list->n && jinja_tick(J, 1); i++) n += jv_equal(J, l.u.list->v[i], v[0]);
    return jv_int(n);
}

static jvalue m_list_index(jinja *J, jvalue l, const jargs *a)
{
    jvalue v[1];
    if (!jinja_take(J, a, "index", "value", 1, v)) return l;
    for (size_t i = 0; i < l.u.list->n && jinja_tick(J, 1); i++)
        if (jv_equal(J, l.u.list->v[i], v[0])) return jv_int((int64_t)i);
    return jinja_fail(J, PT_EFORMAT, "index: it is not in the list");
}

static const struct method {
    jkind of;
    const char *name;
    method_fn *run; /* NULL: Python has it, and it is not here */
} methods[] = {{J_STRING, "strip", m_strip}, {J_STRING, "lstrip", m_lstrip}, {J_STRING, "rstrip", m_rstrip}, {J_STRING, "split", m_split},
               {J_STRING, "rsplit", m_rsplit}, {J_STRING, "partition", m_partition}, {J_STRING, "rpartition", m_rpartition},
               {J_STRING, "splitlines", m_splitlines}, {J_STRING, "startswith", m_startswith}, {J_STRING, "endswith", m_endswith},
               {J_STRING, "removeprefix", m_removeprefix}, {J_STRING, "removesuffix", m_removesuffix}, {J_STRING, "replace", m_replace},
               {J_STRING, "upper", m_upper}, {J_STRING, "lower", m_lower}, {J_STRING, "title", m_title}, {J_STRING, "capitalize", m_capitalize},
               {J_STRING, "swapcase", m_swapcase}, {J_STRING, "find", m_find}, {J_STRING, "rfind", m_rfind}, {J_STRING, "index", m_index},
               {J_STRING, "rindex", m_rindex}, {J_STRING, "count", m_count}, {J_STRING, "join", m_join}, {J_STRING, "center", m_center},
               {J_STRING, "ljust", m_ljust}, {J_STRING, "rjust", m_rjust}, {J_STRING, "zfill", m_zfill}, {J_STRING, "isdigit", m_isdigit},
               {J_STRING, "isdecimal", m_isdecimal}, {J_STRING, "isalpha", m_isalpha}, {J_STRING, "isalnum", m_isalnum},
               {J_STRING, "isspace", m_isspace}, {J_STRING, "isascii", m_isascii}, {J_STRING, "isupper", m_isupper}, {J_STRING, "islower", m_islower},
               {J_STRING, "format", m_format}, {J_STRING, "casefold", NULL}, {J_STRING, "encode", NULL}, {J_STRING, "expandtabs", NULL},
               {J_STRING, "format_map", NULL}, {J_STRING, "isidentifier", NULL}, {J_STRING, "isnumeric", NULL}, {J_STRING, "isprintable", NULL},
               {J_STRING, "istitle", NULL}, {J_STRING, "maketrans", NULL}, {J_STRING, "translate", NULL}, {J_DICT, "get", m_get}, {J_DICT, "items", m_items},
               {J_DICT, "keys", m_keys}, {J_DICT, "values", m_values}, {J_DICT, "copy", m_copy}, {J_DICT, "fromkeys", NULL}, {J_LIST, "count", m_list_count},
               {J_LIST, "index", m_list_index}, {J_LIST, "copy", m_copy}, {J_TUPLE, "count", m_list_count}, {J_TUPLE, "index", m_list_index}};

static const struct method *method_of(jvalue self, const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].of == self.kind && !strcmp(methods[i].name, name)) return &methods[i];
    return NULL;
}

jvalue jinja_method(jinja *J, jvalue self, const char *name)
{
    const struct method *m = method_of(self, name);
    if (!m) return (jvalue){0};
    if (!m->run) return jinja_fail(J, PT_ENOSUP, "the method %s of a %s", name, jv_type(self));
    jmethod *bound = jinja_alloc(J, sizeof *bound);
    if (!bound) return jv_undefined(NULL);
    *bound = (jmethod){self, m->name};
    return (jvalue){.kind = J_METHOD, .u.method = bound};
}

jvalue jinja_call_method(jinja *J, const jmethod *m, const jargs *a)
{
    return method_of(m->self, m->name)->run(J, m->self, a);
}
