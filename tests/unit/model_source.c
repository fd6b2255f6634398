/* Broken, foreign and odd model files: refused by name, or read all the same. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "checkpoints/gguf.h"
#include "train/export/export.h"
#include "train/model/source_impl.h"

static char tmp[64];
static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};

typedef enum change { KEEP, DROP, RENAME, TRANSPOSE, POISON, HALF } change;

static void copy_config(const char *dir)
{
    char path[256];
    pt_map map;
    OK(pt_dir_make(dir));
    OK(pt_map_open(&map, FIXTURES "/llama/config.json"));
    snprintf(path, sizeof path, "%s/config.json", dir);
    OK(pt_file_write_whole(path, map.data, map.bytes));
    pt_map_close(&map);
}

/* The llama fixture with one tensor changed, tensors [from, to) of it. */
static void write_part(const char *file, const char *tensor, change c, size_t from, size_t to)
{
    pt_st *st;
    pt_st_writer w = {0};
    OK(pt_st_open(&st, FIXTURES "/llama"));
    if (to > st->n_tensors) to = st->n_tensors;
    OK(pt_st_writer_open(&w, file));
    for (int write = 0; write < 2; write++)
        for (size_t i = from; i < to; i++) {
            const pt_st_tensor *t = &st->tensors[i];
            bool it = tensor && strcmp(t->name, tensor) == 0;
            if (it && c == DROP) continue;
            if (!write) {
                int64_t turned[2] = {t->dims[1], t->dims[0]}, half[2] = {t->dims[0] / 2, t->dims[1]};
                OK(pt_st_writer_add(&w, it && c == RENAME ? "model.layers.0.mlp.router.weight" : t->name, t->type, t->n_dims,
                                    it && c == TRANSPOSE ? turned
                                    : it && c == HALF    ? half
                                                         : t->dims));
            } else if (it && c == POISON) {
                unsigned char *copy = malloc(t->bytes);
                memcpy(copy, t->data, t->bytes);
                copy[t->bytes - 2] = 0xc0; /* bf16 NaN */
                copy[t->bytes - 1] = 0x7f;
                OK(pt_st_writer_write(&w, copy, t->bytes));
                free(copy);
            } else
                OK(pt_st_writer_write(&w, t->data, it && c == HALF ? t->bytes / 2 : t->bytes));
        }
    OK(pt_st_writer_commit(&w));
    pt_st_writer_close(&w);
    pt_st_close(st);
}

static void make_folder(char *dir, size_t size, const char *name, const char *tensor, change c)
{
    char file[256];
    snprintf(dir, size, "%s/%s", tmp, name);
    copy_config(dir);
    snprintf(file, sizeof file, "%s/model.safetensors", dir);
    write_part(file, tensor, c, 0, SIZE_MAX);
}

static void expect(pt_status got, pt_status want, const char *says)
{
    if (got != want || (want != PT_OK && !strstr(pt_err_msg(), says)))
        fail_msg("%s: %s\nexpected %s with '%s'", pt_status_name(got), got ? pt_err_msg() : "", pt_status_name(want), says);
}

