/* Ten optimiser steps against PyTorch, PEFT and TRL's formulas: losses within 1e-5, norms of gradients within 1e-4
 * (tests/golden/train.py, train_idl.py); heads of values against transformers' classifiers under PEFT (train_heads.py);
 * objectives by tokens (token_train.py). */
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

static pt_compute_kind compute = PT_COMPUTE_KIND_F32;
static const pt_ops *backend = &pt_ops_cpu;

/* Root mean square of the relative errors. */
static double rms(const double *got, json_t *want)
{
    double sum = 0;
    for (size_t i = 0; i < 10; i++) {
        double w = json_real_value(json_array_get(want, i));
        sum += (got[i] - w) * (got[i] - w) / (w * w);
    }
    return sqrt(sum / 10);
}

/* bf16: twice the error of PyTorch's own bf16 run (tests/golden/train_bf16.py). */
static void compare_bf16(const char *name, const curve *c, json_t *loss, json_t *norm)
{
    json_error_t e;
    json_t *all = json_load_file(DATA "bf16.json", 0, &e), *run = json_object_get(all, name);
    assert_non_null(run);
    double l = rms(c->loss, loss), n = rms(c->norm, norm), tl = json_real_value(json_object_get(run, "loss")),
           tn = json_real_value(json_object_get(run, "grad_norm"));
    print_message("# figure %s bf16 on %s: loss off by %.2e (torch %.2e), norm by %.2e (torch %.2e)\n", name, backend->name, l, tl, n, tn);
    if (!(l <= 2 * tl && n <= 2 * tn)) fail_msg("%s: loss off by %.2e, norm by %.2e", name, l, n);
    json_decref(all);
}

static const char *figures = DATA "losses.json", *type = "tokens", *options = ""; /* "KEY=NUMBER ..." */

static void set_options(pt_config *cfg)
{
    char text[128], *rest = text, *one;
    snprintf(text, sizeof text, "%s", options);
    while ((one = strtok_r(rest, " ", &rest))) {
        char *equal = strchr(one, '=');
        *equal = 0;
        MUST(pt_objective_set(cfg->options, one, strtod(equal + 1, NULL)));
    }
}

static void compare(const char *name, const curve *c)
{
    json_error_t e;
    json_t *all = json_load_file(figures, 0, &e), *run = json_object_get(all, name);
    assert_non_null(run);
    json_t *loss = json_object_get(run, "loss"), *norm = json_object_get(run, "grad_norm");
    assert_int_equal(json_array_size(loss), 10);
    assert_int_equal(c->n, 10);
    if (compute == PT_COMPUTE_KIND_BF16) compare_bf16(name, c, loss, norm);
    for (int i = 0; i < 10 && compute == PT_COMPUTE_KIND_F32; i++) {
        double l = json_real_value(json_array_get(loss, (size_t)i)), g = json_real_value(json_array_get(norm, (size_t)i));
        if (!(fabs(c->loss[i] - l) <= 1e-5 * fabs(l)))
            fail_msg("%s step %d: loss %.9g, torch %.9g", name, i + 1, c->loss[i], l);
        if (!(fabs(c->norm[i] - g) <= 1e-4 * g))
            fail_msg("%s step %d: gradient norm %.9g, torch %.9g", name, i + 1, c->norm[i], g);
    }
    json_decref(all);
}

typedef struct golden_case {
    const char *name, *data, *adapter;
    const char *objective;
    pt_reference_word reference;
    bool full, precompute;
} golden_case;

