/* Added tokens against transformers and PEFT (tests/golden/added_tokens.py): a base that grows by two rows, all tests of a family on it (logits, gradients of the whole
 * matrix and of PEFT's trainable_token_indices, ten steps of either, decoding), adapters there and back, merged exports, and what is refused. */
#define FAMILIES "tests/golden/data/added"
#define FAMILIES_ON_DEVICE
#define FAMILIES_ADDED
#include "base/quant.h"
#include "tests/golden/model_families.c"

#include "checkpoints/peft.h"
#include "tests/scratch.h"
#include "train/export/export.h"

enum { FIRST = 62, N = 2 };

static void grow_by(int32_t first, int32_t n)
{
    bench_grown.first = first;
    bench_grown.n = n;
}

/* Log-probabilities of a row, slot by slot of a model with the adapter (NULL: none). */
static void logps_of(const char *path, const char *adapter, int slot, const pt_seq *row, float *out)
{
    bench b;
    pt_model_options o = {.seed = 1};
    if (adapter) o.lora = (pt_lora_options){.on = true, .start_dir = adapter, .frozen_copy = true};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &o, &caps);
    OK(pt_model_token_logps(b.m, row->ids, row->n, PT_SLOT_NONE, out)); /* another slot's rows were there before */
    OK(pt_model_token_logps(b.m, row->ids, row->n, slot, out));
    bench_close(&b);
}

static void near(const char *what, const float *want, const float *have, int32_t n, float limit)
{
    for (int32_t i = 0; i < n; i++)
        if (!(fabsf(want[i] - have[i]) <= limit)) fail_msg("%s: token %d has %.6f, expected %.6f", what, i, (double)have[i], (double)want[i]);
}

static float apart(const float *a, const float *b, int32_t n)
{
    float most = 0;
    for (int32_t i = 0; i < n; i++) most = fabsf(a[i] - b[i]) > most ? fabsf(a[i] - b[i]) : most;
    return most;
}

/* PEFT's adapter: its logits; its rows are read with it alone. */
static void test_slots(void **state)
{
    const setup *s = *state;
    bench b;
    pt_model_caps wide = {.tokens = 128, .segs = 8, .heads = 64, .rows = 64 * 128, .groups = 8};
    json_t *golden = json_at(file_of(s, "golden.json"));
    rows r = rows_sft(golden);
    pt_st *st = open_golden(s);
    static char adapter[256];
    snprintf(adapter, sizeof adapter, "%s", file_of(s, "adapter"));
    pt_model_options o = {.seed = 1, .lora = {.on = true, .start_dir = adapter, .frozen_copy = true}};
    bench_open(&b, s->ops, PT_COMPUTE_F32, file_of(s, ""), &o, &wide);
    float *with = golden_rows(st, "with adapter", r.seq[2].n * 64), *without = golden_rows(st, "logits", r.seq[2].n * 64);
    const int slots[] = {0, PT_SLOT_NONE, 1, PT_SLOT_NONE, PT_SLOT_OWN};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        float *want = malloc((size_t)r.seq[2].n * 64 * sizeof *want);
        memcpy(want, slots[i] == PT_SLOT_NONE ? without : with, (size_t)r.seq[2].n * 64 * sizeof *want);
        double e = logits_error(&b, &r.seq[2], want, slots[i]);
        if (!(e <= 1e-4)) fail_msg("slot %d: %.2e", slots[i], e);
        free(want);
    }
    free(with);
    free(without);
    bench_close(&b);
    rows_free(&r);
    pt_st_close(st);
    json_decref(golden);
}

