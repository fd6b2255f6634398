/* Tokenizers from GGUF's vocabulary keys, and a tokenizer's own vocabulary in those terms. */
#include "base/log.h"
#include "data/text/tok_spm.h"
#include "data/text/tok_unigram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As llama.cpp reads a list: an empty text gets a name that no text holds, of two equal texts the later one counts, and a type that it
 * does not know is a normal token. */
static pt_status put_token(pt_tokenizer *t, const pt_vocab_spec *s, size_t i)
{
    bool spm = s->kind != PT_VOCAB_BPE;
    char none[32];
    const char *text = s->tokens[i];
    size_t n = strlen(text);
    int type = s->types ? s->types[i] : PT_TOKEN_NORMAL;
    bool empty = n == 0 || pt_utf8_check(text, n) != n; /* no text can hold what is not UTF-8 */
    if (empty) n = (size_t)snprintf(none, sizeof none, "[EMPTY_%zu]", i), text = none;
    if (type < PT_TOKEN_NORMAL || type > PT_TOKEN_BYTE) type = PT_TOKEN_NORMAL;
    if (pt_tok_is_turn_tag(text, n)) type = PT_TOKEN_CONTROL;
    if (s->scores && !isfinite(s->scores[i])) return pt_fail(PT_ENONFINITE, "the score of token %zu is not finite", i);
    unsigned flags = type == PT_TOKEN_NORMAL || (!spm && type == PT_TOKEN_BYTE) ? PT_TOK_MODEL : 0;
    if (spm && type == PT_TOKEN_USER_DEFINED) flags |= PT_TOK_MODEL; /* llama.cpp merges into every token's text: Gemma's runs of U+2581 */
    if (type == PT_TOKEN_UNKNOWN) flags |= PT_TOK_UNK;
    if (type == PT_TOKEN_UNUSED) flags |= PT_TOK_VOID;
    if (empty) flags = PT_TOK_VOID;
    int32_t old = pt_tok_find_n(t, text, n);
    if (old >= 0) {
        pt_tok_shadow(t, old, (int32_t)i);
        t->flags[i] |= (uint16_t)flags;
    } else {
        PT_RETURN(pt_tok_put(t, (int64_t)i, text, n, flags));
    }
    if (s->scores) t->score[i] = s->scores[i];
    if (empty || (type != PT_TOKEN_CONTROL && type != PT_TOKEN_USER_DEFINED && type != PT_TOKEN_UNKNOWN)) return PT_OK;
    unsigned strips = s->strips ? s->strips[i] : 0;
    pt_tok_added a = {.special = type != PT_TOKEN_USER_DEFINED, .lstrip = strips & PT_TOK_LEFT, .rstrip = strips & PT_TOK_RIGHT};
    return pt_tok_put_added(t, &a, (int64_t)i, text, n);
}

static pt_status put_tokens(pt_tokenizer *t, const pt_vocab_spec *s)
{
    if (s->n_tokens == 0 || s->n_tokens > PT_TOK_MAX_ID) {
        return pt_fail(PT_EFORMAT, "a vocabulary of %zu tokens is out of range", s->n_tokens);
    }
    PT_RETURN(pt_tok_reserve_ids(t, (int64_t)s->n_tokens - 1));
    for (size_t i = 0; i < s->n_tokens; i++) PT_RETURN(put_token(t, s, i));
    return PT_OK;
}

/* A merge whose piece or product is no token is passed over, as in llama.cpp: such a word falls apart again. */
static pt_status put_merges(pt_tokenizer *t, const pt_vocab_spec *s)
{
    size_t passed = 0;
    const char *first = NULL;
    for (size_t i = 0; i < s->n_merges; i++) {
        const char *m = s->merges[i], *gap = m[0] ? strchr(m + 1, ' ') : NULL;
        pt_status rc = gap ? pt_tok_put_merge(t, m, (size_t)(gap - m), gap + 1, strlen(gap + 1)) : PT_EFORMAT;
        if (rc != PT_OK && rc != PT_EFORMAT) return rc;
        if (rc != PT_OK && !passed++) first = m;
    }
    if (passed == s->n_merges && passed) return pt_fail(PT_EFORMAT, "no merge is of tokens of the list, the first is '%.80s'", first);
    if (passed) pt_log(PT_LOG_WARN, "%zu of %zu merges are not of two tokens that make a third and are passed over, the first is '%.80s'", passed, s->n_merges, first);
    return PT_OK;
}

