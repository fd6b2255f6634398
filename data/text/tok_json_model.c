/* tokenizer.json: "model". */
#include <string.h>

#include "base/log.h"
#include "data/text/tok_json.h"
#include "data/text/tok_json_lists.h"

static pt_status vocab_list(pt_tokenizer *t, const pt_tok_lists *l)
{
    int32_t top = -1;
    for (size_t i = 0; i < l->n_vocab; i++)
        if (l->vocab[i].id > top) top = l->vocab[i].id;
    if (top >= 0) PT_RETURN(pt_tok_reserve_ids(t, top));
    t->n_pieces = l->n_vocab;
    for (size_t i = 0; i < l->n_vocab; i++) PT_RETURN(pt_tok_put(t, l->vocab[i].id, l->vocab[i].text, l->vocab[i].len, PT_TOK_MODEL));
    return PT_OK;
}

static pt_status read_vocab(pt_tokenizer *t, const json_t *vocab, const pt_tok_lists *lists)
{
    const char *piece;
    json_t *id;
    int64_t top = -1;
    if (lists->has_vocab) return vocab_list(t, lists);
    if (!json_is_object(vocab)) return pt_fail(PT_EFORMAT, "model.vocab is not an object");
    json_object_foreach((json_t *)vocab, piece, id)
    {
        if (!json_is_integer(id)) return pt_fail(PT_EFORMAT, "the id of '%.80s' is not an integer", piece);
        if (json_integer_value(id) > top) top = json_integer_value(id);
    }
    if (top >= 0) PT_RETURN(pt_tok_reserve_ids(t, top));
    t->n_pieces = json_object_size(vocab);
    json_object_foreach((json_t *)vocab, piece, id)
    {
        PT_RETURN(pt_tok_put(t, json_integer_value(id), piece, strlen(piece), PT_TOK_MODEL));
    }
    return PT_OK;
}

static pt_status merge_list(pt_tokenizer *t, const pt_tok_lists *l)
{
    PT_RETURN(pt_reserve(&t->merges, &t->cap_merges, l->n_merges));
    for (size_t k = 0; k < l->n_merges; k++) {
        const pt_tok_halves *h = &l->merges[k];
        PT_RETURN(pt_tok_put_merge(t, h->left, h->left_len, h->right, h->right_len));
    }
    return PT_OK;
}

static pt_status read_merges(pt_tokenizer *t, const json_t *merges, const pt_tok_lists *lists)
{
    size_t k;
    json_t *m;
    if (lists->has_merges) return merge_list(t, lists);
    if (!json_is_array(merges)) return pt_fail(PT_EFORMAT, "model.merges is not a list");
    json_array_foreach((json_t *)merges, k, m)
    {
        const char *l, *r;
        size_t ln, rn;
        if (json_is_string(m)) {
            l = json_string_value(m);
            r = strchr(l, ' ');
            if (k == 0 && strncmp(l, "#version", 8) == 0) continue; /* the first line of merges.txt */
            if (!r || strchr(r + 1, ' ')) return pt_fail(PT_EFORMAT, "merge %zu '%.80s' is not two pieces", k, l);
            ln = (size_t)(r++ - l);
            rn = strlen(r);
        } else {
            l = json_string_value(json_array_get(m, 0));
            r = json_string_value(json_array_get(m, 1));
            if (!l || !r || json_array_size(m) != 2) return pt_fail(PT_EFORMAT, "merge %zu is not two pieces", k);
            ln = strlen(l);
            rn = strlen(r);
        }
        PT_RETURN(pt_tok_put_merge(t, l, ln, r, rn));
    }
    return PT_OK;
}

/* What pieces begin or end with; "" and null are none. */
static pt_status affix(const json_t *o, const char *key, char **out)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "model.%s is not a string", key);
    if (json_string_length(v) > PT_TOK_MAX_AFFIX) return pt_fail(PT_ENOSUP, "model.%s of more than %d bytes is not supported", key, PT_TOK_MAX_AFFIX);
    return json_string_length(v) ? pt_strdup(out, json_string_value(v)) : PT_OK;
}

