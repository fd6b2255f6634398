/* SmolLM2-135M-Instruct Q4_1 from its GGUF against transformers on the dequantised weights (tests/golden/smollm2.py). The model
 * is not in the repository: PTRAIN_SMOLLM2 names it, else the tests skip. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/text/template.h"
#include "train/export/export.h"

static const char *model_path(void)
{
    const char *p = getenv("PTRAIN_SMOLLM2");
    if (!p || !*p) {
        print_message("# skip: PTRAIN_SMOLLM2 names no model\n");
        skip();
    }
    return p;
}

static void ids_from(json_t *list, pt_ids *out)
{
    size_t i;
    json_t *v;
    *out = (pt_ids){0};
    out->ids = calloc(json_array_size(list), sizeof *out->ids);
    json_array_foreach(list, i, v) out->ids[out->n++] = (int32_t)json_integer_value(v);
}

static json_t *golden(void)
{
    json_error_t e;
    json_t *j = json_load_file("tests/golden/data/smollm2.json", 0, &e);
    if (!j) fail_msg("smollm2.json: %s", e.text);
    return j;
}

static void open_model(bench *b, pt_compute compute, const pt_model_options *opt)
{
    pt_model_caps caps = {
        .tokens = 128, .segs = 8, .heads = 128, .rows = 128, .groups = 4, .decode_rows = 2, .decode_len = 128};
    bench_open(b, &pt_ops_cpu, compute, model_path(), opt, &caps);
}

static void logps(pt_compute compute, double limit)
{
    bench b;
    size_t i;
    json_t *v, *g = golden();
    open_model(&b, compute, &(pt_model_options){0});
    json_array_foreach(json_object_get(g, "logps"), i, v)
    {
        pt_ids ids;
        float got[128], want[128];
        ids_from(json_object_get(v, "ids"), &ids);
        OK(pt_model_token_logps(b.m, ids.ids, (int32_t)ids.n, PT_SLOT_NONE, got));
        for (size_t k = 0; k + 1 < ids.n; k++)
            want[k] = (float)json_number_value(json_array_get(json_object_get(v, "logp"), k));
        double e = rel_error(got, want, (int64_t)ids.n - 1);
        print_message("# figure SmolLM2 Q4_1 log-probabilities, text %zu: relative error %.2e\n", i, e);
        assert_true(e <= limit);
        free(ids.ids);
    }
    bench_close(&b);
    json_decref(g);
}

static void test_logps(void **state)
{
    logps(PT_COMPUTE_F32, 1e-4);
}
static void test_logps_bf16(void **state)
{
    pt_ctx c = {.ops = &pt_ops_cpu};
    if (pt_ops_cpu.open(&c, PT_COMPUTE_BF16) == PT_ENOSUP) {
        print_message("# skip: %s\n", pt_err_msg());
        skip();
    }
    pt_ops_cpu.close(&c);
    logps(PT_COMPUTE_BF16, 3e-2);
}

static void test_tokenizer_and_greedy(void **state)
{
    bench b;
    size_t i;
    json_t *v, *g = golden(), *list = json_object_get(g, "greedy");
    const pt_tokenizer *tok;
    pt_ids prompts[2];
    pt_gen_result out[2] = {{.stopped = false}};
    int32_t stop = 2;
    open_model(&b, PT_COMPUTE_F32, &(pt_model_options){0});
    OK(pt_source_tokenizer(b.src, &tok));
    json_array_foreach(list, i, v)
    {
        const char *text = json_string_value(json_object_get(v, "prompt"));
        pt_ids own = {0};
        ids_from(json_object_get(v, "prompt_ids"), &prompts[i]);
        OK(pt_tok_encode(tok, text, strlen(text), true, true, &own));
        assert_int_equal(own.n, prompts[i].n);
        assert_memory_equal(own.ids, prompts[i].ids, own.n * sizeof *own.ids);
        free(own.ids);
    }
    pt_gen_options o = {.max_new_tokens = 24,
                        .sampler = pt_sampler_off(),
                        .stops = &stop,
                        .n_stops = 1,
                        .slot = PT_SLOT_NONE,
                        .logp = true};
    OK(pt_generate(b.m, prompts, 2, &o, out, NULL, NULL));
    json_array_foreach(list, i, v)
    {
        json_t *ids = json_object_get(v, "ids");
        pt_str text = {0};
        assert_int_equal(out[i].ids.n, json_array_size(ids));
        for (size_t k = 0; k < out[i].ids.n; k++)
            assert_int_equal(out[i].ids.ids[k], json_integer_value(json_array_get(ids, k)));
        OK(pt_tok_decode(tok, out[i].ids.ids, out[i].ids.n, true, &text));
        assert_string_equal(text.text, json_string_value(json_object_get(v, "text")));
        assert_true(out[i].logp_sum < 0);
        pt_str_free(&text);
        free(out[i].ids.ids);
        free(prompts[i].ids);
    }
    bench_close(&b);
    json_decref(g);
}

/* An adapter that does something: B drawn small. */
static void shake(bench *b)
{
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    int64_t count = pt_model_param_count(b->m);
    float *flat = calloc((size_t)count, sizeof *flat);
    OK(b->ctx.ops->download(&b->ctx, flat, pt_model_param_view(b->m)));
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; strstr(p[i].name, "lora_B") && k < p[i].rows * p[i].cols; k++)
            flat[p[i].offset + k] = 0.02f * (pt_rng_unit(pt_rng_words(9, PT_RNG_TEST, (uint64_t)i, (uint64_t)k).v[0]) - 0.5f);
    OK(b->ctx.ops->upload(&b->ctx, pt_model_param_view(b->m), flat));
    free(flat);
}

