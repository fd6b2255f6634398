/* Ten optimiser steps of each loss of pairs against TRL's DPOTrainer (tests/golden/pair_losses.py): losses and norms of
 * gradients within 1e-4 (both are f32; they lie within 1e-5). As a forest, in one micro-batch with references computed before, and as separate rows. The
 * reference is the starting adapter. */
#include "tests/invariant/loop_fixture.h"

#include <jansson.h>

#define DATA "tests/golden/data/train/"

static json_t *runs;

typedef struct curve {
    double loss[10], norm[10];
    int n;
} curve;

static void keep(void *user, const pt_step_report *r)
{
    curve *c = user;
    if (c->n == 10 || r->skipped) return;
    c->loss[c->n] = r->loss;
    c->norm[c->n++] = r->grad_norm;
}

static int word_of(const char *key, const char *text)
{
    const pt_option **keys;
    pt_objective_keys(&keys);
    for (const pt_word *w = keys[pt_objective_key(key)]->words; w && w->word; w++)
        if (!strcmp(w->word, text)) return w->value;
    fail_msg("%s: no word %s", key, text);
    return 0;
}

/* A value of TRL's config as it stands in the fixture. */
static void put_option(pt_config *cfg, const char *key, const json_t *v)
{
    pt_option_value *to = &cfg->options[pt_objective_key(key)];
    bool list = json_is_array(v);
    if (json_is_string(v)) MUST(pt_objective_set(cfg->options, key, word_of(key, json_string_value(v))));
    else if (json_is_boolean(v)) MUST(pt_objective_set(cfg->options, key, json_is_true(v)));
    else if (json_is_number(v)) MUST(pt_objective_set(cfg->options, key, json_number_value(v)));
    for (size_t i = 0; list && i < json_array_size(v); i++) {
        const json_t *x = json_array_get(v, i);
        to->set = true, to->n = (int)i + 1;
        if (json_is_string(x)) to->words[i] = word_of(key, json_string_value(x));
        else to->numbers[i] = json_number_value(x);
    }
}

static pt_config pairs_config(pt_dataset_spec *spec, const char *dir, const json_t *options)
{
    const char *key;
    const json_t *v;
    pt_config cfg = small_config(spec, DATA "pairs.jsonl", dir);
    cfg.model.init.random = false;
    cfg.model.base_model = (char *)DATA "model";
    MUST(pt_objective_set(cfg.options, "beta", 0.2));
    json_object_foreach((json_t *)options, key, v) put_option(&cfg, key, v);
    cfg.objective = pt_objective_variant(pt_objective_find("dpo"), cfg.options);
    cfg.adapter.lora_model_dir = (char *)DATA "adapter";
    cfg.batch.shuffle_merged_datasets = false;
    cfg.run.max_steps = 10;
    cfg.optim.warmup_steps = 2;
    cfg.optim.weight_decay = 0.05;
    return cfg;
}

static void test_run(void **state)
{
    const char *name = *state;
    json_t *run = json_object_get(runs, name), *loss = json_object_get(run, "loss"), *norm = json_object_get(run, "grad_norm");
    double worst = 0, worst_norm = 0;
    for (int packing = PT_PACKING_FOREST; packing <= PT_PACKING_OFF; packing++) {
        char dir[64];
        pt_dataset_spec spec;
        curve c = {.n = 0};
        temp_folder(dir);
        pt_config cfg = pairs_config(&spec, dir, json_object_get(run, "options"));
        cfg.batch.sample_packing = (pt_packing)packing;
        cfg.batch.micro_batch_size = packing == PT_PACKING_PLAIN ? 4 : 1; /* a step in one micro-batch or in several */
        cfg.reference.precompute = packing == PT_PACKING_PLAIN;
        pt_train_hooks hooks = {.user = &c, .on_step = keep, .ops = &pt_ops_cpu};
        pt_train_result res;
        MUST(pt_train_run(&cfg, &hooks, &res));
        assert_int_equal(c.n, 10);
        for (size_t i = 0; i < 10; i++) {
            double l = json_real_value(json_array_get(loss, i)), g = json_real_value(json_array_get(norm, i));
            worst = fmax(worst, fabs(c.loss[i] / l - 1));
            worst_norm = fmax(worst_norm, fabs(c.norm[i] / g - 1));
            if (!(fabs(c.loss[i] - l) <= 1e-4 * fabs(l))) fail_msg("%s step %zu: loss %.9g, TRL %.9g", name, i + 1, c.loss[i], l);
            if (!(fabs(c.norm[i] - g) <= 1e-4 * g)) fail_msg("%s step %zu: gradient norm %.9g, TRL %.9g", name, i + 1, c.norm[i], g);
        }
        MUST(pt_dir_remove(dir));
    }
    print_message("# figure %s: losses within %.1e of TRL's, norms within %.1e\n", name, worst, worst_norm);
}

static int load_runs(void **state)
{
    json_error_t e;
    runs = json_load_file(DATA "pair_losses.json", 0, &e);
    return runs ? 0 : 1;
}
static int free_runs(void **state)
{
    json_decref(runs);
    return 0;
}

int main(void)
{
    static struct CMUnitTest tests[64];
    size_t n = 0;
    const char *name;
    json_t *run;
    if (load_runs(NULL)) return 1;
    json_object_foreach(runs, name, run) tests[n++] = (struct CMUnitTest){name, test_run, NULL, NULL, (void *)name};
    int bad = _cmocka_run_group_tests("pairs", tests, n, NULL, NULL);
    free_runs(NULL);
    return bad;
}
