/* What the tests of train/loop share: a temporary folder, a small config over files of token ids, and comparisons. */
#ifndef PT_TESTS_LOOP_FIXTURE_H
#define PT_TESTS_LOOP_FIXTURE_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/pack/pack_data.h"
#include "tests/said.h"
#include "train/loop/run.h"

#define MUST(call)                                                                                                             \
    do {                                                                                                                       \
        pt_status must_ = (call);                                                                                              \
        if (must_ != PT_OK) fail_msg("%s: %s: %s", #call, pt_status_name(must_), pt_err_msg());                                \
    } while (0)

/* A new folder under /tmp; remove it with pt_dir_remove. */
static inline void temp_folder(char out[64])
{
    memcpy(out, "/tmp/ptrain-loop-XXXXXX", 24);
    assert_non_null(mkdtemp(out));
}

/* Defaults of the schema where they matter; one data set of type tokens at `data`. The spec must outlive the config. */
static inline pt_config small_config(pt_dataset_spec *spec, const char *data, const char *dir)
{
    *spec = (pt_dataset_spec){.path = (char *)data, .type = (char *)"tokens", .weight = 1};
    static pt_dataset_said columns[] = {SAID("field_weight", "weight"), SAID("field_margin", "margin"), {.key = NULL}};
    spec->said = columns;
    pt_config c = {.objective = pt_objective_find("sft"),
                   .data = {.datasets = spec, .n_datasets = 1, .sequence_len = 128},
                   .adapter = {.kind = PT_ADAPTER_LORA, .lora_r = 4, .lora_alpha = 8},
                   .batch = {.sample_packing = PT_PACKING_FOREST,
                             .share_group = 8,
                             .batch_rows = 4,
                             .micro_batch_size = 1,
                             .gradient_accumulation_steps = 1,
                             .shuffle_merged_datasets = true},
                   .optim = {.optimizer = (char *)"adamw",
                             .learning_rate = 2e-3,
                             .lr_scheduler = PT_SCHED_COSINE,
                             .warmup_steps = -1,
                             .warmup_ratio = -1,
                             .adam_beta1 = 0.9,
                             .adam_beta2 = 0.999,
                             .adam_epsilon = 1e-8,
                             .max_grad_norm = 1},
                   .run = {.num_epochs = 1, .seed = 7, .output_dir = (char *)dir},
                   .device = {.kind = PT_DEVICE_CPU, .compute = PT_COMPUTE_KIND_F32}};
    c.model.init = (pt_init_config){.random = true,
                              .family = (char *)"llama",
                              .hidden_size = 32,
                              .intermediate_size = 48,
                              .num_hidden_layers = 2,
                              .num_attention_heads = 4,
                              .num_key_value_heads = 2,
                              .head_dim = 8,
                              .vocab_size = 96,
                              .rope_theta = 10000,
                              .rms_norm_eps = 1e-5,
                              .initializer_range = 0.15,
                              .max_position_embeddings = 256};
    return c;
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    pt_rng4 w = pt_rng_words(99, PT_RNG_TEST, (*state)++, 0);
    return (uint32_t)(((uint64_t)w.v[0] * n) >> 32);
}

static inline void put_ids(FILE *f, const char *key, const int *ids, int n, bool last)
{
    fprintf(f, "\"%s\": [", key);
    for (int i = 0; i < n; i++) fprintf(f, "%s%d", i ? ", " : "", ids[i]);
    fprintf(f, "]%s", last ? "}\n" : ", ");
}

/* n rows with beginnings shared on two levels (2 profiles, 3 questions each), answers that part at their first token or later,
 * some rows alone. Pairs or sequences. */
static inline void write_rows(const char *path, int n, bool pairs)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    uint64_t rng = 0;
    int profile[2][24], question[2][3][6];
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < 24; i++) profile[p][i] = 3 + (int)random_below(&rng, 93);
        for (int q = 0; q < 3; q++)
            for (int i = 0; i < 6; i++) question[p][q][i] = 3 + (int)random_below(&rng, 93);
    }
    for (int r = 0; r < n; r++) {
        int ids[64], labels[64], other[32], len = 0, p = r % 2, more = 0;
        if (r % 7 == 6) /* alone */
            for (int i = 0; i < 11; i++) ids[len++] = 3 + (int)random_below(&rng, 93);
        else {
            for (int i = 0; i < 24; i++) ids[len++] = profile[p][i];
            for (int i = 0; i < 6; i++) ids[len++] = question[p][r / 2 % 3][i];
        }
        int prompt = len, answer = 2 + (int)random_below(&rng, 6), same = r % 3;
        for (int i = 0; i < answer; i++) ids[len++] = i < same ? 10 + i : 3 + (int)random_below(&rng, 93);
        ids[len++] = 2;
        for (int i = 0; i < len; i++) labels[i] = i < prompt ? -100 : ids[i];
        for (int i = 0; i < 4 + same; i++) other[more++] = i < same ? 10 + i : 3 + (int)random_below(&rng, 93);
        other[more++] = 2;
        fprintf(f, "{");
        if (pairs) {
            put_ids(f, "prompt_input_ids", ids, prompt, false);
            put_ids(f, "chosen_input_ids", ids + prompt, len - prompt, false);
            put_ids(f, "rejected_input_ids", other, more, true);
        } else {
            put_ids(f, "input_ids", ids, len, false);
            put_ids(f, "labels", labels, len, true);
        }
    }
    assert_int_equal(fclose(f), 0);
}

