/* The parser: recursive descent over bytes in memory, building jansson's values. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_odd.h"
#include "base/utf8.h"

typedef struct parser {
    const char *p, *end, *begin;
    int64_t line;
    unsigned flags;
    const char *name;
    pt_str text; /* the last string, unescaped; reused */
    pt_json_odd_kind odd;
} parser;

static pt_status broken(const parser *s, const char *at, const char *what)
{
    int64_t column = 1;
    for (const char *c = s->begin; c < at; c++) column += ((unsigned char)*c & 0xc0) != 0x80;
    return pt_fail(PT_EFORMAT, "%s:%lld:%lld: broken JSON: %s", s->name, (long long)s->line, (long long)column, what);
}

static pt_status no_memory(const parser *s)
{
    return pt_fail(PT_ENOMEM, "out of memory: the JSON of %s", s->name);
}

static void space(parser *s)
{
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\n')
            s->line++, s->begin = s->p + 1;
        else if (*s->p != ' ' && *s->p != '\t' && *s->p != '\r')
            break;
    }
}

static bool word(parser *s, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0) return false;
    s->p += n;
    return true;
}

/* A value that jansson cannot hold, spelled by n bytes of the text. */
static pt_status odd_value(parser *s, pt_json_odd_kind kind, const char *from, size_t n, json_t **out)
{
    if (s->flags & PT_JSON_OWN) return broken(s, from, pt_json_odd_name(kind));
    *out = pt_json_odd_new(kind, from, n);
    return *out ? PT_OK : no_memory(s);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------------- */

static bool digits(parser *s)
{
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    return s->p > from;
}

static pt_status real(parser *s, const char *from, json_t **out)
{
    char small[64], *text = small;
    size_t n = (size_t)(s->p - from);
    if (n >= sizeof small) PT_RETURN(pt_strndup(&text, from, n));
    memcpy(text, from, n);
    text[n] = 0;
    double v = strtod(text, NULL);
    if (text != small) free(text);
    if (!isfinite(v)) return odd_value(s, v > 0 ? PT_JSON_ODD_INF : PT_JSON_ODD_NINF, from, n, out);
    *out = json_real(v);
    return *out ? PT_OK : no_memory(s);
}

static pt_status number(parser *s, json_t **out)
{
    const char *from = s->p, *first;
    bool minus = *s->p == '-', whole = true;
    s->p += minus;
    if (minus && word(s, "Infinity")) return odd_value(s, PT_JSON_ODD_NINF, from, 9, out);
    first = s->p;
    if (!digits(s)) return broken(s, s->p, "a digit is wanted");
    if (*first == '0' && s->p > first + 1) return broken(s, first, "a number does not begin with 0");
    if (s->p < s->end && *s->p == '.') {
        whole = false, s->p++;
        if (!digits(s)) return broken(s, s->p, "a digit is wanted");
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        whole = false, s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        if (!digits(s)) return broken(s, s->p, "a digit is wanted");
    }
    int64_t v = 0;
    for (const char *c = first; whole && c < s->p; c++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *c - '0', &v)) whole = false; /* kept negative */
    if (!whole || (!minus && v == INT64_MIN)) return real(s, from, out);
    *out = json_integer(minus ? v : -v);
    return *out ? PT_OK : no_memory(s);
}

/* ---- strings -------------------------------------------------------------------------------------------------------------- */

/* Bytes from p that stand for themselves in a string, in steps of eight: up to a quote, a backslash or a control character.
 * *high: whether one of them is not ASCII. */
static size_t plain_bytes(const char *p, const char *end, bool *high)
{
    const uint64_t ones = 0x0101010101010101ull, top = 0x8080808080808080ull;
    const char *from = p;
    uint64_t seen = 0, w;
    for (; end - p >= 8; p += 8) {
        memcpy(&w, p, 8);
        uint64_t q = w ^ (ones * '"'), b = w ^ (ones * '\\');
        /* a byte is below 0x20 or 0 after the xor: each test is exact where the byte's own top bit is 0 */
        uint64_t stop = ((q - ones) & ~q) | ((b - ones) & ~b) | ((w - ones * 0x20) & ~w);
        if (stop & top) break;
        seen |= w;
    }
    *high = *high || (seen & top);
    for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++) *high = *high || ((unsigned char)*p & 0x80);
    return (size_t)(p - from);
}

static bool hex4(const parser *s, const char *p, unsigned *out)
{
    *out = 0;
    if (s->end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i], v = c - '0' < 10 ? c - '0' : (c | 32) - 'a' < 6 ? (c | 32) - 'a' + 10 : 16;
        if (v > 15) return false;
        *out = *out << 4 | v;
    }
    return true;
}

