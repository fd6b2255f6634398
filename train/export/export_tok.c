/* tokenizer.json from a GGUF vocabulary. Byte-level BPE: vocabulary, merges and the split steps of its pre-tokenizer.
 * SentencePiece-style: BPE with byte fallback, merges made of the pieces' scores (as transformers' converter does). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "train/export/export_impl.h"

static const size_t MAX_FILE = (size_t)512 << 20;

static json_t *byte_level(bool regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", regex);
}

/* Appends, or puts, and notes where memory ended. */
static void add(json_t *list, json_t *v, int *bad)
{
    *bad |= json_array_append_new(list, v);
}

static json_t *added_tokens(const pt_vocab_spec *v, int *bad)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->n_tokens; i++) {
        int type = v->types ? v->types[i] : PT_TOKEN_NORMAL;
        if (type != PT_TOKEN_CONTROL && type != PT_TOKEN_USER_DEFINED && !(type == PT_TOKEN_UNKNOWN && v->tokens[i][0]))
            continue;
        add(list, json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", v->tokens[i], "single_word", 0, "lstrip",
                            v->strips && v->strips[i] & PT_TOK_LEFT, "rstrip", v->strips && v->strips[i] & PT_TOK_RIGHT, "normalized", 0, "special",
                            type != PT_TOKEN_USER_DEFINED),
            bad);
    }
    return list;
}

static json_t *vocabulary(const pt_vocab_spec *v, int *bad)
{
    json_t *o = json_object();
    for (size_t i = 0; i < v->n_tokens; i++)
        if (!json_object_get(o, v->tokens[i])) *bad |= json_object_set_new(o, v->tokens[i], json_integer((json_int_t)i));
    return o;
}

/* A text that is not UTF-8, or the end of memory, leaves no part of a vocabulary out in silence. */
static pt_status whole(json_t **j, int bad)
{
    if (*j && !bad) return PT_OK;
    json_decref(*j);
    *j = NULL;
    return pt_fail(PT_ENOMEM, "the vocabulary cannot be written as tokenizer.json: no memory, or text that is not UTF-8");
}

/* The steps of a GGUF pre-tokenizer as components: single digits, patterns, and last the byte alphabet, with GPT-2's pattern where that is the last. */
static json_t *bpe_steps(const pt_tok_pre *p, int *bad)
{
    json_t *steps = json_array();
    pt_tok_pre gpt2 = {0};
    bool own = pt_tok_pre_of("gpt-2", &gpt2) && p->n && strcmp(p->steps[p->n - 1], gpt2.steps[0]) == 0;
    for (size_t i = 0; i + own < p->n; i++) {
        bool digits = strcmp(p->steps[i], "\\p{N}") == 0;
        add(steps,
            digits ? json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1)
                   : json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", p->steps[i], "behavior", "Isolated", "invert", 0),
            bad);
    }
    add(steps, byte_level(own), bad);
    return steps;
}

/* *out NULL: the pre-tokenizer is no model's own ("default", or none that is known). */
static pt_status bpe_json(const pt_vocab_spec *v, json_t **out)
{
    int bad = 0;
    pt_tok_pre p;
    *out = NULL;
    if (!v->pre || strcmp(v->pre, "default") == 0 || !pt_tok_pre_of(v->pre, &p)) return PT_OK;
    json_t *merges = json_array(), *steps = bpe_steps(&p, &bad);
    for (size_t i = 0; i < v->n_merges; i++) add(merges, json_string(v->merges[i]), &bad);
    json_t *model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                              "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                              "ignore_merges", p.ignore_merges, "vocab", vocabulary(v, &bad), "merges", merges);
    json_t *norm = p.nfc ? json_pack("{s:s}", "type", "NFC") : json_null();
    *out = json_pack("{s:s, s:n, s:n, s:o, s:o, s:{s:s, s:o}, s:n, s:o, s:o}", "version", "1.0", "truncation", "padding",
                     "added_tokens", added_tokens(v, &bad), "normalizer", norm, "pre_tokenizer", "type", "Sequence", "pretokenizers",
                     steps, "post_processor", "decoder", byte_level(true), "model", model);
    return whole(out, bad);
}

/* One way to make a piece of two others. */
typedef struct spm_merge {
    float score;
    int32_t left, right;
    size_t cut;
    int32_t piece;
} spm_merge;

