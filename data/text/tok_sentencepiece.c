/* tokenizer.model: SentencePiece's ModelProto (src/sentencepiece_model.proto), read as its processor reads it: what a text becomes is what
 * SentencePieceProcessor.encode makes of it. Control and unknown pieces are added tokens, as in transformers; user-defined pieces are taken whole
 * out of the normalised text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_format.h"
#include "data/text/tok_json.h"
#include "data/text/tok_sentencepiece.h"
#include "data/text/tok_spm.h"
#include "data/text/tok_unigram.h"
#include "data/text/tok_wire.h"

enum { UNIGRAM = 1, BPE = 2, WORD = 3, CHAR = 4 };

typedef struct sp_piece {
    const char *text; /* not terminated */
    size_t n;
    float score;
    int type; /* pt_token_type has the same numbers */
} sp_piece;

/* A special token of the trainer: its id there (-1: there is none) and its piece, which is what counts. */
typedef struct sp_special {
    int32_t id;
    const char *text; /* not terminated */
    size_t n;
} sp_special;

typedef struct sp_model {
    sp_piece *piece;
    size_t n, cap;
    int kind;
    bool suffix, byte_fallback, dummy, squeeze, escape;
    sp_special bos, eos, pad;
    const unsigned char *map;
    size_t map_bytes, back_bytes; /* of the normaliser, of the one that decoding goes through */
} sp_model;

static pt_status expect(const pt_wire_field *f, pt_wire_type type, const char *what)
{
    return f->type == type ? PT_OK : pt_fail(PT_EFORMAT, "%s has wire type %u, not %u", what, (unsigned)f->type, (unsigned)type);
}

static pt_status flag(const pt_wire_field *f, const char *what, bool *out)
{
    PT_RETURN(expect(f, PT_WIRE_VARINT, what));
    *out = f->value != 0;
    return PT_OK;
}

/* An int32 travels as 64 bits. */
static pt_status number(const pt_wire_field *f, const char *what, int32_t *out)
{
    PT_RETURN(expect(f, PT_WIRE_VARINT, what));
    *out = (int32_t)(uint32_t)f->value;
    return PT_OK;
}

static pt_status read_piece(sp_model *m, pt_wire w)
{
    sp_piece p = {.type = PT_TOKEN_NORMAL};
    pt_wire_field f;
    bool more;
    for (;;) {
        PT_RETURN(pt_wire_next(&w, &f, &more));
        if (!more) break;
        if (f.number == 1) {
            PT_RETURN(expect(&f, PT_WIRE_BYTES, "its text"));
            p.text = (const char *)f.bytes;
            p.n = f.n;
        } else if (f.number == 2) {
            PT_RETURN(expect(&f, PT_WIRE_32, "its score"));
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, sizeof bits);
        } else if (f.number == 3) {
            int32_t type;
            PT_RETURN(number(&f, "its type", &type));
            if (type < PT_TOKEN_NORMAL || type > PT_TOKEN_BYTE) return pt_fail(PT_EFORMAT, "its type is %d", type);
            p.type = type;
        }
    }
    if (p.n == 0) return pt_fail(PT_EFORMAT, "it has no text");
    bool null = p.n == 1 && !p.text[0]; /* some converters write one: no piece where bytes have theirs (check_model) */
    if ((memchr(p.text, 0, p.n) && !null) || pt_utf8_check(p.text, p.n) != p.n) return pt_fail(PT_EFORMAT, "its text is not UTF-8, or holds a zero");
    if (!isfinite(p.score)) return pt_fail(PT_ENONFINITE, "its score is not finite");
    PT_RETURN(pt_reserve(&m->piece, &m->cap, m->n + 1));
    m->piece[m->n++] = p;
    return PT_OK;
}

static pt_status text_of(const pt_wire_field *f, const char *what, sp_special *s)
{
    PT_RETURN(expect(f, PT_WIRE_BYTES, what));
    if (f->n) s->text = (const char *)f->bytes, s->n = f->n; /* "" stands for the usual one */
    return PT_OK;
}

