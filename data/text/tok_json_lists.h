/* The two long lists of a tokenizer.json, model.vocab and model.merges, read from the text itself: a quarter of a million pieces and half a million
 * merges are no JSON values. Included by data/text/tok_json*.c only. */
#ifndef PT_DATA_TOK_JSON_LISTS_H
#define PT_DATA_TOK_JSON_LISTS_H
#include "base/json.h"
#include "data/text/tok_priv.h"

typedef struct pt_tok_entry {
    const char *text; /* not terminated */
    uint32_t len;
    int32_t id;
} pt_tok_entry;
typedef struct pt_tok_halves {
    const char *left, *right;
    uint32_t left_len, right_len;
} pt_tok_halves;
/* Zero-initialise; free once. */
typedef struct pt_tok_lists {
    char *text; /* owned; what the lists point into */
    pt_tok_entry *vocab;
    pt_tok_halves *merges;
    size_t n_vocab, vocab_cap, n_merges, merges_cap;
    bool has_vocab, has_merges; /* taken out of the file: there they are {} and [] */
} pt_tok_lists;

/* The JSON object in a file (owned reference), as pt_tok_json_load; where model.vocab is a plain object of texts and ids and model.merges a plain list
 * of pairs, they are in `lists` instead. Whatever is not plain (broken JSON, a key twice in the model, odd texts, other types) stays in the object or
 * makes this the same as pt_tok_json_load, which says what is wrong and where. */
pt_status pt_tok_lists_load(pt_tok_lists *lists, json_t **out, const char *path);
void pt_tok_lists_free(pt_tok_lists *lists);
#endif
