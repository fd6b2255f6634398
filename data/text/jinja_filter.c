/* Filters of single values, and how arguments are taken. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

bool jinja_take(jinja *J, const jargs *a, const char *what, const char *spec, size_t least, jvalue *out)
{
    const char *names[8];
    size_t n = 0, len[8];
    for (const char *p = spec; *p; p += len[n - 1] + (p[len[n - 1]] == ' ')) {
        names[n] = p;
        len[n] = strcspn(p, " ");
        out[n++] = (jvalue){0};
    }
    if (J->rc != PT_OK) return false;
    if (a->n > n) {
        jinja_fail(J, PT_EFORMAT, "%s takes at most %zu arguments, not %zu", what, n, a->n);
        return false;
    }
    for (size_t i = 0; i < a->n; i++) out[i] = a->v[i];
    for (size_t k = 0; k < a->n_named; k++) {
        size_t i = 0;
        while (i < n && (strlen(a->names[k]) != len[i] || memcmp(a->names[k], names[i], len[i]))) i++;
        if (i == n || out[i].kind != J_ABSENT) {
            jinja_fail(J, PT_EFORMAT, "%s: the argument '%s' is %s", what, a->names[k], i == n ? "unknown" : "given twice");
            return false;
        }
        out[i] = a->named[k];
    }
    for (size_t i = 0; i < least; i++)
        if (out[i].kind == J_ABSENT) {
            jinja_fail(J, PT_EFORMAT, "%s: the argument '%.*s' is missing", what, (int)len[i], names[i]);
            return false;
        }
    return true;
}

int64_t jinja_take_int(jinja *J, jvalue v, int64_t otherwise)
{
    if (v.kind == J_ABSENT) return otherwise;
    if (v.kind == J_INT) return v.u.i;
    if (v.kind == J_BOOL) return v.u.b;
    jinja_fail(J, PT_EFORMAT, "an int is wanted, not a %s", jv_type(v));
    return otherwise;
}

/* soft_str: what most filters make of what they get. */
static jvalue cased(jinja *J, jvalue in, const jargs *a, jcase how)
{
    return jinja_take(J, a, "it", "", 0, NULL) ? jstr_case(J, jv_str(J, in), how) : in;
}
static jvalue f_upper(jinja *J, jvalue in, const jargs *a) { return cased(J, in, a, CASE_UPPER); }
static jvalue f_lower(jinja *J, jvalue in, const jargs *a) { return cased(J, in, a, CASE_LOWER); }
static jvalue f_title(jinja *J, jvalue in, const jargs *a) { return cased(J, in, a, CASE_WORDS); }
static jvalue f_capitalize(jinja *J, jvalue in, const jargs *a) { return cased(J, in, a, CASE_CAPITAL); }
static jvalue f_string(jinja *J, jvalue in, const jargs *a) { return jinja_take(J, a, "string", "", 0, NULL) ? jv_str(J, in) : in; }

static jvalue f_safe(jinja *J, jvalue in, const jargs *a)
{
    jvalue v = jinja_take(J, a, "safe", "", 0, NULL) ? jv_str(J, in) : in;
    v.safe = v.kind == J_STRING;
    return v;
}

static jvalue f_escape(jinja *J, jvalue in, const jargs *a)
{
    return jinja_take(J, a, "escape", "", 0, NULL) ? jstr_escape(J, jv_str(J, in)) : in;
}

static jvalue f_forceescape(jinja *J, jvalue in, const jargs *a)
{
    in = jv_str(J, in);
    in.safe = false;
    return f_escape(J, in, a);
}

static jvalue f_trim(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[1];
    return jinja_take(J, a, "trim", "chars", 0, v) ? jstr_strip(J, jv_str(J, in), v[0], true, true) : in;
}

static jvalue f_default(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2];
    if (!jinja_take(J, a, "default", "default_value boolean", 0, v)) return in;
    if (in.kind != J_UNDEFINED && !(jv_true(J, v[1]) && !jv_true(J, in))) return in;
    return v[0].kind == J_ABSENT ? jv_lit("") : v[0];
}

static jvalue f_replace(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[3];
    if (!jinja_take(J, a, "replace", "old new count", 2, v)) return in;
    int64_t count = v[2].kind == J_NONE ? -1 : jinja_take_int(J, v[2], -1);
    return jstr_replace(J, jv_str(J, in), jv_str(J, v[0]), jv_str(J, v[1]), count);
}

static jvalue f_tojson(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[4];
    if (!jinja_take(J, a, "tojson", "ensure_ascii indent separators sort_keys", 0, v)) return in;
    if (v[2].kind != J_ABSENT && v[2].kind != J_NONE) return jinja_fail(J, PT_ENOSUP, "tojson with separators");
    if (v[1].kind == J_STRING) return jinja_fail(J, PT_ENOSUP, "tojson indented by a string");
    int64_t indent = v[1].kind == J_NONE ? -1 : jinja_take_int(J, v[1], -1);
    return jinja_tojson(J, in, (int)(indent > 1000 ? 1000 : v[1].kind == J_INT && indent < 0 ? 0 : indent), jv_true(J, v[3]), jv_true(J, v[0]));
}

