/* What a GGUF export says of its vocabulary and its name, key by key beside llama.cpp's convert_hf_to_gguf.py (of llama-cpp-python 0.3.36: conversion/base.py's
 * _create_vocab_sentencepiece, gemma.py, gguf-py's SpecialVocab). */
#include "tests/golden/model_fixture.h"

#include "checkpoints/gguf.h"
#include "tests/scratch.h"
#include "train/export/export.h"

#define BLANK "\xe2\x96\x81"
enum { TOKENS = 13, ROWS = 15 };

/* Gemma's kinds of tokens: runs of blanks are added tokens that are not special. */
static const char tokens_json[] =
    "\"added_tokens\":["
    "{\"id\":0,\"content\":\"<pad>\",\"special\":true},{\"id\":1,\"content\":\"<eos>\",\"special\":true},{\"id\":2,\"content\":\"<bos>\",\"special\":true},"
    "{\"id\":3,\"content\":\"<unk>\",\"special\":true},{\"id\":4,\"content\":\"" BLANK BLANK "\",\"special\":false},{\"id\":5,\"content\":\"" BLANK BLANK BLANK "\",\"special\":false},"
    "{\"id\":6,\"content\":\"<start_of_turn>\",\"special\":true},{\"id\":7,\"content\":\"<end_of_turn>\",\"special\":true%s}],"
    "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<pad>\":0,\"<eos>\":1,\"<bos>\":2,\"<unk>\":3,\"" BLANK BLANK "\":4,"
    "\"" BLANK BLANK BLANK "\":5,\"<start_of_turn>\":6,\"<end_of_turn>\":7,\"" BLANK "\":8,\"a\":9,\"" BLANK "a\":10,\"<0x0A>\":11,\"%s\":12},"
    "\"merges\":[\"" BLANK " " BLANK "\",\"" BLANK BLANK " " BLANK "\",\"" BLANK " a\"]}}";
static const char config_json[] = "{\"bos_token\":\"<bos>\",\"eos_token\":\"<eos>\",\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\",\"add_bos_token\":true,\"add_eos_token\":false,"
                                  "\"chat_template\":\"{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['content'] }}<end_of_turn>{% endfor %}\"}";

typedef struct case_of {
    bool prefix, strips; /* a blank before the first word; the end of a turn takes the white space behind it */
    const char *last;    /* token 12 */
} case_of;

static void make_tokenizer(const case_of *c, pt_tokenizer **out)
{
    char text[8192], added[4096];
    snprintf(added, sizeof added, tokens_json, c->strips ? ",\"rstrip\":true" : "", c->last);
    snprintf(text, sizeof text, "{\"version\":\"1.0\",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" BLANK "\"}]},%s",
             c->prefix ? "{\"type\":\"Prepend\",\"prepend\":\"" BLANK "\"}," : "", added);
    OK(pt_dir_make(scratch_path("tok")));
    scratch_write(scratch_path("tok/tokenizer.json"), text, strlen(text));
    scratch_write(scratch_path("tok/tokenizer_config.json"), config_json, strlen(config_json));
    OK(pt_tok_open(out, scratch_path("tok")));
}

