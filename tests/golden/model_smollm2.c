/* SmolLM2-135M-Instruct Q4_1 from its GGUF against transformers on the dequantised weights (tests/golden/smollm2.py). The model is not in the
 * repository: PTRAIN_SMOLLM2 names it, else the tests skip. */
#include "tests/golden/model_fixture.h"

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
    pt_model_caps caps = {.tokens = 128, .segs = 8, .heads = 128, .rows = 128, .groups = 4, .decode_rows = 2, .decode_len = 128};
    bench_open(b, &pt_ops_cpu, compute, model_path(), opt, &caps);
}

static void logps(pt_compute compute, double limit)
{
    bench b;
    size_t i;
    json_t *v, *g = golden();
    open_model(&b, compute, &(pt_model_options){0});
    json_array_foreach(json_object_get(g, "logps"), i, v) {
        pt_ids ids;
        float got[128], want[128];
        ids_from(json_object_get(v, "ids"), &ids);
        OK(pt_model_token_logps(b.m, ids.ids, (int32_t)ids.n, PT_SLOT_NONE, got));
        for (size_t k = 0; k + 1 < ids.n; k++) want[k] = (float)json_number_value(json_array_get(json_object_get(v, "logp"), k));
        double e = rel_error(got, want, (int64_t)ids.n - 1);
        print_message("# figure SmolLM2 Q4_1 log-probabilities, text %zu: relative error %.2e\n", i, e);
        assert_true(e <= limit);
        free(ids.ids);
    }
    bench_close(&b);
    json_decref(g);
}

static void test_logps(void **state) { logps(PT_COMPUTE_F32, 1e-4); }
static void test_logps_bf16(void **state) { logps(PT_COMPUTE_BF16, 3e-2); }

static void test_tokenizer_and_greedy(void **state)
{
    bench b;
    size_t i;
    json_t *v, *g = golden(), *list = json_object_get(g, "greedy");
    const pt_tokenizer *tok;
    pt_ids prompts[2];
    pt_gen_result out[2] = {{{0}, false, 0}};
    int32_t stop = 2;
    open_model(&b, PT_COMPUTE_F32, &(pt_model_options){0});
    OK(pt_source_tokenizer(b.src, &tok));
    json_array_foreach(list, i, v) {
        const char *text = json_string_value(json_object_get(v, "prompt"));
        pt_ids own = {0};
        ids_from(json_object_get(v, "prompt_ids"), &prompts[i]);
        OK(pt_tok_encode(tok, text, strlen(text), true, true, &own));
        assert_int_equal(own.n, prompts[i].n);
        assert_memory_equal(own.ids, prompts[i].ids, own.n * sizeof *own.ids);
        free(own.ids);
    }
    pt_gen_options o = {.max_new_tokens = 24, .top_p = 1, .repetition_penalty = 1, .stops = &stop, .n_stops = 1, .slot = PT_SLOT_NONE, .logp = true};
    OK(pt_generate(b.m, prompts, 2, &o, out, NULL, NULL));
    json_array_foreach(list, i, v) {
        json_t *ids = json_object_get(v, "ids");
        pt_str text = {0};
        assert_int_equal(out[i].ids.n, json_array_size(ids));
        for (size_t k = 0; k < out[i].ids.n; k++) assert_int_equal(out[i].ids.ids[k], json_integer_value(json_array_get(ids, k)));
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logps), cmocka_unit_test(test_logps_bf16), cmocka_unit_test(test_tokenizer_and_greedy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
