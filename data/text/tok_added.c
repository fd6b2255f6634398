/* Finding added tokens in a text: leftmost, then longest, as the tokenizers library does. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int by_lead_and_length(const void *a, const void *b, void *blob)
{
    const pt_tok_added *x = a, *y = b;
    unsigned char c = (unsigned char)((char *)blob)[x->text.at], d = (unsigned char)((char *)blob)[y->text.at];
    if (c != d) return c < d ? -1 : 1;
    if (x->text.len != y->text.len) return x->text.len > y->text.len ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

pt_status pt_tok_matcher_build(const pt_tokenizer *ct, pt_tok_matcher *m)
{
    pt_tokenizer *t = (pt_tokenizer *)ct; /* normalised spellings go into its blob */
    pt_tok_made made[2] = {0};
    pt_status rc = PT_OK;
    size_t slots = 16, lens = 0;
    if (m->n == 0) return PT_OK;
    for (size_t i = 0; m == &t->added[1] && i < m->n; i++) {
        pt_tok_ref r = t->spell[m->list[i].id];
        pt_tok_view as_is = {pt_tok_text(t, r), r.len, NULL, 0}, norm;
        m->list[i].text = r;
        if (!t->n_norms) continue;
        PT_TRY(pt_tok_normalise(t, &as_is, true, true, made, &norm));
        PT_CHECK(norm.n, PT_EFORMAT, "added token '%s' is nothing after normalisation", pt_tok_text(t, r));
        PT_TRY(pt_tok_keep(t, norm.s, norm.n, &m->list[i].text));
    }
    qsort_r(m->list, m->n, sizeof *m->list, by_lead_and_length, t->blob.text);
    while (slots < m->n * 2) slots *= 2;
    PT_TRY(pt_alloc0(&m->slot, slots));
    PT_TRY(pt_alloc0(&m->lens, m->n));
    m->mask = slots - 1;
    unsigned next = 0;
    for (size_t i = 0; i < m->n; i++) {
        pt_tok_ref r = m->list[i].text;
        const char *s = pt_tok_text(t, r);
        unsigned lead = (unsigned char)s[0];
        while (next <= lead) m->first[next++] = (uint32_t)lens;
        if (lens == m->first[lead] || m->lens[lens - 1] != r.len) m->lens[lens++] = r.len;
        size_t k = pt_tok_hash_bytes(s, r.len) & m->mask;
        while (m->slot[k]) k = (k + 1) & m->mask;
        m->slot[k] = (uint32_t)i + 1;
    }
    while (next <= 256) m->first[next++] = (uint32_t)lens;
done:
    pt_str_free(&made[0].s);
    pt_str_free(&made[1].s);
    return rc;
}

static const pt_tok_added *find_at(const pt_tokenizer *t, const pt_tok_matcher *m, const char *s, size_t n)
{
    unsigned lead = (unsigned char)s[0];
    for (uint32_t k = m->first[lead]; k < m->first[lead + 1]; k++) {
        uint32_t len = m->lens[k];
        if (len > n) continue;
        for (size_t i = pt_tok_hash_bytes(s, len) & m->mask; m->slot[i]; i = (i + 1) & m->mask) {
            const pt_tok_added *a = &m->list[m->slot[i] - 1];
            if (a->text.len == len && memcmp(pt_tok_text(t, a->text), s, len) == 0) return a;
        }
    }
    return NULL;
}

static bool is_word(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO) || c == UTF8PROC_CATEGORY_PC;
}

static size_t char_before(const char *s, size_t at, uint32_t *cp)
{
    size_t i = at, len;
    do i--;
    while (i && ((unsigned char)s[i] & 0xC0) == 0x80);
    *cp = pt_utf8_get(s + i, &len);
    return i;
}

static bool stands_alone(const char *s, size_t n, size_t at, size_t end)
{
    uint32_t cp;
    size_t len;
    if (at) {
        char_before(s, at, &cp);
        if (is_word(cp)) return false;
    }
    return end == n || !is_word(pt_utf8_get(s + end, &len));
}

/* The next one in [from, to) of a text of n bytes. */
static const pt_tok_added *next_within(const pt_tokenizer *t, const pt_tok_matcher *m, const char *s, size_t n, size_t from, size_t to,
                                       bool specials, size_t *at, size_t *end)
{
    if (m->n == 0) return NULL;
    for (size_t i = from; i < to;) {
        unsigned lead = (unsigned char)s[i];
        const pt_tok_added *a = m->first[lead] == m->first[lead + 1] ? NULL : find_at(t, m, s + i, to - i);
        if (!a) {
            i++;
            continue;
        }
        size_t stop = i + a->text.len;
        if ((a->special && !specials) || (a->single_word && !stands_alone(s, n, i, stop))) {
            i = stop;
            continue;
        }
        uint32_t cp;
        size_t len;
        *at = i;
        while (a->lstrip && *at > from) {
            size_t b = char_before(s, *at, &cp);
            if (!pt_utf8_is_space(cp)) break;
            *at = b;
        }
        while (a->rstrip && stop < to && pt_utf8_is_space(pt_utf8_get(s + stop, &len))) stop += len;
        *end = stop;
        return a;
    }
    return NULL;
}

const pt_tok_added *pt_tok_next_added(const pt_tokenizer *t, const pt_tok_matcher *m, const char *s, size_t n, size_t from,
                                      bool specials, size_t *at, size_t *end)
{
    return next_within(t, m, s, n, from, n, specials, at, end);
}

size_t pt_tok_count_control(const pt_tokenizer *t, const char *text, size_t bytes)
{
    size_t count = 0, at, end, from = 0;
    const pt_tok_added *a;
    for (int k = 0; k < 2; k++) {
        for (from = 0; (a = pt_tok_next_added(t, &t->added[k], text, bytes, from, true, &at, &end)) != NULL; from = end) {
            count += a->special;
        }
    }
    return count;
}

int32_t pt_tok_control_within(const pt_tokenizer *t, const char *s, size_t n, size_t from, size_t to, size_t *at, size_t *end)
{
    const pt_tok_added *a;
    for (; (a = next_within(t, &t->added[0], s, n, from, to, true, at, end)) != NULL; from = *end) {
        if (a->special) return a->id;
    }
    return -1;
}

int32_t pt_tok_next_control(const pt_tokenizer *t, const char *s, size_t n, size_t from, size_t *at, size_t *end)
{
    return pt_tok_control_within(t, s, n, from, n, at, end);
}

unsigned pt_tok_strips(const pt_tokenizer *t, int32_t id)
{
    unsigned does = 0;
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < t->added[k].n; i++) {
            const pt_tok_added *a = &t->added[k].list[i];
            if (a->special && (id < 0 || a->id == id)) does |= (a->lstrip ? PT_TOK_LEFT : 0u) | (a->rstrip ? PT_TOK_RIGHT : 0u) | (a->single_word ? PT_TOK_WORD : 0u);
        }
    }
    return does;
}