/* Adds seeded noise to everything trained, so that no gradient is 0 by construction (a fresh adapter's B is). */
static inline void stir(pt_run *r, float size)
{
    pt_view v = pt_model_param_view(r->model);
    float *p = malloc((size_t)v.cols * sizeof *p);
    assert_non_null(p);
    MUST(r->ctx.ops->download(&r->ctx, p, v));
    for (int64_t i = 0; i < v.cols; i++) p[i] += size * (pt_rng_unit(pt_rng_words(5, PT_RNG_TEST, (uint64_t)i, 1).v[0]) - 0.5f);
    MUST(r->ctx.ops->upload(&r->ctx, v, p));
    free(p);
}

/* Gradient vector on the host, owned. */
static inline float *gradient(pt_run *r, int64_t *n)
{
    pt_view v = pt_model_grad_view(r->model);
    float *g = malloc((size_t)v.cols * sizeof *g);
    assert_non_null(g);
    MUST(r->ctx.ops->download(&r->ctx, g, v));
    *n = v.cols;
    return g;
}

/* Largest ||a-b|| / max(||b||, floor) over the named parts of the flat vectors; *name says where. The floor is 1e-4 of the
 * largest tensor's norm: a tensor whose gradient is rounding noise has no relative error. */
static inline double worst_part(pt_run *r, const float *a, const float *b, const char **name)
{
    const pt_param *list;
    size_t n = pt_model_params(r->model, &list);
    double top = 0, worst = 0;
    *name = "none";
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++) {
            double d = 0, s = 0;
            for (int64_t k = list[i].offset; k < list[i].offset + list[i].rows * list[i].cols; k++) {
                d += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
                s += (double)b[k] * b[k];
            }
            s = sqrt(s);
            if (pass == 0) {
                if (s > top) top = s;
                continue;
            }
            double e = sqrt(d) / (s > 1e-4 * top ? s : 1e-4 * top);
            if (e > worst || isnan(e)) {
                worst = isnan(e) ? INFINITY : e;
                *name = list[i].name;
            }
        }
    assert_true(top > 0);
    return worst;
}
/* Records [from, to) of c's pack (the only one in its cache_dir) get weight 0, which none of our packers gives. */
static inline void weigh_nothing(const pt_config *c, size_t from, size_t to)
{
    char pattern[256];
    glob_t found;
    pt_run_plan plan;
    pt_pack *p;
    MUST(pt_train_plan(c, NULL, &plan, NULL)); /* makes it */
    snprintf(pattern, sizeof pattern, "%s/pack-*.h5", c->data.cache_dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    MUST(pt_pack_open(&p, found.gl_pathv[0]));
    for (size_t i = from; i < to; i++) pt_pack_column_find(p, PT_COLUMN_WEIGHT)->value[i] = 0;
    MUST(pt_pack_write(p, found.gl_pathv[0]));
    pt_pack_free(p);
    globfree(&found);
}
#endif