static pt_status read_trainer(sp_model *m, pt_wire w)
{
    pt_wire_field f;
    bool more;
    for (;;) {
        int32_t kind;
        PT_RETURN(pt_wire_next(&w, &f, &more));
        if (!more) return PT_OK;
        switch (f.number) {
        case 3:
            PT_RETURN(number(&f, "model_type", &kind));
            m->kind = kind;
            break;
        case 24: PT_RETURN(flag(&f, "treat_whitespace_as_suffix", &m->suffix)); break;
        case 35: PT_RETURN(flag(&f, "byte_fallback", &m->byte_fallback)); break;
        case 41: PT_RETURN(number(&f, "bos_id", &m->bos.id)); break;
        case 42: PT_RETURN(number(&f, "eos_id", &m->eos.id)); break;
        case 43: PT_RETURN(number(&f, "pad_id", &m->pad.id)); break;
        case 46: PT_RETURN(text_of(&f, "bos_piece", &m->bos)); break;
        case 47: PT_RETURN(text_of(&f, "eos_piece", &m->eos)); break;
        case 48: PT_RETURN(text_of(&f, "pad_piece", &m->pad)); break;
        default: break; /* how it was trained */
        }
    }
}

static pt_status read_normalizer(sp_model *m, pt_wire w)
{
    pt_wire_field f;
    bool more;
    for (;;) {
        PT_RETURN(pt_wire_next(&w, &f, &more));
        if (!more) return PT_OK;
        switch (f.number) {
        case 2:
            PT_RETURN(expect(&f, PT_WIRE_BYTES, "precompiled_charsmap"));
            m->map = f.bytes;
            m->map_bytes = f.n;
            break;
        case 3: PT_RETURN(flag(&f, "add_dummy_prefix", &m->dummy)); break;
        case 4: PT_RETURN(flag(&f, "remove_extra_whitespaces", &m->squeeze)); break;
        case 5: PT_RETURN(flag(&f, "escape_whitespaces", &m->escape)); break;
        default: break; /* its name; the rules' text, which the map was made of */
        }
    }
}

static pt_status read_denormalizer(sp_model *m, pt_wire w)
{
    pt_wire_field f;
    bool more;
    for (;;) {
        PT_RETURN(pt_wire_next(&w, &f, &more));
        if (!more) return PT_OK;
        if (f.number == 2 && f.type == PT_WIRE_BYTES) m->back_bytes = f.n;
    }
}

static pt_status read_model(sp_model *m, const void *bytes, size_t n)
{
    static pt_status (*const part[])(sp_model *, pt_wire) = {NULL, read_piece, read_trainer, read_normalizer, NULL, read_denormalizer};
    static const char *const name[] = {NULL, "piece", "trainer_spec", "normalizer_spec", NULL, "denormalizer_spec"};
    pt_wire w = pt_wire_open(bytes, n);
    pt_wire_field f;
    bool more;
    *m = (sp_model){.kind = UNIGRAM, .dummy = true, .squeeze = true, .escape = true, .bos = {1, "<s>", 3}, .eos = {2, "</s>", 4}, .pad = {-1, "<pad>", 5}};
    for (;;) {
        PT_RETURN(pt_wire_next(&w, &f, &more));
        if (!more) return PT_OK;
        if (f.number >= sizeof part / sizeof *part || !part[f.number]) continue; /* self-tests, extensions */
        PT_RETURN(expect(&f, PT_WIRE_BYTES, name[f.number]));
        pt_status rc = part[f.number](m, pt_wire_open(f.bytes, f.n));
        if (rc != PT_OK) return f.number == 1 ? pt_fail_prefix(rc, "piece %zu", m->n) : pt_fail_prefix(rc, "%s", name[f.number]);
    }
}

