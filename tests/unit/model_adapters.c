/* Which modules get adapters, with what ranks and scales, how they start, and which adapter folders are refused. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "train/export/export.h"

static char tmp[64];
static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};

static void expect(pt_status got, pt_status want, const char *says)
{
    if (got != want || (want != PT_OK && !strstr(pt_err_msg(), says)))
        fail_msg("%s: %s\nexpected %s with '%s'", pt_status_name(got), got ? pt_err_msg() : "", pt_status_name(want), says);
}

static pt_status make(bench *b, const pt_model_options *opt)
{
    *b = (bench){.ctx = {.ops = &pt_ops_cpu}};
    OK(b->ctx.ops->open(&b->ctx, PT_COMPUTE_F32));
    OK(pt_source_open(&b->src, FIXTURES "/llama"));
    return pt_model_new(&b->m, &b->ctx, b->src, opt);
}

static void commit(bench *b)
{
    size_t bytes[PT_ROLE_COUNT];
    OK(pt_model_plan(b->m, &caps, bytes));
    OK(pt_model_commit(b->m));
}

static size_t count_modules(const char *const *targets, size_t n)
{
    bench b;
    const pt_lora_module *list;
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .r = 2, .alpha = 4, .targets = targets, .n_targets = n}}));
    size_t count = pt_model_lora_modules(b.m, &list);
    bench_close(&b);
    return count;
}

static void test_targets(void **state)
{
    static const char *const all[] = {"all-linear"}, *const suffix[] = {"q_proj", "mlp.down_proj"},
                             *const path[] = {"model.layers.1.self_attn.o_proj"};
    static const char *const regex[] = {".*\\.(0|1)\\.self_attn\\.(q|k|v)_proj"}, *const part[] = {"self_attn.(q|k)_proj"};
    static const char *const none[] = {"proj"}, *const head[] = {"q_proj", "lm_head"}, *const bad[] = {"q_proj("};
    assert_int_equal(count_modules(NULL, 0), 14);
    assert_int_equal(count_modules(all, 1), 14);
    assert_int_equal(count_modules(suffix, 2), 4);
    assert_int_equal(count_modules(path, 1), 1);
    assert_int_equal(count_modules(regex, 1), 6);
    bench b;
    const struct {
        const char *const *t;
        size_t n;
        pt_status status;
        const char *says;
    } wrong[] = {
        {part, 1, PT_EARG, "match no linear layer"}, /* a regular expression must match the whole path, as in PEFT */
        {none, 1, PT_EARG, "match no linear layer"},
        {head, 2, PT_ENOSUP, "lm_head"},
        {bad, 1, PT_EARG, "q_proj("},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect(
            make(&b,
                 &(pt_model_options){.lora = {.on = true, .r = 2, .alpha = 4, .targets = wrong[i].t, .n_targets = wrong[i].n}}),
            wrong[i].status, wrong[i].says);
        bench_close(&b);
    }
}

static void test_options(void **state)
{
    bench b;
    const struct {
        pt_model_options o;
        const char *says;
    } wrong[] = {
        {{.lora = {.on = true, .r = 0, .alpha = 1}}, "lora_r is 0"},
        {{.lora = {.on = true, .r = 4, .alpha = 0}}, "lora_alpha is 0"},
        {{.lora = {.on = true, .r = 4, .alpha = 4, .dropout = 1}}, "lora_dropout is 1"},
        {{.lora = {.on = true, .r = 4, .alpha = 4}, .full = true}, "choose one"},
        {{.lora = {.frozen_copy = true}}, "without an adapter"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect(make(&b, &wrong[i].o), PT_EARG, wrong[i].says);
        bench_close(&b);
    }
}

static float *download(bench *b, pt_view v)
{
    float *out = calloc((size_t)(v.rows * v.cols), sizeof *out);
    OK(b->ctx.ops->download(&b->ctx, out, v));
    return out;
}

/* PEFT's start: A uniform in +-1/sqrt(in), B zero; A's of one input lie one behind the other. */
static void test_fresh(void **state)
{
    bench b;
    const pt_param *p;
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .r = 3, .alpha = 6, .rslora = true}, .train = true, .seed = 5}));
    commit(&b);
    size_t n = pt_model_params(b.m, &p);
    float *flat = download(&b, pt_model_param_view(b.m));
    assert_int_equal(n, 28);
    for (size_t i = 0; i < n; i++) {
        bool a = strstr(p[i].name, "lora_A") != NULL;
        double bound = a ? 1 / sqrt((double)p[i].cols) : 0, top = 0, sum = 0;
        for (int64_t k = 0; k < p[i].rows * p[i].cols; k++) {
            double x = (double)flat[p[i].offset + k];
            top = fmax(top, fabs(x));
            sum += x;
        }
        assert_true(top <= bound);
        if (a) assert_true(top > 0.9 * bound && fabs(sum / (double)(p[i].rows * p[i].cols)) < 0.2 * bound);
        assert_true(p[i].decay);
    }
    assert_string_equal(p[0].name, "model.layers.0.self_attn.q_proj.lora_A.weight");
    assert_string_equal(p[1].name, "model.layers.0.self_attn.k_proj.lora_A.weight");
    assert_int_equal(p[1].offset, p[0].offset + 3 * 32);
    assert_int_equal(p[2].offset, p[1].offset + 3 * 32);
    const pt_lora_module *m;
    pt_model_lora_modules(b.m, &m);
    assert_true(fabs(m[0].scale - 6 / sqrt(3)) < 1e-12);
    free(flat);
    bench_close(&b);
}

