/* Inside of a tokenizer; included by data/text/tok_*.c only.
 *
 * The way of a text, as in the Hugging Face tokenizers library: added tokens are cut out of the raw text; what lies between is
 * normalised; added tokens that are marked `normalized` are cut out of that; the rest goes through the pre-tokenizer's steps,
 * each of which splits it or changes it, down to words; the model makes tokens of each word. Byte-level BPE is kept as raw bytes
 * (the byte alphabet of GPT-2 is undone when the file is read), so that its text is never spelled in that alphabet; where
 * another step or model must see the alphabet, the text is spelled in it. */
#ifndef PT_DATA_TOK_PRIV_H
#define PT_DATA_TOK_PRIV_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "base/file.h"
#include "data/text/tok_class.h"
#include "data/text/tok_utf8.h"
#include "data/text/tokenizer.h"

#define PT_TOK_MAX_ID 4194303      /* ids above are taken for damage */
#define PT_TOK_META "\xE2\x96\x81" /* U+2581, SentencePiece's space */
#define PT_TOK_NO_RANK UINT32_MAX
#define PT_TOK_MAX_AFFIX 64 /* bytes of continuing_subword_prefix and of end_of_word_suffix */

typedef struct pt_tok_ref {
    uint32_t at, len; /* into the blob */
} pt_tok_ref;

/* Open addressing; keys are the texts of `refs`. A slot's tag is the upper half of its text's hash: other texts are told apart without a look at
 * them, and a larger table is made without hashing again. */
typedef struct pt_tok_slot {
    uint32_t id1, tag; /* id + 1, 0 = free */
} pt_tok_slot;
typedef struct pt_tok_hash {
    pt_tok_slot *slot;
    size_t mask; /* slots - 1 */
} pt_tok_hash;

typedef struct pt_tok_merge {
    int32_t left, right, id;
} pt_tok_merge;
/* One merge: (left, right) -> id. key = left << 32 | right; UINT64_MAX = free. */
typedef struct pt_tok_pair {
    uint64_t key;
    uint32_t rank;
    int32_t id;
} pt_tok_pair;

enum {
    PT_TOK_HAS = 1,     /* the id exists */
    PT_TOK_MODEL = 2,   /* a piece of the model's vocabulary that words can become */
    PT_TOK_ADDED = 4,   /* cut out of the text before anything else */
    PT_TOK_SPECIAL = 8, /* control token */
    PT_TOK_BYTE = 16,   /* <0xNN> of a byte-fallback vocabulary */
    PT_TOK_DIRECT = 32, /* ignore_merges: the word spelled like it becomes this one token */
    PT_TOK_UNK = 64,
    PT_TOK_VOID = 128, /* UNUSED in GGUF */
    PT_TOK_WHOLE = 256 /* a user-defined piece of SentencePiece: taken out of the normalised text before anything is merged */
};

typedef struct pt_tok_added {
    int32_t id;
    pt_tok_ref text; /* what is searched: the spelling, normalised where the token says so */
    bool lstrip, rstrip, single_word, normalized, special;
    uint32_t turn; /* of declaring */
} pt_tok_added;
/* Finds the longest added token at a position: for each first byte the distinct lengths (descending), then a hash lookup. */
typedef struct pt_tok_matcher {
    pt_tok_added *list;
    size_t n, cap;
    uint32_t *slot; /* index + 1 by hash of text */
    size_t mask;
    uint32_t *lens; /* lengths; of first byte b: lens[first[b] .. first[b+1]) */
    uint32_t first[257];
} pt_tok_matcher;

