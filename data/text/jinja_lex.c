/* A template's text into tokens, with the white-space rules of trim_blocks and lstrip_blocks. */
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

typedef struct lexer {
    jinja *J;
    const char *s;
    size_t n, at;
    bool line_starts; /* what was read last ended with a line break */
    jtoken *tokens;
    size_t count, cap;
} lexer;

size_t jinja_space(const char *s, size_t n, size_t at)
{
    size_t len;
    if (at >= n) return 0;
    uint32_t cp = pt_utf8_get(s + at, &len);
    return pt_utf8_is_py_space(cp) ? len : 0;
}

static jtoken *put(lexer *x, jtoken_kind kind, size_t at, const char *s, size_t n)
{
    x->tokens = jinja_grow(x->J, x->tokens, &x->cap, x->count + 1, sizeof *x->tokens);
    if (!x->tokens) return NULL;
    x->tokens[x->count] = (jtoken){.kind = kind, .at = at, .s = s, .n = n};
    return &x->tokens[x->count++];
}

static void skip_space(lexer *x)
{
    for (size_t k; (k = jinja_space(x->s, x->n, x->at)) != 0;) x->at += k;
}

static bool here(const lexer *x, const char *what)
{
    size_t k = strlen(what);
    return x->n - x->at >= k && !memcmp(x->s + x->at, what, k);
}

/* Moves over a tag's end, "%}" with its sign, and what it swallows. trims: a line break goes with it. */
static bool tag_end(lexer *x, const char *end, bool trims)
{
    size_t from = x->at;
    bool minus = here(x, "-"), plus = trims && here(x, "+");
    x->at += minus || plus;
    if (!here(x, end)) {
        x->at = from;
        return false;
    }
    x->at += 2;
    if (minus)
        skip_space(x);
    else if (!plus && trims && here(x, "\n"))
        x->at++;
    x->line_starts = x->s[x->at - 1] == '\n';
    return true;
}

/* The text [from, to) before a tag with this sign. */
static void text(lexer *x, size_t from, size_t to, char sign, bool variable)
{
    size_t end = to;
    if (sign == '-') {
        while (end > from) {
            size_t k = end - 1;
            while (k > from && ((unsigned char)x->s[k] & 0xC0) == 0x80) k--;
            if (!jinja_space(x->s, x->n, k)) break;
            end = k;
        }
    } else if (sign != '+' && !variable) {
        size_t line = to, k, step;
        while (line > from && x->s[line - 1] != '\n') line--;
        if (line > from || x->line_starts) {
            for (k = line; k < to && (step = jinja_space(x->s, x->n, k)) != 0;) k += step;
            if (k == to) end = line;
        }
    }
    if (end > from) put(x, T_TEXT, from, x->s + from, end - from);
}

static int hex(const char *s, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int c = s[i], d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) return -1;
        *out = *out * 16 + (uint32_t)d;
    }
    return 0;
}

/* One escape behind its backslash, as Python's unicode_escape reads it. */
static void escape(lexer *x, jbuild *b, const char *s, size_t n, size_t *i)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = s[*i], utf8[4];
    const char *hit = c ? strchr(from, c) : NULL;
    uint32_t cp = 0;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    ++*i;
    if (hit) {
        jbuild_bytes(x->J, b, &to[hit - from], 1, 0);
    } else if (c == '\n') {
        return;
    } else if (digits) {
        if (n - *i < digits || hex(s + *i, digits, &cp) || cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) {
            jinja_fail(x->J, PT_EFORMAT, "a broken \\%c in a string", c);
            return;
        }
        *i += digits;
        jbuild_bytes(x->J, b, utf8, pt_utf8_put(utf8, cp), 0);
    } else if (c >= '0' && c <= '7') {
        for (--*i; *i < n && digits < 3 && s[*i] >= '0' && s[*i] <= '7'; ++*i, digits++) cp = cp * 8 + (uint32_t)(s[*i] - '0');
        jbuild_bytes(x->J, b, utf8, pt_utf8_put(utf8, cp), 0);
    } else if (c == 'N') {
        jinja_fail(x->J, PT_ENOSUP, "\\N{...} in a string");
    } else {
        jbuild_bytes(x->J, b, "\\", 1, 0);
        --*i;
    }
}

