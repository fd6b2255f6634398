/* Whole models against PyTorch, transformers and PEFT (tests/golden/models.py): every family on the reference and the cpu
 * backend. */
#include "tests/golden/model_steps.h"

#include "base/file.h"

typedef struct setup {
    const char *family;
    const pt_ops *ops;
    pt_compute compute;
} setup;

static bool few; /* not every layout with and without recomputation: for slow backends */

static const pt_model_caps caps = {.tokens = 128, .segs = 16, .heads = 64, .rows = 64, .groups = 8};

static pt_model_options lora_options(char *dir, size_t size, const setup *s)
{
    snprintf(dir, size, FIXTURES "/%s/adapter", s->family);
    return (pt_model_options){.lora = {.on = true, .start_dir = dir}, .train = true, .seed = 1};
}

static void open_family(bench *b, const setup *s, const pt_model_options *opt, const pt_model_caps *c)
{
    char path[256];
    snprintf(path, sizeof path, FIXTURES "/%s", s->family);
    bench_open(b, s->ops, s->compute, path, opt, c);
}

static pt_st *open_golden(const setup *s)
{
    char path[256];
    pt_st *st;
    snprintf(path, sizeof path, FIXTURES "/%s/golden.safetensors", s->family);
    OK(pt_st_open(&st, path));
    return st;
}

/* Every token's whole distribution against the golden: of the third row. */
static double distribution_error(bench *b, json_t *golden, const pt_st *st, const char *name, int slot)
{
    rows r = rows_sft(golden);
    float *want = (float *)(uintptr_t)golden_tensor(st, name, r.seq[2].n * pt_model_config_get(b->m)->vocab);
    double e = logits_error(b, &r.seq[2], want, slot);
    free(want);
    rows_free(&r);
    return e;
}

static void test_logits(void **state)
{
    const setup *s = *state;
    char dir[256];
    pt_model_options opt = lora_options(dir, sizeof dir, s);
    pt_model_caps wide = {.tokens = 128, .segs = 8, .heads = 64, .rows = 64 * 260, .groups = 8};
    json_t *golden = fixture_json(s->family, "golden.json");
    pt_st *st = open_golden(s);
    bench b;
    open_family(&b, s, &opt, &wide);
    double base = distribution_error(&b, golden, st, "logits", PT_SLOT_NONE),
           lora = distribution_error(&b, golden, st, "lora_logits", 0);
    double limit = s->compute == PT_COMPUTE_F32 ? 1e-4 : 2 * json_num(golden, "bf16_logits");
    print_message("# figure logits %s %s: base %.2e lora %.2e (limit %.1e)\n", s->family, s->ops->name, base, lora, limit);
    assert_true(base <= limit);
    assert_true(lora <= limit);
    bench_close(&b);
    pt_st_close(st);
    json_decref(golden);
}

/* Every gradient by name against the golden; budget: relative errors by name, NULL = 1e-4 for all. Returns the largest error.
 */
static double check_grads(bench *b, const pt_st *st, const char *prefix, json_t *budget)
{
    char name[256];
    double worst = 0;
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    float *g = download_grads(b);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s.%s", prefix, p[i].name);
        const float *want = golden_tensor(st, name, p[i].rows * p[i].cols);
        double e = rel_error(g + p[i].offset, want, p[i].rows * p[i].cols);
        double limit = budget ? 2 * json_num(budget, p[i].name) : 1e-4;
        if (!(e <= limit)) fail_msg("%s: relative error %.3e, limit %.1e", name, e, limit);
        worst = e > worst ? e : worst;
        golden_free(want);
    }
    free(g);
    return worst;
}