typedef enum pt_tok_norm_kind {
    PT_NORM_PREPEND,
    PT_NORM_REPLACE, /* String pattern */
    PT_NORM_REPLACE_REGEX,
    PT_NORM_NFC,
    PT_NORM_NFD,
    PT_NORM_NFKC,
    PT_NORM_NFKD,
    PT_NORM_LOWERCASE,
    PT_NORM_STRIP,
    PT_NORM_DROP,     /* takes the characters of a class away: StripAccents, parts of BertNormalizer */
    PT_NORM_CLEAN,    /* BertNormalizer's clean_text */
    PT_NORM_CJK,      /* BertNormalizer's blanks around Chinese characters */
    PT_NORM_NMT,
    PT_NORM_ALPHABET, /* ByteLevel: bytes spelled in GPT-2's alphabet */
    PT_NORM_SPM,         /* all that SentencePiece does to a text (tok_spm.h) */
    PT_NORM_PRECOMPILED, /* its character map alone, as the tokenizers library takes it */
    PT_NORMS
} pt_tok_norm_kind;
typedef struct pt_tok_norm {
    pt_tok_norm_kind kind;
    char *from, *to; /* owned; Prepend: to; Replace: from, to */
    pcre2_code *code;
    bool left, right;   /* Strip */
    pt_tok_class class; /* Drop */
    struct pt_tok_spm *spm; /* owned: SentencePiece, Precompiled */
} pt_tok_norm;

typedef enum pt_tok_behaviour {
    PT_SPLIT_ISOLATED,
    PT_SPLIT_REMOVED,
    PT_SPLIT_WITH_PREVIOUS,
    PT_SPLIT_WITH_NEXT,
    PT_SPLIT_CONTIGUOUS
} pt_tok_behaviour;
typedef enum pt_tok_step {
    PT_STEP_PATTERN,  /* splits at a pattern */
    PT_STEP_CLASS,    /* splits at the characters of a class */
    PT_STEP_WORDS,    /* Whitespace: runs of word characters, runs of what is neither these nor white space */
    PT_STEP_FIXED,    /* cuts every `length` characters */
    PT_STEP_SCRIPTS,  /* cuts where the script changes */
    PT_STEP_PREFIX,   /* a blank before what does not begin with one */
    PT_STEP_META,     /* blanks become `text`, and one of them stands first as `prefix` says */
    PT_STEP_ALPHABET, /* bytes spelled in GPT-2's alphabet */
} pt_tok_step;
typedef enum pt_tok_prefix { PT_PREFIX_NONE, PT_PREFIX_ALWAYS, PT_PREFIX_FIRST } pt_tok_prefix;
/* One step of the pre-tokenizer. */
typedef struct pt_tok_split {
    pt_tok_step step;
    pcre2_code *code;
    char *pattern; /* owned: the pattern as the file states it (fingerprint, recognition); Metaspace: its replacement */
    bool literal;
    pt_tok_behaviour behaviour;
    bool invert;
    pt_tok_prefix prefix;
    pt_tok_class class;
    uint32_t one;  /* the character of PT_CLASS_ONE */
    size_t length; /* PT_STEP_FIXED, in characters */
} pt_tok_split;

typedef enum pt_tok_model { PT_MODEL_BPE, PT_MODEL_WORDPIECE, PT_MODEL_WORDLEVEL, PT_MODEL_UNIGRAM } pt_tok_model;

typedef enum pt_tok_decoder_kind {
    PT_DECODE_BYTE_LEVEL,
    PT_DECODE_BYTE_FALLBACK,
    PT_DECODE_FUSE,
    PT_DECODE_STRIP,
    PT_DECODE_REPLACE,
    PT_DECODE_META,
    PT_DECODE_WORDPIECE,
    PT_DECODE_BPE,
    PT_DECODE_CTC
} pt_tok_decoder_kind;
typedef struct pt_tok_decoder {
    pt_tok_decoder_kind kind;
    char *from, *to;  /* owned. Replace: from, to; Strip: from = the character; Metaspace: from = the replacement; WordPiece: from = the
                       * prefix; BPEDecoder: from = the suffix; CTC: from = the padding, to = the word delimiter */
    pcre2_code *code; /* Replace of a Regex */
    bool on;          /* WordPiece, CTC: cleanup; Metaspace: the first token's replacements vanish */
    size_t start, stop; /* Strip */
} pt_tok_decoder;
/* How ids become text: the three lists that nearly all files have, as flags, or any list of decoders. */
typedef struct pt_tok_decode_rule {
    bool byte_level, byte_fallback;
    bool meta_to_space;  /* U+2581 becomes a space */
    unsigned strip_left; /* blanks dropped at the start of the whole text */
    bool chain;          /* by t->decoders; none of them: the tokens with blanks between */
} pt_tok_decode_rule;