/* Behind "\u": one character, of two escapes when they are a surrogate pair. */
static pt_status unicode(parser *s)
{
    unsigned c, low;
    char u[4];
    if (!hex4(s, s->p, &c)) return broken(s, s->p - 2, "\\u wants four hexadecimal digits");
    s->p += 4;
    if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' && hex4(s, s->p + 2, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        s->p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c == 0 && s->odd == PT_JSON_ODD_NONE) s->odd = PT_JSON_ODD_NUL;
    if (c >= 0xd800 && c < 0xe000) s->odd = PT_JSON_ODD_SURROGATE, c = 0xfffd;
    if (c < 0x80) return u[0] = (char)c, pt_str_add(&s->text, u, 1);
    if (c < 0x800) {
        u[0] = (char)(0xc0 | c >> 6), u[1] = (char)(0x80 | (c & 0x3f));
        return pt_str_add(&s->text, u, 2);
    }
    if (c < 0x10000) {
        u[0] = (char)(0xe0 | c >> 12), u[1] = (char)(0x80 | (c >> 6 & 0x3f)), u[2] = (char)(0x80 | (c & 0x3f));
        return pt_str_add(&s->text, u, 3);
    }
    u[0] = (char)(0xf0 | c >> 18), u[1] = (char)(0x80 | (c >> 12 & 0x3f));
    u[2] = (char)(0x80 | (c >> 6 & 0x3f)), u[3] = (char)(0x80 | (c & 0x3f));
    return pt_str_add(&s->text, u, 4);
}

static pt_status escape(parser *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->end - s->p < 2) return broken(s, s->p, "the text ends within a string");
    char c = s->p[1];
    const char *k = c ? strchr(from, c) : NULL;
    if (!k && c != 'u') return broken(s, s->p, "an unknown escape in a string");
    s->p += 2;
    return k ? pt_str_add(&s->text, &to[k - from], 1) : unicode(s);
}

/* A string, with its quotes at s->p. *text (n bytes, not terminated) lies in the source or in s->text until the next string; odd
 * kinds are left in s->odd. */
static pt_status string(parser *s, const char **text, size_t *n)
{
    const char *from = ++s->p;
    bool high = false, copied = false;
    s->odd = PT_JSON_ODD_NONE;
    s->text.len = 0;
    for (;;) {
        const char *run = s->p;
        s->p += plain_bytes(run, s->end, &high);
        if (high && !pt_utf8_valid(run, (size_t)(s->p - run))) return broken(s, run, "a string is not UTF-8");
        if (s->p == s->end) return broken(s, from - 1, "a string is not closed: the text is cut off");
        bool closed = *s->p == '"';
        if (!closed && *s->p != '\\') return broken(s, s->p, "a raw control character in a string (write \\n, \\t, \\u00XX)");
        if (!closed || copied) PT_RETURN(pt_str_add(&s->text, run, (size_t)(s->p - run)));
        if (closed) break;
        copied = true;
        PT_RETURN(escape(s));
    }
    *text = copied ? s->text.text : from;
    *n = copied ? s->text.len : (size_t)(s->p - from);
    s->p++;
    return PT_OK;
}

static pt_status string_value(parser *s, json_t **out)
{
    const char *from = s->p, *text;
    size_t n;
    PT_RETURN(string(s, &text, &n));
    if (s->odd == PT_JSON_ODD_SURROGATE || (s->odd == PT_JSON_ODD_NUL && !(s->flags & PT_JSON_NUL)))
        return odd_value(s, s->odd, from, (size_t)(s->p - from), out);
    *out = json_stringn_nocheck(text, n);
    return *out ? PT_OK : no_memory(s);
}

/* ---- lists and objects ---------------------------------------------------------------------------------------------------- */

static pt_status value(parser *s, int depth, json_t **out);

static pt_status list(parser *s, int depth, json_t *into)
{
    for (;;) {
        json_t *v;
        PT_RETURN(value(s, depth, &v));
        if (json_array_append_new(into, v)) return no_memory(s);
        space(s);
        if (s->p == s->end) return broken(s, s->p, "a list is not closed: the text is cut off");
        char c = *s->p;
        if (c != ',' && c != ']') return broken(s, s->p, "',' or ']' is wanted");
        s->p++;
        if (c == ']') return PT_OK;
        space(s);
        if (s->p < s->end && *s->p == ']') return broken(s, s->p, "a ',' before ']'");
    }
}

/* A key at s->p into `key` (reused), *drop where nothing can ask for it. */
static pt_status object_key(parser *s, const json_t *o, pt_str *key, bool *drop)
{
    const char *at = s->p, *text;
    size_t n;
    if (s->p == s->end || *s->p != '"') return broken(s, s->p, s->p == s->end ? "the text is cut off" : "a key in quotes is wanted");
    PT_RETURN(string(s, &text, &n));
    key->len = 0;
    PT_RETURN(pt_str_add(key, text, n));
    *drop = s->odd != PT_JSON_ODD_NONE || !strcmp(key->text, PT_JSON_ODD_KEY);
    if ((s->flags & PT_JSON_OWN) && (*drop || json_object_get(o, key->text))) return broken(s, at, "a key that stands twice, or is odd");
    space(s);
    if (s->p == s->end || *s->p != ':') return broken(s, s->p, "':' is wanted behind a key");
    s->p++;
    return PT_OK;
}