static void grads_of(const setup *s, bool full)
{
    char dir[256];
    pt_model_options opt = full ? (pt_model_options){.full = true, .train = true} : lora_options(dir, sizeof dir, s);
    json_t *golden = fixture_json(s->family, "golden.json");
    pt_st *st = open_golden(s);
    rows r = rows_sft(golden);
    bool f32 = s->compute == PT_COMPUTE_F32;
    for (int ckpt = 0; ckpt < 2; ckpt++)
        for (int packing = 0; packing < 3; packing++) {
            bench b;
            if (few && ckpt != (packing == 2)) continue;
            opt.checkpointing = ckpt;
            open_family(&b, s, &opt, &caps);
            double want = json_num(golden, full ? "full_loss" : "lora_loss"), loss = sft_pass(&b, &r, (pt_packing)packing);
            if (!(fabs(loss - want) <= (f32 ? 1e-5 : 2e-2) * want)) fail_msg("loss %.8f, expected %.8f", loss, want);
            double e = check_grads(&b, st, full ? "full" : "lora",
                                   f32 ? NULL : json_object_get(golden, full ? "bf16_full" : "bf16_lora"));
            if (packing == 0 && !ckpt)
                print_message("# figure %s gradients %s %s: largest error %.2e\n", full ? "full" : "LoRA", s->family,
                              s->ops->name, e);
            bench_close(&b);
        }
    rows_free(&r);
    pt_st_close(st);
    json_decref(golden);
}

static void test_full_grads(void **state)
{
    grads_of(*state, true);
}
static void test_lora_grads(void **state)
{
    grads_of(*state, false);
}

/* ---- ten AdamW steps --------------------------------------------------------------------------------------------------- */

static void sft_steps(const setup *s, bool full)
{
    char dir[256];
    pt_model_options opt = full ? (pt_model_options){.full = true, .train = true} : lora_options(dir, sizeof dir, s);
    json_t *golden = fixture_json(s->family, "golden.json");
    bench b;
    open_family(&b, s, &opt, &caps);
    golden_sft_steps(&b, golden, full ? "full_steps" : "sft_steps");
    bench_close(&b);
    json_decref(golden);
}

static void test_sft_steps(void **state)
{
    sft_steps(*state, false);
}
static void test_full_steps(void **state)
{
    sft_steps(*state, true);
}

/* Sigmoid DPO from the groups' sums; fills dlogp. Groups 2k and 2k+1 are the sides of pair k. */
static double dpo_loss(const pt_batch *b, const double *sum, const double *ref, double beta, float *dlogp)
{
    double loss = 0;
    int pairs = b->n_groups / 2;
    for (int32_t i = 0; i < b->n_rows; i++) dlogp[i] = 0;
    for (int k = 0; k < pairs; k++) {
        double x = beta * ((sum[2 * k] - ref[2 * k]) - (sum[2 * k + 1] - ref[2 * k + 1])), slope = -beta / (1 + exp(x)) / pairs;
        loss += log1p(exp(-x)) / pairs;
        for (int side = 0; side < 2; side++)
            for (int32_t g = 2 * k + side, j = b->group_row_start[g]; j < b->group_row_start[g + 1]; j++)
                dlogp[b->group_rows[j]] += (float)((side ? -slope : slope) * (double)b->group_row_weight[j]);
    }
    return loss;
}

static void check_reference(json_t *golden, const char *key, const double *sum, int32_t n)
{
    json_t *all = json_object_get(json_object_get(golden, "pair_logps"), key);
    for (int32_t g = 0; g < n; g++) {
        double want = json_number_value(json_array_get(json_array_get(all, (size_t)g / 2), (size_t)g % 2));
        if (!(fabs(sum[g] - want) <= 1e-5 * fabs(want)))
            fail_msg("reference %s, group %d: %.8f, expected %.8f", key, g, sum[g], want);
    }
}