static pt_gguf *export_of(const char *family, const case_of *c, const char *base_name, pt_tokenizer **tok)
{
    const pt_model_config cfg = {.vocab = ROWS, .hidden = 16, .ffn = 16, .layers = 1, .heads = 2, .kv_heads = 2, .head_dim = 8, .rot = 8, .max_positions = 64, .act = PT_ACT_SILU, .norm_eps = 1e-6f,
                                 .rope_theta = 10000, .rope_kind = PT_ROPE_HALF, .bos = -1, .eos = -1, .pad = -1, .initializer_range = 0.02, .fused_qkv = !strcmp(family, "phi3"),
                                 .fused_gate_up = !strcmp(family, "phi3")};
    pt_model_config named = cfg;
    bench b = {.ctx = {.ops = &pt_ops_cpu}};
    size_t bytes[PT_ROLE_COUNT];
    pt_gguf *g;
    snprintf(named.family, sizeof named.family, "%s", family);
    make_tokenizer(c, tok);
    OK(b.ctx.ops->open(&b.ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&b.src, &named, 1));
    OK(pt_model_new(&b.m, &b.ctx, b.src, &(pt_model_options){.heads = PT_HEAD_VOCABULARY}));
    OK(pt_model_plan(b.m, &(pt_model_caps){.tokens = 8, .segs = 1, .heads = 8, .rows = 8, .groups = 1}, bytes));
    OK(pt_model_commit(b.m));
    OK(pt_export_gguf(b.m, scratch_path("v.gguf"), &(pt_export_options){.type = PT_F32, .tok = *tok, .base_name = base_name}));
    bench_close(&b);
    OK(pt_gguf_open(&g, scratch_path("v.gguf")));
    return g;
}

