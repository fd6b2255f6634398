#include "eval/rouge.h"

#include <stdlib.h>

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

pt_status pt_rouge_l(const pt_words *reference, const pt_words *candidate, pt_rouge *out)
{
    size_t lcs;
    *out = (pt_rouge){0};
    if (!reference->n || !candidate->n) return PT_OK;
    PT_RETURN(pt_lcs(reference, candidate, &lcs));
    double p = (double)lcs / (double)candidate->n, r = (double)lcs / (double)reference->n;
    *out = (pt_rouge){.precision = p, .recall = r, .f = p + r > 0 ? 2 * p * r / (p + r) : 0};
    return PT_OK;
}

pt_status pt_rouge_l_max(const pt_words *references, size_t n, const pt_words *candidate, pt_rouge *out, size_t *best)
{
    if (!n) return pt_fail(PT_EARG, "ROUGE-L without a reference");
    double recall = 0;
    for (size_t i = 0; i < n; i++) {
        pt_rouge r;
        PT_RETURN(pt_rouge_l(&references[i], candidate, &r));
        if (r.recall > recall) recall = r.recall;
        if (i && r.f <= out->f) continue;
        *out = r;
        if (best) *best = i;
    }
    out->recall = recall;
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
