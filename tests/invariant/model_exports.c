/* What goes out comes back: PEFT, Hugging Face, GGUF and GGUF LoRA exports of the fixtures (tests/golden/models.py), read again
 * here. Other programs read them in tests/golden/verify_exports.py. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "checkpoints/gguf.h"
#include "train/export/export.h"

static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};
static char tmp[64];

static void in_tmp(char *out, size_t size, const char *family, const char *name)
{
    snprintf(out, size, "%s/%s-%s", tmp, family, name);
}

static void open_model(bench *b, const char *path, const char *adapter)
{
    pt_model_options opt = {.lora = {.on = adapter != NULL, .start_dir = adapter}};
    bench_open(b, &pt_ops_cpu, PT_COMPUTE_F32, path, &opt, &caps);
}

/* logp of the third golden row */
static int32_t score(bench *b, const char *family, float *logp)
{
    json_t *golden = fixture_json(family, "golden.json");
    rows r = rows_sft(golden);
    int32_t n = r.seq[2].n;
    OK(pt_model_token_logps(b->m, r.seq[2].ids, n, 0, logp));
    rows_free(&r);
    json_decref(golden);
    return n - 1;
}

static void check_same(const char *what, const char *path, const char *adapter, const char *family, const float *want,
                       double limit)
{
    bench b;
    float logp[64];
    open_model(&b, path, adapter);
    int32_t n = score(&b, family, logp);
    double e = rel_error(logp, want, n);
    if (!(e <= limit)) fail_msg("%s of %s: log-probabilities differ by %.2e, limit %.1e", what, family, e, limit);
    bench_close(&b);
}

/* Equal tensors, bit for bit. */
static void check_adapters_equal(const char *a, const char *b)
{
    pt_st *x, *y;
    char path[512];
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", a);
    OK(pt_st_open(&x, path));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", b);
    OK(pt_st_open(&y, path));
    assert_int_equal(x->n_tensors, y->n_tensors);
    for (size_t i = 0; i < x->n_tensors; i++) {
        const pt_st_tensor *t = pt_st_find(y, x->tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->bytes, x->tensors[i].bytes);
        assert_memory_equal(t->data, x->tensors[i].data, t->bytes);
    }
    pt_st_close(x);
    pt_st_close(y);
}

static void test_family(void **state)
{
    const char *family = *state;
    char base[256], adapter[256], path[256], gguf[256];
    float want[64], plain[64];
    bench b;
    pt_export_options f32 = {.type = PT_F32, .base_name = family};
    snprintf(base, sizeof base, FIXTURES "/%s", family);
    snprintf(adapter, sizeof adapter, FIXTURES "/%s/adapter", family);
    open_model(&b, base, NULL);
    score(&b, family, plain);
    in_tmp(gguf, sizeof gguf, family, "base.gguf"); /* without adapter: the base itself */
    OK(pt_export_gguf(b.m, gguf, &f32));
    bench_close(&b);

    open_model(&b, base, adapter);
    int32_t n = score(&b, family, want);
    assert_true(rel_error(want, plain, n) > 1e-3); /* the adapter does something */
    in_tmp(path, sizeof path, family, "peft");
    OK(pt_export_peft(b.m, path, &f32));
    check_adapters_equal(path, adapter);
    check_same("PEFT", base, path, family, want, 0);
    in_tmp(path, sizeof path, family, "hf");
    OK(pt_export_hf(b.m, path, &f32));
    check_same("merged folder", path, NULL, family, want, 1e-6);
    in_tmp(path, sizeof path, family, "merged.gguf");
    OK(pt_export_gguf(b.m, path, &f32));
    check_same("merged GGUF", path, NULL, family, want, 1e-6);
    bench_close(&b);

    /* the GGUF copy of the base: same numbers, takes the same adapter, and gives it back */
    check_same("GGUF base", gguf, NULL, family, plain, 1e-6);
    check_same("GGUF base with the PEFT adapter", gguf, adapter, family, want, 1e-6);
    open_model(&b, gguf, adapter);
    in_tmp(path, sizeof path, family, "peft-of-gguf");
    OK(pt_export_peft(b.m, path, &f32));
    check_adapters_equal(path, adapter);
    in_tmp(path, sizeof path, family, "hf-of-gguf");
    OK(pt_export_hf(b.m, path, &f32));
    check_same("merged folder of the GGUF base", path, NULL, family, want, 1e-6);
    bench_close(&b);
}

