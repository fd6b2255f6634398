/* The tokenizer of a source: tokenizer.json beside the weights, or GGUF metadata. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/model/family_io.h"
#include "train/model/source_impl.h"

/* Everything that a vocabulary spec borrows during the call. */
typedef struct vocab_text {
    pt_gguf_str *raw_tokens, *raw_merges;
    char **tokens, **merges;
    char *block; /* zero-terminated copies of all strings */
    int64_t *types64;
    int32_t *types;
    double *scores64;
    float *scores;
    char *pre, *chat, *name;
    unsigned char *charsmap, *strips;
    size_t n_tokens, n_merges;
} vocab_text;

static void vocab_text_free(vocab_text *v)
{
    free(v->raw_tokens);
    free(v->raw_merges);
    free(v->tokens);
    free(v->merges);
    free(v->block);
    free(v->types64);
    free(v->types);
    free(v->scores64);
    free(v->scores);
    free(v->charsmap);
    free(v->pre);
    free(v->chat);
    free(v->name);
    free(v->strips);
}

/* Copies n strings behind *at, with zeros. A zero byte inside a token cannot be expressed: refused. */
static pt_status copy_texts(const char *path, const char *what, const pt_gguf_str *raw, size_t n, char **at, char ***out)
{
    PT_RETURN(pt_alloc0(out, n));
    for (size_t i = 0; i < n; i++) {
        if (memchr(raw[i].s, 0, raw[i].n)) return pt_fail(PT_EFORMAT, "%s: %s[%zu] holds a zero byte", path, what, i);
        (*out)[i] = *at;
        memcpy(*at, raw[i].s, raw[i].n);
        (*at)[raw[i].n] = 0;
        *at += raw[i].n + 1;
    }
    return PT_OK;
}

static pt_status read_texts(const pt_gguf *g, vocab_text *v)
{
    size_t bytes = 1;
    char *at;
    PT_RETURN(pt_gguf_texts(g, "tokenizer.ggml.tokens", &v->raw_tokens, &v->n_tokens));
    if (pt_gguf_find(g, "tokenizer.ggml.merges"))
        PT_RETURN(pt_gguf_texts(g, "tokenizer.ggml.merges", &v->raw_merges, &v->n_merges));
    for (size_t i = 0; i < v->n_tokens; i++) bytes += v->raw_tokens[i].n + 1; /* bounded by the file's size: no overflow */
    for (size_t i = 0; i < v->n_merges; i++) bytes += v->raw_merges[i].n + 1;
    PT_RETURN(pt_alloc0(&v->block, bytes));
    at = v->block;
    PT_RETURN(copy_texts(g->path, "tokenizer.ggml.tokens", v->raw_tokens, v->n_tokens, &at, &v->tokens));
    return copy_texts(g->path, "tokenizer.ggml.merges", v->raw_merges, v->n_merges, &at, &v->merges);
}

static pt_status read_numbers(const pt_gguf *g, vocab_text *v)
{
    size_t n;
    if (pt_gguf_find(g, "tokenizer.ggml.token_type")) {
        PT_RETURN(pt_gguf_ints(g, "tokenizer.ggml.token_type", &v->types64, &n));
        if (n != v->n_tokens) return pt_fail(PT_EFORMAT, "%s: %zu token types for %zu tokens", g->path, n, v->n_tokens);
        PT_RETURN(pt_alloc0(&v->types, n));
        for (size_t i = 0; i < n; i++) {
            bool known = v->types64[i] >= PT_TOKEN_NORMAL && v->types64[i] <= PT_TOKEN_BYTE;
            v->types[i] = known ? (int32_t)v->types64[i] : PT_TOKEN_NORMAL;
        }
    }
    if (!pt_gguf_find(g, "tokenizer.ggml.scores")) return PT_OK;
    PT_RETURN(pt_gguf_nums(g, "tokenizer.ggml.scores", &v->scores64, &n));
    if (n != v->n_tokens) return pt_fail(PT_EFORMAT, "%s: %zu scores for %zu tokens", g->path, n, v->n_tokens);
    PT_RETURN(pt_alloc0(&v->scores, n));
    for (size_t i = 0; i < n; i++) v->scores[i] = (float)v->scores64[i];
    return PT_OK;
}