static jvalue f_indent(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[3];
    if (!jinja_take(J, a, "indent", "width first blank", 0, v)) return in;
    if (in.kind != J_STRING) return jinja_fail(J, PT_EFORMAT, "indent of a %s", jv_type(in));
    jvalue by = v[0].kind == J_STRING ? v[0] : jstr_pad(J, jv_lit(""), jinja_take_int(J, v[0], 4), -1, ' ');
    jbuild b = {0}, whole = {0};
    jbuild_str(J, &whole, in);
    jbuild_puts(J, &whole, "\n", 0);
    jvalue lines = jstr_lines(J, jbuild_done(&whole), false);
    if (!jv_is_list(lines)) return in;
    if (jv_true(J, v[1])) jbuild_str(J, &b, by);
    for (size_t i = 0; i < lines.u.list->n && J->rc == PT_OK; i++) {
        if (i) jbuild_puts(J, &b, "\n", 0);
        if (i && (lines.u.list->v[i].n || jv_true(J, v[2]))) jbuild_str(J, &b, by);
        jbuild_str(J, &b, lines.u.list->v[i]);
    }
    return jbuild_done(&b);
}

static jvalue f_truncate(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[4];
    if (!jinja_take(J, a, "truncate", "length killwords end leeway", 0, v)) return in;
    if (in.kind != J_STRING) return jinja_fail(J, PT_EFORMAT, "truncate of a %s", jv_type(in));
    jvalue end = v[2].kind == J_ABSENT ? jv_lit("...") : jv_str(J, v[2]);
    int64_t length = jinja_take_int(J, v[0], 255), leeway = v[3].kind == J_NONE ? 5 : jinja_take_int(J, v[3], 5), n = (int64_t)jstr_len(in);
    int64_t keep = length - (int64_t)jstr_len(end);
    if (keep < 0 || leeway < 0) return jinja_fail(J, PT_EFORMAT, "truncate to less than its end");
    if (n <= length || n - length <= leeway) return in;
    jvalue head = jstr_slice(J, in, 0, 1, keep < n ? keep : n);
    for (size_t i = head.n; i-- > 0 && !jv_true(J, v[1]);)
        if (head.u.s[i] == ' ') {
            head = jstr_sub(head, 0, i);
            break;
        }
    jbuild b = {0};
    jbuild_str(J, &b, head);
    jbuild_str(J, &b, end);
    return jbuild_done(&b);
}

static jvalue f_center(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[1];
    return jinja_take(J, a, "center", "width", 0, v) ? jstr_pad(J, jv_str(J, in), jinja_take_int(J, v[0], 80), 0, ' ') : in;
}

static jvalue f_format(jinja *J, jvalue in, const jargs *a)
{
    if (a->n && a->n_named) return jinja_fail(J, PT_EFORMAT, "format takes values by place or by name, not both");
    return jinja_format(J, jv_str(J, in), a);
}

static jvalue f_wordcount(jinja *J, jvalue in, const jargs *a)
{
    int64_t n = 0;
    bool word = false;
    if (!jinja_take(J, a, "wordcount", "", 0, NULL)) return in;
    in = jv_str(J, in);
    for (size_t i = 0, k; i < in.n; i += k) { /* runs of \w */
        uint32_t c = pt_utf8_get(in.u.s + i, &k);
        bool w = c == '_' || c >= 128 ? !pt_utf8_is_py_space(c) : (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        n += w && !word;
        word = w;
    }
    return jv_int(n);
}

/* A string as Python's float() reads it. */
static bool read_real(jvalue s, double *out)
{
    char buf[400], *end;
    while (s.n && jinja_space(s.u.s, s.n, 0)) s = jstr_sub(s, 1, s.n - 1);
    while (s.n && jinja_space(s.u.s + s.n - 1, 1, 0)) s.n--;
    if (!s.n || s.n >= sizeof buf) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789+-.eEinfatyNIFATY", s.u.s[i]) || !s.u.s[i]) return false;
    memcpy(buf, s.u.s, s.n);
    buf[s.n] = 0;
    *out = strtod(buf, &end);
    return end == buf + s.n;
}

static jvalue from_real(jinja *J, double x, jvalue otherwise)
{
    if (!isfinite(x)) return otherwise;
    if (fabs(x) >= 9.2e18) return jinja_fail(J, PT_ENOSUP, "an int of more than 63 bits");
    return jv_int((int64_t)x);
}

static jvalue f_int(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2];
    double x;
    if (!jinja_take(J, a, "int", "default base", 0, v)) return in;
    if (v[1].kind != J_ABSENT && jinja_take_int(J, v[1], 10) != 10) return jinja_fail(J, PT_ENOSUP, "int with a base");
    jvalue otherwise = v[0].kind == J_ABSENT ? jv_int(0) : v[0];
    if (in.kind == J_UNDEFINED) return jinja_fail(J, PT_EFORMAT, "'%s' is undefined", in.u.s ? in.u.s : "it");
    if (in.kind == J_INT || in.kind == J_BOOL) return jv_int(in.kind == J_INT ? in.u.i : in.u.b);
    if (in.kind == J_FLOAT) return from_real(J, in.u.f, otherwise);
    if (in.kind != J_STRING) return otherwise;
    jvalue s = jstr_strip(J, in, (jvalue){0}, true, true);
    char buf[24];
    size_t sign = s.n && (s.u.s[0] == '-' || s.u.s[0] == '+');
    if (s.n > sign && s.n < 19) {
        memcpy(buf, s.u.s, s.n);
        buf[s.n] = 0;
        if (strspn(buf + sign, "0123456789") == s.n - sign) return jv_int(strtoll(buf, NULL, 10));
    }
    return read_real(in, &x) ? from_real(J, x, otherwise) : otherwise;
}

