/* One word into tokens, by the kind of model. A control token's spelling is never a word: such a word is unknown (the library would take it). */
#include "data/text/tok_priv.h"
#include "data/text/tok_trie.h"

#include <string.h>

pt_status pt_tok_emit(pt_tok_work *w, int32_t id, const char *end)
{
    if (w->want_ends) {
        size_t i = w->out->n - w->first;
        PT_RETURN(pt_reserve(&w->ends, &w->ends_cap, i + 1));
        w->ends[i] = pt_tok_place(&w->view, (size_t)(end - w->view.s));
    }
    return pt_ids_add(w->out, id);
}

static int32_t piece(const pt_tokenizer *t, const char *s, size_t n)
{
    int32_t id = pt_tok_raw_find(t, s, n);
    return id >= 0 && (t->flags[id] & PT_TOK_SPECIAL) ? -1 : id;
}

static pt_status unknown(pt_tok_work *w, const char *s, size_t n)
{
    if (w->t->model_unk < 0)
        return pt_fail(PT_EFORMAT, "the vocabulary has neither '%.*s' nor a token for unknown words", (int)(n < 80 ? n : 80), s);
    return pt_tok_emit(w, w->t->model_unk, s + n);
}

static size_t count_chars(const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) k += ((unsigned char)s[i] & 0xC0) != 0x80;
    return k;
}

/* The longest piece that the rest of the word begins with, again and again; a word that leaves a rest is unknown as a whole. */
static pt_status wordpiece(pt_tok_work *w, const char *s, size_t n)
{
    const pt_tokenizer *t = w->t;
    size_t first = w->out->n, pn = t->word_prefix ? strlen(t->word_prefix) : 0;
    if (n > t->max_chars && count_chars(s, n) > t->max_chars) return unknown(w, s, n);
    for (size_t from = 0, to; from < n; from = to) {
        size_t lead = from ? pn : 0;
        int32_t id = -1;
        w->word.len = 0;
        PT_RETURN(pt_str_add(&w->word, t->word_prefix ? t->word_prefix : "", lead));
        to = n - from + lead <= t->longest ? n : t->longest > lead ? from + t->longest - lead : from;
        while (to > from && to < n && ((unsigned char)s[to] & 0xC0) == 0x80) to--;
        PT_RETURN(pt_str_add(&w->word, s + from, to - from));
        while (to > from && (id = piece(t, w->word.text, lead + to - from)) < 0) {
            do to--;
            while (to > from && ((unsigned char)s[to] & 0xC0) == 0x80);
        }
        if (id < 0) {
            w->out->n = first;
            return unknown(w, s, n);
        }
        PT_RETURN(pt_tok_emit(w, id, s + to));
    }
    return PT_OK;
}

/* User-defined pieces are cut out of what SentencePiece's rules made of the text: no merge reaches across. */
static pt_status around_whole(pt_tok_work *w, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0, len; i < n; i += len) {
        int32_t id;
        size_t took = pt_trie_longest(w->t->whole, s + i, n - i, &id);
        len = took ? took : pt_utf8_len((unsigned char)s[i]);
        if (!took) continue;
        if (i > from) PT_RETURN(pt_tok_bpe_word(w, s + from, i - from));
        w->last_unk = false;
        PT_RETURN(pt_tok_emit(w, id, s + i + took));
        from = i + took;
    }
    return from < n ? pt_tok_bpe_word(w, s + from, n - from) : PT_OK;
}

pt_status pt_tok_word(pt_tok_work *w, const char *s, size_t n)
{
    int32_t id;
    switch (w->t->model) {
    case PT_MODEL_WORDPIECE: return wordpiece(w, s, n);
    case PT_MODEL_WORDLEVEL:
        id = piece(w->t, s, n);
        return id >= 0 ? pt_tok_emit(w, id, s + n) : unknown(w, s, n);
    case PT_MODEL_UNIGRAM: return pt_tok_unigram_word(w, s, n);
    default: return w->t->whole ? around_whole(w, s, n) : pt_tok_bpe_word(w, s, n);
    }
}
