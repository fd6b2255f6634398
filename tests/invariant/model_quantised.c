/* Training on a quantised GGUF and on its dequantised Hugging Face copy is one trajectory, and each one's adapter fits the
 * other. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "train/export/export.h"

static char tmp[64];
static const pt_model_caps caps = {.tokens = 128, .segs = 16, .heads = 64, .rows = 64, .groups = 8};

static void export_plain(const char *from, const char *to, bool gguf, pt_dtype type)
{
    bench b;
    pt_export_options o = {.type = type};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, from, &(pt_model_options){0}, &caps);
    OK(gguf ? pt_export_gguf(b.m, to, &o) : pt_export_hf(b.m, to, &o));
    bench_close(&b);
}

/* Ten steps; the losses, and the adapter as PEFT. */
static void train(const char *base, const rows *r, double *loss, const char *peft)
{
    bench b;
    optimiser o;
    pt_model_options opt = {.lora = {.on = true, .r = 4, .alpha = 8}, .train = true, .seed = 11};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, base, &opt, &caps);
    optimiser_open(&o, &b);
    for (int i = 0; i < 10; i++) {
        loss[i] = sft_pass(&b, r, PT_PACKING_FOREST);
        optimiser_step(&o, &b, 5e-3f, 0, 1);
    }
    OK(pt_export_peft(b.m, peft, &(pt_export_options){.type = PT_F32, .base_name = base}));
    b.ctx.ops->free(&b.ctx, &o.buf);
    bench_close(&b);
}

static void score(const char *base, const char *adapter, const rows *r, float *logp)
{
    bench b;
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, base, &(pt_model_options){.lora = {.on = true, .start_dir = adapter}}, &caps);
    OK(pt_model_token_logps(b.m, r->seq[2].ids, r->seq[2].n, 0, logp));
    bench_close(&b);
}

static void test_one_trajectory(void **state)
{
    static const char *const types[] = {"q4_1", "q8_0", "q5_0", "f16"};
    const char *family = *state;
    char fixture[128], gguf[128], hf[128], a[128], b[128];
    json_t *golden = fixture_json(family, "golden.json");
    rows r = rows_sft(golden);
    snprintf(fixture, sizeof fixture, FIXTURES "/%s", family);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        pt_dtype type;
        double x[10], y[10];
        float p[64], q[64];
        assert_true(pt_dtype_parse(types[t], &type));
        snprintf(gguf, sizeof gguf, "%s/base.gguf", tmp);
        snprintf(hf, sizeof hf, "%s/hf", tmp);
        snprintf(a, sizeof a, "%s/adapter-of-gguf", tmp);
        snprintf(b, sizeof b, "%s/adapter-of-hf", tmp);
        export_plain(fixture, gguf, true, type);
        export_plain(gguf, hf, false, PT_F32);
        train(gguf, &r, x, a);
        train(hf, &r, y, b);
        for (int i = 0; i < 10; i++)
            if (!(fabs(x[i] - y[i]) <= 1e-4 * y[i]))
                fail_msg("%s, step %d: loss %.8f on the GGUF, %.8f on its copy", types[t], i, x[i], y[i]);
        assert_true(x[9] < x[0] - 0.05); /* it learns */
        score(gguf, a, &r, p);
        score(hf, a, &r, q); /* the other base */
        assert_true(rel_error(p, q, r.seq[2].n - 1) <= 1e-5);
        score(gguf, b, &r, q); /* the other adapter */
        double e = rel_error(q, p, r.seq[2].n - 1);
        if (!(e <= 1e-3)) fail_msg("%s: the copy's adapter on the GGUF differs by %.2e", types[t], e);
    }
    rows_free(&r);
    json_decref(golden);
}

static int make_tmp(void **state)
{
    snprintf(tmp, sizeof tmp, "/tmp/ptrain-quantised-XXXXXX");
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
        {"one trajectory: llama", test_one_trajectory, NULL, NULL, (void *)"llama"},
        {"one trajectory: qwen3", test_one_trajectory, NULL, NULL, (void *)"qwen3"},
    };
    return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