/* What a post-processor writes around a text (single), and around two (pair). */
typedef struct pt_tok_template {
    int32_t *before, *after; /* owned: ids before and behind the text of `single` */
    size_t n_before, n_after;
    char *type; /* owned: the component that says so; NULL = none */
} pt_tok_template;

struct pt_tokenizer {
    pt_tok_model model;
    struct pt_unigram *unigram;   /* owned: PT_MODEL_UNIGRAM */
    const struct pt_trie *whole;  /* PT_TOK_WHOLE pieces of a BPE model, or NULL (its normaliser's) */
    bool added_raw;               /* added tokens are cut out of the raw text, whatever their files say */
    bool added_stated;            /* added tokens have the ids that their files state */
    bool byte_level, scored, ignore_merges, byte_fallback, fuse_unk;
    char *word_prefix, *word_suffix; /* owned or NULL: what pieces that begin no word begin with (WordPiece, BPE), what those that end one end with */
    size_t max_chars;                /* WordPiece: longer words are unknown */
    size_t longest;                  /* bytes of the longest piece */
    bool by_rank; /* a merge's rank is its token's id: merges are all ways to make a token (tok_ranks.h) */
    uint8_t *joint; /* char mode: which two characters some merge makes neighbours; elsewhere a word may be cut. NULL: it may not (tok_cuts.c) */
    struct pt_tok_pool *pool; /* rooms of calls that have ended (tok_work.c) */
    int32_t n;        /* highest id + 1 */
    size_t cap_spell, cap_raw, cap_flags, cap_score;
    pt_str blob; /* every text, each followed by a zero */
    pt_tok_ref *spell, *raw;
    uint16_t *flags;
    float *score;   /* of the source, or NULL */
    uint32_t *rank; /* scored: order of the scores, equal scores share one */
    pt_tok_hash by_spell, by_raw;
    pt_tok_merge *merges;
    size_t n_merges, cap_merges;
    pt_tok_pair *pairs;
    size_t pair_mask;
    int32_t byte_id[256];
    bool all_bytes;

    size_t n_pieces;         /* tokenizer.json: pieces of the model; new added tokens come behind them */
    size_t n_moved;          /* added tokens whose id is not the stated one */
    int32_t moved;           /* the first of them */
    int32_t added_end;       /* highest id of an added token + 1 */
    uint32_t turns;          /* declarations of added tokens */
    pt_tok_matcher added[2]; /* 0 = on the raw text, 1 = on the normalised text */
    pt_tok_norm *norms;
    size_t n_norms, cap_norms;
    pt_tok_split *splits;
    size_t n_splits, cap_splits;
    pt_tok_decode_rule decode;
    pt_tok_decoder *decoders;
    size_t n_decoders, cap_decoders;
    pt_tok_template around;

    int32_t bos, eos, eot, unk, pad;
    int32_t model_unk;    /* what the merging itself writes for a character that it cannot spell; -1: it drops it */
    int add_bos, add_eos; /* -1 = not stated */
    int32_t template_bos; /* id that the file's post-processor puts first, -1 = none */
    int32_t *stops;
    size_t n_stops, cap_stops;
    char *chat_template, *pre, *path;
    const char *file; /* what the file it was read from is called in a folder; NULL: GGUF metadata */
    pt_vocab_spec spec;
    char **spec_merges;
    const char **spec_tokens;
    int32_t *spec_types;
    unsigned char *spec_strips;
    float *spec_scores;
    char *spec_text; /* owned backing of invented spellings and merges */
    uint64_t fingerprint;
};

