/* Memory: what the plan says is what is allocated, nothing is allocated after commit, and using the model at the wrong time is
 * an error. */
#include "tests/golden/model_fixture.h"

static struct {
    size_t bytes, calls;
} counted;
static pt_ops counting;

static pt_status counting_alloc(pt_ctx *ctx, pt_buf *buf, size_t bytes)
{
    counted.bytes += bytes;
    counted.calls++;
    return pt_ops_cpu.alloc(ctx, buf, bytes);
}

static void open_counted(bench *b, const char *family, const pt_model_options *opt)
{
    char path[256];
    counting = pt_ops_cpu;
    counting.alloc = counting_alloc;
    counted.bytes = counted.calls = 0;
    snprintf(path, sizeof path, FIXTURES "/%s", family);
    *b = (bench){.ctx = {.ops = &counting}};
    OK(counting.open(&b->ctx, PT_COMPUTE_F32));
    b->ctx.ops = &counting; /* open() names its own table */
    OK(pt_source_open(&b->src, path));
    OK(pt_model_new(&b->m, &b->ctx, b->src, opt));
}

/* Arenas without the weights (mapped) and the forests' own tables. */
static size_t planned(const bench *b, const size_t bytes[PT_ROLE_COUNT], const pt_model_caps *caps, int forests)
{
    size_t sum = 0;
    pt_forest_caps fc = {(caps->tokens + 63) / 64 * 64,
                         (caps->segs > 2 * caps->decode_rows ? caps->segs : 2 * caps->decode_rows) + 1};
    for (int r = 0; r < PT_ROLE_COUNT; r++) sum += r == PT_ROLE_WEIGHTS ? 0 : bytes[r];
    return sum - (size_t)forests * b->ctx.ops->forest_bytes((pt_ctx *)(uintptr_t)&b->ctx, &fc);
}

static void train_once(bench *b, const rows *r, pt_packing packing, bool scalar, int slot)
{
    pt_batch batch;
    OK(pt_batch_build(&batch, r->seq, r->n, packing));
    float logp[128], d[128];
    for (int i = 0; i < 128; i++) d[i] = 0.01f;
    OK(pt_model_load_batch(b->m, &batch, 3, true));
    if (slot != PT_SLOT_OWN) OK(pt_model_forward(b->m, slot, false));
    OK(pt_model_forward(b->m, PT_SLOT_OWN, true));
    if (scalar) {
        OK(pt_model_values(b->m, logp));
        OK(pt_model_values_backward(b->m, d));
    } else
        OK(pt_model_logp(b->m, d, logp));
    OK(pt_model_backward(b->m));
    pt_batch_free(&batch);
}

static void test_plan_is_allocation(void **state)
{
    static const struct {
        const char *family;
        pt_model_options o;
        int forests;
    } cases[] = {
        {"llama", {.lora = {.on = true, .r = 8, .alpha = 8, .dropout = 0.1f}, .train = true}, 1},
        {"llama", {.lora = {.on = true, .r = 4, .alpha = 8, .frozen_copy = true}, .train = true, .checkpointing = true}, 1},
        {"mistral", {.full = true, .train = true}, 1},
        {"qwen3", {.lora = {.on = true, .r = 3, .alpha = 8}, .heads = PT_HEAD_VALUES, .train = true}, 1},
        {"qwen2", {.full = true, .train = true, .checkpointing = true}, 1},
    };
    json_t *golden = fixture_json("llama", "golden.json");
    rows r = rows_sft(golden);
    pt_model_caps caps = {.tokens = 128, .segs = 8, .heads = 64, .rows = 64, .groups = 4};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        size_t bytes[PT_ROLE_COUNT], again[PT_ROLE_COUNT];
        open_counted(&b, cases[i].family, &cases[i].o);
        assert_true(pt_model_param_count(b.m) > 0); /* known before the plan */
        OK(pt_model_plan(b.m, &caps, again));
        OK(pt_model_plan(b.m, &(pt_model_caps){.tokens = 256, .segs = 16, .heads = 256, .rows = 256, .groups = 4}, bytes));
        OK(pt_model_plan(b.m, &caps, bytes)); /* a larger plan in between leaves no trace */
        assert_memory_equal(bytes, again, sizeof bytes);
        assert_int_equal(counted.calls, 0);
        OK(pt_model_commit(b.m));
        if (counted.bytes != planned(&b, bytes, &caps, cases[i].forests))
            fail_msg("case %zu: allocated %zu bytes, planned %zu", i, counted.bytes,
                     planned(&b, bytes, &caps, cases[i].forests));
        size_t calls = counted.calls;
        for (int packing = 0; packing < 3; packing++)
            train_once(&b, &r, (pt_packing)packing, cases[i].o.heads == PT_HEAD_VALUES, cases[i].o.lora.frozen_copy ? 1 : PT_SLOT_OWN);
        assert_int_equal(counted.calls, calls);
        bench_close(&b);
    }
    rows_free(&r);
    json_decref(golden);
}

