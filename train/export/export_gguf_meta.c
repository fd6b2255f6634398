/* GGUF keys of a vocabulary, under tokenizer.ggml, and what a GGUF base says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/export/export_impl.h"

static pt_status put_flag(pt_gguf_writer *w, const char *key, int flag)
{
    return flag < 0 ? PT_OK : pt_gguf_put_bool(w, key, flag != 0);
}

static pt_status put_id(pt_gguf_writer *w, const char *key, int32_t id)
{
    return id < 0 ? PT_OK : pt_gguf_put_u32(w, key, (uint32_t)id);
}

/* llama.cpp looks for user-defined tokens in a text before it writes blanks as U+2581, and shows them as they are spelled: Gemma's runs of U+2581 are runs of
 * blanks in its files. *out: owned; NULL where the spelling stays, as where the other one is a token too. */
static pt_status plain_blanks(const pt_tokenizer *tok, const pt_vocab_spec *v, size_t i, char **out)
{
    static const char blank[] = "\xe2\x96\x81";
    const size_t wide = sizeof blank - 1;
    *out = NULL;
    if (v->kind != PT_VOCAB_SPM || !v->types || v->types[i] != PT_TOKEN_USER_DEFINED || !strstr(v->tokens[i], blank)) return PT_OK;
    PT_RETURN(pt_strdup(out, v->tokens[i]));
    char *to = *out;
    for (const char *p = v->tokens[i]; *p;) {
        const bool at = !strncmp(p, blank, wide);
        *to++ = at ? ' ' : *p;
        p += at ? wide : 1;
    }
    *to = 0;
    if (pt_tok_find(tok, *out) < 0) return PT_OK;
    free(*out);
    *out = NULL;
    return PT_OK;
}

/* The list is as long as the embedding has rows: llama.cpp takes the vocabulary's size from it. */
static pt_status put_tokens(pt_gguf_writer *w, const pt_tokenizer *tok, size_t rows)
{
    const pt_vocab_spec *v = pt_tok_spec(tok);
    pt_status rc = PT_OK;
    pt_gguf_str *text = NULL;
    int32_t *types = NULL;
    float *scores = NULL;
    char *pad = NULL, **blanks = NULL;
    PT_CHECK(v->n_tokens <= rows, PT_EARG, "the tokenizer has %zu tokens, the model's vocabulary %zu", v->n_tokens, rows);
    PT_TRY(pt_alloc0(&text, rows));
    PT_TRY(pt_alloc0(&types, rows));
    PT_TRY(pt_alloc0(&scores, rows));
    PT_TRY(pt_alloc0(&pad, rows * 32));
    PT_TRY(pt_alloc0(&blanks, rows));
    for (size_t i = 0; i < rows; i++) {
        const char *t = i < v->n_tokens ? v->tokens[i] : pad + i * 32;
        if (i >= v->n_tokens || !t) snprintf(pad + i * 32, 32, "[PAD%zu]", i);
        if (!t) t = pad + i * 32;
        else if (i < v->n_tokens) PT_TRY(plain_blanks(tok, v, i, &blanks[i]));
        if (blanks[i]) t = blanks[i];
        text[i] = (pt_gguf_str){t, strlen(t)};
        types[i] = i >= v->n_tokens ? PT_TOKEN_UNUSED : v->types ? v->types[i] : PT_TOKEN_NORMAL;
        scores[i] = i < v->n_tokens && v->scores ? v->scores[i] : -1000;
    }
    PT_TRY(pt_gguf_put_texts(w, "tokenizer.ggml.tokens", text, rows));
    PT_TRY(pt_gguf_put_i32s(w, "tokenizer.ggml.token_type", types, rows));
    if (v->scores) PT_TRY(pt_gguf_put_f32s(w, "tokenizer.ggml.scores", scores, rows));
done:
    free(text);
    free(types);
    free(scores);
    free(pad);
    for (size_t i = 0; blanks && i < rows; i++) free(blanks[i]);
    free(blanks);
    return rc;
}

static pt_status put_merges(pt_gguf_writer *w, const pt_vocab_spec *v)
{
    pt_gguf_str *text = NULL;
    PT_RETURN(pt_alloc0(&text, v->n_merges));
    for (size_t i = 0; i < v->n_merges; i++) text[i] = (pt_gguf_str){v->merges[i], strlen(v->merges[i])};
    pt_status rc = pt_gguf_put_texts(w, "tokenizer.ggml.merges", text, v->n_merges);
    free(text);
    return rc;
}