/* Full tuning of a GGUF base (f32) comes out in Hugging Face's row order. */
static void test_full(void **state)
{
    const char *family = *state;
    char gguf[256], path[256];
    float want[64];
    bench b;
    pt_model_options opt = {.full = true, .train = true};
    pt_export_options f32 = {.type = PT_F32};
    in_tmp(gguf, sizeof gguf, family, "base.gguf");
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, gguf, &opt, &caps);
    score(&b, family, want);
    in_tmp(path, sizeof path, family, "full");
    OK(pt_export_hf(b.m, path, &f32));
    check_same("full tuning, folder", path, NULL, family, want, 1e-6);
    in_tmp(path, sizeof path, family, "full.gguf");
    OK(pt_export_gguf(b.m, path, &f32));
    check_same("full tuning, GGUF", path, NULL, family, want, 1e-6);
    bench_close(&b);
}

static void test_types(void **state)
{
    static const struct {
        const char *type;
        double limit;
    } types[] = {{"bf16", 0.02}, {"f16", 0.005}, {"q8_0", 0.02}, {"q4_1", 0.3}};
    char base[256], adapter[256], path[256];
    float want[64];
    bench b;
    snprintf(base, sizeof base, FIXTURES "/llama");
    snprintf(adapter, sizeof adapter, FIXTURES "/llama/adapter");
    open_model(&b, base, adapter);
    score(&b, "llama", want);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pt_export_options opt = {0};
        assert_true(pt_dtype_parse(types[i].type, &opt.type));
        in_tmp(path, sizeof path, types[i].type, "llama.gguf");
        OK(pt_export_gguf(b.m, path, &opt));
        check_same(types[i].type, path, NULL, "llama", want, types[i].limit);
    }
    pt_export_options opt = {.type = PT_I32};
    in_tmp(path, sizeof path, "i32", "llama.gguf");
    assert_int_equal(pt_export_gguf(b.m, path, &opt), PT_ENOSUP);
    assert_false(pt_file_exists(path));
    assert_int_equal(pt_export_hf(b.m, tmp, &(pt_export_options){.type = PT_Q8_0}), PT_ENOSUP);
    bench_close(&b);
}

static void check_stored(const char *dir, pt_dtype want, const char *word)
{
    char path[512];
    json_error_t e;
    pt_st *st;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    OK(pt_st_open(&st, path));
    for (size_t i = 0; i < st->n_tensors; i++) assert_int_equal(st->tensors[i].type, want);
    pt_st_close(st);
    snprintf(path, sizeof path, "%s/config.json", dir);
    json_t *c = json_load_file(path, 0, &e);
    assert_string_equal(json_string_value(json_object_get(c, "torch_dtype")), word);
    json_decref(c);
}

/* Without a type the folder keeps what the base has: an f32 base, read from a folder or a GGUF file, loses no bit; bf16 and
 * f16 come out as bf16. */
static void test_own_type(void **state)
{
    static const struct {
        pt_dtype type;
        const char *word;
    } cases[] = {{PT_F32, "float32"}, {PT_BF16, "bfloat16"}, {PT_F16, "bfloat16"}};
    char base[256], copy[256], path[256], gguf[256];
    float want[64];
    bench b;
    pt_model_options opt = {.full = true, .train = true};
    snprintf(base, sizeof base, FIXTURES "/llama");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_model(&b, base, NULL);
        in_tmp(copy, sizeof copy, cases[i].word, "copy");
        OK(pt_export_hf(b.m, copy, &(pt_export_options){.type = cases[i].type}));
        in_tmp(gguf, sizeof gguf, cases[i].word, "copy.gguf");
        OK(pt_export_gguf(b.m, gguf, &(pt_export_options){.type = cases[i].type}));
        bench_close(&b);
        const char *from[2] = {copy, gguf};
        for (int k = 0; k < 2; k++) {
            bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, from[k], &opt, &caps);
            score(&b, "llama", want);
            in_tmp(path, sizeof path, cases[i].word, "kept");
            OK(pt_export_hf(b.m, path, &(pt_export_options){.type = PT_DTYPE_COUNT}));
            check_stored(path, cases[i].type == PT_F32 ? PT_F32 : PT_BF16, cases[i].word);
            if (cases[i].type == PT_F32) check_same("its own type", path, NULL, "llama", want, k ? 1e-6 : 0);
            bench_close(&b);
        }
    }
}

