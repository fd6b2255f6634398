/* Values as text: Python's str and repr, json.dumps, the % of strings, dates. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utf8proc.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

size_t jv_real_text(double x, char out[48], bool json)
{
    char digits[40];
    int precision = 0;
    if (isnan(x)) return (size_t)snprintf(out, 48, json ? "NaN" : "nan");
    if (isinf(x)) return (size_t)snprintf(out, 48, "%s%s", x < 0 ? "-" : "", json ? "Infinity" : "inf");
    do snprintf(digits, sizeof digits, "%.*e", precision, x);
    while (strtod(digits, NULL) != x && ++precision < 17);
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent >= 16 || exponent < -4) return (size_t)snprintf(out, 48, "%s", digits);
    return (size_t)snprintf(out, 48, "%.*f", precision > exponent ? precision - exponent : 1, x);
}

static bool printable(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return c == ' ' || !(k == UTF8PROC_CATEGORY_CN || (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_CO));
}

static void repr_text(jinja *J, jbuild *b, jvalue s)
{
    bool single = memchr(s.u.s, '\'', s.n) != NULL, twice = memchr(s.u.s, '"', s.n) != NULL;
    char quote = single && !twice ? '"' : '\'', buf[16];
    jbuild_bytes(J, b, &quote, 1, s.origin);
    for (size_t i = 0, k; i < s.n && J->rc == PT_OK; i += k) {
        uint32_t c = pt_utf8_get(s.u.s + i, &k), origin = s.o ? s.o[i] : s.origin;
        const char *named = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : NULL;
        if (c == (uint32_t)(unsigned char)quote) {
            snprintf(buf, sizeof buf, "\\%c", quote);
            named = buf;
        } else if (!named && !printable(c)) {
            snprintf(buf, sizeof buf, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
            named = buf;
        }
        if (named)
            jbuild_puts(J, b, named, origin);
        else
            jbuild_part(J, b, s, i, k);
    }
    jbuild_bytes(J, b, &quote, 1, s.origin);
}

static void repr_items(jinja *J, jbuild *b, jvalue v)
{
    const jlist *l = v.u.list;
    bool tuple = v.kind == J_TUPLE;
    jbuild_puts(J, b, tuple ? "(" : "[", v.origin);
    for (size_t i = 0; i < l->n && J->rc == PT_OK; i++) {
        if (i) jbuild_puts(J, b, ", ", v.origin);
        jv_repr(J, b, l->v[i]);
    }
    jbuild_puts(J, b, tuple && l->n == 1 ? ",)" : tuple ? ")" : "]", v.origin);
}

static void repr_list(jinja *J, jbuild *b, jvalue v)
{
    const jlist *l = v.u.list;
    char buf[80];
    if (v.kind == J_RANGE) {
        int64_t from = l->cap ? l->v[l->n].u.i : 0, to = l->cap ? l->v[l->n + 1].u.i : 0, step = l->cap ? l->v[l->n + 2].u.i : 1;
        int n = snprintf(buf, sizeof buf, step == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)", (long long)from, (long long)to, (long long)step);
        jbuild_bytes(J, b, buf, (size_t)n, 0);
        return;
    }
    if (v.kind == J_ITER) { /* Python prints an address */
        jinja_fail(J, PT_EFORMAT, "what a filter gives is printed without |list or |join");
        return;
    }
    if (v.kind == J_VIEW) {
        jbuild_puts(J, b, l->view, v.origin);
        jbuild_puts(J, b, "(", v.origin);
    }
    repr_items(J, b, v);
    if (v.kind == J_VIEW) jbuild_puts(J, b, ")", v.origin);
}

static void repr_dict(jinja *J, jbuild *b, jvalue v)
{
    const jdict *d = v.u.dict;
    jbuild_puts(J, b, "{", v.origin);
    for (size_t i = 0; i < d->n && J->rc == PT_OK; i++) {
        if (i) jbuild_puts(J, b, ", ", v.origin);
        jv_repr(J, b, d->k[i]);
        jbuild_puts(J, b, ": ", v.origin);
        jv_repr(J, b, d->v[i]);
    }
    jbuild_puts(J, b, "}", v.origin);
}

