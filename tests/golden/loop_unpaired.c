/* Ten optimiser steps against TRL's own trainers of judged answers and of pairs without a reference (tests/golden/unpaired.py): losses within 1e-4, norms of
 * gradients within 1e-3, for every layout, with one micro-batch a step and with several. */
#include "tests/invariant/loop_fixture.h"

#include <jansson.h>

#define DATA "tests/golden/data/train/"

typedef struct curve {
    double loss[16], norm[16];
    int n;
} curve;

static void keep(void *user, const pt_step_report *r)
{
    curve *c = user;
    if (c->n < 16 && !r->skipped) {
        c->loss[c->n] = r->loss;
        c->norm[c->n++] = r->grad_norm;
    }
}

typedef struct golden_case {
    const char *name, *objective, *data;
    struct {
        const char *key;
        double value;
    } set[4];
} golden_case;

static void compare(const char *name, const curve *c)
{
    json_error_t e;
    json_t *all = json_load_file(DATA "unpaired.json", 0, &e), *run = json_object_get(all, name);
    assert_non_null(run);
    assert_int_equal(c->n, 10);
    for (size_t i = 0; i < 10; i++) {
        double l = json_real_value(json_array_get(json_object_get(run, "loss"), i)), g = json_real_value(json_array_get(json_object_get(run, "grad_norm"), i));
        if (!(fabs(c->loss[i] - l) <= 1e-4 * fabs(l))) fail_msg("%s step %zu: loss %.9g, TRL %.9g", name, i + 1, c->loss[i], l);
        if (!(fabs(c->norm[i] - g) <= 1e-3 * g)) fail_msg("%s step %zu: gradient norm %.9g, TRL %.9g", name, i + 1, c->norm[i], g);
    }
    json_decref(all);
}

static void run_case(const golden_case *g, pt_packing packing, int micro)
{
    char dir[64];
    pt_dataset_spec spec;
    curve c = {.n = 0};
    temp_folder(dir);
    pt_config cfg = small_config(&spec, g->data, dir);
    cfg.model.init.random = false;
    cfg.model.base_model = (char *)DATA "model";
    cfg.objective = pt_objective_find(g->objective);
    MUST(pt_objective_set(cfg.options, "beta", 0.2));
    for (size_t k = 0; k < 4 && g->set[k].key; k++) MUST(pt_objective_set(cfg.options, g->set[k].key, g->set[k].value));
    cfg.objective = pt_objective_variant(cfg.objective, cfg.options);
    cfg.adapter.lora_model_dir = (char *)DATA "adapter";
    cfg.batch.sample_packing = packing;
    cfg.batch.micro_batch_size = micro;
    cfg.batch.shuffle_merged_datasets = false;
    cfg.run.max_steps = 10;
    cfg.optim.warmup_steps = 2;
    cfg.optim.weight_decay = 0.05;
    cfg.data.sequence_len = packing == PT_PACKING_FOREST && micro == 1 ? 40 : 128; /* 40: a step takes several micro-batches */
    pt_train_hooks hooks = {.user = &c, .on_step = keep, .ops = &pt_ops_cpu};
    pt_train_result res;
    MUST(pt_train_run(&cfg, &hooks, &res));
    compare(g->name, &c);
    MUST(pt_dir_remove(dir));
}

static void test_case(void **state)
{
    run_case(*state, PT_PACKING_FOREST, 4);
    run_case(*state, PT_PACKING_FOREST, 1);
    run_case(*state, PT_PACKING_PLAIN, 4);
    run_case(*state, PT_PACKING_OFF, 3);
}

static const golden_case cases[] = {
    {"kto", "kto", DATA "unpaired.jsonl", {{NULL, 0}}},
    {"kto_weighed", "kto", DATA "unpaired.jsonl", {{"desirable_weight", 1.5}, {"undesirable_weight", 0.5}}},
    {"apo_zero_unpaired", "kto", DATA "unpaired.jsonl", {{"loss_type", PT_LOSS_APO_ZERO_UNPAIRED}}},
    {"orpo", "orpo", DATA "pairs.jsonl", {{NULL, 0}}},
    {"cpo", "cpo", DATA "pairs.jsonl", {{NULL, 0}}},
    {"cpo_ipo", "cpo", DATA "pairs.jsonl", {{"loss_type", PT_LOSS_IPO}}},
    {"cpo_hinge", "cpo", DATA "pairs.jsonl", {{"loss_type", PT_LOSS_HINGE}}},
    {"simpo", "cpo", DATA "pairs.jsonl", {{"loss_type", PT_LOSS_SIMPO}, {"cpo_alpha", 0.5}, {"simpo_gamma", 0.7}}},
    {"alphapo", "cpo", DATA "pairs.jsonl", {{"loss_type", PT_LOSS_ALPHAPO}, {"alpha", 0.25}}},
};

int main(void)
{
    struct CMUnitTest tests[sizeof cases / sizeof *cases];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) tests[i] = (struct CMUnitTest){cases[i].name, test_case, NULL, NULL, (void *)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
