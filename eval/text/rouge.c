#include "eval/text/rouge.h"

#include <stdlib.h>
#include <string.h>

#include "eval/text/textstats.h"

pt_status pt_lcs(const pt_words *a, const pt_words *b, size_t *out)
{
    pt_status rc = PT_OK;
    uint32_t few[256] = {0}, *row = few, *owned = NULL;
    size_t shared = 0, na = a->n, nb = b->n;
    const uint32_t *x = a->id, *y = b->id;
    /* A common beginning or end belongs to some longest subsequence: answers of a role share their opener and signature. */
    for (; na && nb && *x == *y; na--, nb--, x++, y++) shared++;
    for (; na && nb && x[na - 1] == y[nb - 1]; na--, nb--) shared++;
    if (na < nb) {
        const uint32_t *t = x;
        size_t n = na;
        x = y, y = t;
        na = nb, nb = n;
    }
    if (nb + 1 > sizeof few / sizeof *few) {
        PT_TRY(pt_alloc0(&owned, nb + 1));
        row = owned;
    }
    for (size_t i = 0; i < na; i++) {
        uint32_t diagonal = 0;
        for (size_t j = 1; j <= nb; j++) {
            uint32_t above = row[j], left = row[j - 1];
            row[j] = x[i] == y[j - 1] ? diagonal + 1 : above > left ? above : left;
            diagonal = above;
        }
    }
    *out = shared + row[nb];
done:
    free(owned);
    return rc;
}

static pt_rouge score(size_t hits, size_t candidate, size_t reference)
{
    double p = (double)hits / (double)(candidate ? candidate : 1), r = (double)hits / (double)(reference ? reference : 1);
    return (pt_rouge){.precision = p, .recall = r, .f = p + r > 0 ? 2 * p * r / (p + r) : 0};
}

pt_status pt_rouge_l(const pt_words *reference, const pt_words *candidate, pt_rouge *out)
{
    size_t lcs;
    *out = (pt_rouge){0};
    if (!reference->n || !candidate->n) return PT_OK;
    PT_RETURN(pt_lcs(reference, candidate, &lcs));
    *out = score(lcs, candidate->n, reference->n);
    return PT_OK;
}

pt_status pt_rouge_n(const pt_words *reference, const pt_words *candidate, size_t n, pt_rouge *out)
{
    pt_status rc = PT_OK;
    pt_ngrams r, c;
    size_t hits = 0;
    pt_ngrams_init(&r, n);
    pt_ngrams_init(&c, n);
    PT_TRY(pt_ngrams_add(&r, reference));
    PT_TRY(pt_ngrams_add(&c, candidate));
    for (size_t i = 0; i < c.distinct; i++) {
        size_t there = pt_ngrams_count(&r, c.gram + i * n);
        hits += there < c.count[i] ? there : c.count[i];
    }
    *out = score(hits, c.total, r.total);
done:
    pt_ngrams_free(&r);
    pt_ngrams_free(&c);
    return rc;
}

bool pt_rouge_better(pt_rouge *best, const pt_rouge *one, bool first)
{
    double recall = first || one->recall > best->recall ? one->recall : best->recall;
    bool better = first || one->f > best->f;
    if (better) *best = *one;
    best->recall = recall;
    return better;
}

pt_status pt_rouge_l_max(const pt_words *references, size_t n, const pt_words *candidate, pt_rouge *out, size_t *best)
{
    if (!n) return pt_fail(PT_EARG, "ROUGE-L without a reference");
    for (size_t i = 0; i < n; i++) {
        pt_rouge r;
        PT_RETURN(pt_rouge_l(&references[i], candidate, &r));
        if (pt_rouge_better(out, &r, !i) && best) *best = i;
    }
    return PT_OK;
}

pt_status pt_rouge_l_text(const char *const *references, size_t n, const char *candidate, pt_units units, pt_rouge *out)
{
    pt_status rc = PT_OK;
    pt_wordbook book = {0};
    pt_words *refs = NULL, cand = {0};
    PT_TRY(pt_alloc0(&refs, n));
    for (size_t i = 0; i < n; i++) PT_TRY(pt_words_split(&book, units, references[i], &refs[i]));
    PT_TRY(pt_words_split(&book, units, candidate, &cand));
    PT_TRY(pt_rouge_l_max(refs, n, &cand, out, NULL));
done:
    for (size_t i = 0; refs && i < n; i++) pt_words_free(&refs[i]);
    free(refs);
    pt_words_free(&cand);
    pt_wordbook_free(&book);
    return rc;
}