static int by_score(const void *a, const void *b)
{
    const spm_merge *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    if (x->piece != y->piece) return x->piece < y->piece ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

static pt_status spm_merges(const pt_tokenizer *t, const pt_vocab_spec *v, json_t *out, int *bad)
{
    pt_status rc = PT_OK;
    spm_merge *list = NULL;
    size_t n = 0, cap = 0;
    char left[512];
    for (size_t i = 0; i < v->n_tokens; i++) {
        const char *p = v->tokens[i];
        size_t len = strlen(p);
        int type = v->types ? v->types[i] : PT_TOKEN_NORMAL;
        if ((type != PT_TOKEN_NORMAL && type != PT_TOKEN_USER_DEFINED) || len >= sizeof left) continue;
        for (size_t cut = 1; cut < len; cut++) {
            if (((unsigned char)p[cut] & 0xc0) == 0x80) continue; /* inside a character */
            memcpy(left, p, cut);
            left[cut] = 0;
            int32_t l = pt_tok_find(t, left), r = pt_tok_find(t, p + cut);
            if (l < 0 || r < 0) continue;
            PT_TRY(pt_reserve(&list, &cap, n + 1));
            list[n++] = (spm_merge){v->scores[i], l, r, cut, (int32_t)i};
        }
    }
    if (n) qsort(list, n, sizeof *list, by_score);
    for (size_t i = 0; i < n; i++) {
        const char *p = v->tokens[list[i].piece];
        add(out, json_pack("[s%, s]", p, list[i].cut, p + list[i].cut), bad);
    }
done:
    free(list);
    return rc;
}

static pt_status spm_json(const pt_tokenizer *t, const pt_vocab_spec *v, json_t **out)
{
    static const char space[] = "\xe2\x96\x81";
    int bad = 0;
    json_t *merges = json_array(), *norm = json_array();
    if (!v->scores) return pt_fail(PT_EINTERNAL, "a SentencePiece vocabulary without scores");
    PT_RETURN(spm_merges(t, v, merges, &bad));
    if (v->add_space_prefix != 0) add(norm, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", space), &bad);
    add(norm, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ", "content", space), &bad);
    json_t *decoder = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]", "type", "Replace", "pattern",
                                "String", space, "content", " ", "type", "ByteFallback", "type", "Fuse", "type", "Strip",
                                "content", " ", "start", v->add_space_prefix != 0, "stop", 0);
    const char *unk = v->unk >= 0 ? v->tokens[v->unk] : NULL;
    json_t *model = json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token", unk,
                              "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1, "byte_fallback", 1, "vocab",
                              vocabulary(v, &bad), "merges", merges);
    *out = json_pack("{s:s, s:n, s:n, s:o, s:{s:s, s:o}, s:n, s:n, s:{s:s, s:o}, s:o}", "version", "1.0", "truncation",
                     "padding", "added_tokens", added_tokens(v, &bad), "normalizer", "type", "Sequence", "normalizers", norm,
                     "pre_tokenizer", "post_processor", "decoder", "type", "Sequence", "decoders", decoder, "model", model);
    return whole(out, bad);
}

static pt_status write_json(const char *dir, const char *name, json_t *j)
{
    pt_status rc = PT_OK;
    char *path = NULL, *text = j ? pt_json_dump(j, JSON_INDENT(1)) : NULL;
    PT_CHECK(text, PT_EFORMAT, "the vocabulary cannot be written as %s (text that is not UTF-8?)", name);
    PT_TRY(pt_path_join(&path, dir, name));
    PT_TRY(pt_file_write_whole(path, text, strlen(text)));
done:
    free(path);
    free(text);
    json_decref(j);
    return rc;
}

/* {"SpecialToken": {"id": "<s>", "type_id": n}} */
static json_t *special(const char *bos, int type)
{
    return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", bos, "type_id", type);
}

static json_t *sequence(const char *id, int type)
{
    return json_pack("{s:{s:s, s:i}}", "Sequence", "id", id, "type_id", type);
}

/* The post-processor that puts BOS before a text. */
static json_t *bos_processor(const char *bos, int32_t id)
{
    return json_pack("{s:s, s:[o, o], s:[o, o, o, o], s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing", "single", special(bos, 0),
                     sequence("A", 0), "pair", special(bos, 0), sequence("A", 0), special(bos, 1), sequence("B", 1), "special_tokens", bos, "id",
                     bos, "ids", (int)id, "tokens", bos);
}

