/* Patterns of tokenizer.json are Oniguruma's; PCRE2 runs them. Rewritten here is what the two read differently, so that it means the same;
 * what has no counterpart is refused. A class in brackets stays one where it can; with a negated set, another class or && inside it becomes
 * alternatives and look-aheads of one character. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_priv.h"

#define SPACES "\\t-\\r\\x{85}\\p{Z}" /* Unicode White_Space; PCRE2's own \s has U+180E too */
#define IN_WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" /* \w between brackets; outside of them it has six more there */
#define WORD IN_WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
#define HEX "0-9a-fA-F"
#define EDGE "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"
#define NO_EDGE "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"
#define MAX_NEST 16

/* Sets that have a name there, as what stands between brackets here. */
static const struct {
    const char *name, *set;
    bool posix; /* [:name:] too */
} named[] = {{"alpha", "\\p{Alphabetic}", true},
             {"alphabetic", "\\p{Alphabetic}", false},
             {"upper", "\\p{Uppercase}", true},
             {"uppercase", "\\p{Uppercase}", false},
             {"lower", "\\p{Lowercase}", true},
             {"lowercase", "\\p{Lowercase}", false},
             {"digit", "\\p{Nd}", true},
             {"space", SPACES, true},
             {"whitespace", SPACES, false},
             {"word", IN_WORD, true},
             {"xdigit", HEX, true},
             {"letter", "\\p{L}", false},
             {"mark", "\\p{M}", false},
             {"number", "\\p{N}", false},
             {"punctuation", "\\p{P}", false},
             {"symbol", "\\p{S}", false},
             {"separator", "\\p{Z}", false},
             {"uppercaseletter", "\\p{Lu}", false},
             {"lowercaseletter", "\\p{Ll}", false},
             {"titlecaseletter", "\\p{Lt}", false},
             {"modifierletter", "\\p{Lm}", false},
             {"otherletter", "\\p{Lo}", false},
             {"nonspacingmark", "\\p{Mn}", false},
             {"decimalnumber", "\\p{Nd}", false}};

/* Names count without case, blanks, dashes and underscores. */
static const char *set_named(const char *name, size_t n, bool posix)
{
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        const char *want = named[i].name;
        size_t k = 0;
        for (; k < n; k++) {
            if (strchr(" -_", name[k])) continue;
            if (!*want || tolower((unsigned char)name[k]) != *want) break;
            want++;
        }
        if (k == n && !*want && (!posix || named[i].posix)) return named[i].set;
    }
    return NULL;
}

/* A set: what may stand between brackets, and whether it is the rest of all characters that is meant. */
typedef struct set {
    const char *text;
    bool negated;
} set;

/* \p{Name}: a known set (*s), or copied to out as one property, script names so that PCRE2 takes the script itself (sc:), not its extensions. */
static pt_status property(const char **p, pt_str *out, set *s)
{
    const char *open = *p + 2, *close = strchr(open, '}');
    bool negated = (*p)[1] == 'P';
    if (*open != '{') {
        *p += 3;
        return *open ? pt_str_add(out, *p - 3, 3) : pt_fail(PT_ENOSUP, "pattern ends in a property");
    }
    if (!close) return pt_fail(PT_ENOSUP, "pattern has an unclosed property");
    const char *name = open + 1;
    if (*name == '^') negated = !negated, name++;
    size_t n = (size_t)(close - name);
    *p = close + 1;
    s->text = set_named(name, n, false);
    s->negated = negated;
    if (s->text) return PT_OK;
    bool script = n > 2 && !(n == 3 && memcmp(name, "Any", 3) == 0);
    PT_RETURN(pt_str_puts(out, negated ? "\\P" : "\\p"));
    PT_RETURN(pt_str_puts(out, script ? "{sc:" : "{"));
    return pt_str_add(out, name, n + 1);
}

/* An escape that stands for a set: *s; one that stands for a character or a property: copied to out, s->text NULL. */
static pt_status escaped(const char **p, bool in_class, pt_str *out, set *s)
{
    char c = (*p)[1];
    *s = (set){NULL, isupper((unsigned char)c) != 0};
    switch (c) {
    case 0: return pt_fail(PT_ENOSUP, "pattern ends in a backslash");
    case 'p':
    case 'P': return property(p, out, s);
    case 's':
    case 'S': s->text = SPACES; break;
    case 'w':
    case 'W': s->text = in_class ? IN_WORD : WORD; break;
    case 'h':
    case 'H': s->text = HEX; break;
    case 'd':
    case 'D': s->text = "\\p{Nd}"; break;
    case 'v': *p += 2; return pt_str_puts(out, "\\x{b}"); /* PCRE2's \v is a set */
    case 'u': {
        for (int k = 2; k < 6; k++)
            if (!isxdigit((unsigned char)(*p)[k])) return pt_fail(PT_ENOSUP, "\\u without four digits");
        PT_RETURN(pt_str_printf(out, "\\x{%.4s}", *p + 2));
        *p += 6;
        return PT_OK;
    }
    default:
        if (strchr("RXGKOQENVcCMyYUlL", c)) return pt_fail(PT_ENOSUP, "\\%c is not supported", c);
        *p += 2;
        return pt_str_add(out, *p - 2, 2);
    }
    *p += 2;
    return PT_OK;
}

