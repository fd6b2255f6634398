/* Tokenizers: whatever tokenizer.json of the Hugging Face tokenizers library states (BPE, WordPiece, WordLevel; all its normalisers,
 * pre-tokenizers, post-processors and decoders), and byte-level or SentencePiece-style BPE of a neutral vocabulary (GGUF metadata, filled by
 * train/model). Two things are other than there: a control token's spelling that is to stay text never becomes its id (a text cannot close a
 * turn), and an added token of a byte-level vocabulary is decoded as it is spelled.
 * Immutable after creation; encode and decode may run in several threads at once. */
#ifndef PT_DATA_TOKENIZER_H
#define PT_DATA_TOKENIZER_H
#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/version.h"

typedef struct pt_tokenizer pt_tokenizer;

/* A growing list of token ids; zero-initialise, free ids. */
typedef struct pt_ids {
    int32_t *ids;
    size_t n, cap;
} pt_ids;

/* PT_VOCAB_OTHER: what GGUF has no place for here (WordPiece, WordLevel, BPE with marks at the ends of words); only pt_tok_spec says it. */
typedef enum pt_vocab_kind { PT_VOCAB_BPE, PT_VOCAB_SPM, PT_VOCAB_UGM, PT_VOCAB_GEMMA4, PT_VOCAB_WPM, PT_VOCAB_OTHER } pt_vocab_kind;
/* GGUF's tokenizer.ggml.token_type values. */
typedef enum pt_token_type {
    PT_TOKEN_NORMAL = 1,
    PT_TOKEN_UNKNOWN = 2,
    PT_TOKEN_CONTROL = 3,
    PT_TOKEN_USER_DEFINED = 4,
    PT_TOKEN_UNUSED = 5,
    PT_TOKEN_BYTE = 6
} pt_token_type;

/* A vocabulary as GGUF metadata states it; every pointer is borrowed for the call. */
typedef struct pt_vocab_spec {
    pt_vocab_kind kind; /* tokenizer.ggml.model: gpt2 = BPE, llama = SPM, t5 = UGM (Unigram), gemma4 (BPE of characters), bert = WPM
                         * (WordPiece: U+2581 before a piece that begins a word) */
    const char *pre;    /* tokenizer.ggml.pre: "llama-bpe", "qwen2", "smollm", "gpt-2", ...; NULL or "default" */
    size_t n_tokens;
    const char *const *tokens; /* zero-terminated, GGUF's spelling (byte-level alphabet for BPE, U+2581 for SPM) */
    const float *scores;       /* SPM and UGM, else NULL */
    const int32_t *types;      /* pt_token_type a token; NULL = all normal */
    const unsigned char *strips; /* PT_TOK_LEFT, PT_TOK_RIGHT (below) a token that is taken whole; NULL = none. GGUF has no key for it: who reads a file
                                  * knows the model */
    size_t n_merges;
    const char *const *merges;       /* BPE: "left right" */
    int32_t bos, eos, eot, unk, pad; /* -1 = none */
    int add_bos;                     /* 1, 0, or -1 when the file does not say (then as llama.cpp does) */
    int add_eos, add_space_prefix;   /* likewise */
    int squeeze;                     /* remove_extra_whitespaces: 1, 0, or -1 when the file does not say */
    const unsigned char *charsmap;   /* precompiled_charsmap of SentencePiece (tok_charsmap.h), NULL = none */
    size_t charsmap_bytes;
    const char *chat_template;       /* Jinja text or NULL */
} pt_vocab_spec;

pt_status pt_tok_from_spec(pt_tokenizer **out, const pt_vocab_spec *spec);
/* From a Hugging Face folder (tokenizer.json, tokenizer_config.json, special_tokens_map.json, generation_config.json,
 * chat_template.jinja where present) or from one tokenizer.json. What cannot be honoured exactly is refused by name. */
pt_status pt_tok_open(pt_tokenizer **out, const char *path);
/* Whether a folder has a file that pt_tok_open would read a vocabulary from, good or broken. */
pt_status pt_tok_folder_has(const char *dir, bool *has);
void pt_tok_free(pt_tokenizer *t);