/* What SentencePiece does to a text before it is cut. llama.cpp reads it for Unigram vocabularies alone. */
static pt_status put_rules(pt_gguf_writer *w, const pt_vocab_spec *v)
{
    bool unigram = v->kind == PT_VOCAB_UGM;
    size_t bytes = 0;
    for (size_t i = 0; v->types && i < v->n_tokens; i++) bytes += v->types[i] == PT_TOKEN_BYTE;
    if (!unigram && (v->charsmap || v->squeeze > 0))
        pt_log(PT_LOG_WARN, "llama.cpp takes no notice of this vocabulary's %s: it reads texts that these change otherwise",
               v->charsmap ? "precompiled_charsmap" : "remove_extra_whitespaces");
    if (unigram && bytes) pt_log(PT_LOG_WARN, "llama.cpp has no byte_fallback for Unigram vocabularies: it reads unknown characters as the unknown token");
    if (v->charsmap) PT_RETURN(pt_gguf_put_u8s(w, "tokenizer.ggml.precompiled_charsmap", v->charsmap, v->charsmap_bytes));
    return unigram || v->squeeze > 0 ? put_flag(w, "tokenizer.ggml.remove_extra_whitespaces", v->squeeze) : PT_OK;
}

/* The token that ends an answer: the first that generation stops at where it is not the end of text. */
static int32_t end_of_turn(const pt_vocab_spec *v, const pt_export_options *opt)
{
    size_t n = 0;
    const int32_t *stops = opt->tmpl ? pt_template_stops(opt->tmpl, &n) : pt_tok_stops(opt->tok, &n);
    for (size_t i = 0; i < n; i++)
        if (stops[i] != v->eos) return stops[i];
    return v->eot;
}

pt_status pt_gguf_put_vocab(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt)
{
    if (!opt->tok) return PT_OK;
    const pt_vocab_spec *v = pt_tok_spec(opt->tok);
    if (v->kind == PT_VOCAB_OTHER)
        return pt_fail(PT_ENOSUP, "a GGUF file cannot hold this tokenizer (%s): export to a Hugging Face folder",
                       pt_tok_path(opt->tok) ? pt_tok_path(opt->tok) : "of a GGUF file");
    bool bpe = v->kind == PT_VOCAB_BPE;
    const char *model = bpe ? "gpt2" : v->kind == PT_VOCAB_UGM ? "t5" : "llama";
    PT_RETURN(pt_gguf_put_text(w, "tokenizer.ggml.model", model, strlen(model)));
    const char *pre = v->pre && *v->pre ? v->pre : "default";
    if (bpe && strcmp(pre, "default") == 0)
        pt_log(PT_LOG_WARN,
               "no GGUF name is known for this pre-tokenizer: 'default' is written, llama.cpp may split text differently");
    PT_RETURN(pt_gguf_put_text(w, "tokenizer.ggml.pre", pre, strlen(pre)));
    PT_RETURN(put_tokens(w, opt->tok, (size_t)m->cfg.vocab));
    if (bpe) PT_RETURN(put_merges(w, v));
    PT_RETURN(put_id(w, "tokenizer.ggml.bos_token_id", v->bos));
    PT_RETURN(put_id(w, "tokenizer.ggml.eos_token_id", v->eos));
    PT_RETURN(put_id(w, "tokenizer.ggml.eot_token_id", end_of_turn(v, opt)));
    PT_RETURN(put_id(w, "tokenizer.ggml.unknown_token_id", v->unk));
    PT_RETURN(put_id(w, "tokenizer.ggml.padding_token_id", v->pad));
    PT_RETURN(put_flag(w, "tokenizer.ggml.add_bos_token", pt_tok_add_bos(opt->tok)));
    PT_RETURN(put_flag(w, "tokenizer.ggml.add_eos_token", v->add_eos));
    PT_RETURN(put_flag(w, "tokenizer.ggml.add_space_prefix", bpe && v->add_space_prefix < 0 ? 0 : v->add_space_prefix));
    PT_RETURN(put_rules(w, v));
    const char *jinja = opt->tmpl ? pt_template_jinja(opt->tmpl) : NULL;
    if (!jinja) jinja = pt_tok_chat_template(opt->tok);
    return jinja ? pt_gguf_put_text(w, "tokenizer.chat_template", jinja, strlen(jinja)) : PT_OK;
}

static bool is_among(const char *key, const char *const *list)
{
    while (*list && strcmp(*list, key)) list++;
    return *list != NULL;
}

/* Author, licence, languages ... stay; of the base's own vocabulary the ids of tokens that nothing here asks for too (fill-in-the-middle, mask). */
pt_status pt_gguf_put_base_keys(pt_gguf_writer *w, const pt_model *m, const pt_export_options *opt)
{
    static const char *const own[] = {"general.architecture", "general.type", "general.name", "general.file_type", "general.quantization_version",
                                      "general.alignment", NULL};
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                      "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id", NULL};
    static const char general[] = "general.", vocab[] = "tokenizer.ggml.", id[] = "_token_id";
    const pt_gguf *g = m->src->gguf;
    for (size_t i = 0; g && i < g->n_kvs; i++) {
        const char *key = g->kvs[i].key;
        size_t n = strlen(key);
        bool said = !strncmp(key, general, sizeof general - 1) && !is_among(key, own);
        bool token = opt->tok && opt->tok == m->src->tok && !strncmp(key, vocab, sizeof vocab - 1) && n > sizeof id && !strcmp(key + n - (sizeof id - 1), id) &&
                     !is_among(key, ids);
        if (said || token) PT_RETURN(pt_gguf_put_copy(w, NULL, &g->kvs[i]));
    }
    return PT_OK;
}