/* ---- tok_vocab.c: building ---- */
static inline const char *pt_tok_text(const pt_tokenizer *t, pt_tok_ref r)
{
    return t->blob.text + r.at;
}
uint64_t pt_tok_hash_bytes(const char *s, size_t n);
pt_status pt_tok_new(pt_tokenizer **out);
/* As new; what it was read from is kept. */
pt_status pt_tok_reset(pt_tokenizer *t);
/* Copies a text into the blob. */
pt_status pt_tok_keep(pt_tokenizer *t, const char *s, size_t n, pt_tok_ref *out);
/* Gives id its spelling; an id or a spelling that is already taken by another is PT_EFORMAT. flags gets PT_TOK_HAS added. */
pt_status pt_tok_put(pt_tokenizer *t, int64_t id, const char *spelling, size_t n, unsigned flags);
/* Makes room for ids 0..id. */
pt_status pt_tok_reserve_ids(pt_tokenizer *t, int64_t id);
int32_t pt_tok_find_n(const pt_tokenizer *t, const char *spelling, size_t n);
/* Raw bytes of a piece in GPT-2's byte alphabet; false when a character is not of that alphabet. */
bool pt_tok_unalphabet(const char *s, size_t n, char *out, size_t *out_n);
/* The character that stands for a byte in it. */
uint32_t pt_tok_alphabet(unsigned char byte);
/* Adds merge (left, right) -> left+right, texts in the vocabulary's spelling. */
pt_status pt_tok_put_merge(pt_tokenizer *t, const char *left, size_t ln, const char *right, size_t rn);
/* Turn tags are control tokens even where a file forgets to say so (llama.cpp overrides the same): a text must not close a
 * turn. */
bool pt_tok_is_turn_tag(const char *s, size_t n);
/* id (new, reserved) takes over old's spelling: the last of two tokens of one text counts, as in llama.cpp. */
void pt_tok_shadow(pt_tokenizer *t, int32_t old, int32_t id);
/* ---- tok_declare.c ---- */
/* Declares an added token, as the tokenizers library's add_tokens: one whose text the vocabulary has keeps that id; any other gets the next
 * free one, whatever id the file states (id; -1 = none stated). Stated again, the last flags count; an empty text is passed over. */
pt_status pt_tok_put_added(pt_tokenizer *t, const pt_tok_added *stated, int64_t id, const char *content, size_t n);
/* What pt_tok_finish made of the added tokens, once more for another list of them (tok_vocab.c). */
pt_status pt_tok_finish_again(pt_tokenizer *t);
/* Of tokens declared several times the last declaration stays. */
pt_status pt_tok_settle_added(pt_tokenizer *t);
/* ---- tok_vocab.c ---- */
/* After all pieces, merges, added tokens and steps are in: raw forms, tables, matchers, direct words, fingerprint, GGUF terms.
 */
pt_status pt_tok_finish(pt_tokenizer *t);
void pt_tok_set_eot(pt_tokenizer *t); /* eot by its known spellings, when not stated */
pt_status pt_tok_add_stop(pt_tokenizer *t, int64_t id);

/* ---- tok_bpe.c ---- */
typedef struct pt_tok_sym {
    int32_t id;       /* -1: an unknown character */
    uint32_t at, len; /* in the word */
    uint32_t next, prev;
} pt_tok_sym;
typedef struct pt_tok_heap_item {
    uint32_t rank, pos;
    int32_t left, right, id;
    uint32_t len; /* of both together: tells stale items */
} pt_tok_heap_item;
/* A word that was merged before, and what became of it: one cache line. */
enum { PT_TOK_CACHED_IDS = 6, PT_TOK_CACHED_BYTES = 28, PT_TOK_CACHED_SLOTS = 16384 };
typedef struct pt_tok_cached {
    uint32_t tag;
    uint8_t len, n, end[PT_TOK_CACHED_IDS]; /* len 0: free; end[i]: where token i ends in the word */
    int32_t id[PT_TOK_CACHED_IDS];
    char text[PT_TOK_CACHED_BYTES];
} pt_tok_cached;
/* A text that something made of another one. map (where asked for): map[i] is where what byte i stands for ends, in bytes of the text that
 * the caller of encode gave. Never decreases. */
