/* Regular expressions, read. The dialect is what ECMAScript's and Python's have in common; what they read differently is refused, or taken so that
 * a text of ours matches in both (classes: con_set.c; a dot: no line end of either). */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"
#include "data/text/tok_utf8.h"

typedef struct reader {
    pt_con_regex *r;
    const char *text;
    size_t n, at;
    int depth;
} reader;

void pt_con_regex_free(pt_con_regex *r)
{
    for (size_t i = 0; i < r->n_sets; i++) free(r->set[i].span);
    free(r->set);
    free(r->part);
    *r = (pt_con_regex){0};
}

#define REFUSE(p, what) pt_fail(PT_EARG, "at byte %zu of '%.*s': %s", (p)->at, (int)((p)->n > 120 ? 120 : (p)->n), (p)->text, what)

static pt_status part(reader *p, pt_con_part_kind kind, uint32_t child, uint32_t *out)
{
    pt_con_regex *r = p->r;
    if (r->n >= PT_CONSTRAINT_NODES) return REFUSE(p, "it is too long");
    PT_RETURN(pt_reserve(&r->part, &r->cap, r->n + 1));
    r->part[r->n++] = (pt_con_part){.kind = kind, .child = child};
    *out = (uint32_t)r->n;
    return PT_OK;
}

/* A part of a set, which goes over to the expression and is tidied. */
static pt_status put_set(reader *p, pt_con_set *s, uint32_t *out)
{
    pt_con_regex *r = p->r;
    PT_RETURN(pt_con_set_tidy(s));
    PT_RETURN(pt_reserve(&r->set, &r->cap_sets, r->n_sets + 1));
    PT_RETURN(part(p, PT_CON_SET, 0, out));
    r->part[*out - 1].set = (uint32_t)r->n_sets;
    r->set[r->n_sets++] = *s;
    *s = (pt_con_set){0};
    return PT_OK;
}

static bool next_is(const reader *p, const char *s)
{
    size_t n = strlen(s);
    return p->n - p->at >= n && memcmp(p->text + p->at, s, n) == 0;
}

static uint32_t code_point(reader *p)
{
    size_t n;
    uint32_t c = pt_utf8_get(p->text + p->at, &n);
    p->at += n;
    return c;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static pt_status hex(reader *p, size_t digits, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits; i++, p->at++) {
        int v = p->at < p->n ? hex_value(p->text[p->at]) : -1;
        if (v < 0) return REFUSE(p, "a hexadecimal digit is missing");
        *out = *out << 4 | (uint32_t)v;
    }
    return PT_OK;
}

/* Behind \u: four digits (two such escapes for what lies past U+FFFF), or {digits}. */
static pt_status unicode(reader *p, uint32_t *out)
{
    if (p->at < p->n && p->text[p->at] == '{') {
        size_t end = ++p->at;
        while (end < p->n && hex_value(p->text[end]) >= 0 && end - p->at < 7) end++;
        if (end == p->at || end == p->n || p->text[end] != '}') return REFUSE(p, "\\u{...} needs one to six hexadecimal digits");
        PT_RETURN(hex(p, end - p->at, out));
        p->at++;
        return *out <= PT_CON_LAST ? PT_OK : REFUSE(p, "a code point past U+10FFFF");
    }
    PT_RETURN(hex(p, 4, out));
    if (*out >= 0xD800 && *out < 0xDC00 && next_is(p, "\\u")) {
        uint32_t low;
        p->at += 2;
        PT_RETURN(hex(p, 4, &low));
        if (low < 0xDC00 || low > 0xDFFF) return REFUSE(p, "half a surrogate pair");
        *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    }
    return *out >= 0xD800 && *out <= 0xDFFF ? REFUSE(p, "half a surrogate pair") : PT_OK;
}