static int byte_of(const sp_piece *p)
{
    static const char hex[] = "0123456789ABCDEF";
    const char *a = p->n == 6 ? memchr(hex, p->text[3], 16) : NULL, *b = p->n == 6 ? memchr(hex, p->text[4], 16) : NULL;
    return a && b && !memcmp(p->text, "<0x", 3) && p->text[5] == '>' ? (int)((a - hex) * 16 + (b - hex)) : -1;
}

static bool is_null(const sp_piece *p)
{
    return p->n == 1 && !p->text[0];
}

/* What the processor itself refuses, and what is not supported here. */
static pt_status check_model(const sp_model *m)
{
    bool seen[256] = {false};
    size_t n_bytes = 0, unknown = SIZE_MAX, unused = SIZE_MAX;
    if (m->n == 0) return pt_fail(PT_EFORMAT, "no pieces");
    if (m->n > PT_TOK_MAX_ID) return pt_fail(PT_EFORMAT, "%zu pieces are too many", m->n);
    if (m->kind == WORD || m->kind == CHAR)
        return pt_fail(PT_ENOSUP, "model_type %s is not supported (UNIGRAM and BPE are)", m->kind == WORD ? "WORD" : "CHAR");
    if (m->kind != UNIGRAM && m->kind != BPE) return pt_fail(PT_EFORMAT, "model_type is %d", m->kind);
    if (m->back_bytes) return pt_fail(PT_ENOSUP, "a denormalizer with a character map is not supported");
    for (size_t i = 0; i < m->n; i++) {
        const sp_piece *p = &m->piece[i];
        int byte = p->type == PT_TOKEN_BYTE ? byte_of(p) : -1;
        if (is_null(p) && !m->byte_fallback) return pt_fail(PT_EFORMAT, "piece %zu holds a zero", i);
        if (is_null(p)) continue;
        if (p->type == PT_TOKEN_UNUSED && unused == SIZE_MAX) unused = i;
        if (p->type == PT_TOKEN_UNKNOWN && unknown != SIZE_MAX) return pt_fail(PT_EFORMAT, "pieces %zu and %zu are both the unknown one", unknown, i);
        if (p->type == PT_TOKEN_UNKNOWN) unknown = i;
        if (p->type != PT_TOKEN_BYTE) continue;
        if (!m->byte_fallback) return pt_fail(PT_EFORMAT, "piece %zu is a byte, and byte_fallback is false", i);
        if (byte < 0) return pt_fail(PT_EFORMAT, "piece %zu, '%.*s', is no byte", i, (int)(p->n < 80 ? p->n : 80), p->text);
        n_bytes += !seen[byte];
        seen[byte] = true;
    }
    if (unknown == SIZE_MAX) return pt_fail(PT_EFORMAT, "no piece is the unknown one");
    if (m->byte_fallback && n_bytes != 256) return pt_fail(PT_EFORMAT, "byte_fallback is true, and %zu of 256 bytes have a piece", n_bytes);
    if (m->kind == BPE && unused != SIZE_MAX)
        return pt_fail(PT_ENOSUP, "piece %zu is unused: a BPE vocabulary with unused pieces is not supported", unused);
    return PT_OK;
}

static unsigned flags_of(int type)
{
    switch (type) {
    case PT_TOKEN_NORMAL: return PT_TOK_MODEL;
    case PT_TOKEN_UNKNOWN: return PT_TOK_UNK;
    case PT_TOKEN_USER_DEFINED: return PT_TOK_WHOLE;
    case PT_TOKEN_UNUSED: return PT_TOK_VOID;
    default: return 0;
    }
}

/* name[id]: what tokenizer_config.json's added_tokens_decoder calls a piece of another text; borrowed. */
static void find_names(const sp_model *m, json_t *decoder, const char **name)
{
    const char *key;
    json_t *v;
    json_object_foreach(decoder, key, v)
    {
        char *end;
        long long id = strtoll(key, &end, 10);
        const char *text = json_string_value(json_object_get(v, "content"));
        if (*end || end == key || id < 0 || id >= (long long)m->n || !text || !*text) continue;
        if (strlen(text) != m->piece[id].n || memcmp(text, m->piece[id].text, m->piece[id].n) != 0) name[id] = text;
    }
}