typedef struct pt_tok_made {
    pt_str s;
    size_t *map, map_cap;
    bool mapped;
} pt_tok_made;
typedef struct pt_tok_view {
    const char *s;
    size_t n;
    const size_t *map; /* NULL: byte i ends at start + i + 1 */
    size_t start;      /* where it begins in the text given */
} pt_tok_view;
/* What one call of encode owns. */
typedef struct pt_tok_work {
    const pt_tokenizer *t;
    pt_ids *out;
    size_t *ends; /* ends[i]: where out->ids[first + i] ends in the text given */
    size_t ends_cap;
    size_t first;
    bool want_ends;
    pt_tok_view view;    /* the text that words are cut of */
    bool begins, first_text; /* view begins where the text given begins; that is where a sequence begins */
    bool prefix;             /* a prefix may stand at that beginning */
    pt_tok_sym *syms;
    size_t syms_cap;
    pt_tok_heap_item *heap;
    size_t heap_cap, heap_n;
    pcre2_match_data **match; /* one a split step */
    pt_tok_made norm[2];      /* normalisers write from one into the other */
    pt_tok_made *made;        /* one a step: what it makes of its text */
    pt_str word;              /* WordPiece: prefix and rest */
    pt_tok_cached *cache;     /* [PT_TOK_CACHED_SLOTS], by hash; NULL: words are merged each time */
    bool last_unk; /* fuse_unk */
} pt_tok_work;
/* Where what ends before byte `at` of a view ends in the text given. */
static inline size_t pt_tok_place(const pt_tok_view *v, size_t at)
{
    return at == 0 ? v->start : v->map ? v->map[at - 1] : v->start + at;
}
/* id stands for what ends before `end`, which lies in w->view. */
pt_status pt_tok_emit(pt_tok_work *w, int32_t id, const char *end);
/* What lies between the last token and `place` belongs to that token. */
static inline void pt_tok_reach(pt_tok_work *w, size_t place)
{
    size_t n = w->out->n - w->first;
    if (w->want_ends && n && w->ends[n - 1] < place) w->ends[n - 1] = place;
}
/* ---- tok_word.c ---- */
/* One word, s inside w->view: by the tokenizer's model. */
pt_status pt_tok_word(pt_tok_work *w, const char *s, size_t n);
/* ---- tok_unigram_word.c ---- */
pt_status pt_tok_unigram_word(pt_tok_work *w, const char *s, size_t n);
/* Makes t->unigram of the pieces that texts can be cut into and that have none of the flags `without`; score[id] for all ids, lowest as
 * pt_unigram_make has it. */
pt_status pt_tok_unigram_all(pt_tokenizer *t, const double *score, double lowest, unsigned without, bool f32);
/* ---- tok_bpe.c ---- */
pt_status pt_tok_bpe_word(pt_tok_work *w, const char *s, size_t n);
int32_t pt_tok_raw_find(const pt_tokenizer *t, const char *s, size_t n);

/* ---- tok_work.c ---- */
/* Room for a call: what an earlier one left, and the match data of all split steps. */
pt_status pt_tok_work_open(pt_tok_work *w);
/* Leaves it for later calls, what is large for nobody. Neither touches w->ends. */
void pt_tok_work_close(pt_tok_work *w);
/* At the end of pt_tok_finish. */
pt_status pt_tok_pool_new(pt_tokenizer *t);
void pt_tok_pool_free(pt_tokenizer *t);

