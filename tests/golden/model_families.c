/* Families of decoders against transformers and PEFT (tests/golden/families.py, which says how to add one): logits, gradients of every tensor and of every
 * adapter by name, ten steps of either, layouts of a batch, decoding. On ref and cpu here, on the emulated device in tests/emu/model_families_device.c. */
#include "tests/golden/model_steps.h"

#include <dirent.h>

#include "base/file.h"
#include "train/model/families.h"

#ifndef FAMILIES /* model_added.c has other folders of the same make */
#define FAMILIES "tests/golden/data/families"
#endif
static const char *const families[] = {
    "llama", "mistral", "ministral", "qwen3",
    "smollm3", "smollm3_window",
    "olmo", "olmo_clip", "olmo2",
    "granite",
    "cohere", "cohere_plus", "cohere2",
    "gemma", "gemma2", "gemma3_text", "gemma3_capped",
    "gpt2", "gpt2_scale",
    "falcon", "falcon_new", "falcon_rw",
    "opt", "opt_350m",
    "stablelm", "stablelm_parallel", "stablelm_12b",
    "phi3", "phi3_long", "glm", "glm4", "chatglm",
};
enum { N_FAMILIES = sizeof families / sizeof *families };

/* One family on one backend. */
typedef struct setup {
    const char *family;
    const pt_ops *ops;
} setup;

static bool few; /* one layout of a batch instead of all, a short continuation: for slow backends */
enum { FEW_TOKENS = 3 };
static const pt_model_caps caps = {.tokens = 128, .segs = 16, .heads = 64, .rows = 64, .groups = 8};

static const char *file_of(const setup *s, const char *file)
{
    static char path[256];
    snprintf(path, sizeof path, FAMILIES "/%s%s%s", s->family, *file ? "/" : "", file);
    return path;
}

/* ---- golden tensors ----------------------------------------------------------------------------------------------------- */

static pt_st *open_golden(const setup *s)
{
    pt_st *st;
    OK(pt_st_open(&st, file_of(s, "golden.safetensors")));
    return st;
}

static int64_t rows_of(const pt_st_tensor *t)
{
    return t->n_dims > 1 ? t->count / t->dims[t->n_dims - 1] : 1;
}

/* A tensor of I16 rows with a scale each (families.py); the caller frees it. */
static float *golden_rows(const pt_st *st, const char *name, int64_t n)
{
    const pt_st_tensor *t = NULL, *scales = pt_st_find(st, "scales");
    int64_t at = 0;
    assert_non_null(scales);
    for (size_t i = 0; i < st->n_tensors && !t; i++) {
        const pt_st_tensor *x = &st->tensors[i];
        if (strcmp(x->name, name) == 0) t = x;
        else if (strcmp(x->type_name, "I16") == 0) at += rows_of(x);
    }
    if (!t) fail_msg("no golden tensor %s", name);
    if (t->count != n) fail_msg("%s holds %lld numbers, expected %lld", name, (long long)t->count, (long long)n);
    assert_string_equal(t->type_name, "I16");
    int64_t cols = n / rows_of(t);
    assert_true(at + rows_of(t) <= scales->count);
    float *out = calloc((size_t)n, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        float scale;
        int16_t q;
        memcpy(&scale, scales->data + 4 * (at + i / cols), 4);
        memcpy(&q, t->data + 2 * i, 2);
        out[i] = scale * (float)q;
    }
    return out;
}

/* Those of a parameter of ours; where the file has a tensor for each of its rows (StableLM's norms of q and k), these. *tensors: how many of the file. */
static float *golden_param(const pt_st *st, const char *prefix, const pt_param *p, size_t *tensors)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    *tensors = 1;
    if (pt_st_find(st, name)) return golden_rows(st, name, p->rows * p->cols);
    float *all = malloc((size_t)(p->rows * p->cols) * sizeof *all);
    for (int64_t r = 0; r < p->rows; r++) {
        snprintf(name, sizeof name, "%s%.*s.norms.%d.weight", prefix, (int)(strlen(p->name) - strlen(".weight")), p->name, (int)r);
        float *one = golden_rows(st, name, p->cols);
        memcpy(all + r * p->cols, one, (size_t)p->cols * sizeof *one);
        free(one);
    }
    *tensors = (size_t)p->rows;
    return all;
}

