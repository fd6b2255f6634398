/* The Unigram model: of all ways to cut a text into pieces the one whose scores add up to most (Viterbi over the text's bytes).
 * Sources: sentencepiece 0.2.3 src/unigram_model.cc (EncodeOptimized), tokenizers models/unigram/model.rs, llama.cpp llm_tokenizer_ugm. They differ in
 * the sums: SentencePiece keeps them in f32, the others in f64; which cut wins can hang on it. */
#ifndef PT_DATA_TOK_UNIGRAM_H
#define PT_DATA_TOK_UNIGRAM_H
#include "base/json.h"
#include "data/text/tok_trie.h"
#include "data/text/tokenizer.h"

typedef struct pt_unigram {
    pt_trie *trie;  /* pieces that a text can be cut into, by id */
    double *score;  /* of every id */
    size_t n;       /* ids */
    double unk_score; /* of a code point that no piece is: 10 below the lowest score */
    int32_t unk;    /* its id; -1: there is none, and such a text is refused */
    bool f32;       /* sums in f32 */
    bool join;      /* a run of unknown code points is looked up as one text before it is unknown, as the tokenizers library does */
} pt_unigram;

/* Takes keys (pt_trie_build) and n scores, copied. lowest: the lowest score among those that count. */
pt_status pt_unigram_make(pt_unigram **out, pt_trie_key *keys, size_t n_keys, const double *score, size_t n, double lowest, int32_t unk, bool f32);
void pt_unigram_free(pt_unigram *u);
/* Ids from n on are no pieces any more. */
void pt_unigram_limit(pt_unigram *u, int32_t n);
/* pt_fnv1a of the scores, and of how they are summed. */
uint64_t pt_unigram_digest(const pt_unigram *u, uint64_t h);

typedef struct pt_unigram_cut {
    double score;   /* of the best way that ends here */
    uint32_t other; /* inside: where its last piece begins; at the end: where the piece that begins here ends */
    int32_t id;     /* of the piece that ends here */
} pt_unigram_cut;
/* The best cut of n bytes of valid UTF-8, n < 2^32 - 1, in `cut`, which has room for n + 1: cut[0].other is the end of the first piece, whose id is
 * cut[that].id, and so on up to n. PT_EFORMAT where a code point is unknown and the model has no word for that. */
pt_status pt_unigram_best(const pt_unigram *u, const char *s, size_t n, pt_unigram_cut *cut);
#endif