static void run_case(const golden_case *g, pt_packing packing)
{
    char dir[64];
    pt_dataset_spec spec;
    curve c = {.n = 0};
    temp_folder(dir);
    pt_config cfg = small_config(&spec, g->data, dir);
    cfg.model.init.random = false;
    cfg.model.base_model = (char *)DATA "model";
    cfg.objective = pt_objective_find(g->objective);
    if (g->reference) MUST(pt_objective_set(cfg.options, "dpo_reference", g->reference));
    MUST(pt_objective_set(cfg.options, "beta", 0.2));
    MUST(pt_objective_set(cfg.options, "criterion_weight", 1.5));
    set_options(&cfg);
    cfg.objective = pt_objective_variant(cfg.objective, cfg.options);
    spec.type = (char *)type;
    cfg.reference.precompute = g->precompute;
    cfg.adapter.kind = g->full ? PT_ADAPTER_NONE : PT_ADAPTER_LORA;
    cfg.adapter.lora_model_dir = (char *)g->adapter;
    cfg.batch.sample_packing = packing;
    cfg.batch.shuffle_merged_datasets = false;
    cfg.run.max_steps = 10;
    cfg.optim.warmup_steps = 2;
    cfg.optim.weight_decay = 0.05;
    cfg.device.compute = compute;
    pt_train_hooks hooks = {.user = &c, .on_step = keep, .ops = backend};
    pt_train_result res;
    MUST(pt_train_run(&cfg, &hooks, &res));
    compare(g->name, &c);
    MUST(pt_dir_remove(dir));
}

static const golden_case cases[] = {
    {"sft_lora", DATA "sft.jsonl", DATA "adapter", "sft", PT_REFERENCE_AUTO, false, false},
    {"sft_full", DATA "sft.jsonl", NULL, "sft", PT_REFERENCE_AUTO, true, false},
    {"dpo_base", DATA "pairs.jsonl", DATA "adapter", "dpo", PT_REFERENCE_AT_BASE, false, false},
    {"dpo_start", DATA "pairs.jsonl", DATA "adapter", "dpo", PT_REFERENCE_AT_START, false, false},
    {"dpo_full", DATA "pairs.jsonl", NULL, "dpo", PT_REFERENCE_AUTO, true, false},
    {"reward", DATA "pairs.jsonl", DATA "reward_adapter", "reward", PT_REFERENCE_AUTO, false, false},
    {"dpo_base", DATA "pairs.jsonl", DATA "adapter", "dpo", PT_REFERENCE_AT_BASE, false, true},
    {"dpo_start", DATA "pairs.jsonl", DATA "adapter", "dpo", PT_REFERENCE_AT_START, false, true},
};

/* Objectives by tokens, whose rows share prompts and the beginnings of answers, each with weights of its own. kl_direction: 1 from the policy, 2 from the
 * reference; kl_reference=2: the base. */
static const struct {
    golden_case is;
    const char *options;
} by_tokens[] = {
    {{"weights", DATA "tokens.jsonl", DATA "adapter", "sft", PT_REFERENCE_AUTO, false, false}, ""},
    {{"weights_full", DATA "tokens.jsonl", NULL, "sft", PT_REFERENCE_AUTO, true, false}, ""},
    {{"dft", DATA "tokens_plain.jsonl", DATA "adapter", "sft", PT_REFERENCE_AUTO, false, false}, "use_dft_loss=1"},
    {{"kl_coef", DATA "tokens.jsonl", DATA "adapter", "sft", PT_REFERENCE_AUTO, false, false}, "kl_coef=0.5"},
    {{"kl_coef_base", DATA "tokens.jsonl", DATA "adapter", "sft", PT_REFERENCE_AUTO, false, false}, "kl_coef=0.5 kl_direction=2 kl_reference=2"},
    {{"kl_sft", DATA "tokens.jsonl", DATA "adapter", "kl_sft", PT_REFERENCE_AUTO, false, false}, "kl_coef=2"},
    {{"kl_sft_base", DATA "tokens.jsonl", DATA "adapter", "kl_sft", PT_REFERENCE_AUTO, false, false}, "kl_coef=2 kl_direction=1 kl_reference=2"},
    {{"kd", DATA "tokens.jsonl", DATA "adapter", "kd", PT_REFERENCE_AUTO, false, false}, ""},
    {{"kd_ce", DATA "tokens.jsonl", NULL, "kd", PT_REFERENCE_AUTO, true, false}, "kd_alpha=0.7 kd_ce_alpha=0.3"},
};