static void test_full_order(void **state)
{
    bench b;
    const pt_param *p;
    OK(make(&b, &(pt_model_options){.full = true, .train = true}));
    size_t n = pt_model_params(b.m, &p);
    bool seen_plain = false;
    int64_t end = 0, numbers = 0;
    for (size_t i = 0; i < n; i++) {
        seen_plain |= !p[i].decay;
        assert_true(p[i].decay != seen_plain); /* decayed ones first */
        assert_true(p[i].decay == (strstr(p[i].name, "norm") == NULL));
        assert_true(p[i].offset >= end);
        end = p[i].offset + p[i].rows * p[i].cols;
        numbers += p[i].rows * p[i].cols;
    }
    assert_int_equal(numbers, pt_source_parameters(b.src));
    assert_true(pt_model_param_count(b.m) >= end);
    bench_close(&b);
}

/* ---- adapter folders ---------------------------------------------------------------------------------------------------- */

static json_t *fixture_config(void)
{
    json_error_t e;
    json_t *c = json_load_file(FIXTURES "/llama/adapter/adapter_config.json", 0, &e);
    if (!c) fail_msg("%s", e.text);
    return c;
}

/* A folder with this config and the fixture's tensors; `drop` is left out, `extra` added as [4, 32] zeros. */
static void write_adapter(char *dir, size_t size, json_t *config, const char *drop, const char *extra)
{
    char path[256];
    static const float zeros[4 * 32];
    int64_t dims[2] = {4, 32};
    pt_st *st;
    pt_st_writer w = {0};
    snprintf(dir, size, "%s/adapter", tmp);
    OK(pt_dir_make(dir));
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    OK(pt_st_open(&st, FIXTURES "/llama/adapter/adapter_model.safetensors"));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", dir);
    OK(pt_st_writer_open(&w, path));
    for (int write = 0; write < 2; write++) {
        for (size_t i = 0; i < st->n_tensors; i++) {
            const pt_st_tensor *t = &st->tensors[i];
            if (drop && strstr(t->name, drop)) continue;
            if (!write)
                OK(pt_st_writer_add(&w, t->name, t->type, t->n_dims, t->dims));
            else
                OK(pt_st_writer_write(&w, t->data, t->bytes));
        }
        if (extra && !write) OK(pt_st_writer_add(&w, extra, PT_F32, 2, dims));
        if (extra && write) OK(pt_st_writer_write(&w, zeros, sizeof zeros));
    }
    OK(pt_st_writer_commit(&w));
    pt_st_writer_close(&w);
    pt_st_close(st);
}

static pt_status open_adapter(bench *b, const char *dir)
{
    size_t bytes[PT_ROLE_COUNT];
    pt_status rc = make(b, &(pt_model_options){.lora = {.on = true, .start_dir = dir}});
    if (rc == PT_OK) rc = pt_model_plan(b->m, &caps, bytes);
    return rc == PT_OK ? pt_model_commit(b->m) : rc;
}

static void test_start_folder(void **state)
{
    char dir[128];
    bench b;
    const pt_lora_module *m;
    json_t *c = fixture_config();
    json_object_set_new(c, "alpha_pattern", json_pack("{s:i}", "layers.1.mlp.up_proj", 12));
    write_adapter(dir, sizeof dir, c, NULL, NULL);
    OK(open_adapter(&b, dir));
    size_t n = pt_model_lora_modules(b.m, &m);
    assert_int_equal(n, 14);
    for (size_t i = 0; i < n; i++) {
        double alpha = strcmp(m[i].path, "model.layers.1.mlp.up_proj") == 0 ? 12 : 8;
        assert_true(m[i].alpha == alpha && m[i].r == 4 && m[i].scale == alpha / 4);
    }
    bench_close(&b);
}

static void test_start_refused(void **state)
{
    char dir[128];
    bench b;
    json_t *c = fixture_config();
    write_adapter(dir, sizeof dir, c, "layers.1.mlp.up_proj", NULL);
    expect(open_adapter(&b, dir), PT_EFORMAT, "model.layers.1.mlp.up_proj");
    bench_close(&b);
    c = fixture_config(); /* tensors of a module that target_modules leaves out */
    json_object_set_new(c, "target_modules", json_pack("[s]", "q_proj"));
    write_adapter(dir, sizeof dir, c, NULL, NULL);
    expect(open_adapter(&b, dir), PT_ENOSUP, "belongs to no targeted");
    bench_close(&b);
    c = fixture_config();
    json_object_set_new(c, "rank_pattern", json_pack("{s:i}", "q_proj", 8));
    write_adapter(dir, sizeof dir, c, NULL, NULL);
    expect(open_adapter(&b, dir), PT_ESHAPE, "q_proj");
    bench_close(&b);
    c = fixture_config();
    json_object_set_new(c, "modules_to_save", json_pack("[s]", "embed_tokens"));
    write_adapter(dir, sizeof dir, c, NULL, NULL);
    expect(open_adapter(&b, dir), PT_ENOSUP, "embed_tokens");
    bench_close(&b);
    c = fixture_config();
    json_object_set_new(c, "use_dora", json_true());
    write_adapter(dir, sizeof dir, c, NULL, NULL);
    expect(open_adapter(&b, dir), PT_ENOSUP, "use_dora");
    bench_close(&b);
}