static void test_tensors(void **state)
{
    static const struct {
        const char *tensor;
        change c;
        pt_status status;
        const char *says;
    } cases[] = {
        {"model.layers.1.mlp.up_proj.weight", DROP, PT_EFORMAT, "model.layers.1.mlp.up_proj.weight"},
        {"model.layers.1.mlp.up_proj.weight", TRANSPOSE, PT_ESHAPE, "model.layers.1.mlp.up_proj.weight is [32, 64]"},
        {"model.layers.0.self_attn.k_proj.weight", HALF, PT_ESHAPE,
         "k_proj.weight is [8, 32], the configuration asks for [16, 32]"},
        {"model.layers.0.mlp.up_proj.weight", RENAME, PT_EFORMAT, "model.layers.0.mlp.up_proj.weight"},
        {NULL, KEEP, PT_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char dir[128];
        pt_source *s;
        make_folder(dir, sizeof dir, "broken", cases[i].tensor, cases[i].c);
        expect(pt_source_open(&s, dir), cases[i].status, cases[i].says);
        pt_source_free(s);
    }
}

static void test_nan(void **state)
{
    char dir[128];
    bench b = {.ctx = {.ops = &pt_ops_cpu}};
    size_t bytes[PT_ROLE_COUNT];
    make_folder(dir, sizeof dir, "nan", "model.layers.1.self_attn.o_proj.weight", POISON);
    OK(b.ctx.ops->open(&b.ctx, PT_COMPUTE_F32));
    OK(pt_source_open(&b.src, dir));
    OK(pt_model_new(&b.m, &b.ctx, b.src, &(pt_model_options){0}));
    OK(pt_model_plan(b.m, &caps, bytes));
    expect(pt_model_commit(b.m), PT_ENONFINITE, "model.layers.1.self_attn.o_proj.weight");
    bench_close(&b);
}

/* Without its seal a file of ours is any other program's. */
static void unseal(const char *path)
{
    char *bytes;
    size_t n;
    OK(pt_file_read(&bytes, &n, path, 1 << 24));
    for (size_t i = 0; i + 6 <= n; i++)
        if (!memcmp(bytes + i, "ptrain", 6)) bytes[i] = 'q';
    OK(pt_file_write_whole(path, bytes, n));
    free(bytes);
}

static void test_nan_blocks(void **state)
{
    static const char *const types[] = {"f16", "q8_0", "q4_1", "q5_0"};
    bench b;
    char path[128];
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, FIXTURES "/llama", &(pt_model_options){0}, &caps);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pt_export_options opt = {0};
        pt_source *s;
        assert_true(pt_dtype_parse(types[i], &opt.type));
        snprintf(path, sizeof path, "%s/blocks.gguf", tmp);
        OK(pt_export_gguf(b.m, path, &opt));
        unseal(path);
        OK(pt_source_open(&s, path));
        OK(pt_source_check_weights(s));
        pt_source_tensor t;
        OK(pt_source_tensor_get(s, "model.layers.1.mlp.down_proj.weight", 0, 0, &t));
        size_t at = (size_t)((const unsigned char *)t.data - s->gguf->map.data),
               last = at + t.bytes - pt_dtype_get(t.type)->bytes;
        pt_source_free(s);
        FILE *f = fopen(path, "r+b"); /* the scale of the last block becomes an infinity */
        fseek(f, (long)last, SEEK_SET);
        fwrite("\x00\x7c", 1, 2, f);
        fclose(f);
        OK(pt_source_open(&s, path));
        expect(pt_source_check_weights(s), PT_ENONFINITE, "model.layers.1.mlp.down_proj.weight");
        pt_source_free(s);
    }
    bench_close(&b);
}

static void row_logps(const char *path, float *logp)
{
    bench b;
    int32_t ids[9] = {1, 50, 60, 70, 80, 90, 100, 110, 2};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &(pt_model_options){0}, &caps);
    OK(pt_model_token_logps(b.m, ids, 9, PT_SLOT_NONE, logp));
    bench_close(&b);
}

