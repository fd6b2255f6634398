/* Steps of the pre-tokenizer: each splits or changes the pieces that the step before left, down to words. A step sees one piece alone, so that
 * its look-aheads end where the piece ends, as in the Hugging Face tokenizers. */
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_norm.h"
#include <stdio.h>

pt_status pt_tok_add_step(pt_tokenizer *t, const pt_tok_split *step, const char *pattern)
{
    PT_RETURN(pt_reserve(&t->splits, &t->cap_splits, t->n_splits + 1));
    pt_tok_split *s = &t->splits[t->n_splits++];
    *s = *step;
    s->pattern = NULL;
    s->code = NULL;
    return pattern ? pt_strdup(&s->pattern, pattern) : PT_OK;
}

pt_status pt_tok_add_split(pt_tokenizer *t, const char *pattern, bool literal, pt_tok_behaviour b, bool invert)
{
    pt_tok_split s = {.step = PT_STEP_PATTERN, .literal = literal, .behaviour = b, .invert = invert};
    PT_RETURN(pt_tok_add_step(t, &s, pattern));
    return pt_tok_regex(&t->splits[t->n_splits - 1].code, pattern, literal);
}

/* What no token stands for, up to `end` in w->view. */
static void left_out(pt_tok_work *w, const char *end)
{
    if (w->want_ends) pt_tok_reach(w, pt_tok_place(&w->view, (size_t)(end - w->view.s)));
}

/* A word, and what of it no token stands for. */
static pt_status word(pt_tok_work *w, const char *s, size_t n)
{
    PT_RETURN(pt_tok_word(w, s, n));
    left_out(w, s + n);
    return PT_OK;
}

typedef struct range {
    size_t from, to;
    bool match;
} range;

static pt_status run_step(pt_tok_work *w, size_t k, const char *s, size_t n);

static bool of_class(const pt_tok_split *sp, const char *s, size_t *len)
{
    return pt_tok_class_has(sp->class, pt_utf8_get(s, len), sp->one);
}

/* The next match of a step at or after scan: a pattern's, or one character of a class. */
static pt_status next_match(pt_tok_work *w, size_t k, const char *s, size_t n, pt_tok_scan *scan, size_t *at, size_t *len, bool *found)
{
    const pt_tok_split *sp = &w->t->splits[k];
    if (sp->step == PT_STEP_PATTERN) return pt_tok_match(sp->code, w->match[k], s, n, scan, at, len, found);
    *found = false;
    for (size_t i = scan->from; i < n && !*found; i += *len) {
        *found = of_class(sp, s + i, len);
        *at = i;
        scan->from = i + *len;
    }
    return PT_OK;
}

/* Isolated: matches and what lies between, in order, nothing kept in memory. */
static pt_status isolated(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    pt_tok_scan scan = {0};
    size_t from = 0, at = 0, len = 0;
    for (;;) {
        bool found;
        PT_RETURN(next_match(w, k, s, n, &scan, &at, &len, &found));
        if (!found) break;
        PT_RETURN(run_step(w, k + 1, s + from, at - from));
        PT_RETURN(run_step(w, k + 1, s + at, len));
        from = at + len;
    }
    return run_step(w, k + 1, s + from, n - from);
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
    pt_tok_scan scan = {0};
    range *r = NULL;
    size_t cap = 0, count = 0, from = 0, at = 0, len = 0;
    for (bool found = true; found;) {
        PT_TRY(next_match(w, k, s, n, &scan, &at, &len, &found));
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
        if (sp->behaviour == PT_SPLIT_REMOVED && r[i].match)
            left_out(w, s + r[i].to);
        else
            PT_TRY(run_step(w, k + 1, s + r[i].from, r[j - 1].to - r[i].from));
        i = j;
    }
done:
    free(r);
    return rc;
}

/* Runs of characters that `kind` puts into one class; class 0 is left out. */
static unsigned word_class(uint32_t c)
{
    if (pt_tok_class_has(PT_CLASS_WORD, c, 0)) return 1;
    return pt_utf8_is_space(c) ? 0 : 2;
}

static pt_status words(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    size_t from = 0, len;
    unsigned have = 0;
    for (size_t i = 0; i < n; i += len) {
        unsigned c = word_class(pt_utf8_get(s + i, &len));
        if (c == have) continue;
        if (have)
            PT_RETURN(run_step(w, k + 1, s + from, i - from));
        else
            left_out(w, s + i);
        from = i;
        have = c;
    }
    return have ? run_step(w, k + 1, s + from, n - from) : PT_OK;
}