static jvalue f_float(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[1];
    double x;
    if (!jinja_take(J, a, "float", "default", 0, v)) return in;
    if (in.kind == J_UNDEFINED) return jinja_fail(J, PT_EFORMAT, "'%s' is undefined", in.u.s ? in.u.s : "it");
    if (jv_number(in)) return jv_float(jv_real(in));
    if (in.kind == J_STRING && read_real(in, &x)) return jv_float(x);
    return v[0].kind == J_ABSENT ? jv_float(0) : v[0];
}

static jvalue f_abs(jinja *J, jvalue in, const jargs *a)
{
    if (!jinja_take(J, a, "abs", "", 0, NULL)) return in;
    if (!jv_number(in)) return jinja_fail(J, PT_EFORMAT, "abs of a %s", jv_type(in));
    if (in.kind == J_FLOAT) return jv_float(fabs(in.u.f));
    int64_t i = in.kind == J_BOOL ? in.u.b : in.u.i;
    return i == INT64_MIN ? jinja_fail(J, PT_ENOSUP, "an int of more than 63 bits") : jv_int(i < 0 ? -i : i);
}

static jvalue f_round(jinja *J, jvalue in, const jargs *a)
{
    jvalue v[2];
    char buf[400];
    if (!jinja_take(J, a, "round", "precision method", 0, v)) return in;
    int64_t digits = jinja_take_int(J, v[0], 0);
    jvalue how = v[1].kind == J_ABSENT ? jv_lit("common") : v[1];
    if (!jv_number(in) || digits < -300 || digits > 300) return jinja_fail(J, PT_EFORMAT, "round of a %s", jv_type(in));
    double x = jv_real(in), scale = pow(10, (double)digits);
    if (jv_says(how, "ceil")) return jv_float(ceil(x * scale) / scale);
    if (jv_says(how, "floor")) return jv_float(floor(x * scale) / scale);
    if (!jv_says(how, "common")) return jinja_fail(J, PT_EFORMAT, "round: method must be common, ceil or floor");
    if (in.kind != J_FLOAT) return digits < 0 ? jinja_fail(J, PT_ENOSUP, "round of an int to tens") : in;
    if (digits < 0) return jv_float(round(x * scale) / scale);
    snprintf(buf, sizeof buf, "%.*f", (int)digits, x); /* exact decimal digits, ties to even: as Python rounds */
    return jv_float(strtod(buf, NULL));
}

static const jfilter single[] = {{"upper", f_upper}, {"lower", f_lower}, {"title", f_title}, {"capitalize", f_capitalize}, {"string", f_string},
                                 {"safe", f_safe}, {"escape", f_escape}, {"e", f_escape}, {"forceescape", f_forceescape}, {"trim", f_trim},
                                 {"default", f_default}, {"d", f_default}, {"replace", f_replace}, {"tojson", f_tojson}, {"indent", f_indent},
                                 {"truncate", f_truncate}, {"center", f_center}, {"format", f_format}, {"wordcount", f_wordcount}, {"int", f_int},
                                 {"float", f_float}, {"abs", f_abs}, {"round", f_round}};
enum { SINGLE = sizeof single / sizeof *single };

const jfilter *jinja_filter(int index)
{
    return index < SINGLE ? &single[index] : &jinja_list_filters[index - SINGLE];
}

int jinja_filter_find(const char *name)
{
    for (int i = 0; i < SINGLE || jinja_list_filters[i - SINGLE].name; i++)
        if (!strcmp(jinja_filter(i)->name, name)) return i;
    return -1;
}
