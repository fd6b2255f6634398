/* Tokens of a text by the Unigram model, and the model as tokenizer.json states it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_json.h"
#include "data/text/tok_unigram.h"

#define SMALL 240 /* bytes of a word whose cuts lie on the stack */

/* A run of unknown code points that nothing else is known for. */
static pt_status emit_unknown(pt_tok_work *w, const char *s, size_t n)
{
    const pt_tokenizer *t = w->t;
    bool bytes = t->byte_fallback;
    int32_t id = t->unigram->join ? pt_tok_raw_find(t, s, n) : -1;
    w->last_unk = false;
    if (id >= 0) return pt_tok_emit(w, id, s + n);
    for (size_t i = 0; bytes && i < n; i++) bytes = t->byte_id[(unsigned char)s[i]] >= 0;
    for (size_t i = 0; bytes && i < n; i++) PT_RETURN(pt_tok_emit(w, t->byte_id[(unsigned char)s[i]], s + i + 1));
    return bytes ? PT_OK : pt_tok_emit(w, t->unigram->unk, s + n);
}

pt_status pt_tok_unigram_word(pt_tok_work *w, const char *s, size_t n)
{
    pt_status rc = PT_OK;
    pt_unigram_cut small[SMALL + 1], *cut = small, *big = NULL;
    const pt_unigram *u = w->t->unigram;
    PT_CHECK(n < UINT32_MAX / 2, PT_EFORMAT, "a text of %zu bytes is too long", n);
    if (n > SMALL) PT_TRY(pt_alloc_pages(&big, (n + 1) * sizeof *big));
    if (big) cut = big;
    PT_TRY(pt_unigram_best(u, s, n, cut));
    for (size_t i = 0, end; i < n; i = end) {
        end = cut[i].other;
        bool unknown = cut[end].id == u->unk && u->unk >= 0;
        while (unknown && end < n && cut[cut[end].other].id == u->unk) end = cut[end].other;
        if (unknown) PT_TRY(emit_unknown(w, s + i, end - i));
        else PT_TRY(pt_tok_emit(w, cut[end].id, s + end));
    }
done:
    free(big);
    return rc;
}

/* [["piece", score], ...] */
static pt_status read_pieces(pt_tokenizer *t, const json_t *vocab, double *score, double *lowest)
{
    size_t k;
    json_t *p;
    *lowest = INFINITY;
    json_array_foreach((json_t *)vocab, k, p)
    {
        const char *text = json_string_value(json_array_get(p, 0));
        const json_t *v = json_array_get(p, 1);
        if (!text || !json_is_number(v) || json_array_size(p) != 2) return pt_fail(PT_EFORMAT, "piece %zu of model.vocab is not [text, score]", k);
        score[k] = json_number_value(v);
        if (!isfinite(score[k])) return pt_fail(PT_ENONFINITE, "the score of piece %zu is not finite", k);
        if (score[k] < *lowest) *lowest = score[k];
        PT_RETURN(pt_tok_put(t, (int64_t)k, text, strlen(text), PT_TOK_MODEL));
        t->score[k] = (float)score[k];
    }
    return PT_OK;
}

pt_status pt_tok_unigram_all(pt_tokenizer *t, const double *score, double lowest, unsigned without, bool f32)
{
    pt_status rc = PT_OK;
    pt_trie_key *keys = NULL;
    size_t n = 0;
    PT_TRY(pt_alloc0(&keys, t->n));
    for (int32_t i = 0; i < t->n; i++) {
        unsigned flags = t->flags[i];
        if (!(flags & (PT_TOK_MODEL | PT_TOK_WHOLE)) || (flags & without)) continue;
        keys[n++] = (pt_trie_key){pt_tok_text(t, t->spell[i]), t->spell[i].len, i};
    }
    PT_TRY(pt_unigram_make(&t->unigram, keys, n, score, (size_t)t->n, lowest, t->model_unk, f32));
done:
    free(keys);
    return rc;
}

pt_status pt_tok_unigram_json(pt_tokenizer *t, const json_t *model)
{
    static const char *const random[] = {"alpha", "nbest_size"};
    pt_status rc = PT_OK;
    const json_t *vocab = json_object_get(model, "vocab"), *unk = json_object_get(model, "unk_id");
    size_t n = json_array_size(vocab);
    double *score = NULL, lowest;
    PT_CHECK(json_is_array(vocab), PT_EFORMAT, "model.vocab of a Unigram is not a list");
    PT_CHECK(n > 0 && n <= PT_TOK_MAX_ID, PT_EFORMAT, "model.vocab has %zu pieces", n);
    for (size_t i = 0; i < 2; i++) {
        double v = json_number_value(json_object_get(model, random[i]));
        PT_CHECK(v == 0, PT_ENOSUP, "model.%s (drawing among several ways to cut) is not supported", random[i]);
    }
    PT_TRY(pt_tok_json_bool(model, "byte_fallback", false, &t->byte_fallback));
    PT_TRY(pt_alloc0(&score, n));
    PT_TRY(pt_tok_reserve_ids(t, (int64_t)n - 1));
    PT_TRY(read_pieces(t, vocab, score, &lowest));
    t->n_pieces = n;
    if (unk && !json_is_null(unk)) {
        json_int_t id = json_is_integer(unk) ? json_integer_value(unk) : -1;
        PT_CHECK(id >= 0 && id < (json_int_t)n, PT_EFORMAT, "model.unk_id is no piece of the vocabulary");
        t->unk = t->model_unk = (int32_t)id;
        t->flags[id] |= PT_TOK_UNK;
    }
    PT_TRY(pt_tok_unigram_all(t, score, lowest, 0, false));
    t->unigram->join = true;
done:
    free(score);
    return rc;
}
