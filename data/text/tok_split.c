/* Pre-tokenizer steps: each splits the pieces that the step before left, down to words. A step sees one piece alone, so that
 * its look-aheads end where the piece ends, as in the Hugging Face tokenizers. */
#include "data/text/tok_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES "\\t-\\r\\x{85}\\p{Z}" /* Unicode White_Space; PCRE2's own \s has U+180E too */

/* Copies \p{Name} and writes script names so that PCRE2 takes the script itself (sc:), not its extensions. */
static pt_status property(const char **p, pt_str *out)
{
    const char *open = *p + 2, *close = strchr(open, '}');
    if (*open != '{') {
        *p += 3;
        return *open ? pt_str_add(out, *p - 3, 3) : pt_fail(PT_ENOSUP, "pattern ends in a property");
    }
    if (!close) return pt_fail(PT_ENOSUP, "pattern has an unclosed property");
    size_t n = (size_t)(close - open - 1);
    bool script = n > 2 && open[1] != '^' && !(n == 3 && memcmp(open + 1, "Any", 3) == 0);
    PT_RETURN(pt_str_add(out, *p, 2));
    PT_RETURN(pt_str_puts(out, script ? "{sc:" : "{"));
    PT_RETURN(pt_str_add(out, open + 1, n + 1));
    *p = close + 1;
    return PT_OK;
}

/* One escape; in_class: between brackets. */
static pt_status escape(const char **p, bool in_class, pt_str *out)
{
    char c = (*p)[1];
    switch (c) {
    case 0: return pt_fail(PT_ENOSUP, "pattern ends in a backslash");
    case 'p':
    case 'P': return property(p, out);
    case 's': *p += 2; return pt_str_puts(out, in_class ? SPACES : "[" SPACES "]");
    case 'S':
        if (in_class) return pt_fail(PT_ENOSUP, "\\S inside brackets is not supported");
        *p += 2;
        return pt_str_puts(out, "[^" SPACES "]");
    case 'd': *p += 2; return pt_str_puts(out, "\\p{Nd}");
    default:
        if (strchr("wWhHbBDRXGKOQEzZA", c)) return pt_fail(PT_ENOSUP, "\\%c means something else there", c);
        *p += 2;
        return pt_str_add(out, *p - 2, 2);
    }
}