/* Encodes text and appends to out. added: recognise added and special tokens in the text (as Hugging Face does); without it the
 * spelling of a control token stays text (Hugging Face's split_special_tokens=True, llama.cpp's parse_special=false: added
 * tokens that are not special, such as Qwen3's <think>, are ordinary vocabulary and are always taken). No BOS or EOS is added.
 * Invalid UTF-8: PT_EFORMAT naming the byte offset. `text_begins`: the text stands at the start of a sequence or after a
 * control token as the tokenizer's rules need it (SPM's space prefix: Hugging Face's "prepend_scheme" / legacy behaviour). */
pt_status pt_tok_encode(const pt_tokenizer *t, const char *text, size_t bytes, bool added, bool text_begins, pt_ids *out);
/* Where a text stands, for the rules of the space prefix: Hugging Face's legacy tokenizers (Llama 2) put one before every text
 * that begins a sequence or follows a control token, "prepend_scheme": "first" only before the first; text that goes on from
 * text encoded apart (an answer after its generation prompt) never gets one. */
typedef enum pt_tok_where { PT_TOK_START, PT_TOK_AFTER_CONTROL, PT_TOK_CONTINUE } pt_tok_where;
/* pt_tok_encode with the place stated. ends (may be NULL) gets an owned array, free it: ends[i] is where, in bytes of the text, what the i-th
 * new token stands for ends. It begins where the token before it ends (the first one at 0); ends never decreases and the last one is `bytes`.
 * So through every normaliser and pre-tokenizer: what they take away belongs to the token before it (at the start to the first one), what they
 * put in (a space prefix) has no bytes and stands before what follows it, and where one character became several tokens all but the last
 * have none either. */
pt_status pt_tok_encode_at(const pt_tokenizer *t, const char *text, size_t bytes, bool added, pt_tok_where where, pt_ids *out,
                           size_t **ends);
/* Appends a text that stands for itself (a document, a raw prompt) as Hugging Face's tokenizers see it: added and control tokens in
 * it are ids; one BOS where the tokenizer adds one (or all that its post-processor writes before a text, as GLM-4's [gMASK]<sop>); with
 * `end`, one end token last. Neither is added where the text brings its own
 * (an end token is any of pt_tok_stops; white space behind a last one is left out). *ended (may be NULL): an end token is last. */
pt_status pt_tok_encode_document(const pt_tokenizer *t, const char *text, size_t bytes, bool end, pt_ids *out, bool *ended);
/* How many control-token spellings stand in a text (valid UTF-8). */
size_t pt_tok_count_control(const pt_tokenizer *t, const char *text, size_t bytes);
/* The next control token spelled in s at or after from: its id and where it stands; -1 when there is none. */
int32_t pt_tok_next_control(const pt_tokenizer *t, const char *s, size_t n, size_t from, size_t *at, size_t *end);
/* The same of what lies within [from, to): what stands around it decides alone whether a token that wants to (single_word) stands alone. */
int32_t pt_tok_control_within(const pt_tokenizer *t, const char *s, size_t n, size_t from, size_t to, size_t *at, size_t *end);
/* What an added token does to what stands beside it: swallows white space before (lstrip) or behind it (rstrip), is one only where no word touches it
 * (single_word). id -1: what any of them does. */
enum { PT_TOK_LEFT = 1, PT_TOK_RIGHT = 2, PT_TOK_WORD = 4 };
unsigned pt_tok_strips(const pt_tokenizer *t, int32_t id);
static inline pt_status pt_ids_add(pt_ids *l, int32_t id)
{
    PT_RETURN(pt_reserve(&l->ids, &l->cap, l->n + 1));
    l->ids[l->n++] = id;
    return PT_OK;
}
/* Appends the text of ids (control tokens left out when skip_special). */
pt_status pt_tok_decode(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, pt_str *out);

/* Streaming decode: holds back bytes of an unfinished UTF-8 character. Zero-initialise; free with pt_tok_stream_free. The texts shown and what
 * pt_tok_stream_end adds are together what pt_tok_decode gives of all ids (of byte tokens that are no character: one U+FFFD a broken part). */
typedef struct pt_tok_stream {
    pt_str held;
    bool started; /* the first token of a text has been: SPM's space prefix was dropped */
    pt_ids ids;   /* of a chain of decoders: all so far, or the last of many */
    const pt_tokenizer *tok;
    bool skip_special;
} pt_tok_stream;
void pt_tok_stream_free(pt_tok_stream *s);
/* Appends the text that is safe to show after `id`. */
pt_status pt_tok_stream_next(const pt_tokenizer *t, pt_tok_stream *s, int32_t id, bool skip_special, pt_str *out);
/* Appends what is still held (an unfinished character becomes U+FFFD). */
pt_status pt_tok_stream_end(pt_tok_stream *s, pt_str *out);