static void score(bench *b, int slot, float *logp)
{
    static const int32_t ids[6] = {1, 40, 41, 42, 43, 44};
    OK(pt_model_token_logps(b->m, ids, 6, slot, logp));
}

/* The frozen copy stays what the adapter was; slot -1 is the base. */
static void test_frozen_copy(void **state)
{
    bench b;
    float start[5], frozen[5], base[5], moved[5];
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .start_dir = FIXTURES "/llama/adapter", .frozen_copy = true},
                                    .train = true}));
    commit(&b);
    score(&b, 0, start);
    score(&b, 1, frozen);
    score(&b, PT_SLOT_NONE, base);
    assert_memory_equal(start, frozen, sizeof start);
    assert_true(rel_error(base, start, 5) > 1e-3);
    OK(b.ctx.ops->zero(&b.ctx, pt_model_param_view(b.m)));
    score(&b, 0, moved);
    score(&b, 1, frozen);
    assert_memory_equal(start, frozen, sizeof start);
    assert_memory_equal(moved, base, sizeof base); /* an adapter of zeros adds nothing */
    assert_int_equal(pt_model_token_logps(b.m, (int32_t[]){1, 2}, 2, 2, moved), PT_EARG);
    bench_close(&b);
}

/* An adapter of another rank on other modules, saved: with what it gives alone. */
static void make_other(char dir[128], float logp[5])
{
    static const char *const targets[] = {"q_proj", "mlp.down_proj"};
    bench b;
    const pt_lora_module *list;
    snprintf(dir, 128, "%s/other", tmp);
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .r = 5, .alpha = 7, .targets = targets, .n_targets = 2}, .seed = 3}));
    commit(&b);
    assert_int_equal(pt_model_lora_modules(b.m, &list), 4);
    pt_view flat = pt_model_param_view(b.m);
    float *v = download(&b, flat);
    for (int64_t i = 0; i < flat.cols; i++) v[i] = (float)((i * 2654435761u >> 8) % 1000) / 2000 - 0.25f;
    OK(b.ctx.ops->upload(&b.ctx, flat, v));
    free(v);
    score(&b, 0, logp);
    OK(pt_export_peft(b.m, dir, &(pt_export_options){.type = PT_F32}));
    bench_close(&b);
}

/* Adapters of unlike shape in one model: each gives what it gives alone, in either order. */
static void test_guests(void **state)
{
    char dir[128];
    float want[2][5], got[5], base[5];
    bench b;
    make_other(dir, want[1]);
    const char *const start = FIXTURES "/llama/adapter", *const beside[] = {dir, start}, *const alone[] = {start};
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .start_dir = start, .guests = beside, .n_guests = 2}}));
    commit(&b);
    score(&b, 0, want[0]);
    score(&b, pt_model_guest_slot(b.m, 0), got);
    assert_memory_equal(got, want[1], sizeof got);
    score(&b, pt_model_guest_slot(b.m, 1), got);
    assert_memory_equal(got, want[0], sizeof got);
    score(&b, PT_SLOT_NONE, base);
    assert_true(rel_error(base, want[0], 5) > 1e-3 && rel_error(base, want[1], 5) > 1e-3 && rel_error(want[0], want[1], 5) > 1e-3);
    assert_int_equal(pt_model_token_logps(b.m, (int32_t[]){1, 2}, 2, 3, got), PT_EARG);
    bench_close(&b);
    OK(make(&b, &(pt_model_options){.lora = {.on = true, .start_dir = dir, .guests = alone, .n_guests = 1, .frozen_copy = true}}));
    commit(&b);
    score(&b, 0, got);
    assert_memory_equal(got, want[1], sizeof got);
    score(&b, 1, got);
    assert_memory_equal(got, want[1], sizeof got);
    assert_int_equal(pt_model_guest_slot(b.m, 0), 2);
    score(&b, 2, got);
    assert_memory_equal(got, want[0], sizeof got);
    bench_close(&b);
    expect(make(&b, &(pt_model_options){.lora = {.guests = alone, .n_guests = 1}}), PT_EARG, "without that one");
    bench_close(&b);
}

static int make_tmp(void **state)
{
    snprintf(tmp, sizeof tmp, "/tmp/ptrain-adapters-XXXXXX");
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
        cmocka_unit_test(test_targets),     cmocka_unit_test(test_options),      cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_full_order),  cmocka_unit_test(test_start_folder), cmocka_unit_test(test_start_refused),
        cmocka_unit_test(test_frozen_copy), cmocka_unit_test(test_guests),
    };
    return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