/* \p{Name}, behind the p. */
static pt_status property(reader *p, bool not, pt_con_set *s)
{
    pt_status rc = PT_OK;
    pt_con_set one = {0};
    const char *close = p->at < p->n && p->text[p->at] == '{' ? memchr(p->text + p->at, '}', p->n - p->at) : NULL;
    if (!close) return REFUSE(p, "\\p needs a category in braces, such as \\p{L}");
    if (pt_con_set_category(&one, p->text + p->at + 1, (size_t)(close - p->text) - p->at - 1) != PT_OK) {
        PT_TRY(pt_err_forgive(PT_EARG));
        rc = REFUSE(p, "no general category of Unicode (such as L, Lu, Nd)");
        goto done;
    }
    if (not) PT_TRY(pt_con_set_flip(&one));
    PT_TRY(pt_con_set_join(s, &one));
    p->at = (size_t)(close - p->text) + 1;
done:
    free(one.span);
    return rc;
}

/* Behind a backslash: a class into *s (*single false), or one code point. within: of a class in brackets; flipped: of one with ^. */
static pt_status escape(reader *p, bool within, bool flipped, pt_con_set *s, uint32_t *c, bool *single)
{
    static const char from[] = "nrtfv0", to[] = "\n\r\t\f\v";
    pt_status rc = PT_OK;
    pt_con_set one = {0};
    if (p->at == p->n) return REFUSE(p, "it ends in a backslash");
    char x = p->text[p->at++];
    const char *hit = x ? strchr(from, x) : NULL;
    *single = false;
    if (x == 'p' || x == 'P') return property(p, x == 'P', s);
    if (strchr("dwsDWS", x) && x) {
        if (flipped) { /* [^\w] leaves out what \W leaves out */
            PT_TRY(pt_con_set_class(&one, (char)(x ^ 32)));
            PT_TRY(pt_con_set_flip(&one));
            PT_TRY(pt_con_set_join(s, &one));
        } else {
            PT_TRY(pt_con_set_class(s, x));
        }
        goto done;
    }
    *single = true;
    if (x == '0' && p->at < p->n && p->text[p->at] >= '0' && p->text[p->at] <= '9') return REFUSE(p, "octal escapes are not supported");
    if (hit) return *c = (unsigned char)to[hit - from], PT_OK;
    if (x == 'b' && within) return *c = '\b', PT_OK;
    if (x == 'x') return hex(p, 2, c);
    if (x == 'u') return unicode(p, c);
    p->at--;
    if (x >= '1' && x <= '9') return REFUSE(p, "backreferences are not supported");
    if (x == 'k') return REFUSE(p, "backreferences are not supported");
    if (x == 'b' || x == 'B') return REFUSE(p, "\\b and \\B (word borders) are not supported");
    if (strchr("AZzG", x) && x) return REFUSE(p, "this anchor is not supported: ^ and $ are");
    if ((x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z')) return REFUSE(p, "this escape is not supported");
    *c = code_point(p);
done:
    free(one.span);
    return rc;
}

/* One item of a class: a set, or a code point. */
static pt_status class_item(reader *p, bool flipped, pt_con_set *s, uint32_t *c, bool *single)
{
    if (next_is(p, "[:")) return REFUSE(p, "named classes ([:alpha:]) are not supported");
    *single = true;
    if (p->text[p->at] != '\\') return *c = code_point(p), PT_OK;
    p->at++;
    return escape(p, true, flipped, s, c, single);
}

/* Behind '['. */
static pt_status class_of(reader *p, uint32_t *out)
{
    pt_status rc = PT_OK;
    pt_con_set s = {0};
    bool flipped = next_is(p, "^");
    size_t open = p->at;
    p->at += flipped;
    if (next_is(p, "]")) PT_TRY(REFUSE(p, "an empty class; a ']' in it is written \\]"));
    while (p->at < p->n && p->text[p->at] != ']') {
        uint32_t lo = 0, hi;
        bool single;
        PT_TRY(class_item(p, flipped, &s, &lo, &single));
        hi = lo;
        if (next_is(p, "-") && !next_is(p, "-]") && p->at + 1 < p->n) {
            bool range = single;
            p->at++;
            PT_TRY(class_item(p, flipped, &s, &hi, &single));
            if (!range || !single) PT_TRY(REFUSE(p, "a range needs one character at each end; a '-' among others is written \\-"));
            if (hi < lo) PT_TRY(REFUSE(p, "a range that ends before it begins"));
        }
        if (single) PT_TRY(pt_con_set_add(&s, lo, hi));
    }
    if (p->at == p->n) {
        p->at = open - 1;
        PT_TRY(REFUSE(p, "this '[' is not closed"));
    }
    p->at++;
    if (flipped) PT_TRY(pt_con_set_flip(&s));
    PT_TRY(put_set(p, &s, out));
done:
    free(s.span);
    return rc;
}

static pt_status alternatives(reader *p, uint32_t *out);

/* Behind '('. */
static pt_status group(reader *p, uint32_t *out)
{
    size_t open = p->at - 1;
    if (next_is(p, "?=") || next_is(p, "?!") || next_is(p, "?<=") || next_is(p, "?<!")) return REFUSE(p, "lookaround is not supported");
    if (next_is(p, "?P=")) return REFUSE(p, "backreferences are not supported");
    if (next_is(p, "?>")) return REFUSE(p, "atomic groups are not supported");
    if (next_is(p, "?:")) {
        p->at += 2;
    } else if (next_is(p, "?<") || next_is(p, "?P<")) {
        const char *close = memchr(p->text + p->at, '>', p->n - p->at);
        if (!close) return REFUSE(p, "the name of a group is not closed");
        p->at = (size_t)(close - p->text) + 1;
    } else if (next_is(p, "?")) {
        return REFUSE(p, "flags and other kinds of groups are not supported: (...), (?:...) and (?<name>...) are");
    }
    if (++p->depth > PT_CONSTRAINT_NESTED) return REFUSE(p, "groups are nested too deeply");
    PT_RETURN(alternatives(p, out));
    p->depth--;
    if (p->at == p->n) {
        p->at = open;
        return REFUSE(p, "this '(' is not closed");
    }
    p->at++;
    return PT_OK;
}

static pt_status atom(reader *p, uint32_t *out)
{
    pt_status rc = PT_OK;
    pt_con_set s = {0};
    uint32_t c = 0;
    bool single = true;
    switch (p->text[p->at]) {
    case '(': p->at++; return group(p, out);
    case '[': p->at++; return class_of(p, out);
    case '^': p->at++; return part(p, PT_CON_BEGIN, 0, out);
    case '$': p->at++; return part(p, PT_CON_FINISH, 0, out);
    case '*':
    case '+':
    case '?': return REFUSE(p, "nothing stands before it that could be repeated");
    case '.':
        p->at++;
        single = false;
        PT_TRY(pt_con_set_add(&s, '\n', '\n'));
        PT_TRY(pt_con_set_add(&s, '\r', '\r'));
        PT_TRY(pt_con_set_add(&s, 0x85, 0x85));
        PT_TRY(pt_con_set_add(&s, 0x2028, 0x2029));
        PT_TRY(pt_con_set_flip(&s));
        break;
    case '\\':
        p->at++;
        PT_TRY(escape(p, false, false, &s, &c, &single));
        break;
    default: c = code_point(p);
    }
    if (single) PT_TRY(pt_con_set_add(&s, c, c));
    PT_TRY(put_set(p, &s, out));
done:
    free(s.span);
    return rc;
}

static pt_status number(reader *p, uint32_t *out)
{
    *out = 0;
    for (; p->at < p->n && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++) {
        *out = *out * 10 + (uint32_t)(p->text[p->at] - '0');
        if (*out > PT_CONSTRAINT_REPEAT)
            return pt_fail(PT_EARG, "at byte %zu of '%.*s': a count of more than %d", p->at, (int)(p->n > 120 ? 120 : p->n), p->text, PT_CONSTRAINT_REPEAT);
    }
    return PT_OK;
}

/* {n}, {n,} or {n,m}; *is = false where a brace stands for itself. */
static pt_status counts(reader *p, uint32_t *min, uint32_t *max, bool *is)
{
    size_t k = p->at + 1, digits = 0;
    while (k < p->n && p->text[k] >= '0' && p->text[k] <= '9') k++, digits++;
    *is = digits > 0;
    if (!digits && k < p->n && p->text[k] == ',' && k + 1 < p->n && p->text[k + 1] >= '0' && p->text[k + 1] <= '9')
        return REFUSE(p, "{,n} is read differently by others: write {0,n}");
    if (!digits) return PT_OK;
    if (k < p->n && p->text[k] == ',') k++;
    while (k < p->n && p->text[k] >= '0' && p->text[k] <= '9') k++;
    if (k == p->n || p->text[k] != '}') return *is = false, PT_OK;
    p->at++;
    PT_RETURN(number(p, min));
    *max = *min;
    if (p->text[p->at] == ',') {
        p->at++;
        *max = PT_CON_MANY;
        if (p->text[p->at] != '}') PT_RETURN(number(p, max));
    }
    if (*max < *min) return REFUSE(p, "the larger count stands first");
    p->at++;
    return PT_OK;
}

static pt_status quantified(reader *p, uint32_t *out)
{
    uint32_t min = 1, max = 1;
    PT_RETURN(atom(p, out));
    if (p->at == p->n) return PT_OK;
    char x = p->text[p->at];
    bool is = x == '*' || x == '+' || x == '?';
    if (is) {
        min = x == '+';
        max = x == '?' ? 1 : PT_CON_MANY;
        p->at++;
    } else if (x == '{') {
        PT_RETURN(counts(p, &min, &max, &is));
    }
    if (!is) return PT_OK;
    pt_con_part_kind kind = p->r->part[*out - 1].kind;
    if (kind == PT_CON_BEGIN || kind == PT_CON_FINISH) return REFUSE(p, "an anchor cannot be repeated");
    if (next_is(p, "?")) p->at++; /* lazy: the same texts */
    if (next_is(p, "+")) return REFUSE(p, "possessive counts are not supported");
    if (next_is(p, "*") || next_is(p, "?")) return REFUSE(p, "nothing stands before it that could be repeated");
    PT_RETURN(part(p, PT_CON_REPEAT, *out, out));
    p->r->part[*out - 1].min = min;
    p->r->part[*out - 1].max = max;
    return PT_OK;
}

/* Links a child behind the last one. */
static void link(pt_con_regex *r, uint32_t parent, uint32_t *last, uint32_t child)
{
    if (*last)
        r->part[*last - 1].next = child;
    else
        r->part[parent - 1].child = child;
    *last = child;
}

static pt_status sequence(reader *p, uint32_t *out)
{
    uint32_t last = 0, one = 0;
    PT_RETURN(part(p, PT_CON_CAT, 0, out));
    while (p->at < p->n && p->text[p->at] != '|' && p->text[p->at] != ')') {
        PT_RETURN(quantified(p, &one));
        link(p->r, *out, &last, one);
    }
    return PT_OK;
}

static pt_status alternatives(reader *p, uint32_t *out)
{
    uint32_t last = 0, one = 0;
    PT_RETURN(part(p, PT_CON_ALT, 0, out));
    for (;;) {
        PT_RETURN(sequence(p, &one));
        link(p->r, *out, &last, one);
        if (p->at == p->n || p->text[p->at] != '|') return PT_OK;
        p->at++;
    }
}

pt_status pt_con_regex_parse(pt_con_regex *r, const char *text, size_t n)
{
    reader p = {.r = r, .text = text, .n = n};
    *r = (pt_con_regex){0};
    if (n > PT_CONSTRAINT_TEXT) return pt_fail(PT_EARG, "%zu bytes: at most %d are read", n, PT_CONSTRAINT_TEXT);
    if (pt_utf8_check(text, n) != n) return pt_fail(PT_EARG, "it is not UTF-8 (at byte %zu)", pt_utf8_check(text, n));
    pt_status rc = alternatives(&p, &r->root);
    if (rc == PT_OK && p.at < n) rc = REFUSE(&p, "this ')' was not opened");
    if (rc != PT_OK) pt_con_regex_free(r);
    return rc;
}