/* A blank and what has no script goes with what stands before it; at the start of the piece the library drops it. */
static pt_status scripts(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    size_t from = 0, len;
    unsigned have = 0;
    for (size_t i = 0; i < n; i += len) {
        unsigned c = pt_tok_script(pt_utf8_get(s + i, &len));
        if (c == 0 || c == have) continue;
        if (have) PT_RETURN(run_step(w, k + 1, s + from, i - from));
        from = i;
        have = c;
    }
    return have ? run_step(w, k + 1, s + from, n - from) : PT_OK;
}

static pt_status fixed(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    size_t from = 0, count = 0, i = 0;
    while (i < n) {
        i += pt_utf8_len((unsigned char)s[i]);
        if (++count < w->t->splits[k].length && i < n) continue;
        PT_RETURN(run_step(w, k + 1, s + from, i - from));
        from = i;
        count = 0;
    }
    return PT_OK;
}

/* A piece of the view as a view of its own. */
static pt_tok_view piece_of(const pt_tok_view *v, const char *s, size_t n)
{
    size_t at = (size_t)(s - v->s);
    return (pt_tok_view){s, n, v->map ? v->map + at : NULL, pt_tok_place(v, at)};
}

/* What Metaspace puts first, or a byte-level pre-tokenizer; NULL for nothing. */
static const char *prefix_of(const pt_tok_work *w, const pt_tok_split *sp, const char *s, size_t n)
{
    const char *text = sp->step == PT_STEP_PREFIX ? " " : sp->pattern;
    size_t len = strlen(text);
    bool first = w->begins && s == w->view.s;
    if (first && !w->prefix) return NULL;
    if (sp->prefix == PT_PREFIX_NONE || (sp->prefix == PT_PREFIX_FIRST && !(first && w->first_text))) return NULL;
    if (n >= len && memcmp(s, text, len) == 0) return NULL;
    return sp->step == PT_STEP_META && n && s[0] == ' ' ? NULL : text;
}

/* Steps that change the text: the steps behind them see what they made of the piece. */
static pt_status change(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    const pt_tok_split *sp = &w->t->splits[k];
    pt_tok_made *made = &w->made[k];
    pt_tok_view before = w->view, in = piece_of(&before, s, n);
    bool began = w->begins, begins = began && s == before.s;
    made->s.len = 0;
    made->mapped = w->want_ends;
    if (sp->step == PT_STEP_ALPHABET) {
        PT_RETURN(pt_tok_spell_bytes(made, &in, 0, n));
    } else {
        const char *prefix = prefix_of(w, sp, s, n);
        if (prefix) PT_RETURN(pt_tok_put_new(made, &in, 0, 0, prefix, strlen(prefix)));
        for (size_t i = 0; i < n;) {
            const char *blank = sp->step == PT_STEP_META ? memchr(s + i, ' ', n - i) : NULL;
            size_t to = blank ? (size_t)(blank - s) : n;
            PT_RETURN(pt_tok_put_same(made, &in, i, to));
            if (blank) PT_RETURN(pt_tok_put_new(made, &in, to, to + 1, sp->pattern, strlen(sp->pattern)));
            i = to + (blank != NULL);
        }
    }
    w->view = pt_tok_view_of(made, &in);
    w->begins = begins;
    pt_status rc = run_step(w, k + 1, w->view.s, w->view.n);
    w->view = before;
    w->begins = began;
    return rc;
}

static pt_status run_step(pt_tok_work *w, size_t k, const char *s, size_t n)
{
    if (n == 0) return PT_OK;
    if (k == w->t->n_splits) return word(w, s, n);
    switch (w->t->splits[k].step) {
    case PT_STEP_PATTERN:
    case PT_STEP_CLASS: return w->t->splits[k].behaviour == PT_SPLIT_ISOLATED ? isolated(w, k, s, n) : grouped(w, k, s, n);
    case PT_STEP_WORDS: return words(w, k, s, n);
    case PT_STEP_FIXED: return fixed(w, k, s, n);
    case PT_STEP_SCRIPTS: return scripts(w, k, s, n);
    default: return change(w, k, s, n);
    }
}

pt_status pt_tok_split_text(pt_tok_work *w)
{
    return run_step(w, 0, w->view.s, w->view.n);
}

void pt_tok_library(char out[PT_LIBRARY_NAME])
{
    char version[48] = ""; /* 24 are enough by its manual */
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof version) pcre2_config(PCRE2_CONFIG_VERSION, version);
    version[strcspn(version, " ")] = 0; /* a date stands behind it */
    snprintf(out, PT_LIBRARY_NAME, "PCRE2 %s", version);
}
