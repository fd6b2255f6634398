/* SentencePiece's own normaliser, in its order: rules of the character map, white space at both ends and runs of it taken away, blanks written as
 * U+2581, a dummy blank before (or behind) the text. Source: sentencepiece src/normalizer.cc. Included by data/text/tok_*.c only. */
#ifndef PT_DATA_TOK_SPM_H
#define PT_DATA_TOK_SPM_H
#include "data/text/tok_charsmap.h"
#include "data/text/tok_norm.h"
#include "data/text/tok_trie.h"

typedef struct pt_tok_spm {
    pt_charsmap *map; /* owned, NULL = none */
    pt_trie *whole;   /* owned, NULL = none: user-defined pieces, which no rule touches and no merge reaches across */
    bool dummy;       /* add_dummy_prefix */
    bool once;        /* the dummy blank stands before the first text of a sequence only, not behind control tokens, and not before a blank
                       * ("legacy": false of transformers) */
    bool squeeze;     /* remove_extra_whitespaces */
    bool escape;      /* escape_whitespaces */
    bool suffix;      /* treat_whitespace_as_suffix */
} pt_tok_spm;
void pt_tok_spm_free(pt_tok_spm *m);
/* pt_fnv1a of all that changes texts. */
uint64_t pt_tok_spm_digest(const pt_tok_spm *m, uint64_t h);
/* Appends to out what becomes of a view. begins: nothing of the same text stands before it, so that its leading white space may go and the dummy
 * blank may come; first: it begins a sequence. */
pt_status pt_tok_spm_normalise(const pt_tok_spm *m, const pt_tok_view *in, bool begins, bool first, pt_tok_made *out);
/* "Precompiled" of tokenizer.json (m->map): the same rules, asked for by characters as a reader sees them. */
pt_tok_norm_apply pt_tok_precompiled;
#endif
