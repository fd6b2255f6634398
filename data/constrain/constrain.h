/* Constraints on generated text: a JSON schema, a regular expression or a list of choices says which tokens may come next.
 *
 * A constraint is an automaton over bytes. A token may come next where its bytes keep the automaton alive, so that what comes out is always valid UTF-8,
 * also where a token ends inside a character, and every text that can be begun can be finished. End tokens are allowed where the text is complete and
 * only there; control tokens never. Language of each kind, limits and what is refused: docs/generation.md, and below.
 *
 * One pt_constraint_vocab a tokenizer: the bytes of its tokens, and all that is cached for them. Its functions, those of its constraints and of
 * their states are for one thread at a time. */
#ifndef PT_DATA_CONSTRAIN_H
#define PT_DATA_CONSTRAIN_H
#include "data/text/tokenizer.h"

enum {
    PT_CONSTRAINT_DEPTH = 32,         /* references and free JSON values inside each other: a deeper text is not allowed to begin */
    PT_CONSTRAINT_NESTED = 128,       /* schemas inside each other, groups of a regular expression inside each other */
    PT_CONSTRAINT_REPEAT = 10000,     /* the largest count: {n,m}, minLength, maxItems ... */
    PT_CONSTRAINT_CHOICES_MOST = 10000, /* choices, values of an enum */
    PT_CONSTRAINT_TEXT = 1 << 20,     /* bytes of a schema, of a regular expression, of all choices */
    PT_CONSTRAINT_NODES = 400000      /* size of what is built of it */
};
#define PT_CONSTRAINT_CACHE ((size_t)64 << 20) /* what to take where nobody says another limit, in bytes */

typedef struct pt_constraint_vocab pt_constraint_vocab;
typedef struct pt_constraint pt_constraint;

/* PT_CONSTRAIN_SCHEMA: one JSON value, compact, with at most one blank behind each ':' and ','.
 * PT_CONSTRAIN_REGEX: the whole text matches. PT_CONSTRAIN_CHOICES: the text is one of them; one that begins another is complete and can go on. */
typedef enum pt_constraint_kind { PT_CONSTRAIN_SCHEMA, PT_CONSTRAIN_REGEX, PT_CONSTRAIN_CHOICES } pt_constraint_kind;
/* Borrowed for the call. */
typedef struct pt_constraint_spec {
    pt_constraint_kind kind;
    const char *text; /* the schema (JSON text) or the expression; [bytes] */
    size_t bytes;
    const char *const *choices; /* zero-terminated, UTF-8, none empty; [n_choices] */
    size_t n_choices;
} pt_constraint_spec;

/* The tokens of t: rows = logits of a row (ids 0..rows-1; at least pt_tok_vocab_size); ends: ids that end an answer (pt_tok_stops among them), at least
 * one. limit: bytes that masks and automata may hold together; the oldest make room for new ones. t is not kept. PT_ENOSUP for a tokenizer
 * whose tokens have no bytes of their own. */
pt_status pt_constraint_vocab_make(pt_constraint_vocab **out, const pt_tokenizer *t, int32_t rows, const int32_t *ends, size_t n_ends, size_t limit);
/* The same of bytes: token i is bytes[i] of length[i]; length 0: never inside. lead: blanks that vanish at the start of a text (Llama 2: 1). */
typedef struct pt_constraint_bytes {
    int32_t rows;
    const char *const *bytes;
    const uint32_t *length;
    unsigned lead;
} pt_constraint_bytes;
pt_status pt_constraint_vocab_of(pt_constraint_vocab **out, const pt_constraint_bytes *b, const int32_t *ends, size_t n_ends, size_t limit);
/* Its constraints must be closed. */
void pt_constraint_vocab_free(pt_constraint_vocab *v);
/* Words of 64 bits of a mask: token id is bit id % 64 of word id / 64. */
size_t pt_constraint_words(const pt_constraint_vocab *v);
/* Bytes that a vocabulary of so many rows may take at most beside its cache, before it is made (for plans): tokens have token_bytes bytes together. */
size_t pt_constraint_vocab_bytes(int32_t rows, size_t token_bytes);

typedef struct pt_constraint_cache {
    size_t limit, bytes, fixed;         /* bytes <= limit but for what is in use; fixed: tokens and their tree, beside it */
    size_t masks, constraints;          /* now held */
    uint64_t hits, made, evicted, resets; /* of masks; resets: automata begun anew for want of room */
} pt_constraint_cache;
pt_constraint_cache pt_constraint_cache_of(const pt_constraint_vocab *v);

/* The constraint of a spec; one that the cache still has is that one. PT_EARG: what is wrong or refused, and where (a JSON pointer, an offset in bytes,
 * the number of a choice); also one that no text, or no token of the vocabulary, can begin. */
pt_status pt_constraint_open(pt_constraint_vocab *v, const pt_constraint_spec *spec, pt_constraint **out);
void pt_constraint_close(pt_constraint *c);

/* Where a text stands. Zero-initialise; pt_constraint_state_free leaves it zero. */
typedef struct pt_constraint_state {
    pt_constraint *c;
    pt_ids ids;        /* so far, the end token left out */
    int32_t at;        /* state of the automaton; of `generation` */
    uint64_t generation;
    bool ended;        /* an end token came */
} pt_constraint_state;
/* c must stay open as long as the state is used. */
pt_status pt_constraint_begin(pt_constraint *c, pt_constraint_state *s);
/* to (zero, or a state to be overwritten) becomes another text that stands where s does. */
pt_status pt_constraint_copy(const pt_constraint_state *s, pt_constraint_state *to);
void pt_constraint_state_free(pt_constraint_state *s);
/* Tokens allowed next, borrowed until the next call for the same vocabulary. PT_ENOSUP where no token is allowed (a vocabulary without single
 * bytes) or where the automaton grows past its limits. PT_ESTATE after the end. */
pt_status pt_constraint_mask(pt_constraint_state *s, const uint64_t **bits);
/* The text goes on by id. PT_EARG and an unchanged state when it is not allowed. */
pt_status pt_constraint_advance(pt_constraint_state *s, int32_t id);
/* complete: an end token is allowed. closed: nothing else is, so that a caller need not ask the model for it. */
pt_status pt_constraint_complete(pt_constraint_state *s, bool *complete, bool *closed);
/* Whether a text of n bytes is one (whole), or could become one (*begins; may be NULL); tokens play no part. */
pt_status pt_constraint_accepts(pt_constraint *c, const char *text, size_t n, bool *whole, bool *begins);
#endif