/* ---- sentences ---- */

typedef struct sentences {
    pt_words *list; /* [n] */
    size_t n, cap, units;
} sentences;

static void sentences_free(sentences *s)
{
    for (size_t i = 0; i < s->n; i++) pt_words_free(&s->list[i]);
    free(s->list);
}

static pt_status sentences_split(pt_wordbook *b, pt_units units, const char *text, sentences *s)
{
    pt_status rc = PT_OK;
    char *line = NULL;
    while (*text) {
        size_t n = strcspn(text, "\n");
        free(line);
        line = NULL;
        PT_TRY(pt_strndup(&line, text, n));
        if (n) {
            PT_TRY(pt_reserve(&s->list, &s->cap, s->n + 1));
            PT_TRY(pt_words_split(b, units, line, &s->list[s->n]));
            s->units += s->list[s->n++].n;
        }
        text += n + (text[n] == '\n');
    }
done:
    free(line);
    return rc;
}

/* Marks the units of the reference in a longest common subsequence: of several the one that rouge_score's way back through the table takes. */
static pt_status mark_lcs(const pt_words *r, const pt_words *c, uint8_t *marked)
{
    enum { SAME, LEFT, UP };
    pt_status rc = PT_OK;
    uint32_t *row = NULL;
    uint8_t *way = NULL;
    size_t cells, i = r->n, j = c->n;
    if (!pt_mul_size(r->n, c->n, &cells)) return pt_fail(PT_ENOMEM, "a sentence is too long");
    PT_TRY(pt_alloc0(&row, c->n + 1));
    PT_TRY(pt_alloc0(&way, cells));
    for (size_t a = 0; a < r->n; a++) {
        uint32_t diagonal = 0;
        for (size_t k = 1; k <= c->n; k++) {
            uint32_t above = row[k], left = row[k - 1];
            bool same = r->id[a] == c->id[k - 1];
            row[k] = same ? diagonal + 1 : above > left ? above : left;
            way[a * c->n + k - 1] = same ? SAME : left > above ? LEFT : UP;
            diagonal = above;
        }
    }
    while (i && j) {
        uint8_t to = way[(i - 1) * c->n + j - 1];
        if (to == SAME) marked[i - 1] = 1;
        i -= to != LEFT;
        j -= to != UP;
    }
done:
    free(row);
    free(way);
    return rc;
}

static pt_status count_units(const sentences *s, pt_ngrams *g)
{
    pt_ngrams_init(g, 1);
    for (size_t i = 0; i < s->n; i++) PT_RETURN(pt_ngrams_add(g, &s->list[i]));
    return PT_OK;
}

/* Takes one of a unit that both still have. */
static size_t take(pt_ngrams *r, pt_ngrams *c, uint32_t unit)
{
    size_t *a = pt_ngrams_at(r, &unit), *b = pt_ngrams_at(c, &unit);
    if (!a || !b || !*a || !*b) return 0;
    --*a;
    --*b;
    return 1;
}

pt_status pt_rouge_lsum(pt_wordbook *b, pt_units units, const char *reference, const char *candidate, pt_rouge *out)
{
    pt_status rc = PT_OK;
    sentences r = {0}, c = {0};
    pt_ngrams left_r = {0}, left_c = {0};
    uint8_t *marked = NULL;
    size_t hits = 0;
    PT_TRY(sentences_split(b, units, reference, &r));
    PT_TRY(sentences_split(b, units, candidate, &c));
    PT_TRY(count_units(&r, &left_r));
    PT_TRY(count_units(&c, &left_c));
    for (size_t i = 0; i < r.n; i++) {
        free(marked);
        marked = NULL;
        PT_TRY(pt_alloc0(&marked, r.list[i].n));
        for (size_t k = 0; k < c.n; k++) PT_TRY(mark_lcs(&r.list[i], &c.list[k], marked));
        for (size_t k = 0; k < r.list[i].n; k++)
            if (marked[k]) hits += take(&left_r, &left_c, r.list[i].id[k]);
    }
    *out = score(hits, c.units, r.units);
done:
    free(marked);
    pt_ngrams_free(&left_r);
    pt_ngrams_free(&left_c);
    sentences_free(&r);
    sentences_free(&c);
    return rc;
}