/* A special id beyond the list is none, as in llama.cpp. */
static int32_t id_in_range(const pt_tokenizer *t, const char *what, int32_t id)
{
    if (id < t->n) return id < 0 ? -1 : id;
    pt_log(PT_LOG_WARN, "the %s token is %d, and there are %d tokens: there is none", what, id, t->n);
    return -1;
}

/* As llama.cpp cuts texts by a Unigram vocabulary: sums in f64, no byte fallback; user-defined tokens count as 0. */
static pt_status take_unigram(pt_tokenizer *t, const pt_vocab_spec *s)
{
    pt_status rc = PT_OK;
    pt_tok_norm *m;
    double *score = NULL, lowest = INFINITY;
    PT_CHECK(s->scores, PT_EFORMAT, "a Unigram vocabulary without scores");
    PT_CHECK(t->unk >= 0, PT_EFORMAT, "a Unigram vocabulary without an unknown token");
    PT_TRY(pt_alloc0(&score, t->n));
    for (int32_t i = 0; i < t->n; i++) {
        bool own = (t->flags[i] & PT_TOK_ADDED) != 0; /* user-defined */
        score[i] = own ? 0 : t->score[i];
        if ((t->flags[i] & PT_TOK_MODEL) && !own && score[i] < lowest) lowest = score[i];
    }
    PT_CHECK(isfinite(lowest), PT_EFORMAT, "no token is a normal one");
    t->model = PT_MODEL_UNIGRAM;
    t->model_unk = t->unk;
    PT_TRY(pt_tok_unigram_all(t, score, lowest, 0, false));
    PT_TRY(pt_tok_add_norm(t, PT_NORM_SPM, NULL, NULL, &m));
    PT_TRY(pt_alloc0(&m->spm, 1));
    *m->spm = (pt_tok_spm){.dummy = s->add_space_prefix != 0, .squeeze = s->squeeze > 0, .escape = true};
    if (s->charsmap) PT_TRY(pt_charsmap_open(&m->spm->map, s->charsmap, s->charsmap_bytes));
    t->decode.meta_to_space = true;
    t->decode.strip_left = m->spm->dummy;
    if (t->add_bos < 0) t->add_bos = 0;
done:
    free(score);
    return rc;
}

/* Merges of characters, blanks as U+2581 and no other words than lines. */
static pt_status take_gemma4(pt_tokenizer *t, const pt_vocab_spec *s)
{
    t->byte_fallback = true;
    t->decode.meta_to_space = t->decode.byte_fallback = true;
    if (t->add_bos < 0) t->add_bos = 0;
    PT_RETURN(put_merges(t, s));
    PT_RETURN(pt_tok_add_norm(t, PT_NORM_REPLACE, " ", PT_TOK_META, NULL));
    return pt_tok_add_split(t, "[^\\n]+|[\\n]+", false, PT_SPLIT_ISOLATED, false);
}