/* Whether a trained tensor is this one, or LoRA's B of it. */
static bool belongs(const pt_tensor_spec *t, const char *name)
{
    size_t path = strlen(t->name) - strlen(".weight");
    return !strcmp(t->name, name) || (t->layout == PT_LAYOUT_GROUPED && !pt_tensor_is_vector(t) && !strncmp(t->name, name, path) && !strcmp(name + path, ".lora_B.weight"));
}

/* A tensor of a file (height x width of ours, in the file's order or transposed) in the order that the model holds it in. */
static void to_ours(const pt_model *m, const char *name, float *x, int64_t height, int64_t width)
{
    pt_tensor_spec *specs = NULL;
    size_t n = 0;
    OK(pt_config_tensors(pt_model_config_get(m), PT_HEAD_VOCABULARY, 0, &specs, &n));
    for (size_t i = 0; i < n; i++) {
        const pt_tensor_spec *t = &specs[i];
        if (t->layout == PT_LAYOUT_ROWS || t->layout == PT_LAYOUT_STACKED || !belongs(t, name)) continue;
        const bool vector = pt_tensor_is_vector(t), turned = t->layout == PT_LAYOUT_TRANSPOSED;
        if (vector && turned) break;
        const int64_t units = vector ? width : height, size = vector ? 1 : width;
        float *old = malloc((size_t)(height * width) * sizeof *old);
        memcpy(old, x, (size_t)(height * width) * sizeof *old);
        for (int64_t r = 0; r < units; r++)
            for (int64_t c = 0; c < size; c++)
                x[r * size + c] = turned ? old[c * height + r] : old[pt_row_from(pt_model_config_get(m), PT_ROWS_FROM_GROUPED, r) * size + c];
        free(old);
    }
    free(specs);
}

/* ---- a model ------------------------------------------------------------------------------------------------------------ */

/* Full tuning, or LoRA from the family's adapter. */
static void open_model(bench *b, const setup *s, bool full, bool checkpointing)
{
    static char adapter[256];
    snprintf(adapter, sizeof adapter, "%s", file_of(s, "adapter"));
    pt_model_options o = {.full = full, .train = true, .seed = 1, .checkpointing = checkpointing};
    if (!full) o.lora = (pt_lora_options){.on = true, .start_dir = adapter};
    bench_open(b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &o, &caps);
}

static double loss_near(double loss, double want, double limit, const char *what)
{
    double e = fabs(loss - want) / fabs(want);
    if (!(e <= limit)) fail_msg("%s: %.9f, expected %.9f", what, loss, want);
    return e;
}

static void test_logits(void **state)
{
    const setup *s = *state;
    bench b;
    pt_model_caps wide = {.tokens = 128, .segs = 8, .heads = 64, .rows = 64 * 128, .groups = 8};
    json_t *golden = json_at(file_of(s, "golden.json"));
    rows r = rows_sft(golden);
    pt_st *st = open_golden(s);
    bench_open(&b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &(pt_model_options){.full = false}, &wide);
    float *want = golden_rows(st, "logits", r.seq[2].n * pt_model_config_get(b.m)->vocab);
    double e = logits_error(&b, &r.seq[2], want, PT_SLOT_NONE);
    print_message("# figure logits %s %s: %.2e\n", s->family, s->ops->name, e);
    assert_true(e <= 1e-4);
    free(want);
    bench_close(&b);
    rows_free(&r);
    pt_st_close(st);
    json_decref(golden);
}

/* ---- gradients ---------------------------------------------------------------------------------------------------------- */

/* Every gradient by name, within 1e-4 of its norm, or 1e-7 of the norm of them all (some are 0 but for rounding: a bias of keys without rotation). */
static double check_grads(bench *b, const pt_st *st, const char *prefix, const float *g)
{
    double worst = 0, all = 0;
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p), golden = 0, seen = 0, tensors;
    for (int64_t i = 0; i < pt_model_param_count(b->m); i++) all += (double)g[i] * (double)g[i];
    for (size_t i = 0; i < n; i++) {
        int64_t count = p[i].rows * p[i].cols;
        double diff = 0, norm = 0;
        float *want = golden_param(st, prefix, &p[i], &tensors);
        seen += tensors;
        to_ours(b->m, p[i].name, want, p[i].rows, p[i].cols);
        for (int64_t k = 0; k < count; k++) {
            double d = (double)g[p[i].offset + k] - (double)want[k];
            diff += d * d;
            norm += (double)want[k] * (double)want[k];
        }
        free(want);
        if (!(sqrt(diff) <= 1e-4 * sqrt(norm) + 1e-7 * sqrt(all))) fail_msg("%s%s: error %.3e of a norm of %.3e", prefix, p[i].name, sqrt(diff), sqrt(norm));
        if (norm > 1e-10 * all && sqrt(diff / norm) > worst) worst = sqrt(diff / norm);
    }
    for (size_t i = 0; i < st->n_tensors; i++) golden += strncmp(st->tensors[i].name, prefix, strlen(prefix)) == 0;
    assert_int_equal(seen, golden); /* none is missing */
    return worst;
}