static void dpo_steps(const setup *s, bool start)
{
    char dir[256];
    pt_model_options opt = lora_options(dir, sizeof dir, s);
    json_t *golden = fixture_json(s->family, "golden.json");
    rows r = rows_pairs(golden);
    bench b;
    optimiser o;
    pt_batch batch;
    opt.lora.frozen_copy = start;
    open_family(&b, s, &opt, &caps);
    optimiser_open(&o, &b);
    OK(pt_batch_build(&batch, r.seq, r.n, PT_PACKING_FOREST));
    float *logp = calloc((size_t)batch.n_rows, sizeof *logp), *d = calloc((size_t)batch.n_rows, sizeof *d);
    double sum[16], ref[16];
    for (size_t i = 0; i < 10; i++) {
        OK(pt_model_load_batch(b.m, &batch, i, true));
        OK(pt_model_forward(b.m, start ? 1 : PT_SLOT_NONE, false));
        OK(pt_model_logp(b.m, NULL, logp));
        group_sums(&batch, logp, ref);
        check_reference(golden, start ? "start" : "base", ref, batch.n_groups);
        OK(pt_model_forward(b.m, PT_SLOT_OWN, true));
        OK(pt_model_logp(b.m, NULL, logp));
        group_sums(&batch, logp, sum);
        double loss = dpo_loss(&batch, sum, ref, json_num(golden, "beta"), d);
        if (i == 0 && start) assert_true(fabs(loss - log(2)) < 1e-12); /* the margin at step 0 is exactly 0 */
        OK(pt_model_logp(b.m, d, NULL));
        OK(pt_model_backward(b.m));
        optimiser_step(&o, &b, (float)json_num(golden, "lr"), (float)json_num(golden, "weight_decay"),
                       (float)json_num(golden, "max_grad_norm"));
        golden_step(golden, start ? "dpo_start_steps" : "dpo_base_steps", i, loss, norm_of(&b, &o));
    }
    free(logp);
    free(d);
    pt_batch_free(&batch);
    b.ctx.ops->free(&b.ctx, &o.buf);
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
}

static void test_dpo_start(void **state)
{
    dpo_steps(*state, true);
}
static void test_dpo_base(void **state)
{
    dpo_steps(*state, false);
}

/* ---- reward, generation ------------------------------------------------------------------------------------------------ */

static void put_param(bench *b, const char *name, const float *value)
{
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0) {
            OK(b->ctx.ops->upload(&b->ctx, pt_view_cols(pt_model_param_view(b->m), p[i].offset, p[i].rows * p[i].cols), value));
            return;
        }
    fail_msg("no parameter %s", name);
}

static void test_reward(void **state)
{
    static const char *const names[] = {"score.weight", "model.layers.0.self_attn.q_proj.lora_A.weight",
                                        "model.layers.1.mlp.down_proj.lora_B.weight"};
    const setup *s = *state;
    char dir[256], name[160];
    pt_model_options opt = lora_options(dir, sizeof dir, s);
    json_t *golden = fixture_json(s->family, "golden.json"), *want = json_object_get(golden, "scores");
    pt_st *st = open_golden(s);
    rows r = rows_pairs(golden);
    bench b;
    pt_batch batch;
    opt.heads = PT_HEAD_VALUES;
    open_family(&b, s, &opt, &caps);
    const float *w = golden_tensor(st, "score.weight", 32);
    put_param(&b, "score.weight", w);
    OK(pt_batch_build(&batch, r.seq, r.n, PT_PACKING_FOREST));
    OK(pt_model_load_batch(b.m, &batch, 0, true));
    OK(pt_model_forward(b.m, PT_SLOT_OWN, true));
    float score[16], d[16];
    OK(pt_model_values(b.m, score));
    double loss = 0;
    int pairs = (int)r.n / 2;
    for (int k = 0; k < pairs; k++) {
        for (int side = 0; side < 2; side++) {
            double x = json_number_value(json_array_get(json_array_get(want, (size_t)k), (size_t)side));
            if (!(fabs((double)score[2 * k + side] - x) <= 1e-4))
                fail_msg("score %d: %.7f, expected %.7f", 2 * k + side, (double)score[2 * k + side], x);
        }
        double x = (double)score[2 * k] - (double)score[2 * k + 1];
        loss += log1p(exp(-x)) / pairs;
        d[2 * k] = (float)(-1 / (1 + exp(x)) / pairs);
        d[2 * k + 1] = -d[2 * k];
    }
    assert_true(fabs(loss - json_num(golden, "reward_loss")) <= 1e-5 * loss);
    OK(pt_model_values_backward(b.m, d));
    OK(pt_model_backward(b.m));
    float *g = download_grads(&b);
    const pt_param *p;
    size_t n = pt_model_params(b.m, &p);
    int found = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            if (strcmp(p[i].name, names[k]) != 0) continue;
            snprintf(name, sizeof name, "reward.%s", names[k]);
            const float *x = golden_tensor(st, name, p[i].rows * p[i].cols);
            assert_true(rel_error(g + p[i].offset, x, p[i].rows * p[i].cols) <= 1e-4);
            golden_free(x);
            found++;
        }
    assert_int_equal(found, 3);
    free(g);
    golden_free(w);
    pt_batch_free(&batch);
    bench_close(&b);
    rows_free(&r);
    pt_st_close(st);
    json_decref(golden);
}