/* other: the id where the key is missing or beyond the list. */
static pt_status get_id(const pt_gguf *g, const char *key, size_t n_tokens, int32_t other, int32_t *out)
{
    int64_t v = other;
    if (pt_gguf_find(g, key)) PT_RETURN(pt_gguf_int(g, key, INT64_MIN, INT64_MAX, &v));
    if (v == UINT32_MAX) v = -1; /* some writers store -1 as u32 */
    if (v >= (int64_t)n_tokens) {
        int64_t said = v;
        v = other < (int64_t)n_tokens ? other : -1;
        if (said != other)
            pt_log(PT_LOG_WARN, "%s: %s is %lld, and there are %zu tokens: %lld is taken, as in llama.cpp (-1: none)", g->path, key, (long long)said,
                   n_tokens, (long long)v);
    }
    *out = v < 0 ? -1 : (int32_t)v;
    return PT_OK;
}

static pt_status get_flag(const pt_gguf *g, const char *key, int *out)
{
    bool on;
    *out = -1;
    if (!pt_gguf_find(g, key)) return PT_OK;
    PT_RETURN(pt_gguf_bool(g, key, &on));
    *out = on;
    return PT_OK;
}

/* SentencePiece's character map: a list of bytes. */
static pt_status read_charsmap(const pt_gguf *g, vocab_text *v, pt_vocab_spec *spec)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    pt_status rc = PT_OK;
    int64_t *raw = NULL;
    size_t n;
    if (!pt_gguf_find(g, key)) return PT_OK;
    PT_TRY(pt_gguf_ints(g, key, &raw, &n));
    PT_TRY(pt_alloc0(&v->charsmap, n));
    for (size_t i = 0; i < n; i++) {
        PT_CHECK(raw[i] >= -128 && raw[i] <= 255, PT_EFORMAT, "%s: %s[%zu] is no byte", g->path, key, i);
        v->charsmap[i] = (unsigned char)raw[i];
    }
    spec->charsmap = n ? v->charsmap : NULL;
    spec->charsmap_bytes = n;
done:
    free(raw);
    return rc;
}

bool pt_gguf_name_strips(const char *name)
{
    return strcasestr(name, "phi-3") || strcasestr(name, "phi3");
}

/* Phi-3's tokens take the white space behind them (rstrip in its tokenizer.json). GGUF has no place for that; llama.cpp knows the model by its name, and so
 * does this: all tokens that are taken whole but these three. */
static pt_status read_strips(const pt_gguf *g, vocab_text *v, pt_vocab_spec *spec)
{
    static const char *const bare[] = {"<unk>", "<s>", "<|endoftext|>"};
    if (!v->types || !pt_gguf_find(g, "general.name")) return PT_OK;
    PT_RETURN(pt_gguf_text_dup(g, "general.name", &v->name));
    if (!pt_gguf_name_strips(v->name)) return PT_OK;
    PT_RETURN(pt_alloc0(&v->strips, v->n_tokens));
    for (size_t i = 0; i < v->n_tokens; i++) {
        bool whole = v->types[i] == PT_TOKEN_CONTROL || v->types[i] == PT_TOKEN_USER_DEFINED || v->types[i] == PT_TOKEN_UNKNOWN;
        for (size_t k = 0; k < sizeof bare / sizeof *bare; k++) whole = whole && strcmp(v->tokens[i], bare[k]) != 0;
        v->strips[i] = whole ? PT_TOK_RIGHT : 0;
    }
    spec->strips = v->strips;
    return PT_OK;
}