/* tokenizer.* of the file: these and no others. A number, a truth (-1: it is not there), or a text. */
static void check_keys(const pt_gguf *g, bool prefix)
{
    static const struct { const char *key; int64_t number; } ids[] = {{"bos_token_id", 2}, {"eos_token_id", 1}, {"eot_token_id", 7}, {"unknown_token_id", 3}, {"padding_token_id", 0}};
    const struct { const char *key; bool flag; } flags[] = {{"add_bos_token", true}, {"add_eos_token", false}, {"add_space_prefix", prefix}};
    static const struct { const char *key, *text; } texts[] = {{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.pre", "default"}, {"tokenizer.chat_template", "{{ bos_token }}"}};
    char key[64];
    size_t found = 0;
    for (size_t i = 0; i < g->n_kvs; i++) found += !strncmp(g->kvs[i].key, "tokenizer.", 10);
    assert_int_equal(found, 14);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int64_t v;
        snprintf(key, sizeof key, "tokenizer.ggml.%s", ids[i].key);
        OK(pt_gguf_int(g, key, 0, 100, &v));
        if (v != ids[i].number) fail_msg("%s is %lld", key, (long long)v);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool v;
        snprintf(key, sizeof key, "tokenizer.ggml.%s", flags[i].key);
        OK(pt_gguf_bool(g, key, &v));
        if (v != flags[i].flag) fail_msg("%s is %d", key, v);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pt_gguf_str v;
        OK(pt_gguf_text(g, texts[i].key, &v));
        if (strncmp(v.s, texts[i].text, strlen(texts[i].text)) != 0) fail_msg("%s is %.*s", texts[i].key, (int)v.n, v.s);
    }
}

/* Spelling, type and score of each; of scores the order counts: what is merged first is largest; whole tokens are not merged. */
static void check_tokens(const pt_gguf *g, const char *const want[ROWS])
{
    static const int64_t types[ROWS] = {3, 3, 3, 2, 4, 4, 3, 3, 1, 1, 1, 6, 1, 5, 5};
    pt_gguf_str *text;
    int64_t *type;
    double *score;
    size_t n;
    OK(pt_gguf_texts(g, "tokenizer.ggml.tokens", &text, &n));
    assert_int_equal(n, ROWS);
    OK(pt_gguf_ints(g, "tokenizer.ggml.token_type", &type, &n));
    assert_int_equal(n, ROWS);
    OK(pt_gguf_nums(g, "tokenizer.ggml.scores", &score, &n));
    assert_int_equal(n, ROWS);
    for (int i = 0; i < ROWS; i++) {
        if (text[i].n != strlen(want[i]) || memcmp(text[i].s, want[i], text[i].n) != 0) fail_msg("token %d is '%.*s', not '%s'", i, (int)text[i].n, text[i].s, want[i]);
        if (type[i] != types[i]) fail_msg("token %d has type %lld", i, (long long)type[i]);
    }
    assert_true(score[4] == 0 && score[5] == 0 && score[10] > score[9] && score[10] > score[8]);
    assert_true(score[13] == -1000 && score[0] == 0);
    free(text);
    free(type);
    free(score);
}

/* The file read again cuts texts as the folder does. */
static void check_ids(pt_tokenizer *of_folder)
{
    static const char *const said[] = {"a", " a", "  a", "   a  a a", "    ", "a     a\na", "<start_of_turn>  a<end_of_turn>", ""};
    pt_tokenizer *of_file;
    OK(pt_source_vocabulary(scratch_path("v.gguf"), &of_file));
    for (int i = 0; *said[i]; i++) {
        pt_ids a = {0}, b = {0};
        OK(pt_tok_encode(of_folder, said[i], strlen(said[i]), true, true, &a));
        OK(pt_tok_encode(of_file, said[i], strlen(said[i]), true, true, &b));
        if (a.n != b.n || memcmp(a.ids, b.ids, a.n * sizeof *a.ids) != 0) fail_msg("'%s' is cut otherwise", said[i]);
        free(a.ids);
        free(b.ids);
    }
    pt_tok_free(of_file);
}

static void test_keys(void **state)
{
    static const char *const gemma[ROWS] = {"<pad>", "<eos>", "<bos>", "<unk>", "  ", "   ", "<start_of_turn>", "<end_of_turn>", BLANK, "a", BLANK "a", "<0x0A>", "b", "[PAD13]", "[PAD14]"};
    static const char *const both[ROWS] = {"<pad>", "<eos>", "<bos>", "<unk>", BLANK BLANK, "   ", "<start_of_turn>", "<end_of_turn>", BLANK, "a", BLANK "a", "<0x0A>", "  ", "[PAD13]", "[PAD14]"};
    static const case_of cases[] = {{.last = "b"}, {.prefix = true, .last = "b"}, {.last = "  "}}; /* the last: both spellings are tokens, each keeps its own */
    for (int k = 0; k < 3; k++) {
        pt_tokenizer *tok;
        pt_gguf *g = export_of("llama", &cases[k], "base", &tok);
        check_keys(g, cases[k].prefix);
        check_tokens(g, k == 2 ? both : gemma);
        if (k == 0) check_ids(tok);
        pt_gguf_close(g);
        pt_tok_free(tok);
    }
}

/* Phi-3's tokens of turns take white space with them, for which GGUF has no place: readers know the model by its name. */
static void test_names(void **state)
{
    static const struct { const char *family, *base, *want; bool strips; } cases[] = {
        {"phi3", "models/Phi-3-mini", "Phi-3-mini", true}, {"phi3", "models/phi3.5", "phi3.5", true}, {"phi3", "models/mine", "mine (Phi-3)", true},
        {"phi3", NULL, "phi3", true}, {"phi3", "models/Phi-4", "Phi-4", false}, {"llama", "models/mine", "mine", true},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        pt_tokenizer *tok, *again;
        pt_gguf_str name;
        pt_gguf *g = export_of(cases[k].family, &(case_of){.strips = cases[k].strips, .last = "b"}, cases[k].base, &tok);
        OK(pt_gguf_text(g, "general.name", &name));
        if (name.n != strlen(cases[k].want) || memcmp(name.s, cases[k].want, name.n) != 0) fail_msg("%s, %s: general.name is %.*s", cases[k].family, cases[k].base ? cases[k].base : "no base", (int)name.n, name.s);
        OK(pt_source_vocabulary(scratch_path("v.gguf"), &again));
        const unsigned char *strips = pt_tok_spec(again)->strips;
        assert_int_equal(strips && strips[7] == PT_TOK_RIGHT, cases[k].strips && !strcmp(cases[k].family, "phi3"));
        pt_tok_free(again);
        pt_gguf_close(g);
        pt_tok_free(tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