/* Pieces by id. A place that the config names has that name, unless another piece keeps it. */
static pt_status put_pieces(pt_tokenizer *t, const sp_model *m, json_t *decoder)
{
    pt_status rc = PT_OK;
    const char **name = NULL;
    PT_TRY(pt_alloc0(&name, m->n));
    find_names(m, decoder, name);
    PT_TRY(pt_tok_reserve_ids(t, (int64_t)m->n - 1));
    t->n_pieces = m->n;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < m->n; i++) {
            const sp_piece *p = &m->piece[i];
            bool named = name[i] != NULL, take = named && pass && pt_tok_find(t, name[i]) < 0;
            if (named != (pass == 1) || (is_null(p) && !take)) continue;
            PT_TRY(pt_tok_put(t, (int64_t)i, take ? name[i] : p->text, take ? strlen(name[i]) : p->n, flags_of(p->type)));
            t->score[i] = p->score;
            if (p->type == PT_TOKEN_UNKNOWN) t->unk = t->model_unk = (int32_t)i;
        }
    }
done:
    free(name);
    return rc;
}

static pt_status declare(pt_tokenizer *t, const sp_model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->piece[i].type != PT_TOKEN_CONTROL && m->piece[i].type != PT_TOKEN_UNKNOWN) continue;
        pt_tok_added a = {.special = true};
        pt_tok_ref r = t->spell[i];
        char *text;
        PT_RETURN(pt_strndup(&text, pt_tok_text(t, r), r.len)); /* the blob moves */
        pt_status rc = pt_tok_put_added(t, &a, (int64_t)i, text, r.len);
        free(text);
        PT_RETURN(rc);
    }
    return PT_OK;
}

static pt_status make_unigram(pt_tokenizer *t, const sp_model *m)
{
    pt_status rc = PT_OK;
    double *score = NULL;
    float lowest = INFINITY;
    PT_TRY(pt_alloc0(&score, t->n));
    for (size_t i = 0; i < m->n; i++) {
        if (m->piece[i].type != PT_TOKEN_NORMAL) continue;
        if (m->piece[i].score < lowest) lowest = m->piece[i].score;
    }
    PT_CHECK(isfinite(lowest), PT_EFORMAT, "no piece is a normal one");
    for (size_t i = 0; i < m->n; i++) { /* a user-defined piece is to win: GetUserDefinedScore */
        bool own = m->piece[i].type == PT_TOKEN_USER_DEFINED;
        score[i] = own ? (float)(0.1 * ((double)m->piece[i].n - 1)) : m->piece[i].score;
    }
    PT_TRY(pt_tok_unigram_all(t, score, lowest, PT_TOK_VOID, true));
done:
    free(score);
    return rc;
}

static pt_status make_steps(pt_tokenizer *t, const sp_model *m, bool dummy, bool once)
{
    pt_status rc = PT_OK;
    pt_trie_key *keys = NULL;
    pt_tok_norm *norm;
    pt_tok_spm *s = NULL;
    size_t n = 0;
    PT_TRY(pt_alloc0(&s, 1));
    *s = (pt_tok_spm){.dummy = dummy, .once = once, .squeeze = m->squeeze, .escape = m->escape, .suffix = m->suffix};
    if (m->map_bytes) PT_TRY(pt_charsmap_open(&s->map, m->map, m->map_bytes));
    PT_TRY(pt_alloc0(&keys, m->n));
    for (size_t i = 0; i < m->n; i++) {
        if (m->piece[i].type == PT_TOKEN_USER_DEFINED && !is_null(&m->piece[i])) keys[n++] = (pt_trie_key){m->piece[i].text, (uint32_t)m->piece[i].n, (int32_t)i};
    }
    if (n) PT_TRY(pt_trie_build(&s->whole, keys, n));
    PT_TRY(pt_tok_add_norm(t, PT_NORM_SPM, NULL, NULL, &norm));
    norm->spm = s;
    if (m->kind == BPE) t->whole = s->whole;
    s = NULL;
    t->decode.meta_to_space = true;
    t->decode.byte_fallback = m->byte_fallback;
    t->decode.strip_left = dummy;
done:
    free(keys);
    pt_tok_spm_free(s);
    return rc;
}