static void string(lexer *x)
{
    size_t from = x->at, i;
    char quote = x->s[from];
    jbuild b = {0};
    for (i = from + 1; i < x->n && x->s[i] != quote; i++)
        if (x->s[i] == '\\') i++;
    x->J->at = from;
    if (i >= x->n) {
        jinja_fail(x->J, PT_EFORMAT, "a string that does not end");
        return;
    }
    for (size_t k = from + 1; k < i && x->J->rc == PT_OK;) {
        size_t plain = k;
        while (k < i && x->s[k] != '\\') k++;
        jbuild_bytes(x->J, &b, x->s + plain, k - plain, 0);
        if (k < i) {
            k++;
            escape(x, &b, x->s, i, &k);
        }
    }
    jtoken *t = put(x, T_STRING, from, x->s + from, i + 1 - from);
    if (t) t->value = jbuild_done(&b);
    x->at = i + 1;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static size_t digits(const lexer *x, size_t at)
{
    size_t from = at;
    while (at < x->n && ((x->s[at] >= '0' && x->s[at] <= '9') || (x->s[at] == '_' && at > from && x->s[at - 1] != '_'))) at++;
    return at;
}

static void number(lexer *x)
{
    size_t from = x->at, end = digits(x, from), e, k = 0;
    char buf[64], *stop = NULL;
    bool real = false;
    x->J->at = from;
    int base = x->s[from] == '0' && end == from + 1 && end < x->n ? (x->s[end] | 32) == 'x' ? 16 : (x->s[end] | 32) == 'o' ? 8 : (x->s[end] | 32) == 'b' ? 2 : 0 : 0;
    bool behind_dot = from && x->s[from - 1] == '.'; /* a.1.0: two places, no number with a point */
    if (base) {
        from = ++end;
        while (end < x->n && is_word(x->s[end])) end++;
    }
    if (!base && !behind_dot && end + 1 < x->n && x->s[end] == '.' && x->s[end + 1] >= '0' && x->s[end + 1] <= '9') {
        real = true;
        end = digits(x, end + 1);
    }
    if (!base && !behind_dot && end < x->n && (x->s[end] | 32) == 'e') {
        e = end + 1;
        if (e < x->n && (x->s[e] == '+' || x->s[e] == '-')) e++;
        if (digits(x, e) > e) {
            real = true;
            end = digits(x, e);
        }
    }
    for (size_t i = from; i < end && k + 1 < sizeof buf; i++)
        if (x->s[i] != '_') buf[k++] = x->s[i];
    buf[k] = 0;
    jtoken *t = put(x, real ? T_FLOAT : T_INT, from, x->s + from, end - from);
    if (t) t->value = real ? jv_float(strtod(buf, NULL)) : jv_int(strtoll(buf, &stop, base ? base : 10));
    if (base && (!stop || *stop || !k)) jinja_fail(x->J, PT_EFORMAT, "a broken number");
    if (!real && k > (base == 2 ? 62 : base == 16 ? 15 : 18)) jinja_fail(x->J, PT_ENOSUP, "a number of more than 63 bits");
    if (end < x->n && is_word(x->s[end]) && real) jinja_fail(x->J, PT_EFORMAT, "a broken number");
    x->at = end;
}

static void operator(lexer *x)
{
    static const char *const ops[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")",
                                      "{",  "}",  ">",  "<",  "=",  ".",  ":", "|", ",", ";", NULL};
    for (size_t i = 0; ops[i]; i++) {
        if (!here(x, ops[i])) continue;
        put(x, T_OP, x->at, ops[i], strlen(ops[i]));
        x->at += strlen(ops[i]);
        return;
    }
    x->J->at = x->at;
    jinja_fail(x->J, PT_EFORMAT, "an unexpected character");
}

/* The tokens between a tag's two ends. */
static void inside(lexer *x, const char *end, jtoken_kind end_kind)
{
    char open[128];
    size_t depth = 0, began = x->at;
    while (x->J->rc == PT_OK) {
        size_t from = x->at;
        if (from >= x->n) {
            x->J->at = began;
            jinja_fail(x->J, PT_EFORMAT, "a tag that does not end");
            return;
        }
        if (!depth && tag_end(x, end, end_kind == T_BLOCK_END)) {
            put(x, end_kind, from, end, 2);
            return;
        }
        char c = x->s[from];
        if (jinja_space(x->s, x->n, from)) {
            skip_space(x);
        } else if (c >= '0' && c <= '9') {
            number(x);
        } else if (is_word(c)) {
            while (x->at < x->n && is_word(x->s[x->at])) x->at++;
            put(x, T_NAME, from, x->s + from, x->at - from);
        } else if (c == '\'' || c == '"') {
            string(x);
        } else {
            operator(x);
            x->J->at = from;
            if (strchr("([{", c)) {
                if (depth == sizeof open) {
                    jinja_fail(x->J, PT_EFORMAT, "brackets nested deeper than %zu", sizeof open);
                    return;
                }
                open[depth++] = (char)(c == '(' ? ')' : c + 2);
            } else if (strchr(")]}", c) && (!depth || open[--depth] != c)) {
                jinja_fail(x->J, PT_EFORMAT, "a closing '%c' that fits nothing", c);
            }
        }
    }
}

static void comment(lexer *x, size_t began)
{
    while (x->at < x->n) {
        if (tag_end(x, "#}", true)) return;
        x->at++;
    }
    x->J->at = began;
    jinja_fail(x->J, PT_EFORMAT, "a comment that does not end");
}

/* {% NAME %} at x->at behind its {% and sign; moves over it when it is that. */
static bool bare_tag(lexer *x, const char *name, bool trims)
{
    size_t from = x->at;
    skip_space(x);
    if (here(x, name)) {
        x->at += strlen(name);
        skip_space(x);
        if (trims || !here(x, "+")) {
            if (tag_end(x, "%}", trims)) return true;
        }
    }
    x->at = from;
    return false;
}

/* What stands between {% raw %} and {% endraw %}. */
static void raw(lexer *x)
{
    size_t from = x->at;
    bool starts = x->line_starts;
    for (; x->at < x->n; x->at++) {
        size_t tag = x->at;
        if (!here(x, "{%")) continue;
        x->at += 2;
        char sign = here(x, "-") ? '-' : here(x, "+") ? '+' : 0;
        x->at += sign != 0;
        if (bare_tag(x, "endraw", true)) {
            bool after = x->line_starts;
            x->line_starts = starts;
            text(x, from, tag, sign, false);
            x->line_starts = after;
            return;
        }
        x->at = tag;
    }
    x->J->at = from;
    jinja_fail(x->J, PT_EFORMAT, "raw without endraw");
}

jtoken *jinja_lex(jinja *J, size_t n, size_t *n_tokens)
{
    lexer x = {.J = J, .s = J->source, .n = n, .line_starts = true};
    while (J->rc == PT_OK) {
        size_t from = x.at, m = from;
        while (m + 1 < n && !(x.s[m] == '{' && strchr("%{#", x.s[m + 1]) && x.s[m + 1])) m++;
        if (m + 1 >= n) {
            if (from < n) put(&x, T_TEXT, from, x.s + from, n - from);
            break;
        }
        char kind = x.s[m + 1], sign;
        x.at = m + 2;
        sign = here(&x, "-") ? '-' : here(&x, "+") ? '+' : 0;
        x.at += sign != 0;
        text(&x, from, m, sign, kind == '{');
        x.line_starts = false;
        J->at = m;
        if (kind == '#') {
            comment(&x, m);
        } else if (kind == '{') {
            put(&x, T_PRINT, m, "{{", 2);
            inside(&x, "}}", T_PRINT_END);
        } else if (bare_tag(&x, "raw", false)) {
            raw(&x);
        } else {
            put(&x, T_BLOCK, m, "{%", 2);
            inside(&x, "%}", T_BLOCK_END);
        }
    }
    put(&x, T_END, n, "", 0);
    *n_tokens = x.count;
    return x.tokens;
}