/* Two shards and their index; and a file whose tensors lie at odd addresses. */
static void test_sharded(void **state)
{
    char dir[128], file[256];
    float want[8], got[8];
    row_logps(FIXTURES "/llama", want);
    snprintf(dir, sizeof dir, "%s/sharded", tmp);
    copy_config(dir);
    pt_st *st;
    OK(pt_st_open(&st, FIXTURES "/llama"));
    json_t *map = json_object();
    for (size_t i = 0; i < st->n_tensors; i++)
        json_object_set_new(map, st->tensors[i].name,
                            json_string(i < 7 ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors"));
    pt_st_close(st);
    json_t *index = json_pack("{s:{}, s:o}", "metadata", "weight_map", map);
    snprintf(file, sizeof file, "%s/model.safetensors.index.json", dir);
    assert_int_equal(json_dump_file(index, file, 0), 0);
    json_decref(index);
    snprintf(file, sizeof file, "%s/model-00001-of-00002.safetensors", dir);
    write_part(file, NULL, KEEP, 0, 7);
    snprintf(file, sizeof file, "%s/model-00002-of-00002.safetensors", dir);
    write_part(file, NULL, KEEP, 7, SIZE_MAX);
    row_logps(dir, got);
    assert_memory_equal(got, want, sizeof want);
}

static void test_unaligned(void **state)
{
    char dir[128], file[256];
    float want[8], got[8];
    pt_map map;
    uint64_t n;
    row_logps(FIXTURES "/llama", want);
    snprintf(dir, sizeof dir, "%s/unaligned", tmp);
    copy_config(dir);
    OK(pt_map_open(&map, FIXTURES "/llama/model.safetensors"));
    memcpy(&n, map.data, 8);
    char *copy = malloc(map.bytes + 1); /* one more blank in the header moves every tensor to an odd address */
    uint64_t longer = n + 1;
    memcpy(copy, &longer, 8);
    memcpy(copy + 8, map.data + 8, (size_t)n);
    copy[8 + n] = ' ';
    memcpy(copy + 9 + n, map.data + 8 + n, map.bytes - 8 - (size_t)n);
    snprintf(file, sizeof file, "%s/model.safetensors", dir);
    OK(pt_file_write_whole(file, copy, map.bytes + 1));
    free(copy);
    pt_map_close(&map);
    row_logps(dir, got);
    assert_memory_equal(got, want, sizeof want);
}

static void test_paths(void **state)
{
    pt_source *s;
    char dir[128], file[256];
    expect(pt_source_open(&s, "/nonexistent/model"), PT_EIO, "/nonexistent/model");
    snprintf(dir, sizeof dir, "%s/empty", tmp);
    OK(pt_dir_make(dir));
    expect(pt_source_open(&s, dir), PT_EARG, "no config.json");
    copy_config(dir);
    pt_status rc = pt_source_open(&s, dir);
    assert_int_not_equal(rc, PT_OK);
    assert_null(s);
    snprintf(file, sizeof file, "%s/junk.gguf", tmp);
    OK(pt_file_write_whole(file, "GGML0000000000000000", 20));
    expect(pt_source_open(&s, file), PT_EFORMAT, "junk.gguf");
    make_folder(dir, sizeof dir, "no-tokenizer", NULL, KEEP);
    OK(pt_source_open(&s, dir));
    const pt_tokenizer *t;
    expect(pt_source_tokenizer(s, &t), PT_EARG, "no tokenizer.json");
    pt_source_free(s);
}

/* GGUF files of other kinds. `arch` and `type` are written as they are; with tensors of the llama fixture's shapes. */
static void write_gguf(const char *path, const char *arch, const char *type, uint32_t experts, const char *extra,
                       int64_t embed_cols)
{
    pt_gguf_writer w;
    char key[64];
    int64_t dims[2] = {embed_cols, 260};
    float *zero = calloc((size_t)(embed_cols * 260), sizeof *zero);
    OK(pt_gguf_writer_open(&w, path));
    OK(pt_gguf_put_text(&w, "general.architecture", arch, strlen(arch)));
    OK(pt_gguf_put_text(&w, "general.type", type, strlen(type)));
    static const char *const ints[] = {"embedding_length", "feed_forward_length", "block_count", "attention.head_count"};
    static const uint32_t values[] = {32, 64, 2, 4};
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, ints[i]);
        OK(pt_gguf_put_u32(&w, key, values[i]));
    }
    snprintf(key, sizeof key, "%s.expert_count", arch);
    if (experts) OK(pt_gguf_put_u32(&w, key, experts));
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    if (extra) OK(pt_gguf_put_text(&w, key, extra, strlen(extra)));
    OK(pt_gguf_put_tensor(&w, "token_embd.weight", PT_F32, 2, dims));
    OK(pt_gguf_write(&w, zero, (size_t)(embed_cols * 260) * 4));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
    free(zero);
}

static void test_gguf(void **state)
{
    static const struct {
        const char *arch, *type;
        uint32_t experts;
        const char *scaling;
        int64_t cols;
        pt_status status;
        const char *says;
    } cases[] = {
        {"mamba", "model", 0, NULL, 32, PT_ENOSUP, "'mamba'"},
        {"llama", "adapter", 0, NULL, 32, PT_ENOSUP, "'adapter'"},
        {"llama", "model", 8, NULL, 32, PT_ENOSUP, "8 experts"},
        {"llama", "model", 0, "longrope", 32, PT_ENOSUP, "longrope"},
        {"llama", "model", 0, NULL, 64, PT_ESHAPE, "model.embed_tokens.weight is [260, 64]"},
        {"llama", "model", 0, NULL, 32, PT_EFORMAT, "blk.0.attn_norm.weight"},
    };
    char path[128];
    snprintf(path, sizeof path, "%s/other.gguf", tmp);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_source *s;
        write_gguf(path, cases[i].arch, cases[i].type, cases[i].experts, cases[i].scaling, cases[i].cols);
        expect(pt_source_open(&s, path), cases[i].status, cases[i].says);
        assert_null(s);
    }
}