static pt_status read_unknown(pt_tokenizer *t, const json_t *model, bool must)
{
    const char *name = json_string_value(json_object_get(model, "unk_token"));
    if (!name) return must ? pt_fail(PT_EFORMAT, "model.unk_token is not a string") : PT_OK;
    t->unk = pt_tok_find(t, name);
    if (t->unk >= 0)
        t->flags[t->unk] |= PT_TOK_UNK;
    else
        pt_log(PT_LOG_WARN, "unk_token '%.80s' is not in the vocabulary: %s", name,
               must ? "a text with an unknown word is refused" : "characters that it cannot spell are left out");
    t->model_unk = t->unk;
    return PT_OK;
}

static pt_status read_bpe(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    const json_t *dropout = json_object_get(model, "dropout");
    if (dropout && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return pt_fail(PT_ENOSUP, "model.dropout is not supported: the ids of a text would be drawn at random (set it to null)");
    PT_RETURN(affix(model, "continuing_subword_prefix", &t->word_prefix));
    PT_RETURN(affix(model, "end_of_word_suffix", &t->word_suffix));
    PT_RETURN(pt_tok_json_bool(model, "fuse_unk", false, &t->fuse_unk));
    PT_RETURN(pt_tok_json_bool(model, "byte_fallback", false, &t->byte_fallback));
    PT_RETURN(pt_tok_json_bool(model, "ignore_merges", false, &t->ignore_merges));
    if (t->byte_fallback && (t->word_prefix || t->word_suffix))
        return pt_fail(PT_ENOSUP, "model.byte_fallback together with continuing_subword_prefix or end_of_word_suffix is not supported");
    PT_RETURN(read_vocab(t, json_object_get(model, "vocab"), lists));
    PT_RETURN(read_merges(t, json_object_get(model, "merges"), lists));
    return read_unknown(t, model, false);
}

static pt_status read_wordpiece(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    PT_RETURN(affix(model, "continuing_subword_prefix", &t->word_prefix));
    PT_RETURN(pt_tok_json_count(model, "max_input_chars_per_word", 100, &t->max_chars));
    PT_RETURN(read_vocab(t, json_object_get(model, "vocab"), lists));
    return read_unknown(t, model, true);
}

static pt_status read_wordlevel(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    PT_RETURN(read_vocab(t, json_object_get(model, "vocab"), lists));
    return read_unknown(t, model, true);
}

static pt_status read_unigram(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    return pt_tok_unigram_json(t, model);
}

pt_status pt_tok_json_model(pt_tokenizer *t, const json_t *model, const pt_tok_lists *lists)
{
    static const struct {
        const char *name;
        pt_tok_model kind;
        pt_status (*read)(pt_tokenizer *, const json_t *, const pt_tok_lists *);
    } known[] = {{"BPE", PT_MODEL_BPE, read_bpe},
                 {"WordPiece", PT_MODEL_WORDPIECE, read_wordpiece},
                 {"WordLevel", PT_MODEL_WORDLEVEL, read_wordlevel},
                 {"Unigram", PT_MODEL_UNIGRAM, read_unigram}};
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!json_is_object(model)) return pt_fail(PT_EFORMAT, "'model' is missing");
    if (!type && json_object_get(model, "merges")) type = "BPE"; /* old files leave it out */
    if (!type && json_object_get(model, "max_input_chars_per_word")) type = "WordPiece";
    if (!type && json_is_object(json_object_get(model, "vocab"))) type = "WordLevel";
    if (!type && json_is_array(json_object_get(model, "vocab"))) type = "Unigram";
    if (!type) return pt_fail(PT_EFORMAT, "model.type is missing");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, type) != 0) continue;
        t->model = known[i].kind;
        return known[i].read(t, model, lists);
    }
    return pt_fail(PT_ENOSUP, "tokenizer model '%s' is not supported (BPE, WordPiece, WordLevel and Unigram are)", type);
}