static double golden_error(bench *b, const float *want, const pt_ids *ids, int slot)
{
    float got[128];
    OK(pt_model_token_logps(b->m, ids->ids, (int32_t)ids->n, slot, got));
    return rel_error(got, want, (int64_t)ids->n - 1);
}

static void check_file(const char *path, const char *adapter, const float *want, const pt_ids *ids, double limit)
{
    bench b;
    pt_model_caps caps = {.tokens = 128, .segs = 8, .heads = 128, .rows = 128, .groups = 4};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path,
               &(pt_model_options){.lora = {.on = adapter != NULL, .start_dir = adapter}}, &caps);
    double e = golden_error(&b, want, ids, adapter ? 0 : PT_SLOT_NONE);
    print_message("# figure %s%s: relative error %.2e\n", pt_path_base(path), adapter ? " + adapter" : "", e);
    assert_true(e <= limit);
    bench_close(&b);
}

/* Greedy ids of the golden prompts, for the programs that read the exports (verify_llamacpp.py). */
static void save_greedy(bench *b, const char *dir, int slot)
{
    char path[256];
    json_t *g = golden(), *out = json_array(), *v;
    size_t i;
    json_array_foreach(json_object_get(g, "greedy"), i, v)
    {
        pt_ids prompt;
        pt_gen_result r = {.stopped = false};
        pt_gen_options o = {.max_new_tokens = 64, .sampler = pt_sampler_off(), .slot = slot};
        ids_from(json_object_get(v, "prompt_ids"), &prompt);
        OK(pt_generate(b->m, &prompt, 1, &o, &r, NULL, NULL));
        json_t *ids = json_array();
        for (size_t k = 0; k < r.ids.n; k++) json_array_append_new(ids, json_integer(r.ids.ids[k]));
        json_array_append_new(out, json_pack("{s:O, s:o}", "prompt_ids", json_object_get(v, "prompt_ids"), "ids", ids));
        free(prompt.ids);
        free(r.ids.ids);
    }
    snprintf(path, sizeof path, "%s/greedy.json", dir);
    assert_int_equal(json_dump_file(out, path, 0), 0);
    json_decref(out);
    json_decref(g);
}

/* The Q4_1 base with an adapter, exported in every form, read again: one model. PTRAIN_KEEP_EXPORTS=DIR keeps the files. */
static void test_exports(void **state)
{
    char dir[128], path[256], peft[256], f32[256];
    const char *keep = getenv("PTRAIN_KEEP_EXPORTS");
    const pt_tokenizer *tok;
    pt_template *tmpl;
    bench b;
    pt_ids ids;
    float want[128];
    json_t *g = golden();
    snprintf(dir, sizeof dir, "%s", keep ? keep : "/tmp/ptrain-smollm2-XXXXXX");
    open_model(&b, PT_COMPUTE_F32, &(pt_model_options){.lora = {.on = true, .r = 8, .alpha = 16}, .seed = 3});
    if (keep)
        OK(pt_dir_make(dir));
    else
        assert_non_null(mkdtemp(dir));
    shake(&b);
    OK(pt_source_tokenizer(b.src, &tok));
    OK(pt_template_open(&tmpl, "tokenizer_default", tok, NULL));
    pt_export_options o = {.type = PT_F32, .tok = tok, .tmpl = tmpl, .base_name = "SmolLM2-135M-Instruct"};
    ids_from(json_object_get(json_array_get(json_object_get(g, "logps"), 1), "ids"), &ids);
    OK(pt_model_token_logps(b.m, ids.ids, (int32_t)ids.n, 0, want));
    snprintf(peft, sizeof peft, "%s/peft", dir);
    OK(pt_export_peft(b.m, peft, &o));
    snprintf(path, sizeof path, "%s/lora.gguf", dir);
    OK(pt_export_gguf_lora(b.m, path, &o));
    snprintf(f32, sizeof f32, "%s/merged-f32.gguf", dir);
    OK(pt_export_gguf(b.m, f32, &o));
    snprintf(path, sizeof path, "%s/hf", dir);
    OK(pt_export_hf(b.m, path, &o));
    check_file(path, NULL, want, &ids, 1e-5);
    check_file(f32, NULL, want, &ids, 1e-5);
    check_file(model_path(), peft, want, &ids, 0);
    o.type = PT_DTYPE_COUNT;
    snprintf(path, sizeof path, "%s/merged-q4_1.gguf", dir);
    OK(pt_export_gguf(b.m, path, &o));
    check_file(path, NULL, want, &ids, 0.2);
    if (keep) {
        bench plain;
        save_greedy(&b, dir, 0);
        o.type = PT_F32;
        snprintf(path, sizeof path, "%s/base-f32.gguf", dir);
        open_model(&plain, PT_COMPUTE_F32, &(pt_model_options){0});
        OK(pt_export_gguf(plain.m, path, &o));
        bench_close(&plain);
    } else
        OK(pt_dir_remove(dir));
    free(ids.ids);
    pt_template_free(tmpl);
    bench_close(&b);
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logps), cmocka_unit_test(test_logps_bf16),
                                       cmocka_unit_test(test_tokenizer_and_greedy), cmocka_unit_test(test_exports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
