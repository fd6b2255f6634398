/* Heads of three numbers (rewards, classes) over families of different shapes against transformers' classifiers (tests/golden/heads.py): scores of every row in
 * one forest, and of every parameter's gradient the norm and the sum weighted by cos(index). */
#include "tests/golden/model_fixture.h"

enum { LABELS = 3 };
static const char *const families[] = {"gemma2", "gpt2", "falcon", "opt_350m", "stablelm_12b"};
enum { N_FAMILIES = sizeof families / sizeof *families };

typedef struct setup {
    const char *family;
    const pt_ops *ops;
} setup;

static void put_score(bench *b)
{
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].name, "score.weight")) continue;
        int64_t count = p[i].rows * p[i].cols;
        float *w = calloc((size_t)count, sizeof *w);
        for (int64_t k = 0; k < count; k++) w[k] = (float)(sin((double)k) / 10);
        OK(b->ctx.ops->upload(&b->ctx, pt_view_cols(pt_model_param_view(b->m), p[i].offset, count), w));
        free(w);
        return;
    }
    fail_msg("no score.weight");
}

/* What the file says of a parameter: {norm, sum}, or {norm}. A matrix of which the file has the rows apart: their norm. */
static size_t wanted(json_t *grads, const pt_param *p, double out[2])
{
    char name[200];
    json_t *x = json_object_get(grads, p->name);
    double all = 0;
    for (size_t i = 0; i < json_array_size(x); i++) out[i] = json_number_value(json_array_get(x, i));
    if (x) return json_array_size(x);
    for (int r = 0; r < (int)p->rows; r++) {
        snprintf(name, sizeof name, "%.*s.norms.%d.weight", (int)(strlen(p->name) - strlen(".weight")), p->name, r);
        x = json_object_get(grads, name);
        if (!x) fail_msg("no golden gradient of %s", name);
        all += pow(json_number_value(json_array_get(x, 0)), 2);
    }
    out[0] = sqrt(all);
    return 1;
}

static void check_grads(bench *b, json_t *grads, const char *family)
{
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    float *g = download_grads(b);
    double all = 0, worst = 0;
    for (int64_t i = 0; i < pt_model_param_count(b->m); i++) all += (double)g[i] * (double)g[i];
    assert_true(n > 10 && all > 0);
    for (size_t i = 0; i < n; i++) {
        double want[2], have[2] = {0, 0};
        size_t numbers = wanted(grads, &p[i], want);
        for (int64_t k = 0; k < p[i].rows * p[i].cols; k++) {
            double x = (double)g[p[i].offset + k];
            have[0] += x * x;
            have[1] += x * (double)(float)cos((double)k);
        }
        have[0] = sqrt(have[0]);
        for (size_t k = 0; k < numbers; k++) {
            double e = fabs(have[k] - want[k]), limit = 1e-5 * want[0] + 1e-7 * sqrt(all);
            if (!(e <= limit * (k ? 10 : 1))) fail_msg("%s: %s: number %zu is %.9g, expected %.9g", family, p[i].name, k, have[k], want[k]);
            worst = want[0] > 1e-5 * sqrt(all) && e / want[0] > worst ? e / want[0] : worst;
        }
    }
    print_message("# figure heads %s: gradients within %.1e of their norms\n", family, worst);
    free(g);
}

static void test_heads(void **state)
{
    const setup *s = *state;
    const pt_model_caps caps = {.tokens = 128, .segs = 16, .heads = 64, .rows = 64, .groups = 8};
    char path[128];
    json_t *all = json_at("tests/golden/data/heads.json"), *mine = json_object_get(all, s->family), *scores = json_object_get(mine, "scores");
    snprintf(path, sizeof path, "tests/golden/data/families/%s/golden.json", s->family);
    json_t *golden = json_at(path);
    rows r = rows_sft(golden);
    float value[8 * LABELS], d[8 * LABELS];
    pt_batch batch;
    bench b;
    *strrchr(path, '/') = 0;
    bench_open(&b, s->ops, PT_COMPUTE_F32, path, &(pt_model_options){.full = true, .train = true, .heads = PT_HEAD_VALUES, .values = LABELS}, &caps);
    put_score(&b);
    OK(pt_batch_build(&batch, r.seq, r.n, PT_PACKING_FOREST));
    OK(pt_model_load_batch(b.m, &batch, 0, true));
    OK(pt_model_forward(b.m, PT_SLOT_OWN, true));
    OK(pt_model_values(b.m, value));
    assert_int_equal(json_array_size(scores), r.n);
    for (size_t i = 0; i < r.n * LABELS; i++) {
        double want = json_number_value(json_array_get(json_array_get(scores, i / LABELS), i % LABELS));
        if (!(fabs((double)value[i] - want) <= 1e-5)) fail_msg("%s: score %zu is %.7f, expected %.7f", s->family, i, (double)value[i], want);
        d[i] = (float)cos((double)i);
    }
    OK(pt_model_values_backward(b.m, d));
    OK(pt_model_backward(b.m));
    check_grads(&b, json_object_get(mine, "grads"), s->family);
    pt_batch_free(&batch);
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
    json_decref(all);
}

int main(void)
{
    static setup setups[2 * N_FAMILIES];
    static char names[2 * N_FAMILIES][64];
    struct CMUnitTest list[2 * N_FAMILIES];
    for (int i = 0; i < 2 * N_FAMILIES; i++) {
        setups[i] = (setup){families[i / 2], i % 2 ? &pt_ops_cpu : &pt_ops_ref};
        snprintf(names[i], sizeof names[i], "%s: head of three numbers, %s", setups[i].family, setups[i].ops->name);
        list[i] = (struct CMUnitTest){names[i], test_heads, NULL, NULL, &setups[i]};
    }
    return _cmocka_run_group_tests("heads of model families", list, 2 * N_FAMILIES, NULL, NULL);
}