/* As llama.cpp cuts words: without accents and in lower case, each after a U+2581 that the pieces that begin a word have too. */
static pt_status take_wordpiece(pt_tokenizer *t)
{
    static const pt_tok_norm_kind kinds[] = {PT_NORM_CLEAN, PT_NORM_CJK, PT_NORM_NFD, PT_NORM_DROP, PT_NORM_LOWERCASE};
    pt_tok_decoder *d;
    t->model = PT_MODEL_WORDPIECE;
    t->model_unk = t->unk;
    t->max_chars = INT32_MAX;
    if (t->add_bos < 0) t->add_bos = 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pt_tok_norm *m;
        PT_RETURN(pt_tok_add_norm(t, kinds[i], NULL, NULL, &m));
        m->class = PT_CLASS_NONSPACING;
    }
    PT_RETURN(pt_tok_add_step(t, &(pt_tok_split){.step = PT_STEP_CLASS, .class = PT_CLASS_SPACE, .behaviour = PT_SPLIT_REMOVED}, NULL));
    PT_RETURN(pt_tok_add_step(t, &(pt_tok_split){.step = PT_STEP_CLASS, .class = PT_CLASS_PUNCT}, NULL));
    PT_RETURN(pt_tok_add_step(t, &(pt_tok_split){.step = PT_STEP_META, .prefix = PT_PREFIX_ALWAYS}, PT_TOK_META));
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_META, PT_TOK_META, NULL, &d));
    d->on = true;
    pt_tok_settle_decoders(t);
    return PT_OK;
}

pt_status pt_tok_from_spec(pt_tokenizer **out, const pt_vocab_spec *s)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    *out = NULL;
    PT_CHECK(s->kind != PT_VOCAB_OTHER, PT_ENOSUP, "this kind of tokenizer cannot be made of a GGUF vocabulary");
    PT_TRY(pt_tok_new(&t));
    PT_TRY(put_tokens(t, s));
    const struct {
        const char *what;
        int32_t id;
        int32_t *to;
    } ids[] = {{"bos", s->bos, &t->bos},
               {"eos", s->eos, &t->eos},
               {"eot", s->eot, &t->eot},
               {"unknown", s->unk, &t->unk},
               {"padding", s->pad, &t->pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        *ids[i].to = id_in_range(t, ids[i].what, ids[i].id);
    }
    t->add_bos = s->add_bos;
    t->add_eos = s->add_eos;
    if (s->kind == PT_VOCAB_UGM) {
        PT_TRY(take_unigram(t, s));
    } else if (s->kind == PT_VOCAB_GEMMA4) {
        PT_TRY(take_gemma4(t, s));
    } else if (s->kind == PT_VOCAB_WPM) {
        PT_TRY(take_wordpiece(t));
    } else if (s->kind == PT_VOCAB_SPM) {
        if (!s->scores) pt_log(PT_LOG_WARN, "a SentencePiece vocabulary without scores: all are taken as 0, as in llama.cpp");
        t->scored = t->byte_fallback = true;
        t->model_unk = t->unk;
        t->decode.meta_to_space = t->decode.byte_fallback = true;
        if (s->add_space_prefix != 0) {
            PT_TRY(pt_tok_add_norm(t, PT_NORM_PREPEND, NULL, PT_TOK_META, NULL));
            t->decode.strip_left = 1;
        }
        PT_TRY(pt_tok_add_norm(t, PT_NORM_REPLACE, " ", PT_TOK_META, NULL));
        if (t->add_bos < 0) t->add_bos = 1;
    } else {
        PT_CHECK(s->add_space_prefix != 1, PT_ENOSUP, "add_space_prefix with a byte-level vocabulary");
        t->byte_level = t->decode.byte_level = true;
        PT_TRY(put_merges(t, s));
        PT_TRY(pt_tok_apply_pre(t, s->pre));
    }
    if (s->chat_template) PT_TRY(pt_strdup(&t->chat_template, s->chat_template));
    pt_tok_set_eot(t);
    PT_TRY(pt_tok_add_stop(t, t->eos));
    PT_TRY(pt_tok_add_stop(t, t->eot));
    PT_TRY(pt_tok_finish(t));
    *out = t;
    t = NULL;
done:
    pt_tok_free(t);
    return rc;
}

/* Scores that make llama.cpp merge in the order of the ranks: the earlier a piece can be made, the higher. Pieces that no merge
 * makes (single characters) come last; byte and control tokens have 0 as SentencePiece writes them. */