static void test_random(void **state)
{
    pt_source *a, *b;
    pt_source_tensor x, y;
    pt_model_config c = {.family = "qwen3",
                         .vocab = 64,
                         .hidden = 16,
                         .ffn = 32,
                         .layers = 2,
                         .heads = 2,
                         .kv_heads = 1,
                         .head_dim = 8,
                         .rot = 8,
                         .norm_eps = 1e-5f,
                         .rope_theta = 10000,
                         .initializer_range = 0.02,
                         .tied = true,
                         .bos = -1,
                         .eos = -1,
                         .pad = -1};
    OK(pt_source_random(&a, &c, 7));
    OK(pt_source_random(&b, &c, 7));
    OK(pt_source_tensor_get(a, "model.layers.1.mlp.up_proj.weight", 32, 16, &x));
    OK(pt_source_tensor_get(b, "model.layers.1.mlp.up_proj.weight", 0, 0, &y));
    assert_memory_equal(x.data, y.data, x.bytes); /* a pure function of seed and name */
    assert_true(pt_source_config(a)->qk_norm);
    double sum = 0, squares = 0;
    for (int i = 0; i < 512; i++) {
        double v = (double)((const float *)x.data)[i];
        sum += v;
        squares += v * v;
    }
    assert_true(fabs(sum / 512) < 0.004);
    assert_true(fabs(sqrt(squares / 512) - 0.02) < 0.003);
    assert_int_equal(pt_source_content(a), pt_source_content(b));
    OK(pt_source_tensor_get(a, "model.layers.0.self_attn.q_norm.weight", 0, 0, &x));
    assert_true(((const float *)x.data)[3] == 1);
    expect(pt_source_tensor_get(a, "lm_head.weight", 0, 0, &x), PT_EFORMAT, "lm_head.weight");
    expect(pt_source_tensor_get(a, "model.norm.weight", 1, 17, &x), PT_EFORMAT, "asked for [1, 17]");
    const pt_tokenizer *t;
    expect(pt_source_tokenizer(a, &t), PT_EARG, "tokenizer");
    pt_source_free(a);
    pt_source_free(b);
    OK(pt_source_random(&a, &c, 8));
    OK(pt_source_random(&b, &c, 7));
    assert_int_not_equal(pt_source_content(a), pt_source_content(b));
    pt_source_free(a);
    pt_source_free(b);
    snprintf(c.family, sizeof c.family, "mamba");
    expect(pt_source_random(&a, &c, 7), PT_ENOSUP, "'mamba'");
    snprintf(c.family, sizeof c.family, "llama");
    c.window = 4;
    expect(pt_source_random(&a, &c, 7), PT_EARG, "sliding_window");
    c.heads = 0;
    expect(pt_source_random(&a, &c, 7), PT_EFORMAT, "heads");
}

static void test_vocabulary_too_large(void **state)
{
    static const char *const tokens[] = {"<unk>", "a", "b", "c"};
    pt_vocab_spec spec = {.kind = PT_VOCAB_BPE,
                          .pre = "gpt-2",
                          .n_tokens = 4,
                          .tokens = tokens,
                          .bos = -1,
                          .eos = -1,
                          .eot = -1,
                          .unk = 0,
                          .pad = -1,
                          .add_bos = 0,
                          .add_eos = 0,
                          .add_space_prefix = 0};
    pt_tokenizer *t;
    pt_source *s;
    pt_model_config c = {.family = "llama",
                         .vocab = 3,
                         .hidden = 16,
                         .ffn = 32,
                         .layers = 1,
                         .heads = 2,
                         .kv_heads = 1,
                         .head_dim = 8,
                         .rot = 8,
                         .norm_eps = 1e-5f,
                         .rope_theta = 10000};
    OK(pt_tok_from_spec(&t, &spec));
    OK(pt_source_random(&s, &c, 1));
    expect(pt_tok_limit(t, pt_source_config(s)->vocab), PT_EARG, "do not belong together");
    pt_source_free(s);
    c.vocab = 4;
    OK(pt_source_random(&s, &c, 1));
    OK(pt_tok_limit(t, pt_source_config(s)->vocab));
    pt_source_free(s);
    pt_tok_free(t);
}

/* What is meant as a GGUF file: by its name, be it there or not, or by its first bytes. */
static void test_names_gguf(void **state)
{
    static const struct {
        const char *name, *bytes;
        bool want;
    } cases[] = {{"a.gguf", NULL, true},    {"blob", "GGUF....", true},      {"cut.gguf", "GG", true}, {"text.yaml", "base_model: x", false},
                 {"three", "GGU", false},   {".gguf", "GGU", false},         {"nothing", "", false},     {"absent.yaml", NULL, false},
                 {"a.gguf.yaml", "a", false}};
    char path[200];
    pt_tokenizer *t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s%s%s", *cases[i].name == '.' ? "" : tmp, *cases[i].name == '.' ? "" : "/", cases[i].name);
        if (cases[i].bytes && *cases[i].name != '.') OK(pt_file_write_whole(path, cases[i].bytes, strlen(cases[i].bytes)));
        if (pt_source_names_gguf(path) != cases[i].want) fail_msg("%s", cases[i].name);
    }
    assert_false(pt_source_names_gguf(tmp));
    OK(pt_source_tokenizer_at(&t, "tests/golden/data/tok_bpe"));
    pt_tok_free(t);
    snprintf(path, sizeof path, "%s/blob", tmp);
    expect(pt_source_tokenizer_at(&t, path), PT_ENOSUP, "blob: GGUF version");
}