/* Loss and gradients of the rows, each in a batch of its own. */
static double separate_pass(bench *b, const rows *r)
{
    double weight = 0, loss = 0;
    for (size_t i = 0; i < r->n; i++)
        for (int32_t t = 1; t < r->seq[i].n; t++) weight += (double)r->seq[i].weight[t];
    for (size_t i = 0; i < r->n; i++) {
        pt_batch batch;
        OK(pt_batch_build(&batch, &r->seq[i], 1, PT_PACKING_OFF));
        float *logp = calloc((size_t)batch.n_rows, sizeof *logp), *d = calloc((size_t)batch.n_rows, sizeof *d);
        for (int32_t k = 0; k < batch.n_rows; k++) d[k] = (float)(-(double)batch.row_weight[k] / weight);
        OK(pt_model_load_batch(b->m, &batch, 0, true));
        OK(pt_model_forward(b->m, PT_SLOT_OWN, true));
        OK(pt_model_logp(b->m, d, logp));
        OK(pt_model_backward(b->m));
        for (int32_t k = 0; k < batch.n_rows; k++) loss -= (double)batch.row_weight[k] / weight * (double)logp[k];
        free(logp);
        free(d);
        pt_batch_free(&batch);
    }
    return loss;
}

/* Separate, packed, as a forest; with and without recomputation: each against the golden, and the layouts against each other. */
static void grads_of(const setup *s, bool full)
{
    static const pt_packing layouts[] = {PT_PACKING_PLAIN, PT_PACKING_FOREST};
    json_t *golden = json_at(file_of(s, "golden.json"));
    pt_st *st = open_golden(s);
    rows r = rows_sft(golden);
    bench b;
    double want = json_num(golden, full ? "full_loss" : "lora_loss");
    float *alone = NULL;
    if (!few) {
        open_model(&b, s, full, false);
        loss_near(separate_pass(&b, &r), want, 1e-5, "loss of separate rows");
        alone = download_grads(&b);
        double e = check_grads(&b, st, full ? "full." : "lora.", alone);
        print_message("# figure %s gradients %s %s: largest error %.2e\n", full ? "full" : "LoRA", s->family, s->ops->name, e);
        bench_close(&b);
    }
    for (int k = 0; k < 2; k++) {
        if (few && layouts[k] != (full ? PT_PACKING_FOREST : PT_PACKING_PLAIN)) continue;
        open_model(&b, s, full, layouts[k] == PT_PACKING_FOREST);
        loss_near(sft_pass(&b, &r, layouts[k]), want, 1e-5, "loss");
        float *g = download_grads(&b);
        double e = check_grads(&b, st, full ? "full." : "lora.", g);
        if (few) print_message("# figure %s gradients %s %s: largest error %.2e\n", full ? "full" : "LoRA", s->family, s->ops->name, e);
        if (alone) {
            double apart = rel_error(g, alone, pt_model_param_count(b.m));
            if (!(apart <= 5e-6)) fail_msg("layout %d lies %.2e from separate rows", (int)layouts[k], apart);
        }
        free(g);
        bench_close(&b);
    }
    free(alone);
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

/* ---- ten steps of AdamW ------------------------------------------------------------------------------------------------- */

static void steps_of(const setup *s, bool full)
{
    json_t *golden = json_at(file_of(s, "golden.json"));
    bench b;
    open_model(&b, s, full, false);
    double worst = golden_sft_steps(&b, golden, full ? "full_steps" : "lora_steps");
    print_message("# figure %s steps %s %s: losses within %.1e\n", full ? "full" : "LoRA", s->family, s->ops->name, worst);
    bench_close(&b);
    json_decref(golden);
}

static void test_full_steps(void **state)
{
    steps_of(*state, true);
}
static void test_lora_steps(void **state)
{
    steps_of(*state, false);
}

/* ---- decoding ----------------------------------------------------------------------------------------------------------- */

/* Three prompts of two lengths at once: the golden continuation, and the log-probability that training's forward pass gives it. */
static void test_decoding(void **state)
{
    const setup *s = *state;
    pt_model_caps c = {.tokens = 64, .segs = 8, .heads = 32, .rows = 32, .groups = 8, .decode_rows = 3, .decode_len = 32};
    json_t *golden = json_at(file_of(s, "golden.json")), *g = json_object_get(golden, "greedy"), *ids = json_object_get(g, "ids");
    rows r = {0};
    bench b;
    pt_ids prompts[3];
    pt_gen_result out[3] = {{.stopped = false}};
    rows_add(&r, json_object_get(g, "prompt"), NULL, 0);
    bench_open(&b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &(pt_model_options){.full = false}, &c);
    for (int i = 0; i < 3; i++) prompts[i] = (pt_ids){(int32_t *)(uintptr_t)r.seq[0].ids, (size_t)(i == 1 ? 5 : r.seq[0].n), 0};
    const size_t count = few ? FEW_TOKENS : json_array_size(ids);
    pt_gen_options o = {.max_new_tokens = (int)count, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true};
    OK(pt_generate(b.m, prompts, 3, &o, out, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        int32_t all[32], n = (int32_t)prompts[i].n;
        float logp[32];
        double sum = 0;
        assert_int_equal(out[i].ids.n, count);
        memcpy(all, prompts[i].ids, (size_t)n * 4);
        for (size_t k = 0; k < out[i].ids.n; k++) {
            if (i != 1) assert_int_equal(out[i].ids.ids[k], json_integer_value(json_array_get(ids, k)));
            all[n + (int32_t)k] = out[i].ids.ids[k];
        }
        OK(pt_model_token_logps(b.m, all, n + (int32_t)out[i].ids.n, PT_SLOT_NONE, logp));
        for (size_t k = 0; k < out[i].ids.n; k++) sum += (double)logp[n - 1 + (int32_t)k];
        loss_near((double)out[i].logp_sum, sum, 1e-5, "log-probability of a continuation");
        free(out[i].ids.ids);
    }
    bench_close(&b);
    rows_free(&r);
    json_decref(golden);
}

/* ---- the program -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    CMUnitTestFunction f;
} tests[] = {
    {"logits", test_logits},     {"full gradients", test_full_grads}, {"LoRA gradients", test_lora_grads},
    {"decoding", test_decoding}, {"LoRA steps", test_lora_steps},     {"full steps", test_full_steps},
};
enum { N_TESTS = sizeof tests / sizeof *tests };
static struct CMUnitTest list[2 * N_FAMILIES * N_TESTS + 1];
static setup setups[2 * N_FAMILIES];
static char names[2 * N_FAMILIES * N_TESTS][96];
static size_t n_list, n_setups;

#ifndef FAMILIES_EXPORTED /* model_families_exports.c has one test a family of its own */
#ifndef FAMILIES_ADDED
/* Every folder of golden data has its row in the table. */
static void test_table(void **state)
{
    (void)state;
    DIR *d = opendir(FAMILIES);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        bool found = e->d_name[0] == '.';
        for (int i = 0; i < N_FAMILIES; i++) found = found || strcmp(families[i], e->d_name) == 0;
        if (!found) fail_msg("%s has golden data and no row", e->d_name);
    }
    closedir(d);
}
#endif

/* The first `most` tests of a family on a backend. */
static void add(const char *family, const pt_ops *ops, int most)
{
    setup *s = &setups[n_setups++];
    *s = (setup){family, ops};
    for (int t = 0; t < most && t < N_TESTS; t++) {
        snprintf(names[n_list], sizeof names[n_list], "%s: %s, %s", family, tests[t].name, ops->name);
        list[n_list] = (struct CMUnitTest){names[n_list], tests[t].f, NULL, NULL, s};
        n_list++;
    }
}
#endif

#ifndef FAMILIES_ON_DEVICE /* tests/emu has a main of its own */
int main(void)
{
    for (int f = 0; f < N_FAMILIES; f++) {
        add(families[f], &pt_ops_ref, N_TESTS);
        add(families[f], &pt_ops_cpu, N_TESTS);
    }
    list[n_list++] = (struct CMUnitTest){"the table has every family", test_table, NULL, NULL, NULL};
    return _cmocka_run_group_tests("model families", list, n_list, NULL, NULL);
}
#endif