static pt_status invent_scores(pt_tokenizer *t)
{
    PT_RETURN(pt_alloc0(&t->spec_scores, t->n));
    for (int32_t i = 0; i < t->n; i++) {
        bool word = (t->flags[i] & PT_TOK_MODEL) && !(t->flags[i] & (PT_TOK_BYTE | PT_TOK_ADDED));
        t->spec_scores[i] = word ? -(float)t->n_merges - 1 - (float)i : 0;
    }
    for (size_t k = t->n_merges; k-- > 0;) {
        int32_t id = t->merges[k].id;
        if (!(t->flags[id] & PT_TOK_ADDED)) t->spec_scores[id] = -(float)k;
    }
    return PT_OK;
}

static pt_status list_merges(pt_tokenizer *t)
{
    pt_str all = {0};
    size_t *at = NULL;
    pt_status rc = PT_OK;
    size_t n_merges = t->byte_level ? t->n_merges : 0; /* of others scores are written */
    PT_TRY(pt_alloc0(&at, n_merges + (size_t)t->n));
    for (size_t k = 0; k < n_merges; k++) {
        pt_tok_ref l = t->spell[t->merges[k].left], r = t->spell[t->merges[k].right];
        at[k] = all.len;
        PT_TRY(pt_str_add(&all, pt_tok_text(t, l), l.len));
        PT_TRY(pt_str_add(&all, " ", 1));
        PT_TRY(pt_str_add(&all, pt_tok_text(t, r), r.len + 1));
    }
    for (int32_t i = 0; i < t->n; i++) {
        if (t->flags[i] & PT_TOK_HAS) continue;
        at[n_merges + (size_t)i] = all.len;
        PT_TRY(pt_str_printf(&all, "[PAD%d]", i));
        PT_TRY(pt_str_add(&all, "", 1));
    }
    t->spec_text = all.text;
    all.text = NULL;
    PT_TRY(pt_alloc0(&t->spec_merges, n_merges));
    PT_TRY(pt_alloc0(&t->spec_tokens, t->n));
    for (size_t k = 0; k < n_merges; k++) t->spec_merges[k] = t->spec_text + at[k];
    for (int32_t i = 0; i < t->n; i++) {
        t->spec_tokens[i] = t->flags[i] & PT_TOK_HAS ? pt_tok_text(t, t->spell[i]) : t->spec_text + at[n_merges + (size_t)i];
    }
done:
    free(at);
    free(all.text);
    return rc;
}

static int32_t gguf_type(unsigned flags, bool byte_level)
{
    if (!(flags & PT_TOK_HAS) || (flags & PT_TOK_VOID)) return PT_TOKEN_UNUSED;
    if ((flags & PT_TOK_UNK) && !byte_level) return PT_TOKEN_UNKNOWN;
    if (flags & PT_TOK_SPECIAL) return PT_TOKEN_CONTROL;
    if (flags & (PT_TOK_ADDED | PT_TOK_WHOLE)) return PT_TOKEN_USER_DEFINED;
    return flags & PT_TOK_BYTE ? PT_TOKEN_BYTE : PT_TOKEN_NORMAL;
}

static bool joins_blanks(const pt_tok_norm *m)
{
    return m->kind == PT_NORM_REPLACE_REGEX && !strcmp(m->from, " {2,}");
}

/* Whether llama.cpp's rules for Unigram vocabularies say all that a tokenizer.json does to a text. */
static bool like_t5(const pt_tokenizer *t)
{
    bool same = true, meta = false;
    for (size_t i = 0; i < t->n_norms; i++) same = same && (t->norms[i].kind == PT_NORM_PRECOMPILED || t->norms[i].kind == PT_NORM_STRIP || joins_blanks(&t->norms[i]));
    for (size_t i = 0; i < t->n_splits; i++) meta = meta || t->splits[i].step == PT_STEP_META;
    return same && meta;
}