static double text_num(const pt_gguf *g, const char *key)
{
    double v;
    OK(pt_gguf_num(g, key, &v));
    return v;
}

/* rsLoRA and patterns are folded: alpha of the file / rank x B.A is what the model adds. */
static void test_gguf_lora(void **state)
{
    char dir[128], path[256], base[256];
    json_error_t e;
    bench b;
    pt_gguf *g;
    snprintf(base, sizeof base, FIXTURES "/llama");
    snprintf(dir, sizeof dir, "%s/patterned", tmp);
    OK(pt_dir_make(dir));
    json_t *c = json_load_file(FIXTURES "/llama/adapter/adapter_config.json", 0, &e);
    json_object_set_new(c, "use_rslora", json_true());
    json_object_set_new(c, "alpha_pattern", json_pack("{s:i}", "layers.1.self_attn.q_proj", 20));
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    assert_int_equal(json_dump_file(c, path, 0), 0);
    json_decref(c);
    pt_map map;
    OK(pt_map_open(&map, FIXTURES "/llama/adapter/adapter_model.safetensors"));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", dir);
    OK(pt_file_write_whole(path, map.data, map.bytes));
    pt_map_close(&map);
    open_model(&b, base, dir);
    in_tmp(path, sizeof path, "llama", "lora.gguf");
    OK(pt_export_gguf_lora(b.m, path, &(pt_export_options){.type = PT_F32}));
    OK(pt_gguf_open(&g, path));
    double alpha = text_num(g, "adapter.lora.alpha");
    assert_true(fabs(alpha - 16) < 1e-5); /* 8 / sqrt(4) x 4 */
    const pt_gguf_tensor *fb = pt_gguf_find_tensor(g, "blk.1.attn_q.weight.lora_b"),
                         *fa = pt_gguf_find_tensor(g, "blk.1.attn_q.weight.lora_a");
    assert_non_null(fb);
    assert_int_equal(fa->dims[0], 32);
    assert_int_equal(fa->dims[1], 4);
    assert_int_equal(fb->dims[0], 4);
    assert_int_equal(fb->dims[1], 32);
    pt_st *st;
    const pt_st_tensor *t;
    OK(pt_st_open(&st, FIXTURES "/llama/adapter/adapter_model.safetensors"));
    OK(pt_st_need(st, "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight", &t));
    for (int r = 0; r < 32; r++)
        for (int k = 0; k < 4; k++) {
            float file, peft;
            int hf = r / 8 * 8 + (r % 8 % 2) * 4 + r % 8 / 2; /* heads of 8: row 2i+s is row 4s+i */
            memcpy(&file, fb->data + (size_t)(r * 4 + k) * 4, 4);
            memcpy(&peft, t->data + (size_t)(hf * 4 + k) * 4, 4);
            double got = alpha / 4 * (double)file, want = 20 / 2.0 * (double)peft;
            if (!(fabs(got - want) <= 1e-5 * fabs(want))) fail_msg("row %d, %d: %.8f, expected %.8f", r, k, got, want);
        }
    pt_st_close(st);
    pt_gguf_close(g);
    bench_close(&b);
}

