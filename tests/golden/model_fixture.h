/* Shared by the tests of train/model: fixtures of tests/golden/data/model, a model on a backend, batches, and comparisons. */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoints/safetensors.h"
#include "data/batch/loader.h"
#include "train/generate/generate.h"

#define FIXTURES "tests/golden/data/model"
#define OK(call) ok((call), #call)

static inline void ok(pt_status rc, const char *what)
{
    if (rc != PT_OK) fail_msg("%s: %s: %s", what, pt_status_name(rc), pt_err_msg());
}

typedef struct bench {
    pt_ctx ctx;
    pt_source *src;
    pt_model *m;
} bench;

static inline json_t *json_at(const char *path)
{
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j) fail_msg("%s: %s", path, e.text);
    return j;
}

static inline json_t *fixture_json(const char *family, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, FIXTURES "/%s%s%s", family, *family ? "/" : "", file);
    return json_at(path);
}

static inline double json_num(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("no number %s", key);
    return json_number_value(v);
}

static struct { int32_t first, n; } bench_grown; /* rows of added tokens in the models that are opened from here on */

static inline void bench_open(bench *b, const pt_ops *ops, pt_compute compute, const char *path, const pt_model_options *opt,
                              const pt_model_caps *caps)
{
    size_t bytes[PT_ROLE_COUNT];
    *b = (bench){.ctx = {.ops = ops}};
    OK(ops->open(&b->ctx, compute));
    OK(pt_source_open(&b->src, path));
    if (bench_grown.n) OK(pt_source_grow(b->src, bench_grown.first, bench_grown.n, NULL));
    pt_source_reach(b->src, caps->tokens);
    OK(pt_model_new(&b->m, &b->ctx, b->src, opt));
    OK(pt_model_plan(b->m, caps, bytes));
    OK(pt_model_commit(b->m));
}

static inline void bench_close(bench *b)
{
    pt_model_free(b->m);
    pt_source_free(b->src);
    b->ctx.ops->close(&b->ctx);
}

static inline double rel_error(const float *a, const float *b, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return sqrt(d) / (sqrt(s) + 1e-30);
}

/* Sequences from JSON lists. weight NULL: completion tokens from index `from` on count. */
typedef struct rows {
    pt_seq seq[16];
    size_t n;
} rows;

static inline void rows_add(rows *r, json_t *ids, json_t *weight, int32_t from)
{
    int32_t n = (int32_t)json_array_size(ids), *id = calloc((size_t)n, sizeof *id);
    float *w = calloc((size_t)n, sizeof *w);
    for (int32_t i = 0; i < n; i++) {
        id[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
        w[i] = weight ? (float)json_number_value(json_array_get(weight, (size_t)i)) : (float)(i >= from);
    }
    r->seq[r->n++] = (pt_seq){.ids = id, .weight = w, .n = n, .slot = 0, .end_index = n - 1};
}

static inline rows rows_sft(json_t *golden)
{
    rows r = {0};
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(golden, "rows"), i, v)
        rows_add(&r, json_object_get(v, "ids"), json_object_get(v, "weight"), 0);
    return r;
}

static inline rows rows_pairs(json_t *golden)
{
    rows r = {0};
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(golden, "pairs"), i, v)
    {
        int32_t from = (int32_t)json_num(v, "prompt_len");
        rows_add(&r, json_object_get(v, "chosen"), NULL, from);
        rows_add(&r, json_object_get(v, "rejected"), NULL, from);
    }
    return r;
}

static inline void rows_free(rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free((void *)(uintptr_t)r->seq[i].ids);
        free((void *)(uintptr_t)r->seq[i].weight);
    }
    r->n = 0;
}

static inline const float *golden_tensor(const pt_st *st, const char *name, int64_t n)
{
    const pt_st_tensor *t = pt_st_find(st, name);
    if (!t) fail_msg("no golden tensor %s", name);
    if (t->count != n) fail_msg("%s holds %lld numbers, expected %lld", name, (long long)t->count, (long long)n);
    float *out = malloc((size_t)n * sizeof *out);
    OK(pt_st_to_f32(t, out));
    return out; /* the test program is short-lived; freed by golden_free */
}

static inline void golden_free(const float *p)
{
    free((void *)(uintptr_t)p);
}

/* Rows less their mean: what logits and log-probabilities have in common. */
static inline void centre(float *z, int64_t n, int64_t v)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = 0; k < v; k++) sum += (double)z[i * v + k];
        for (int64_t k = 0; k < v; k++) z[i * v + k] = (float)((double)z[i * v + k] - sum / (double)v);
    }
}

/* Relative error of the whole distribution at every token of a sequence: one row for each position and id. want [n, vocab]: logits; it is centred. The
 * model's caps hold n*vocab rows. */
static inline double logits_error(bench *b, const pt_seq *seq, float *want, int slot)
{
    pt_batch batch;
    int64_t v = pt_model_config_get(b->m)->vocab, n = seq->n;
    OK(pt_batch_build(&batch, seq, 1, PT_PACKING_OFF));
    int32_t *heads = calloc((size_t)n, 4), *row_head = calloc((size_t)(n * v), 4), *target = calloc((size_t)(n * v), 4);
    for (int64_t i = 0; i < n * v; i++) {
        heads[i / v] = (int32_t)(i / v);
        row_head[i] = (int32_t)(i / v);
        target[i] = (int32_t)(i % v);
    }
    pt_batch wide = batch;
    wide.n_heads = (int32_t)n;
    wide.head_token = heads;
    wide.n_rows = (int32_t)(n * v);
    wide.row_head = row_head;
    wide.row_target = target;
    wide.n_groups = 0;
    float *logp = calloc((size_t)(n * v), sizeof *logp);
    OK(pt_model_load_batch(b->m, &wide, 0, false));
    OK(pt_model_forward(b->m, slot, false));
    OK(pt_model_logp(b->m, NULL, logp));
    centre(logp, n, v);
    centre(want, n, v);
    double e = rel_error(logp, want, n * v);
    free(logp);
    free(heads);
    free(row_head);
    free(target);
    pt_batch_free(&batch);
    return e;
}