/* Saved, the adapter is read as it was; the merged folder and (llama alone has one here) GGUF file hold the rows, without anything that grows. */
static void test_exports(void **state)
{
    const setup *s = *state;
    static char dir[256], adapter[256], peft[300], merged[300], gguf[300];
    json_t *golden = json_at(file_of(s, "golden.json"));
    rows r = rows_sft(golden);
    const pt_seq *row = &r.seq[2];
    const pt_export_options o = {.type = PT_F32, .base_name = s->family};
    float want[128], have[128], plain[128];
    bench b;
    const char *keep = getenv("PTRAIN_KEEP_EXPORTS");
    snprintf(dir, sizeof dir, "%s/%s", keep ? keep : scratch_dir, s->family);
    OK(pt_dir_make(dir));
    snprintf(adapter, sizeof adapter, "%s", file_of(s, "adapter"));
    snprintf(peft, sizeof peft, "%s/peft", dir);
    snprintf(merged, sizeof merged, "%s/merged", dir);
    snprintf(gguf, sizeof gguf, "%s/m.gguf", dir);
    grow_by(FIRST, N);
    logps_of(file_of(s, ""), adapter, 0, row, want);
    logps_of(file_of(s, ""), NULL, PT_SLOT_NONE, row, plain);
    assert_true(apart(want, plain, row->n - 1) > 0.05f);
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, file_of(s, ""), &(pt_model_options){.seed = 1, .lora = {.on = true, .start_dir = adapter}}, &caps);
    OK(pt_export_peft(b.m, peft, &o));
    OK(pt_export_hf(b.m, merged, &o));
    OK(pt_export_gguf(b.m, gguf, &o));
    assert_int_equal(pt_export_gguf_lora(b.m, gguf, &o), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "no place for the rows of added tokens"));
    bench_close(&b);
    logps_of(file_of(s, ""), peft, 0, row, have);
    near("the adapter, saved", want, have, row->n - 1, 0);
    pt_peft *p;
    OK(pt_peft_read(&p, peft));
    assert_int_equal(p->n_rows, N);
    assert_int_equal(p->row_modules.n, !strcmp(s->family, "tied") ? 0 : 2);
    pt_peft_free(p);
    grow_by(0, 0);
    logps_of(merged, NULL, PT_SLOT_NONE, row, have);
    near("merged folder", want, have, row->n - 1, 3e-5f);
    logps_of(gguf, NULL, PT_SLOT_NONE, row, have);
    near("merged GGUF", want, have, row->n - 1, 3e-5f);
    grow_by(FIRST, N);
    rows_free(&r);
    json_decref(golden);
}

static void refused(const char *path, const pt_model_options *o, int32_t first, int32_t n, pt_status rc, const char *says)
{
    pt_ctx ctx = {.ops = &pt_ops_cpu};
    pt_source *src;
    pt_model *m;
    OK(ctx.ops->open(&ctx, PT_COMPUTE_F32));
    OK(pt_source_open(&src, path));
    if (n) OK(pt_source_grow(src, first, n, NULL));
    assert_int_equal(pt_model_new(&m, &ctx, src, o), rc);
    if (!strstr(pt_err_msg(), says)) fail_msg("'%s' does not say '%s'", pt_err_msg(), says);
    pt_source_free(src);
    ctx.ops->close(&ctx);
}

static void test_refusals(void **state)
{
    const setup *s = *state;
    static char adapter[256];
    char base[256];
    snprintf(base, sizeof base, "%s", file_of(s, ""));
    snprintf(adapter, sizeof adapter, "%s", file_of(s, "adapter"));
    const char *guest = adapter;
    const pt_model_options lora = {.lora = {.on = true, .start_dir = adapter}}, beside = {.lora = {.on = true, .r = 4, .alpha = 8, .guests = &guest, .n_guests = 1}},
                           divergence = {.train = true, .lora = {.on = true, .r = 4, .alpha = 8}, .loss = {.on = true, .logp = true, .vocab = 1u << PT_VOCAB_KL}};
    pt_source *src;
    refused(base, &lora, 0, 0, PT_EARG, "was trained with 2 added tokens (trainable_token_indices: 62 ...), and this model has none");
    refused(base, &lora, 62, 3, PT_EARG, "those of added_tokens are 62 to 64: another vocabulary");
    refused(base, &lora, 61, 2, PT_EARG, "those of added_tokens are 61 to 62");
    refused(base, &beside, 0, 0, PT_ENOSUP, "trains rows of added tokens: such an adapter cannot stand beside others");
    refused(base, &divergence, 62, 2, PT_EARG, "the reference's head would have the trained rows");
    OK(pt_source_open(&src, base));
    assert_int_equal(pt_source_grow(src, 63, 1, NULL), PT_EARG);
    assert_int_equal(pt_source_config(src)->vocab, 62);
    uint64_t was = pt_source_content(src);
    OK(pt_source_grow(src, 60, 2, NULL)); /* rows that are there */
    assert_int_equal(pt_source_config(src)->vocab, 62);
    assert_int_not_equal(pt_source_content(src), was);
    assert_int_equal(pt_source_grow(src, 62, 1, NULL), PT_ESTATE);
    pt_source_free(src);
}