static pt_status add_set(pt_str *out, const set *s, bool in_class)
{
    if (in_class) return pt_str_puts(out, s->text);
    return pt_str_printf(out, "[%s%s]", s->negated ? "^" : "", s->text);
}

static pt_status class_of(const char **p, int depth, pt_str *out);

static pt_status alternative(pt_str *others, const char *text)
{
    return pt_str_printf(others, "%s%s", others->len ? "|" : "", text);
}

/* One item of a class: characters and plain sets to plain, what cannot stand between brackets to others. */
static pt_status class_item(const char **p, int depth, pt_str *plain, pt_str *others)
{
    pt_status rc = PT_OK;
    pt_str inner = {0};
    set s;
    if (**p == '\\' && (*p)[1] == 'b') {
        *p += 2;
        return pt_str_puts(plain, "\\x{8}");
    }
    if (**p == '\\') {
        PT_RETURN(escaped(p, true, plain, &s));
        if (!s.text) return PT_OK;
        if (!s.negated) return add_set(plain, &s, true);
        PT_TRY(add_set(&inner, &s, false));
        PT_TRY(alternative(others, inner.text));
    } else if (**p == '[' && (*p)[1] == ':') {
        const char *name = *p + 2, *close = strstr(name, ":]"), *known = close ? set_named(name, (size_t)(close - name), true) : NULL;
        if (!known) return pt_fail(PT_ENOSUP, "a class named with [: :] that is not known");
        *p = close + 2;
        return pt_str_puts(plain, known);
    } else if (**p == '[') {
        PT_TRY(class_of(p, depth + 1, &inner));
        PT_TRY(alternative(others, inner.text));
    } else {
        return pt_str_add(plain, (*p)++, 1);
    }
done:
    pt_str_free(&inner);
    return rc;
}

/* What stands between two && (or the brackets): one character, as a piece of pattern. bare: as the inside of brackets where it can be. */
static pt_status class_part(const char **p, int depth, pt_str *out, bool *bare)
{
    pt_str plain = {0}, others = {0};
    pt_status rc = PT_OK;
    while (**p && **p != ']' && !((*p)[0] == '&' && (*p)[1] == '&')) PT_TRY(class_item(p, depth, &plain, &others));
    PT_CHECK(plain.len || others.len, PT_ENOSUP, "an empty class is not supported");
    *bare = !others.len;
    if (!others.len)
        PT_TRY(pt_str_add(out, plain.text, plain.len));
    else if (plain.len)
        PT_TRY(pt_str_printf(out, "(?:[%s]|%s)", plain.text, others.text));
    else
        PT_TRY(pt_str_printf(out, "(?:%s)", others.text));
done:
    pt_str_free(&plain);
    pt_str_free(&others);
    return rc;
}

/* From '[' to its ']'. */
static pt_status class_of(const char **p, int depth, pt_str *out)
{
    pt_status rc = PT_OK;
    pt_str all = {0}, part = {0};
    bool negated = (*p)[1] == '^', bare = true, more = false;
    if (depth > MAX_NEST) return pt_fail(PT_ENOSUP, "classes are nested too deeply");
    *p += negated ? 2 : 1;
    for (;; *p += 2, more = true) {
        bool plain = false;
        part.len = 0;
        PT_TRY(class_part(p, depth, &part, &plain));
        PT_CHECK(**p, PT_ENOSUP, "an unclosed class");
        if (**p == ']' && !more) {
            bare = plain;
            PT_TRY(pt_str_add(&all, part.text, part.len));
            break;
        }
        bare = false;
        bool last = **p == ']';
        PT_TRY(pt_str_printf(&all, plain ? (last ? "[%s]" : "(?=[%s])") : (last ? "%s" : "(?=%s)"), part.text));
        if (last) break;
    }
    ++*p;
    if (bare)
        PT_TRY(pt_str_printf(out, "[%s%s]", negated ? "^" : "", all.text));
    else
        PT_TRY(pt_str_printf(out, negated ? "(?:(?!%s)(?s:.))" : "(?:%s)", all.text));
done:
    pt_str_free(&all);
    pt_str_free(&part);
    return rc;
}