/* tokenizer_config.json of the folder as far as it changes the vocabulary; *out owned, NULL when there is none. */
static pt_status open_config(json_t **out, const char *dir)
{
    char *path = NULL;
    *out = NULL;
    if (!dir) return PT_OK;
    PT_RETURN(pt_path_join(&path, dir, "tokenizer_config.json"));
    pt_status rc = pt_file_given(path) ? pt_tok_json_load(out, path) : PT_OK;
    free(path);
    return rc;
}

static int32_t special(const pt_tokenizer *t, const sp_special *s)
{
    return s->id < 0 ? -1 : pt_tok_find_n(t, s->text, s->n);
}

/* transformers' LlamaTokenizer takes "legacy" for false where it is not said, its other classes for true. */
static bool only_once(const json_t *config)
{
    const json_t *legacy = json_object_get(config, "legacy");
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    if (json_is_boolean(legacy)) return json_is_false(legacy);
    return class && (!strcmp(class, "LlamaTokenizer") || !strcmp(class, "LlamaTokenizerFast"));
}

static pt_status build(pt_tokenizer *t, const sp_model *m, json_t *config)
{
    json_t *names = json_object_get(config, "added_tokens_decoder");
    bool dummy = m->dummy && !json_is_false(json_object_get(config, "add_prefix_space"));
    PT_RETURN(check_model(m));
    t->byte_fallback = m->byte_fallback;
    t->fuse_unk = true;
    PT_RETURN(put_pieces(t, m, json_is_object(names) && !pt_json_odd(names) ? names : NULL));
    PT_RETURN(declare(t, m));
    if (m->kind == UNIGRAM) {
        t->model = PT_MODEL_UNIGRAM;
        PT_RETURN(make_unigram(t, m));
    } else {
        t->scored = true;
    }
    PT_RETURN(make_steps(t, m, dummy, only_once(config)));
    t->added_raw = dummy;
    t->added_stated = json_object_get(config, "auto_map") != NULL;
    t->bos = special(t, &m->bos);
    t->eos = special(t, &m->eos);
    t->pad = special(t, &m->pad);
    if (m->kind == UNIGRAM) t->add_bos = 0; /* llama.cpp and transformers add none unless told */
    return PT_OK;
}

pt_status pt_tok_sentencepiece_read(pt_tokenizer *t, const char *path, const char *dir)
{
    pt_status rc = PT_OK;
    pt_map file = {0};
    sp_model m = {0};
    json_t *config = NULL;
    PT_TRY(pt_map_open(&file, path));
    rc = read_model(&m, file.data, file.bytes);
    if (rc == PT_OK) rc = open_config(&config, dir);
    if (rc == PT_OK) rc = build(t, &m, config);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s: SentencePiece model", path);
done:
    json_decref(config);
    free(m.piece);
    pt_map_close(&file);
    return rc;
}

bool pt_tok_sentencepiece_is(const char *bytes, size_t n)
{
    pt_wire w = pt_wire_open(bytes, n), inner;
    pt_wire_field f;
    bool more, known = false;
    if (pt_wire_next(&w, &f, &more) != PT_OK || !more || f.number > 5 || f.type != PT_WIRE_BYTES) goto done;
    if (f.number != 1) { /* specs may stand first */
        known = f.number >= 2;
        goto done;
    }
    inner = pt_wire_open(f.bytes, f.n);
    while (pt_wire_next(&inner, &f, &more) == PT_OK) {
        known = !more;
        if (!more || f.number > 3 || f.type != (f.number == 1 ? PT_WIRE_BYTES : f.number == 2 ? PT_WIRE_32 : PT_WIRE_VARINT)) break;
    }
done:
    pt_err_clear();
    return known;
}