void jv_repr(jinja *J, jbuild *b, jvalue v)
{
    char buf[48];
    if (!jinja_enter(J)) return;
    if (v.kind == J_STRING && v.safe) jbuild_puts(J, b, "Markup(", v.origin);
    switch (v.kind) {
    case J_STRING: repr_text(J, b, v); break;
    case J_NONE: jbuild_puts(J, b, "None", v.origin); break;
    case J_BOOL: jbuild_puts(J, b, v.u.b ? "True" : "False", v.origin); break;
    case J_INT: jbuild_bytes(J, b, buf, (size_t)snprintf(buf, sizeof buf, "%lld", (long long)v.u.i), v.origin); break;
    case J_FLOAT: jbuild_bytes(J, b, buf, jv_real_text(v.u.f, buf, false), v.origin); break;
    case J_UNDEFINED: jbuild_puts(J, b, "Undefined", 0); break;
    case J_DICT: repr_dict(J, b, v); break;
    case J_NAMESPACE:
        jbuild_puts(J, b, "<Namespace ", 0);
        repr_dict(J, b, v);
        jbuild_puts(J, b, ">", 0);
        break;
    case J_LIST:
    case J_TUPLE:
    case J_ITER:
    case J_VIEW:
    case J_RANGE: repr_list(J, b, v); break;
    default: jinja_fail(J, PT_EFORMAT, "a %s is printed", jv_type(v));
    }
    if (v.kind == J_STRING && v.safe) jbuild_puts(J, b, ")", v.origin);
    jinja_leave(J);
}

jvalue jv_str(jinja *J, jvalue v)
{
    jbuild b = {0};
    if (v.kind == J_STRING) return v;
    if (v.kind == J_UNDEFINED || v.kind == J_ABSENT) return jv_lit("");
    jv_repr(J, &b, v);
    return jbuild_done(&b);
}

/* ---- json.dumps ---- */

typedef struct writer {
    jinja *J;
    jbuild b;
    int indent; /* < 0: one line */
    bool sort, ascii;
} writer;