/* After "(": options such as ?i: and ?m-x), of which m means there that a dot takes a line end. */
static pt_status options(const char **p, pt_str *out)
{
    const char *q = *p + 1, *end = q + strspn(q, "imx-");
    if (*q == '~') return pt_fail(PT_ENOSUP, "(?~ is not supported");
    if (end == q && isalpha((unsigned char)*q) && *q != 'P') return pt_fail(PT_ENOSUP, "the option '%c' is not supported", *q);
    if (end == q || (*end != ':' && *end != ')')) return PT_OK;
    PT_RETURN(pt_str_add(out, *p, 1));
    for (; q < end; q++) PT_RETURN(pt_str_add(out, *q == 'm' ? "s" : q, 1));
    *p = q;
    return PT_OK;
}

static pt_status escape(const char **p, pt_str *out)
{
    set s;
    if ((*p)[1] == 'b' || (*p)[1] == 'B') {
        bool edge = (*p)[1] == 'b';
        *p += 2;
        return pt_str_puts(out, edge ? EDGE : NO_EDGE);
    }
    PT_RETURN(escaped(p, false, out, &s));
    return s.text ? add_set(out, &s, false) : PT_OK;
}

static pt_status translate(const char *pattern, pt_str *out)
{
    for (const char *p = pattern; *p;) {
        if (*p == '\\') {
            PT_RETURN(escape(&p, out));
            continue;
        }
        if (*p == '[') {
            PT_RETURN(class_of(&p, 0, out));
            continue;
        }
        if (*p == '}' && p[1] == '+') return pt_fail(PT_ENOSUP, "'}+' means something else there");
        bool open = *p == '(' && p[1] == '?', to = *p == '{' && p[1] == ',' && isdigit((unsigned char)p[2]);
        PT_RETURN(pt_str_add(out, p++, 1));
        if (to) PT_RETURN(pt_str_puts(out, "0"));
        if (open) PT_RETURN(options(&p, out));
    }
    return PT_OK;
}

pt_status pt_tok_regex(pcre2_code **out, const char *pattern, bool literal)
{
    pt_str text = {0};
    pt_status rc = PT_OK;
    int err = 0;
    PCRE2_SIZE where = 0;
    *out = NULL;
    PT_CHECK(pattern[0], PT_EFORMAT, "empty split pattern");
    PT_CHECK(pt_utf8_check(pattern, strlen(pattern)) == strlen(pattern), PT_EFORMAT, "a split pattern is not UTF-8");
    if (literal)
        PT_TRY(pt_str_puts(&text, pattern));
    else if ((rc = translate(pattern, &text)) != PT_OK) {
        pt_fail_prefix(rc, "split pattern '%.200s'", pattern);
        goto done;
    }
    uint32_t flags = literal ? PCRE2_LITERAL | PCRE2_UTF : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    *out = pcre2_compile((PCRE2_SPTR)text.text, text.len, flags, &err, &where, NULL);
    if (!*out) {
        PCRE2_UCHAR why[160] = "";
        pcre2_get_error_message(err, why, sizeof why);
        PT_FAIL(PT_ENOSUP, "split pattern '%.200s': %s at offset %zu", pattern, (const char *)why, (size_t)where);
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* without JIT the interpreter matches */
done:
    pt_str_free(&text);
    return rc;
}

pt_status pt_tok_match(const pcre2_code *code, pcre2_match_data *md, const char *s, size_t n, pt_tok_scan *scan, size_t *at,
                       size_t *len, bool *found)
{
    *found = false;
    while (scan->from <= n) {
        int r = pcre2_match(code, (PCRE2_SPTR)s, n, scan->from, PCRE2_NO_UTF_CHECK, md, NULL);
        if (r == PCRE2_ERROR_JIT_STACKLIMIT) {
            r = pcre2_match(code, (PCRE2_SPTR)s, n, scan->from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, md, NULL);
        }
        if (r == PCRE2_ERROR_NOMATCH) return PT_OK;
        if (r < 0) {
            PCRE2_UCHAR why[160] = "";
            pcre2_get_error_message(r, why, sizeof why);
            return pt_fail(r == PCRE2_ERROR_NOMEMORY ? PT_ENOMEM : PT_EFORMAT, "pre-tokenizer: %s", (const char *)why);
        }
        PCRE2_SIZE *o = pcre2_get_ovector_pointer(md);
        if (o[1] == o[0] && scan->any && o[1] == scan->last) { /* nothing, right behind a match: no match */
            scan->from = o[1] + (o[1] < n ? pt_utf8_len((unsigned char)s[o[1]]) : 1);
            continue;
        }
        if (o[1] < o[0]) return pt_fail(PT_ENOSUP, "a pattern whose match ends before it begins");
        *at = o[0];
        *len = o[1] - o[0];
        *scan = (pt_tok_scan){o[1], o[1], true};
        *found = true;
        return PT_OK;
    }
    return PT_OK;
}