/* Phi-3 by its name: the tokens of turns take the white space behind them, <s> and its like do not; under another name none does. It is said to who writes a file. */
static void test_phi3_strips(void **state)
{
    enum { N = 8 };
    static const char *const spelled[N] = {"<unk>", "<s>", "</s>", "<|user|>", "<0x0A>", "\xe2\x96\x81", "a", "\xe2\x96\x81" "a"};
    static const int32_t types[N] = {PT_TOKEN_UNKNOWN, PT_TOKEN_CONTROL, PT_TOKEN_CONTROL, PT_TOKEN_CONTROL, PT_TOKEN_BYTE, 1, 1, 1};
    static const float scores[N] = {0, 0, 0, 0, 0, -2, -3, -1};
    static const struct {
        const char *name;
        int32_t want[9];
    } cases[] = {{"My PHI3 tune", {3, 7, 2, 1, 5, 4, 6, -1}}, {"phi-3-mini", {3, 7, 2, 1, 5, 4, 6, -1}}, {"Phi-4", {3, 5, 4, 6, 2, 1, 5, 4, 6}}};
    char path[200];
    snprintf(path, sizeof path, "%s/phi.gguf", tmp);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        pt_gguf_writer w;
        pt_gguf_str texts[N];
        pt_tokenizer *t;
        pt_ids ids = {0};
        for (int i = 0; i < N; i++) texts[i] = (pt_gguf_str){spelled[i], strlen(spelled[i])};
        OK(pt_gguf_writer_open(&w, path));
        OK(pt_gguf_put_text(&w, "general.name", cases[k].name, strlen(cases[k].name)));
        OK(pt_gguf_put_text(&w, "tokenizer.ggml.model", "llama", 5));
        OK(pt_gguf_put_texts(&w, "tokenizer.ggml.tokens", texts, N));
        OK(pt_gguf_put_i32s(&w, "tokenizer.ggml.token_type", types, N));
        OK(pt_gguf_put_f32s(&w, "tokenizer.ggml.scores", scores, N));
        OK(pt_gguf_writer_commit(&w));
        pt_gguf_writer_close(&w);
        OK(pt_source_vocabulary(path, &t));
        OK(pt_tok_encode(t, "<|user|>\na</s><s>\na", 19, true, true, &ids));
        for (size_t i = 0; i < ids.n; i++)
            if (ids.ids[i] != cases[k].want[i]) fail_msg("%s: token %zu is %d", cases[k].name, i, ids.ids[i]);
        assert_int_equal(ids.n, k < 2 ? 7 : 9);
        const unsigned char *strips = pt_tok_spec(t)->strips;
        assert_true(k < 2 ? strips && strips[3] == PT_TOK_RIGHT && strips[2] == PT_TOK_RIGHT && !strips[1] && !strips[6] : !strips);
        free(ids.ids);
        pt_tok_free(t);
    }
}

/* LongRoPE: the longest sequence that is planned chooses the factors, which are part of what the base is. */
static void test_reach(void **state)
{
    pt_source *s;
    uint64_t content;
    OK(pt_source_open(&s, "tests/golden/data/families/phi3_long"));
    assert_false(pt_source_config(s)->rope_long);
    content = pt_source_content(s);
    pt_source_reach(s, 4); /* original_max_position_embeddings */
    assert_false(pt_source_config(s)->rope_long);
    assert_int_equal(pt_source_content(s), content);
    pt_source_reach(s, 5);
    assert_true(pt_source_config(s)->rope_long);
    assert_int_not_equal(pt_source_content(s), content);
    pt_source_free(s);
    OK(pt_source_open(&s, FIXTURES "/llama"));
    content = pt_source_content(s);
    pt_source_reach(s, 1 << 20);
    assert_int_equal(pt_source_content(s), content);
    pt_source_free(s);
}

static int make_tmp(void **state)
{
    snprintf(tmp, sizeof tmp, "/tmp/ptrain-source-XXXXXX");
    return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
    OK(pt_dir_remove(tmp));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors), cmocka_unit_test(test_nan),       cmocka_unit_test(test_nan_blocks),
        cmocka_unit_test(test_sharded), cmocka_unit_test(test_unaligned), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_gguf),    cmocka_unit_test(test_random),    cmocka_unit_test(test_vocabulary_too_large),
        cmocka_unit_test(test_names_gguf), cmocka_unit_test(test_phi3_strips), cmocka_unit_test(test_reach),
    };
    return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