/* Rewrites an Oniguruma pattern into the same language for PCRE2, refusing what they read differently. */
static pt_status translate(const char *pattern, pt_str *out)
{
    bool in_class = false;
    for (const char *p = pattern; *p;) {
        if (*p == '\\') {
            PT_RETURN(escape(&p, in_class, out));
            continue;
        }
        if (in_class) {
            if (*p == '[') return pt_fail(PT_ENOSUP, "brackets inside brackets are not supported");
            if (*p == '&' && p[1] == '&') return pt_fail(PT_ENOSUP, "&& inside brackets is not supported");
            if (*p == ']') in_class = false;
        } else if (*p == '[') {
            in_class = true;
            if (p[1] == '^') PT_RETURN(pt_str_add(out, p++, 1));
            if (p[1] == ']') return pt_fail(PT_ENOSUP, "an empty class is not supported");
        } else if (*p == '}' && p[1] == '+') {
            return pt_fail(PT_ENOSUP, "'}+' means something else there");
        }
        PT_RETURN(pt_str_add(out, p++, 1));
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

pt_status pt_tok_add_split(pt_tokenizer *t, const char *pattern, bool literal, pt_tok_behaviour b, bool invert)
{
    PT_RETURN(pt_reserve(&t->splits, &t->cap_splits, t->n_splits + 1));
    pt_tok_split *s = &t->splits[t->n_splits++];
    *s = (pt_tok_split){.literal = literal, .behaviour = b, .invert = invert};
    PT_RETURN(pt_strdup(&s->pattern, pattern));
    return pt_tok_regex(&s->code, pattern, literal);
}

pt_status pt_tok_match(const pcre2_code *code, pcre2_match_data *md, const char *s, size_t n, size_t from, size_t *at,
                       size_t *len, bool *found)
{
    *found = false;
    while (from < n) {
        int r = pcre2_match(code, (PCRE2_SPTR)s, n, from, PCRE2_NO_UTF_CHECK, md, NULL);
        if (r == PCRE2_ERROR_JIT_STACKLIMIT) {
            r = pcre2_match(code, (PCRE2_SPTR)s, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, md, NULL);
        }
        if (r == PCRE2_ERROR_NOMATCH) return PT_OK;
        if (r < 0) {
            PCRE2_UCHAR why[160] = "";
            pcre2_get_error_message(r, why, sizeof why);
            return pt_fail(r == PCRE2_ERROR_NOMEMORY ? PT_ENOMEM : PT_EFORMAT, "pre-tokenizer: %s", (const char *)why);
        }
        PCRE2_SIZE *o = pcre2_get_ovector_pointer(md);
        if (o[1] > o[0]) {
            *at = o[0];
            *len = o[1] - o[0];
            *found = true;
            return PT_OK;
        }
        from = o[1] + (o[1] < n ? pt_utf8_len((unsigned char)s[o[1]]) : 1); /* an empty match splits nothing */
    }
    return PT_OK;
}

typedef struct range {
    size_t from, to;
    bool match;
} range;

static pt_status run_step(pt_tok_work *w, size_t k, const char *s, size_t n);

/* Isolated: matches and what lies between, in order, nothing kept in memory. */
static pt_status isolated(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    const pt_tok_split *sp = &w->t->splits[k];
    size_t from = 0, at = 0, len = 0;
    for (;;) {
        bool found;
        PT_RETURN(pt_tok_match(sp->code, w->match[k], s, n, from, &at, &len, &found));
        if (!found) break;
        if (at > from) PT_RETURN(run_step(w, k + 1, s + from, at - from));
        PT_RETURN(run_step(w, k + 1, s + at, len));
        from = at + len;
    }
    return from < n ? run_step(w, k + 1, s + from, n - from) : PT_OK;
}

static bool joins(pt_tok_behaviour b, const range *a, const range *c)
{
    switch (b) {
    case PT_SPLIT_WITH_PREVIOUS: return c->match && !a->match;
    case PT_SPLIT_WITH_NEXT: return a->match && !c->match;
    case PT_SPLIT_CONTIGUOUS: return a->match == c->match;
    default: return false;
    }
}

static pt_status grouped(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    const pt_tok_split *sp = &w->t->splits[k];
    pt_status rc = PT_OK;
    range *r = NULL;
    size_t cap = 0, count = 0, from = 0, at = 0, len = 0;
    for (bool found = true; found && from < n;) {
        PT_TRY(pt_tok_match(sp->code, w->match[k], s, n, from, &at, &len, &found));
        PT_TRY(pt_reserve(&r, &cap, count + 2));
        if (!found) at = n;
        if (at > from) r[count++] = (range){from, at, sp->invert};
        if (found) r[count++] = (range){at, at + len, !sp->invert};
        from = at + len;
    }
    for (size_t i = 0; i < count;) {
        size_t j = i + 1;
        if (sp->behaviour == PT_SPLIT_CONTIGUOUS) {
            while (j < count && joins(sp->behaviour, &r[j - 1], &r[j])) j++;
        } else if (j < count && joins(sp->behaviour, &r[i], &r[j])) {
            j++;
        }
        if (!(sp->behaviour == PT_SPLIT_REMOVED && r[i].match)) {
            PT_TRY(run_step(w, k + 1, s + r[i].from, r[j - 1].to - r[i].from));
        }
        i = j;
    }
done:
    free(r);
    return rc;
}

static pt_status run_step(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    if (k == w->t->n_splits) return pt_tok_bpe_word(w, s, n);
    if (w->t->splits[k].behaviour == PT_SPLIT_ISOLATED) return isolated(w, k, s, n);
    return grouped(w, k, s, n);
}

pt_status pt_tok_split_text(pt_tok_work *w, const char *s, size_t n)
{
    return n ? run_step(w, 0, s, n) : PT_OK;
}