/* Takes every BOS out of a TemplateProcessing's list. */
static void drop_bos(json_t *list, const char *bos)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *id = json_string_value(json_object_get(json_object_get(json_array_get(list, i), "SpecialToken"), "id"));
        if (id && !strcmp(id, bos)) json_array_remove(list, i);
    }
}

static void drop_from(json_t *post, const char *bos)
{
    json_t *list = json_object_get(post, "processors");
    for (size_t i = 0; i < json_array_size(list); i++) drop_from(json_array_get(list, i), bos);
    drop_bos(json_object_get(post, "single"), bos);
    drop_bos(json_object_get(post, "pair"), bos);
}

/* post (a borrowed value, may be NULL or null) with BOS put first; a new value. */
static json_t *with_bos(json_t *post, const char *bos, int32_t id)
{
    const char *type = json_string_value(json_object_get(post, "type"));
    json_t *p = bos_processor(bos, id);
    if (!type || !strcmp(type, "TemplateProcessing")) return p;
    bool one = strcmp(type, "Sequence") != 0;
    json_t *list = one ? json_array() : json_copy(json_object_get(post, "processors"));
    if (one && json_array_append(list, post)) {
        json_decref(list);
        list = NULL;
    }
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *t = json_string_value(json_object_get(json_array_get(list, i), "type"));
        if (t && !strcmp(t, "TemplateProcessing")) json_array_remove(list, i);
    }
    if (json_array_append_new(list, p)) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", "processors", list);
}

pt_status pt_export_tokenizer_bos(const char *dir, const pt_tokenizer *t)
{
    pt_status rc = PT_OK;
    json_t *j = NULL;
    char *path = NULL;
    int32_t have = pt_tok_template_bos(t), want = pt_tok_add_bos(t) ? pt_tok_bos(t) : -1;
    if (have == want || !pt_tok_path(t)) return PT_OK;              /* made from a vocabulary: right already */
    if (strcmp(pt_tok_file(t), "tokenizer.json") != 0) return PT_OK; /* tokenizer_config.json says it for files of other formats */
    PT_TRY(pt_path_join(&path, dir, "tokenizer.json"));
    PT_TRY(pt_json_load(&j, path, MAX_FILE, PT_JSON_OBJECT));
    json_t *post = json_object_get(j, "post_processor");
    if (want >= 0)
        PT_CHECK(!json_object_set_new(j, "post_processor", with_bos(post, pt_tok_piece(t, want), want)), PT_ENOMEM, "out of memory: %s", path);
    else
        drop_from(post, pt_tok_piece(t, have));
    rc = write_json(dir, "tokenizer.json", j);
    j = NULL;
done:
    json_decref(j);
    free(path);
    return rc;
}

pt_status pt_export_tokenizer_json(const char *dir, const pt_tokenizer *t, bool *made)
{
    const pt_vocab_spec *v = pt_tok_spec(t);
    json_t *j = NULL;
    *made = false;
    if (v->kind == PT_VOCAB_UGM) {
        pt_log(PT_LOG_WARN, "%s: no tokenizer.json: the Unigram vocabulary of a GGUF file has no exact counterpart there; take the base model's own files", dir);
        return PT_OK;
    }
    if (v->kind == PT_VOCAB_OTHER) {
        pt_log(PT_LOG_WARN, "%s: no tokenizer.json: the WordPiece vocabulary of a GGUF file has no exact counterpart there; take the base model's own files", dir);
        return PT_OK;
    }
    if (v->kind == PT_VOCAB_BPE) {
        PT_RETURN(bpe_json(v, &j));
        if (!j) {
            pt_log(PT_LOG_WARN,
                   "%s: no tokenizer.json: the pre-tokenizer '%s' has no exact counterpart there; take the base model's own files", dir,
                   v->pre ? v->pre : "(none)");
            return PT_OK;
        }
    } else
        PT_RETURN(spm_json(t, v, &j));
    if (pt_tok_add_bos(t) && v->bos >= 0 && pt_tok_piece(t, v->bos) &&
        json_object_set_new(j, "post_processor", with_bos(NULL, pt_tok_piece(t, v->bos), v->bos))) {
        json_decref(j);
        return pt_fail(PT_ENOMEM, "out of memory: tokenizer.json");
    }
    PT_RETURN(write_json(dir, "tokenizer.json", j));
    *made = true;
    return PT_OK;
}