int32_t pt_tok_vocab_size(const pt_tokenizer *t); /* highest id + 1 */
/* -1 when there is none. pt_tok_find looks up an exact token spelling (an added or special token, or a raw piece). */
int32_t pt_tok_bos(const pt_tokenizer *t);
int32_t pt_tok_eos(const pt_tokenizer *t);
int32_t pt_tok_eot(const pt_tokenizer *t);
int32_t pt_tok_pad(const pt_tokenizer *t);
int32_t pt_tok_unk(const pt_tokenizer *t);
/* What finds the patterns (base/version.h). */
void pt_tok_library(char out[PT_LIBRARY_NAME]);
bool pt_tok_add_bos(const pt_tokenizer *t);
int32_t pt_tok_find(const pt_tokenizer *t, const char *spelling);
bool pt_tok_is_control(const pt_tokenizer *t, int32_t id); /* special: never produced from plain text */
/* Spelling of a token as the vocabulary states it (raw piece, byte-level alphabet), borrowed; NULL for a hole. */
const char *pt_tok_piece(const pt_tokenizer *t, int32_t id);
/* Appends the bytes that id adds to a text it stands inside of; none for control and unknown tokens and for holes. PT_ENOSUP where a chain of decoders makes
 * the text of several tokens together. */
pt_status pt_tok_bytes(const pt_tokenizer *t, int32_t id, pt_str *out);
/* Blanks that are dropped where a text begins (Llama 2: 1). */
unsigned pt_tok_lead(const pt_tokenizer *t);
/* The vocabulary in GGUF's terms (for export), all borrowed from t and alive as long as it; scores are invented from merges'
 * ranks where the source had none; pre is NULL where GGUF has no name for the pre-tokenizer (an export must then refuse). */
const pt_vocab_spec *pt_tok_spec(const pt_tokenizer *t);
/* What a GGUF name of a pre-tokenizer stands for: patterns (of tokenizer.json's dialect) that isolate their matches, one after the other, and what goes
 * with them. false for an unknown name. */
typedef struct pt_tok_pre {
    const char *const *steps;
    size_t n;
    bool ignore_merges, nfc;
} pt_tok_pre;
bool pt_tok_pre_of(const char *name, pt_tok_pre *out);
/* The model's own chat template (Jinja text), NULL when it has none. */
const char *pt_tok_chat_template(const pt_tokenizer *t);
/* Ids that end an answer when generating: eos, eot, and eos_token_id of generation_config.json (without that file: of config.json); borrowed. */
const int32_t *pt_tok_stops(const pt_tokenizer *t, size_t *n);
/* Where it was read from: a Hugging Face folder, or one file; NULL for a vocabulary of GGUF metadata, and for one of ranks (tekken.json, tiktoken's files),
 * which exports write as a tokenizer.json. */
const char *pt_tok_path(const pt_tokenizer *t);
/* What the file with the vocabulary is called in a folder ("tokenizer.json", ...); NULL for a vocabulary of GGUF metadata. */
const char *pt_tok_file(const pt_tokenizer *t);
/* The id that tokenizer.json's own post-processor puts before a text; -1 when it puts none. */
int32_t pt_tok_template_bos(const pt_tokenizer *t);
/* Takes away what has no row in a model of so many rows: added tokens beyond it become plain text (with a warning), special ids beyond it
 * none. PT_EARG when a piece of the model itself lies there: the two do not belong together. */
pt_status pt_tok_limit(pt_tokenizer *t, int32_t rows);
/* Adds n tokens that are found in any text, as Hugging Face's add_tokens does with normalized=False; none of them is a control token, but for turn tags.
 * Their ids are *first, *first + 1 ..., behind all others. PT_EARG for an empty text, one that is not UTF-8 and one that the vocabulary has; PT_ENOSUP where
 * the ids would not follow each other. After an error t is only to be freed. Not while others use t. */
pt_status pt_tok_grow(pt_tokenizer *t, const char *const *texts, size_t n, int32_t *first);
/* Digest of everything that decides ids: the same text always gives the same ids under equal fingerprints. */
uint64_t pt_tok_fingerprint(const pt_tokenizer *t);
#endif