static void put_rules(const pt_tokenizer *t, pt_vocab_spec *s)
{
    bool prefix = false, squeeze = false;
    for (size_t i = 0; i < t->n_splits; i++) prefix = prefix || t->splits[i].prefix != PT_PREFIX_NONE;
    for (size_t i = 0; i < t->n_norms; i++) {
        const pt_tok_norm *m = &t->norms[i];
        prefix = prefix || m->kind == PT_NORM_PREPEND || (m->kind == PT_NORM_SPM && m->spm->dummy);
        squeeze = squeeze || joins_blanks(m) || (m->kind == PT_NORM_SPM && m->spm->squeeze);
        if (m->spm && m->spm->map) s->charsmap = pt_charsmap_bytes(m->spm->map, &s->charsmap_bytes);
    }
    s->add_space_prefix = prefix;
    s->squeeze = squeeze;
}

static pt_vocab_kind kind_of(const pt_tokenizer *t)
{
    bool spelled = false;
    if (t->byte_level) return PT_VOCAB_BPE;
    for (size_t i = 0; i < t->n_norms; i++) spelled = spelled || t->norms[i].kind == PT_NORM_ALPHABET;
    for (size_t i = 0; i < t->n_splits; i++) spelled = spelled || t->splits[i].step == PT_STEP_ALPHABET;
    const pt_tok_spm *spm = t->n_norms == 1 && t->norms[0].kind == PT_NORM_SPM ? t->norms[0].spm : NULL;
    if (spm && (spm->suffix || !spm->escape || (t->model == PT_MODEL_BPE && !t->byte_fallback))) return PT_VOCAB_OTHER;
    if (t->model == PT_MODEL_UNIGRAM) return spm || like_t5(t) ? PT_VOCAB_UGM : PT_VOCAB_OTHER;
    return spelled || t->model != PT_MODEL_BPE || t->word_prefix || t->word_suffix ? PT_VOCAB_OTHER : PT_VOCAB_SPM;
}

/* NULL where no token takes white space with it. */
static pt_status list_strips(pt_tokenizer *t)
{
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < t->added[k].n; i++) {
            const pt_tok_added *a = &t->added[k].list[i];
            if (a->id < 0 || a->id >= t->n || !(a->lstrip || a->rstrip)) continue;
            if (!t->spec_strips) PT_RETURN(pt_alloc0(&t->spec_strips, t->n));
            t->spec_strips[a->id] |= (unsigned char)((a->lstrip ? PT_TOK_LEFT : 0) | (a->rstrip ? PT_TOK_RIGHT : 0));
        }
    return PT_OK;
}

pt_status pt_tok_build_spec(pt_tokenizer *t)
{
    PT_RETURN(list_merges(t));
    PT_RETURN(list_strips(t));
    PT_RETURN(pt_alloc0(&t->spec_types, t->n));
    for (int32_t i = 0; i < t->n; i++) t->spec_types[i] = gguf_type(t->flags[i], t->byte_level);
    bool scored = t->scored || t->model == PT_MODEL_UNIGRAM;
    if (!t->byte_level && !scored) PT_RETURN(invent_scores(t));
    if (t->byte_level && !t->pre) PT_RETURN(pt_tok_guess_pre(t, &t->pre));
    t->spec = (pt_vocab_spec){
        .kind = kind_of(t),
        .pre = t->byte_level ? t->pre : "default",
        .n_tokens = (size_t)t->n,
        .tokens = t->spec_tokens,
        .scores = t->byte_level ? NULL
                  : scored      ? t->score
                                : t->spec_scores,
        .types = t->spec_types,
        .strips = t->spec_strips,
        .n_merges = t->byte_level ? t->n_merges : 0,
        .merges = t->byte_level ? (const char *const *)t->spec_merges : NULL,
        .bos = t->bos,
        .eos = t->eos,
        .eot = t->eot,
        .unk = t->unk,
        .pad = t->pad,
        .add_bos = t->add_bos,
        .add_eos = t->add_eos < 0 ? 0 : t->add_eos,
        .chat_template = t->chat_template,
    };
    put_rules(t, &t->spec);
    return PT_OK;
}