#ifndef ADDED_ON_DEVICE /* tests/emu has a main of its own */
/* Rows that begin from rows that are named: their mean, in embedding and head. */
static void test_from(void **state)
{
    const setup *s = *state;
    int32_t one[] = {5, 9, 5}, two[] = {7}, far[] = {62};
    const pt_ids from[2] = {{one, 3, 3}, {two, 1, 1}}, wrong[2] = {{one, 3, 3}, {far, 1, 1}}, none[2] = {{one, 3, 3}, {NULL, 0, 0}};
    pt_source *src;
    char base[256];
    snprintf(base, sizeof base, "%s", file_of(s, ""));
    OK(pt_source_open(&src, base));
    assert_int_equal(pt_source_grow(src, 62, 2, wrong), PT_EARG);
    assert_int_equal(pt_source_grow(src, 62, 2, none), PT_EARG);
    OK(pt_source_grow(src, 62, 2, from));
    for (int k = 0; k < 2; k++) {
        static const char *const matrices[] = {"model.embed_tokens.weight", "lm_head.weight"};
        pt_source_tensor t;
        if (!pt_source_has(src, matrices[k])) continue;
        OK(pt_source_tensor_get(src, matrices[k], 64, 0, &t));
        float *w = malloc((size_t)(t.rows * t.cols) * sizeof *w);
        OK(pt_dequant_rows(t.type, t.data, t.rows, t.cols, w));
        for (int64_t c = 0; c < t.cols; c++) {
            float mean = (2 * w[5 * t.cols + c] + w[9 * t.cols + c]) / 3;
            assert_true(fabsf(w[62 * t.cols + c] - mean) <= 4e-3f * fabsf(mean) + 1e-6f); /* bf16 rows */
            assert_true(w[63 * t.cols + c] == w[7 * t.cols + c]);
        }
        free(w);
    }
    pt_source_free(src);
}

int main(void)
{
    static const char *const bases[] = {"tied", "untied"};
    static const struct {
        const char *name;
        CMUnitTestFunction f;
    } more[] = {{"slots", test_slots}, {"exports", test_exports}, {"refusals", test_refusals}, {"rows to begin from", test_from}};
    static char said[2 * 4][64];
    static struct CMUnitTest all[2 * 2 * N_TESTS + 2 * 4];
    size_t n = 0;
    grow_by(FIRST, N);
    for (int k = 0; k < 2; k++) {
        add(bases[k], &pt_ops_ref, N_TESTS);
        add(bases[k], &pt_ops_cpu, N_TESTS);
    }
    for (; n < n_list; n++) all[n] = list[n];
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 4; i++) {
            snprintf(said[k * 4 + i], sizeof said[0], "%s: %s", bases[k], more[i].name);
            all[n++] = (struct CMUnitTest){said[k * 4 + i], more[i].f, NULL, NULL, &setups[2 * k + 1]};
        }
    return _cmocka_run_group_tests("added tokens", all, n, scratch_setup, scratch_teardown);
}
#endif