/* The gradients of all parameters, in their order; the caller frees them. */
static inline float *download_grads(bench *b)
{
    float *g = calloc((size_t)pt_model_param_count(b->m), sizeof *g);
    OK(b->ctx.ops->download(&b->ctx, g, pt_model_grad_view(b->m)));
    return g;
}

/* SFT on the loaded rows: returns the loss and fills dlogp when asked for. */
static inline double sft_loss(const pt_batch *b, const float *logp, float *dlogp)
{
    double loss = 0, weight = 0;
    for (int32_t r = 0; r < b->n_rows; r++) weight += (double)b->row_weight[r];
    for (int32_t r = 0; r < b->n_rows; r++) {
        if (logp) loss -= (double)b->row_weight[r] * (double)logp[r] / weight;
        if (dlogp) dlogp[r] = (float)(-(double)b->row_weight[r] / weight);
    }
    return loss;
}

static inline void group_sums(const pt_batch *b, const float *logp, double *sum)
{
    for (int32_t g = 0; g < b->n_groups; g++) {
        sum[g] = 0;
        for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++)
            sum[g] += (double)b->group_row_weight[k] * (double)logp[b->group_rows[k]];
    }
}

/* Forward, loss and backward of the SFT rows; returns the loss. */
static inline double sft_pass(bench *b, const rows *r, pt_packing packing)
{
    pt_batch batch;
    OK(pt_batch_build(&batch, r->seq, r->n, packing));
    float *logp = calloc((size_t)batch.n_rows, sizeof *logp), *d = calloc((size_t)batch.n_rows, sizeof *d);
    sft_loss(&batch, NULL, d);
    OK(pt_model_load_batch(b->m, &batch, 0, true));
    OK(pt_model_forward(b->m, PT_SLOT_OWN, true));
    OK(pt_model_logp(b->m, d, logp));
    OK(pt_model_backward(b->m));
    double loss = sft_loss(&batch, logp, NULL);
    free(logp);
    free(d);
    pt_batch_free(&batch);
    return loss;
}

/* ---- AdamW through the ops --------------------------------------------------------------------------------------------------
 */

typedef struct optimiser {
    pt_buf buf;
    pt_view m, v, scalars, acc;
} optimiser;

static inline void optimiser_open(optimiser *o, bench *b)
{
    int64_t n = pt_model_param_count(b->m);
    OK(b->ctx.ops->alloc(&b->ctx, &o->buf, (size_t)n * 8 + 256));
    o->m = (pt_view){.buf = &o->buf, .type = PT_F32, .rows = 1, .cols = n, .ld = n};
    o->v = o->m;
    o->v.off = (size_t)n * 4;
    o->scalars = (pt_view){.buf = &o->buf, .off = (size_t)n * 8, .type = PT_F32, .rows = 1, .cols = 4, .ld = 4};
    o->acc = (pt_view){.buf = &o->buf, .off = (size_t)n * 8 + 64, .type = PT_F64, .rows = 1, .cols = 1, .ld = 1};
    pt_view all = {.buf = &o->buf, .type = PT_U8, .rows = 1, .cols = n * 8 + 256, .ld = n * 8 + 256};
    OK(b->ctx.ops->zero(&b->ctx, all));
}

static inline void optimiser_step(optimiser *o, bench *b, float lr, float decay, float max_norm)
{
    const pt_ops *ops = b->ctx.ops;
    const pt_param *p;
    size_t n = pt_model_params(b->m, &p);
    int64_t count = pt_model_param_count(b->m), cut = count;
    for (size_t i = n; i-- > 0 && !p[i].decay;) cut = p[i].offset;
    OK(ops->sumsq(&b->ctx, &(pt_sumsq_args){.acc = o->acc, .x = pt_model_grad_view(b->m)}));
    OK(ops->clip(&b->ctx, &(pt_clip_args){.scalars = o->scalars, .acc = o->acc, .max_norm = max_norm}));
    for (int part = 0; part < 2; part++) {
        int64_t at = part ? cut : 0, len = part ? count - cut : cut;
        if (len == 0) continue;
        OK(ops->adamw(&b->ctx, &(pt_adamw_args){.p = pt_view_cols(pt_model_param_view(b->m), at, len),
                                                .m = pt_view_cols(o->m, at, len),
                                                .v = pt_view_cols(o->v, at, len),
                                                .g = pt_view_cols(pt_model_grad_view(b->m), at, len),
                                                .scalars = o->scalars,
                                                .lr = lr,
                                                .beta1 = 0.9f,
                                                .beta2 = 0.999f,
                                                .eps = 1e-8f,
                                                .weight_decay = part ? 0 : decay}));
    }
    OK(pt_model_zero_grad(b->m));
}

static inline double norm_of(bench *b, const optimiser *o)
{
    float scalars[4];
    OK(b->ctx.ops->download(&b->ctx, scalars, o->scalars));
    return (double)scalars[PT_SCALAR_NORM];
}
#endif