/* ---- tok_cuts.c ---- */
/* Fills t->joint where words of characters may be cut at all. */
pt_status pt_tok_cuts_build(pt_tokenizer *t);
/* Bytes of s[0..n) up to the first place where no merge can reach across; n when there is none. n >= 1, t->joint is there. */
size_t pt_tok_cut(const pt_tokenizer *t, const char *s, size_t n);

/* ---- tok_regex.c ---- */
/* Compiles a pattern of the tokenizers library (Oniguruma) for PCRE2; what the two read differently is rewritten or refused. */
pt_status pt_tok_regex(pcre2_code **out, const char *pattern, bool literal);
/* Where a search stands; zero-initialise. */
typedef struct pt_tok_scan {
    size_t from, last; /* last: end of the match before */
    bool any;
} pt_tok_scan;
/* The next match as Oniguruma's find_iter gives them (an empty one, too, where no match ended): *at, *len; *found = false at the end. */
pt_status pt_tok_match(const pcre2_code *code, pcre2_match_data *md, const char *s, size_t n, pt_tok_scan *scan, size_t *at,
                       size_t *len, bool *found);
/* ---- tok_split.c ---- */
pt_status pt_tok_add_split(pt_tokenizer *t, const char *pattern, bool literal, pt_tok_behaviour b, bool invert);
/* A step of another kind, its fields in *step but for the pattern (copied; may be NULL). */
pt_status pt_tok_add_step(pt_tokenizer *t, const pt_tok_split *step, const char *pattern);
/* Words of w->view. */
pt_status pt_tok_split_text(pt_tok_work *w);

/* ---- tok_norm.c ---- */
pt_status pt_tok_add_norm(pt_tokenizer *t, pt_tok_norm_kind kind, const char *from, const char *to, pt_tok_norm **out);
/* *out = what the normalisers make of a view, in one of buf (kept by the caller, whose `mapped` says whether maps are made) or in itself.
 * prepend = false leaves Prepend steps out (something of the same text stands before the view); first: the view begins a sequence. */
pt_status pt_tok_normalise(const pt_tokenizer *t, const pt_tok_view *in, bool prepend, bool first, pt_tok_made buf[2], pt_tok_view *out);

/* ---- tok_added.c ---- */
pt_status pt_tok_matcher_build(const pt_tokenizer *t, pt_tok_matcher *m);
/* The next match at or after from, NULL when none; *at, *end: what it takes of the text. specials = false: control tokens stay
 * text. */
const pt_tok_added *pt_tok_next_added(const pt_tokenizer *t, const pt_tok_matcher *m, const char *s, size_t n, size_t from,
                                      bool specials, size_t *at, size_t *end);

/* ---- tok_chain.c ---- */
/* Appends what t->decoders make of ids; begins: the first of them begins a text. */
pt_status pt_tok_chain(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, bool begins, pt_str *out);
pt_status pt_tok_add_decoder(pt_tokenizer *t, pt_tok_decoder_kind kind, const char *from, const char *to, pt_tok_decoder **out);
/* Sets t->decode by t->decoders. */
void pt_tok_settle_decoders(pt_tokenizer *t);
/* Appends s with what is no UTF-8 replaced by U+FFFD, one for every maximal broken part. */
pt_status pt_tok_lossy(pt_str *out, const char *s, size_t n);

/* ---- tok_spec.c ---- */
pt_status pt_tok_build_spec(pt_tokenizer *t);
/* ---- tok_pre.c ---- */
/* Sets the split steps of a GGUF pre-tokenizer name and what goes with it; PT_ENOSUP for an unknown name. */
pt_status pt_tok_apply_pre(pt_tokenizer *t, const char *name);
/* *out = owned GGUF name of the steps that t has, NULL when no name says the same. */
pt_status pt_tok_guess_pre(const pt_tokenizer *t, char **out);
#endif