static void json_text(writer *w, jvalue s)
{
    static const char plain[] = "\"\\\b\f\n\r\t", named[] = "\"\\bfnrt";
    char buf[16];
    jbuild_puts(w->J, &w->b, "\"", s.origin);
    for (size_t i = 0, k, from; i < s.n && w->J->rc == PT_OK;) {
        for (from = i; i < s.n && (unsigned char)s.u.s[i] >= 0x20 && s.u.s[i] != '"' && s.u.s[i] != '\\' && !(w->ascii && (unsigned char)s.u.s[i] >= 0x7F); i++) {}
        jbuild_part(w->J, &w->b, s, from, i - from);
        if (i >= s.n) break;
        uint32_t c = pt_utf8_get(s.u.s + i, &k);
        const char *hit = c && c < 128 ? strchr(plain, (int)c) : NULL;
        if (hit)
            snprintf(buf, sizeof buf, "\\%c", named[hit - plain]);
        else if (c == 0x7F)
            snprintf(buf, sizeof buf, "\x7F");
        else if (c < 0x10000)
            snprintf(buf, sizeof buf, "\\u%04x", c);
        else
            snprintf(buf, sizeof buf, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
        jbuild_puts(w->J, &w->b, buf, s.o ? s.o[i] : s.origin);
        i += k;
    }
    jbuild_puts(w->J, &w->b, "\"", s.origin);
}

static void json_break(writer *w, int depth, uint32_t origin)
{
    if (w->indent < 0) return;
    jbuild_puts(w->J, &w->b, "\n", origin);
    for (int64_t i = 0; i < (int64_t)w->indent * depth && w->J->rc == PT_OK; i++) jbuild_puts(w->J, &w->b, " ", origin);
}

static void json_value(writer *w, jvalue v, int depth);

static void json_list(writer *w, jvalue v, int depth)
{
    const jlist *l = v.u.list;
    jbuild_puts(w->J, &w->b, "[", v.origin);
    for (size_t i = 0; i < l->n && w->J->rc == PT_OK; i++) {
        if (i) jbuild_puts(w->J, &w->b, w->indent < 0 ? ", " : ",", v.origin);
        json_break(w, depth + 1, v.origin);
        json_value(w, l->v[i], depth + 1);
    }
    if (l->n) json_break(w, depth, v.origin);
    jbuild_puts(w->J, &w->b, "]", v.origin);
}

/* A key that is no string is written as JSON's text of it. */
static void json_key(writer *w, jvalue k)
{
    if (k.kind == J_STRING) {
        json_text(w, k);
    } else if (k.kind == J_NONE || jv_number(k)) {
        jbuild_puts(w->J, &w->b, "\"", k.origin);
        json_value(w, k, 0);
        jbuild_puts(w->J, &w->b, "\"", k.origin);
    } else {
        jinja_fail(w->J, PT_EFORMAT, "tojson: a key that is a %s", jv_type(k));
    }
}

static size_t next_key(jinja *J, const jdict *d, bool sort, size_t done)
{
    size_t best = SIZE_MAX;
    if (!sort) return done;
    for (size_t i = 0; i < d->n && jinja_tick(J, 1); i++) { /* the key that `done` others are smaller than */
        size_t smaller = 0;
        for (size_t k = 0; k < d->n && jinja_tick(J, 1); k++) smaller += jv_order(J, d->k[k], d->k[i], "<") < 0;
        if (smaller == done) best = i;
    }
    return best == SIZE_MAX ? done : best;
}

static void json_dict(writer *w, jvalue v, int depth)
{
    const jdict *d = v.u.dict;
    jbuild_puts(w->J, &w->b, "{", v.origin);
    for (size_t n = 0; n < d->n && w->J->rc == PT_OK; n++) {
        size_t i = next_key(w->J, d, w->sort, n);
        if (n) jbuild_puts(w->J, &w->b, w->indent < 0 ? ", " : ",", v.origin);
        json_break(w, depth + 1, v.origin);
        json_key(w, d->k[i]);
        jbuild_puts(w->J, &w->b, ": ", v.origin);
        json_value(w, d->v[i], depth + 1);
    }
    if (d->n) json_break(w, depth, v.origin);
    jbuild_puts(w->J, &w->b, "}", v.origin);
}

static void json_value(writer *w, jvalue v, int depth)
{
    char buf[48];
    if (!jinja_enter(w->J)) return;
    switch (v.kind) {
    case J_STRING: json_text(w, v); break;
    case J_NONE: jbuild_puts(w->J, &w->b, "null", v.origin); break;
    case J_BOOL: jbuild_puts(w->J, &w->b, v.u.b ? "true" : "false", v.origin); break;
    case J_INT: jbuild_bytes(w->J, &w->b, buf, (size_t)snprintf(buf, sizeof buf, "%lld", (long long)v.u.i), v.origin); break;
    case J_FLOAT: jbuild_bytes(w->J, &w->b, buf, jv_real_text(v.u.f, buf, true), v.origin); break;
    case J_LIST:
    case J_TUPLE: json_list(w, v, depth); break;
    case J_DICT: json_dict(w, v, depth); break;
    default: jinja_fail(w->J, PT_EFORMAT, "tojson of %s%s%s", jv_type(v), v.kind == J_UNDEFINED && v.u.s ? ": " : "", v.kind == J_UNDEFINED && v.u.s ? v.u.s : "");
    }
    jinja_leave(w->J);
}

jvalue jinja_tojson(jinja *J, jvalue v, int indent, bool sort, bool ascii)
{
    writer w = {.J = J, .indent = indent, .sort = sort, .ascii = ascii};
    json_value(&w, v, 0);
    return jbuild_done(&w.b);
}

/* ---- "..." % values ---- */

static void format_one(jinja *J, jbuild *b, const char *spec, char kind, jvalue v)
{
    char full[32], buf[512];
    int n = 0;
    if (kind == 's' || kind == 'r') {
        jbuild t = {0};
        if (kind == 'r' || (v.kind != J_STRING && v.kind != J_UNDEFINED)) {
            jv_repr(J, &t, v);
            v = jbuild_done(&t);
        }
        if (v.kind != J_STRING) v = jv_lit("");
        const char *dot = strchr(spec, '.');
        if (dot) {
            long keep = strtol(dot + 1, NULL, 10);
            v = jstr_slice(J, v, 0, 1, keep < (long)jstr_len(v) ? keep : (long)jstr_len(v));
        }
        long width = strtol(spec + strspn(spec, "-+ #0"), NULL, 10);
        jbuild_str(J, b, jstr_pad(J, v, width, strchr(spec, '-') ? -1 : 1, ' '));
        return;
    }
    if (!jv_number(v)) {
        jinja_fail(J, PT_EFORMAT, "%%%c of a %s", kind, jv_type(v));
        return;
    }
    if (strchr("dixXo", kind)) {
        snprintf(full, sizeof full, "%%%.20sll%c", spec, kind == 'i' ? 'd' : kind);
        double x = jv_real(v);
        if (!(fabs(x) < 9e18)) {
            jinja_fail(J, PT_EFORMAT, "%%%c of a number that is no integer", kind);
            return;
        }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        n = snprintf(buf, sizeof buf, full, v.kind == J_FLOAT ? (long long)x : v.kind == J_BOOL ? (long long)v.u.b : (long long)v.u.i);
    } else {
        snprintf(full, sizeof full, "%%%.20s%c", spec, kind);
        n = snprintf(buf, sizeof buf, full, jv_real(v));
#pragma GCC diagnostic pop
    }
    jbuild_bytes(J, b, buf, n < 0 ? 0 : (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1, v.origin);
}

jvalue jinja_format(jinja *J, jvalue fmt, const jargs *a)
{
    jbuild b = {0};
    size_t used = 0, i = 0;
    while (i < fmt.n && J->rc == PT_OK) {
        size_t from = i, k = 0;
        char spec[24];
        while (i < fmt.n && fmt.u.s[i] != '%') i++;
        jbuild_part(J, &b, fmt, from, i - from);
        if (i++ >= fmt.n) break;
        jvalue v = {0};
        if (i < fmt.n && fmt.u.s[i] == '(') {
            size_t name = ++i;
            while (i < fmt.n && fmt.u.s[i] != ')') i++;
            for (size_t m = 0; m < a->n_named; m++)
                if (strlen(a->names[m]) == i - name && !memcmp(a->names[m], fmt.u.s + name, i - name)) v = a->named[m];
            i++;
        }
        while (i < fmt.n && strchr("-+ #0123456789.", fmt.u.s[i]) && fmt.u.s[i] && k < 8) spec[k++] = fmt.u.s[i++];
        spec[k] = 0;
        char kind = i < fmt.n ? fmt.u.s[i++] : 0;
        if (kind == '%') {
            jbuild_puts(J, &b, "%", fmt.o ? fmt.o[i - 1] : fmt.origin);
            continue;
        }
        if (!kind || !strchr("srdixXofFeEgG", kind)) return jinja_fail(J, PT_EFORMAT, "a broken format");
        if (v.kind == J_ABSENT && used < a->n) v = a->v[used++];
        if (v.kind == J_ABSENT) return jinja_fail(J, PT_EFORMAT, "not enough values for the format");
        format_one(J, &b, spec, kind, v);
    }
    if (used < a->n) return jinja_fail(J, PT_EFORMAT, "more values than the format takes");
    return jbuild_done(&b);
}

jvalue jinja_strftime(jinja *J, jvalue fmt)
{
    const pt_jinja_date *d = &J->in->now;
    struct tm t = {.tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day, .tm_isdst = -1};
    char format[128], buf[512];
    if (!d->month) return jinja_fail(J, PT_EARG, "it asks for the date (strftime_now): set chat_template_date: YYYY-MM-DD");
    if (fmt.kind != J_STRING || fmt.n >= sizeof format || memchr(fmt.u.s, 0, fmt.n)) return jinja_fail(J, PT_EFORMAT, "strftime_now takes a short format");
    memcpy(format, fmt.u.s, fmt.n);
    format[fmt.n] = 0;
    int a = (14 - d->month) / 12, y = d->year - a, m = d->month + 12 * a - 2;
    t.tm_wday = (d->day + y + y / 4 - y / 100 + y / 400 + 31 * m / 12) % 7;
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    t.tm_yday = before[t.tm_mon] + d->day - 1 + (d->month > 2 && ((d->year % 4 == 0 && d->year % 100) || d->year % 400 == 0));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(buf, sizeof buf, format, &t);
#pragma GCC diagnostic pop
    jbuild b = {0};
    jbuild_bytes(J, &b, buf, n, 0);
    return jbuild_done(&b);
}