static void test_greedy(void **state)
{
    const setup *s = *state;
    pt_model_options opt = {0};
    pt_model_caps c = {.tokens = 64, .segs = 8, .heads = 8, .rows = 8, .groups = 8, .decode_rows = 2, .decode_len = 32};
    json_t *golden = fixture_json(s->family, "golden.json"), *g = json_object_get(golden, "greedy");
    json_t *ids = json_object_get(g, "ids");
    rows r = {0};
    bench b;
    rows_add(&r, json_object_get(g, "prompt"), NULL, 0);
    open_family(&b, s, &opt, &c);
    pt_ids prompts[3];
    pt_gen_result out[3] = {{.stopped = false}};
    for (int i = 0; i < 3; i++) prompts[i] = (pt_ids){(int32_t *)(uintptr_t)r.seq[0].ids, (size_t)(i == 1 ? 5 : r.seq[0].n), 0};
    pt_gen_options o = {.max_new_tokens = (int)json_array_size(ids), .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE};
    OK(pt_generate(b.m, prompts, 3, &o, out, NULL, NULL));
    for (int i = 0; i < 3; i += 2) {
        assert_int_equal(out[i].ids.n, json_array_size(ids));
        for (size_t k = 0; k < out[i].ids.n; k++)
            assert_int_equal(out[i].ids.ids[k], json_integer_value(json_array_get(ids, k)));
        assert_false(out[i].stopped);
    }
    for (int i = 0; i < 3; i++) free(out[i].ids.ids);
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
}

static const struct {
    const char *name;
    CMUnitTestFunction f;
    bool bf16;
} tests[] = {
    {"logits", test_logits, true},
    {"full gradients", test_full_grads, true},
    {"LoRA gradients", test_lora_grads, true},
    {"SFT steps", test_sft_steps, false},
    {"full steps", test_full_steps, false},
    {"DPO steps, reference start", test_dpo_start, false},
    {"DPO steps, reference base", test_dpo_base, false},
    {"reward", test_reward, false},
    {"greedy", test_greedy, false},
};
static struct CMUnitTest list[128];
static setup setups[16];
static char names[128][96];
static size_t n_list, n_setups;

/* Tests of one family on one backend: the first `most` of the list. */
static void add(const char *family, const pt_ops *ops, pt_compute compute, size_t most)
{
    bool bf16 = compute == PT_COMPUTE_BF16;
    setup *s = &setups[n_setups++];
    *s = (setup){family, ops, compute};
    for (size_t t = 0; t < most && t < sizeof tests / sizeof *tests; t++) {
        if (bf16 && !tests[t].bf16) continue;
        snprintf(names[n_list], sizeof names[n_list], "%s: %s, %s%s", tests[t].name, family, ops->name, bf16 ? ", bf16" : "");
        list[n_list] = (struct CMUnitTest){names[n_list], tests[t].f, NULL, NULL, s};
        n_list++;
    }
}

#ifndef GOLDEN_ON_DEVICE /* tests/emu has a main of its own */
/* Not every processor has products of bf16: then there is nothing of bf16 to test, and ptrain refuses compute: bf16. */
static bool has_bf16(void)
{
    pt_ctx c = {.ops = &pt_ops_cpu};
    bool has = pt_ops_cpu.open(&c, PT_COMPUTE_BF16) == PT_OK;
    if (has) pt_ops_cpu.close(&c);
    else print_message("# skip: %s\n", pt_err_msg());
    return has;
}

int main(void)
{
    bool bf16 = has_bf16();
    static const char *const families[] = {"llama", "mistral", "qwen2", "qwen3"};
    for (size_t f = 0; f < 4; f++) {
        add(families[f], &pt_ops_ref, PT_COMPUTE_F32, SIZE_MAX);
        add(families[f], &pt_ops_cpu, PT_COMPUTE_F32, SIZE_MAX);
        if (bf16) add(families[f], &pt_ops_cpu, PT_COMPUTE_BF16, SIZE_MAX);
    }
    return _cmocka_run_group_tests("model golden", list, n_list, NULL, NULL);
}
#endif