static pt_status fill_spec(const pt_gguf *g, vocab_text *v, pt_vocab_spec *spec)
{
    pt_gguf_str model;
    PT_RETURN(pt_gguf_text(g, "tokenizer.ggml.model", &model));
    static const struct {
        const char *name;
        pt_vocab_kind kind;
    } known[] = {{"gpt2", PT_VOCAB_BPE}, {"llama", PT_VOCAB_SPM}, {"t5", PT_VOCAB_UGM}, {"gemma4", PT_VOCAB_GEMMA4}, {"bert", PT_VOCAB_WPM}};
    size_t row = 0, rows = sizeof known / sizeof *known;
    while (row < rows && !(model.n == strlen(known[row].name) && memcmp(model.s, known[row].name, model.n) == 0)) row++;
    if (row == rows)
        return pt_fail(PT_ENOSUP, "%s: tokenizer model '%.*s' is not supported; supported: gpt2, llama, t5, gemma4, bert", g->path,
                       (int)(model.n < 40 ? model.n : 40), model.s);
    pt_vocab_kind kind = known[row].kind;
    bool spm = kind == PT_VOCAB_SPM, ugm = kind == PT_VOCAB_UGM, wpm = kind == PT_VOCAB_WPM;
    PT_RETURN(read_texts(g, v));
    PT_RETURN(read_numbers(g, v));
    if (pt_gguf_find(g, "tokenizer.ggml.pre")) PT_RETURN(pt_gguf_text_dup(g, "tokenizer.ggml.pre", &v->pre));
    const pt_gguf_kv *chat = pt_gguf_find(g, "tokenizer.chat_template");
    if (chat && chat->type == PT_GGUF_STR) PT_RETURN(pt_gguf_text_dup(g, "tokenizer.chat_template", &v->chat));
    *spec = (pt_vocab_spec){.kind = kind,
                            .pre = v->pre,
                            .n_tokens = v->n_tokens,
                            .tokens = (const char *const *)v->tokens,
                            .scores = v->scores,
                            .types = v->types,
                            .n_merges = v->n_merges,
                            .merges = (const char *const *)v->merges,
                            .chat_template = v->chat};
    /* llama.cpp knows SentencePiece's own numbers, and T5's */
    PT_RETURN(get_id(g, "tokenizer.ggml.bos_token_id", v->n_tokens, spm ? 1 : wpm ? 101 : -1, &spec->bos));
    PT_RETURN(get_id(g, "tokenizer.ggml.eos_token_id", v->n_tokens, spm ? 2 : ugm ? 1 : -1, &spec->eos));
    PT_RETURN(get_id(g, "tokenizer.ggml.eot_token_id", v->n_tokens, -1, &spec->eot));
    PT_RETURN(get_id(g, "tokenizer.ggml.unknown_token_id", v->n_tokens, spm ? 0 : ugm ? 2 : wpm ? 100 : -1, &spec->unk));
    PT_RETURN(get_id(g, "tokenizer.ggml.padding_token_id", v->n_tokens, ugm ? 0 : -1, &spec->pad));
    PT_RETURN(get_flag(g, "tokenizer.ggml.add_bos_token", &spec->add_bos));
    PT_RETURN(get_flag(g, "tokenizer.ggml.add_eos_token", &spec->add_eos));
    PT_RETURN(get_flag(g, "tokenizer.ggml.remove_extra_whitespaces", &spec->squeeze));
    int lower = -1, accents = -1;
    PT_RETURN(get_flag(g, "tokenizer.ggml.normalizer.lowercase", &lower));
    PT_RETURN(get_flag(g, "tokenizer.ggml.normalizer.strip_accents", &accents));
    if (wpm && (lower == 0 || accents == 0)) return pt_fail(PT_ENOSUP, "%s: a WordPiece vocabulary that keeps case or accents is not supported", g->path);
    PT_RETURN(read_charsmap(g, v, spec));
    PT_RETURN(read_strips(g, v, spec));
    return get_flag(g, "tokenizer.ggml.add_space_prefix", &spec->add_space_prefix);
}

pt_status pt_gguf_tokenizer(const pt_gguf *g, pt_tokenizer **out)
{
    vocab_text v = {0};
    pt_vocab_spec spec;
    pt_status rc = PT_OK;
    PT_TRY(fill_spec(g, &v, &spec));
    PT_TRY(pt_tok_from_spec(out, &spec));
done:
    vocab_text_free(&v);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s: tokenizer", g->path);
}

bool pt_source_has_vocabulary(const pt_source *s)
{
    bool there;
    if (s->random) return false;
    if (s->gguf) return pt_gguf_find(s->gguf, "tokenizer.ggml.model") != NULL;
    return pt_tok_folder_has(s->path, &there) != PT_OK || there; /* without memory: what reads it will say so */
}

pt_status pt_source_tokenizer(pt_source *s, const pt_tokenizer **out)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    *out = s->tok;
    if (s->tok) return PT_OK;
    PT_CHECK(!s->random, PT_EARG, "a random model has no tokenizer: give tokenizer: PATH");
    PT_CHECK(pt_source_has_vocabulary(s), PT_EARG, "%s: no %s: give tokenizer: PATH", s->path, s->gguf ? "vocabulary in this file" : "tokenizer.json in this folder");
    PT_TRY(s->gguf ? pt_gguf_tokenizer(s->gguf, &t) : pt_tok_open(&t, s->path));
    rc = pt_tok_limit(t, s->cfg.vocab);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", s->path);
    PT_TRY(rc);
    s->tok = t;
    t = NULL;
    *out = s->tok;
done:
    pt_tok_free(t);
    return rc;
}