static void test_reward(void **state)
{
    const char *family = *state;
    char base[256], path[256];
    bench b;
    pt_model_options opt = {.lora = {.on = true, .r = 2, .alpha = 4}, .heads = PT_HEAD_VALUES, .seed = 3};
    pt_export_options out = {.type = PT_F32, .base_name = "base"};
    json_error_t e;
    snprintf(base, sizeof base, FIXTURES "/%s", family);
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, base, &opt, &caps);
    assert_int_equal(pt_export_gguf(b.m, "/nonexistent/x.gguf", &out), PT_ENOSUP);
    assert_int_equal(pt_export_gguf_lora(b.m, "/nonexistent/x.gguf", &out), PT_ENOSUP);
    in_tmp(path, sizeof path, family, "reward-peft");
    OK(pt_export_peft(b.m, path, &out));
    char config[300];
    snprintf(config, sizeof config, "%s/adapter_config.json", path);
    json_t *c = json_load_file(config, 0, &e);
    assert_string_equal(json_string_value(json_object_get(c, "task_type")), "SEQ_CLS");
    assert_string_equal(json_string_value(json_array_get(json_object_get(c, "modules_to_save"), 0)), "score");
    json_decref(c);
    in_tmp(path, sizeof path, family, "reward-hf");
    OK(pt_export_hf(b.m, path, &out));
    snprintf(config, sizeof config, "%s/config.json", path);
    c = json_load_file(config, 0, &e);
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(c, "architectures"), 0)), "ForSequenceClassification"));
    assert_true(json_is_integer(json_object_get(c, "pad_token_id")));
    assert_int_not_equal(json_integer_value(json_object_get(c, "pad_token_id")),
                         json_integer_value(json_object_get(c, "eos_token_id")));
    assert_int_equal(json_object_size(json_object_get(c, "id2label")), 1);
    json_decref(c);

    /* read again, the head is the one that was saved, and scores are equal */
    json_t *golden = fixture_json(family, "golden.json");
    rows r = rows_pairs(golden);
    pt_batch batch;
    float want[16], got[16];
    OK(pt_batch_build(&batch, r.seq, r.n, PT_PACKING_FOREST));
    OK(pt_model_load_batch(b.m, &batch, 0, false));
    OK(pt_model_forward(b.m, 0, false));
    OK(pt_model_values(b.m, want));
    bench_close(&b);
    opt = (pt_model_options){.heads = PT_HEAD_VALUES, .seed = 4};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &opt, &caps);
    OK(pt_model_load_batch(b.m, &batch, 0, false));
    OK(pt_model_forward(b.m, PT_SLOT_NONE, false));
    OK(pt_model_values(b.m, got));
    assert_true(rel_error(got, want, batch.n_groups) <= 1e-5);
    pt_batch_free(&batch);
    bench_close(&b);
    in_tmp(path, sizeof path, family, "reward-peft");
    opt = (pt_model_options){.lora = {.on = true, .start_dir = path}, .heads = PT_HEAD_VALUES, .seed = 5};
    OK(pt_batch_build(&batch, r.seq, r.n, PT_PACKING_FOREST));
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, base, &opt, &caps);
    OK(pt_model_load_batch(b.m, &batch, 0, false));
    OK(pt_model_forward(b.m, 0, false));
    OK(pt_model_values(b.m, got));
    assert_true(rel_error(got, want, batch.n_groups) == 0);
    pt_batch_free(&batch);
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
}

static int make_tmp(void **state)
{
    snprintf(tmp, sizeof tmp, "/tmp/ptrain-exports-XXXXXX");
    return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
    const char *keep = getenv("PTRAIN_KEEP_EXPORTS"); /* verify_exports.py reads them */
    if (keep) return rename(tmp, keep);
    OK(pt_dir_remove(tmp));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"exports: llama", test_family, NULL, NULL, (void *)"llama"},
        {"exports: mistral", test_family, NULL, NULL, (void *)"mistral"},
        {"exports: qwen2", test_family, NULL, NULL, (void *)"qwen2"},
        {"exports: qwen3", test_family, NULL, NULL, (void *)"qwen3"},
        {"full: llama", test_full, NULL, NULL, (void *)"llama"},
        {"full: qwen2", test_full, NULL, NULL, (void *)"qwen2"},
        {"reward: llama", test_reward, NULL, NULL, (void *)"llama"},
        {"reward: qwen3", test_reward, NULL, NULL, (void *)"qwen3"},
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_own_type),
        cmocka_unit_test(test_gguf_lora),
    };
    return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