static void test_generation_plan(void **state)
{
    bench b;
    size_t bytes[PT_ROLE_COUNT];
    int32_t ids[5] = {1, 9, 8, 7, 6};
    pt_ids prompts[3] = {{ids, 5, 5}, {ids, 3, 5}, {ids, 1, 5}};
    pt_gen_result r[3] = {{.stopped = false}};
    pt_model_caps caps = {.tokens = 64, .segs = 4, .heads = 8, .rows = 8, .groups = 4, .decode_rows = 2, .decode_len = 24};
    open_counted(&b, "mistral", &(pt_model_options){0});
    OK(pt_model_plan(b.m, &caps, bytes));
    assert_int_equal(bytes[PT_ROLE_GRADIENTS], 0);
    assert_int_equal(bytes[PT_ROLE_ADAPTERS], 0);
    assert_true(bytes[PT_ROLE_CACHE] >= 2 * 2 * 2 * 24 * 16 * 4);
    OK(pt_model_commit(b.m));
    assert_int_equal(counted.bytes, planned(&b, bytes, &caps, 1));
    size_t calls = counted.calls;
    pt_gen_options o = {.max_new_tokens = 19, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE};
    OK(pt_generate(b.m, prompts, 3, &o, r, NULL, NULL));
    assert_int_equal(counted.calls, calls);
    for (int i = 0; i < 3; i++) free(r[i].ids.ids);
    bench_close(&b);
}

/* Sampling over a large vocabulary takes more workspace than anything else in a narrow model. */
static void test_large_vocabulary(void **state)
{
    bench b = {.ctx = {.ops = &pt_ops_cpu}};
    size_t bytes[PT_ROLE_COUNT];
    int32_t ids[2] = {1, 9};
    pt_ids prompt = {ids, 2, 2};
    pt_gen_result r = {.stopped = false};
    pt_model_config c = {.family = "llama", .hidden = 16, .layers = 1, .heads = 2, .kv_heads = 1, .head_dim = 8, .rot = 8, .ffn = 16, .vocab = 20000,
                         .norm_eps = 1e-5f, .rope_theta = 1e4, .initializer_range = 0.02, .tied = true, .bos = -1, .eos = -1, .pad = -1};
    pt_model_caps caps = {.tokens = 64, .segs = 4, .heads = 1, .rows = 1, .groups = 1, .decode_rows = 1, .decode_len = 16};
    OK(pt_ops_cpu.open(&b.ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&b.src, &c, 3));
    OK(pt_model_new(&b.m, &b.ctx, b.src, &(pt_model_options){0}));
    OK(pt_model_plan(b.m, &caps, bytes));
    OK(pt_model_commit(b.m));
    pt_gen_options o = {.max_new_tokens = 3, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE};
    o.sampler.temperature = 1;
    o.sampler.repeat_penalty = 1.1f;
    OK(pt_generate(b.m, &prompt, 1, &o, &r, NULL, NULL));
    assert_int_equal(r.ids.n, 3);
    free(r.ids.ids);
    bench_close(&b);
}

static void test_wrong_times(void **state)
{
    bench b;
    size_t bytes[PT_ROLE_COUNT];
    float x[64] = {0};
    pt_batch batch;
    json_t *golden = fixture_json("llama", "golden.json");
    rows r = rows_sft(golden);
    pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 20, .rows = 20, .groups = 4};
    open_counted(&b, "llama", &(pt_model_options){.lora = {.on = true, .r = 2, .alpha = 2}, .train = true});
    OK(pt_batch_build(&batch, r.seq, 1, PT_PACKING_OFF));
    assert_int_equal(pt_model_commit(b.m), PT_ESTATE);
    assert_int_equal(pt_model_load_batch(b.m, &batch, 0, true), PT_ESTATE);
    OK(pt_model_plan(b.m, &caps, bytes));
    OK(pt_model_commit(b.m));
    assert_int_equal(pt_model_commit(b.m), PT_ESTATE);
    assert_int_equal(pt_model_plan(b.m, &caps, bytes), PT_ESTATE);
    assert_int_equal(pt_model_forward(b.m, 0, true), PT_ESTATE);
    OK(pt_model_load_batch(b.m, &batch, 0, true));
    assert_int_equal(pt_model_logp(b.m, NULL, x), PT_ESTATE);
    assert_int_equal(pt_model_backward(b.m), PT_ESTATE);
    OK(pt_model_forward(b.m, PT_SLOT_OWN, false));
    OK(pt_model_logp(b.m, NULL, x));
    assert_int_equal(pt_model_logp(b.m, x, x), PT_ESTATE); /* nothing was kept */
    OK(pt_model_forward(b.m, PT_SLOT_OWN, true));
    assert_int_equal(pt_model_backward(b.m), PT_ESTATE);
    OK(pt_model_logp(b.m, x, x));
    OK(pt_model_backward(b.m));
    assert_int_equal(pt_model_backward(b.m), PT_ESTATE); /* once */
    assert_int_equal(pt_model_values(b.m, x), PT_ESTATE);
    assert_int_equal(pt_model_forward(b.m, 1, false), PT_EARG);
    pt_batch_free(&batch);
    OK(pt_batch_build(&batch, r.seq, 3, PT_PACKING_OFF));
    assert_int_equal(pt_model_load_batch(b.m, &batch, 0, true), PT_ESTATE); /* more than planned */
    assert_non_null(strstr(pt_err_msg(), "planned"));
    pt_batch_free(&batch);
    int32_t ids[3] = {1, 260, 2};
    assert_int_equal(pt_model_token_logps(b.m, ids, 3, 0, x), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "260"));
    pt_gen_options o = {.max_new_tokens = 1, .sampler = pt_sampler_off()};
    pt_gen_result g = {.stopped = false};
    assert_int_equal(pt_generate(b.m, &(pt_ids){ids, 1, 1}, 1, &o, &g, NULL, NULL), PT_ESTATE);
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan_is_allocation), cmocka_unit_test(test_generation_plan), cmocka_unit_test(test_large_vocabulary),
                                       cmocka_unit_test(test_wrong_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