/* packings: how many of forest and off. */
static void run_by_tokens(int packings)
{
    figures = DATA "tokens_losses.json";
    type = "tokens";
    for (size_t i = 0; i < sizeof by_tokens / sizeof *by_tokens; i++) {
        options = by_tokens[i].options;
        run_case(&by_tokens[i].is, PT_PACKING_FOREST);
        if (packings > 1) run_case(&by_tokens[i].is, PT_PACKING_OFF);
    }
}

#ifndef GOLDEN_ON_DEVICE /* tests/emu has a main of its own */
/* tests/golden/train_idl.py; on a device: tests/cli/criterion.sh */
static const golden_case idl = {"idl", DATA "triples.jsonl", DATA "adapter", "idl", PT_REFERENCE_AT_START, false, false};
/* tests/golden/train_heads.py; on a device: tests/cli/heads.sh */
#define HEADS DATA "heads/"
static const struct {
    golden_case is;
    const char *type, *options;
} heads[] = {
    {{"classes", HEADS "classes.jsonl", HEADS "classes_adapter", "classify", PT_REFERENCE_AUTO, false, false}, "labels", "num_labels=3"},
    {{"many", HEADS "many.jsonl", HEADS "many_adapter", "multilabel", PT_REFERENCE_AUTO, false, false}, "labels", "num_labels=4"},
    {{"numbers", HEADS "numbers.jsonl", HEADS "numbers_adapter", "regress", PT_REFERENCE_AUTO, false, false}, "labels", "num_labels=2"},
    {{"mean", HEADS "classes.jsonl", HEADS "mean_adapter", "classify", PT_REFERENCE_AUTO, false, false}, "labels", "num_labels=3 pooling=2"},
    {{"margin", HEADS "pairs.jsonl", HEADS "pairs_adapter", "reward", PT_REFERENCE_AUTO, false, false}, "tokens", "center_rewards_coefficient=0.02"},
    {{"charm", DATA "pairs.jsonl", HEADS "pairs_adapter", "charm", PT_REFERENCE_AUTO, false, false}, "tokens", "adaptive_margin_scale=2 adaptive_margin_max=5"},
    {{"charm_ratio", DATA "pairs.jsonl", HEADS "pairs_adapter", "charm_ratio", PT_REFERENCE_AT_BASE, false, false}, "tokens", "adaptive_margin_scale=2 adaptive_margin_max=5"},
};
static void test_heads(void **state)
{
    figures = HEADS "losses.json";
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        type = heads[i].type;
        options = heads[i].options;
        run_case(&heads[i].is, PT_PACKING_FOREST);
        run_case(&heads[i].is, PT_PACKING_OFF);
    }
}

static void test_tokens(void **state)
{
    run_by_tokens(2);
}

static void test_case(void **state)
{
    run_case(*state, PT_PACKING_FOREST);
    run_case(*state, PT_PACKING_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"sft_lora", test_case, NULL, NULL, (void *)&cases[0]}, {"sft_full", test_case, NULL, NULL, (void *)&cases[1]},
        {"dpo_base", test_case, NULL, NULL, (void *)&cases[2]}, {"dpo_start", test_case, NULL, NULL, (void *)&cases[3]},
        {"dpo_full", test_case, NULL, NULL, (void *)&cases[4]}, {"reward", test_case, NULL, NULL, (void *)&cases[5]},
        {"dpo_base, computed before", test_case, NULL, NULL, (void *)&cases[6]}, {"dpo_start, computed before", test_case, NULL, NULL, (void *)&cases[7]},
        {"idl", test_case, NULL, NULL, (void *)&idl}, cmocka_unit_test(test_heads), cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