static pt_status members(parser *s, int depth, json_t *into)
{
    pt_status rc = PT_OK;
    pt_str key = {0};
    for (bool more = true, drop = false; more;) {
        json_t *v;
        PT_TRY(object_key(s, into, &key, &drop));
        PT_TRY(value(s, depth, &v));
        if (drop)
            json_decref(v);
        else if (json_object_set_new_nocheck(into, key.text, v))
            PT_TRY(no_memory(s));
        space(s);
        if (s->p == s->end) PT_TRY(broken(s, s->p, "an object is not closed: the text is cut off"));
        more = *s->p == ',';
        if (!more && *s->p != '}') PT_TRY(broken(s, s->p, "',' or '}' is wanted"));
        s->p++;
        if (more) space(s);
    }
done:
    pt_str_free(&key);
    return rc;
}

static pt_status nested(parser *s, int depth, json_t **out)
{
    bool object = *s->p == '{';
    if (depth >= PT_JSON_DEPTH) return broken(s, s->p, "lists and objects are nested too deeply");
    json_t *into = object ? json_object() : json_array();
    if (!into) return no_memory(s);
    s->p++;
    space(s);
    pt_status rc = PT_OK;
    if (s->p < s->end && *s->p == (object ? '}' : ']'))
        s->p++;
    else
        rc = object ? members(s, depth + 1, into) : list(s, depth + 1, into);
    if (rc == PT_OK)
        *out = into;
    else
        json_decref(into);
    return rc;
}

static pt_status value(parser *s, int depth, json_t **out)
{
    *out = NULL;
    space(s);
    if (s->p == s->end) return broken(s, s->p, "the text is cut off");
    switch (*s->p) {
    case '{':
    case '[': return nested(s, depth, out);
    case '"': return string_value(s, out);
    case 't': *out = word(s, "true") ? json_true() : NULL; break;
    case 'f': *out = word(s, "false") ? json_false() : NULL; break;
    case 'n': *out = word(s, "null") ? json_null() : NULL; break;
    case 'N':
        if (word(s, "NaN")) return odd_value(s, PT_JSON_ODD_NAN, s->p - 3, 3, out);
        break;
    case 'I':
        if (word(s, "Infinity")) return odd_value(s, PT_JSON_ODD_INF, s->p - 8, 8, out);
        break;
    default:
        if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) return number(s, out);
    }
    return *out ? PT_OK : broken(s, s->p, "a value is wanted");
}

/* ---- entries -------------------------------------------------------------------------------------------------------------- */

void pt_json_space(pt_json_in *in)
{
    parser s = {.p = in->at, .end = in->end, .begin = in->begin, .line = in->line};
    space(&s);
    in->at = s.p;
    in->begin = s.begin;
    in->line = s.line;
}

pt_status pt_json_next(pt_json_in *in, json_t **out)
{
    parser s = {.p = in->at, .end = in->end, .begin = in->begin, .line = in->line, .flags = in->flags, .name = in->name};
    pt_status rc = value(&s, 0, out);
    if (rc == PT_OK && (in->flags & PT_JSON_OBJECT) && (!json_is_object(*out) || pt_json_odd(*out))) {
        rc = pt_fail(PT_EFORMAT, "%s: the text is %s; an object {...} is wanted", in->name, pt_json_kind(*out));
        json_decref(*out);
        *out = NULL;
    }
    pt_str_free(&s.text);
    in->at = s.p;
    in->begin = s.begin;
    in->line = s.line;
    return rc;
}

pt_status pt_json_last(pt_json_in *in, json_t **out)
{
    PT_RETURN(pt_json_next(in, out));
    pt_json_space(in);
    if (in->at == in->end) return PT_OK;
    json_decref(*out);
    *out = NULL;
    parser s = {.begin = in->begin, .line = in->line, .name = in->name};
    return broken(&s, in->at, "text behind the end of the value");
}

pt_status pt_json_parse(json_t **out, const char *text, size_t n, const char *name, unsigned flags)
{
    bool bom = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);
    const char *from = bom ? text + 3 : text;
    pt_json_in in = {.name = name, .at = from, .end = text + n, .begin = from, .line = 1, .flags = flags};
    return pt_json_last(&in, out);
}

pt_status pt_json_load(json_t **out, const char *path, size_t max_bytes, unsigned flags)
{
    char *text = NULL;
    size_t n;
    *out = NULL;
    PT_RETURN(pt_text_read(&text, &n, path, max_bytes));
    pt_status rc = pt_json_parse(out, text, n, path, flags);
    free(text);
    return rc;
}
