/* Values as Python's trainers read them: the words and numbers of PyYAML, in quotes or not, true and false where a path stands, shares of all steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config_fixture.h"

#define BASE "base_model: x.gguf\ndatasets: [{path: a.jsonl, type: messages}]\n"

static void test_numbers(void **state)
{
    static const struct { const char *text; double v; } cases[] = {
        {"2e-4", 2e-4}, {"\"2e-4\"", 2e-4}, {"'0.0002'", 2e-4}, {"1e-05", 1e-5}, {"1.0E-5", 1e-5}, {".5", .5}, {"5.", 5}, {"+1", 1}, {"1_0e-0_1", 1},
        {"' 1 '", 1}, {"0x1", 1}, {"0b11", 3}, {"!!float 3", 3}, {"[0.25]", .25}, {"007", 7}, {"0", 0}, {"false", 0}, {"off", 0}, {"00.5", .5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_str yaml = {0};
        assert_int_equal(pt_str_printf(&yaml, BASE "learning_rate: %s\n", cases[i].text), PT_OK);
        pt_config *c = load(yaml.text);
        if (c->optim.learning_rate != cases[i].v) fail_msg("%s is read as %g", cases[i].text, c->optim.learning_rate);
        pt_config_free(c);
        pt_str_free(&yaml);
    }
    static const refusal bad[] = {
        {BASE "lr: nan\n", "learning_rate takes a number, not 'nan'"}, {BASE "learning_rate: .inf\n", "takes a number, not '.inf'"},
        {BASE "learning_rate: 1e999\n", "takes a number, not '1e999'"}, {BASE "learning_rate: 0x1p-3\n", "takes a number, not '0x1p-3'"},
        {BASE "learning_rate: 1__0\n", "not '1__0'"}, {BASE "learning_rate: _1\n", "not '_1'"}, {BASE "learning_rate: 1e\n", "not '1e'"},
        {BASE "learning_rate: .\n", "not '.'"}, {BASE "learning_rate: 2e-4 x\n", "not '2e-4 x'"}, {BASE "learning_rate: true\n", "not 'true'"},
        {BASE "learning_rate: 1,5\n", "not '1,5'"}, {BASE "learning_rate: ''\n", "takes a number, not ''"}, {BASE "learning_rate: 1:30\n", "not '1:30'"},
        {BASE "seed: 010\n", "seed: 010 begins with 0, which makes it octal in YAML: write it without"}, {BASE "seed: 0x1ffffffffffffffff\n", "not '0x1ff"},
        {BASE "seed: 18446744073709551616\n", "whole number from 0"}, {BASE "seed: 1.5\n", "whole number from 0"}, {BASE "lora_r: [8, 16]\n", "not a list"},
        {BASE "lora_r: true\n", "lora_r takes a number, not 'true'"}, {BASE "lora_r: false\n", "lora_r takes a number, not 'false'"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
    pt_config *c = load(BASE "seed: '18446744073709551615'\nlora_r: \"8\"\nmicro_batch_size: 2.0\nsequence_len: 4_096\nval_set_size: no\nmax_steps: 1e3\n");
    assert_true(c->run.seed == UINT64_MAX && c->adapter.lora_r == 8 && c->batch.micro_batch_size == 2 && c->data.sequence_len == 4096 && c->data.val_set_size == 0 && c->run.max_steps == 1000);
    pt_config_free(c);
    c = load(BASE "seed: 1e6\n");
    assert_true(c->run.seed == 1000000);
    pt_config_free(c);
}

/* yes, on, 1 and their like, in every place where true stands. */
static void test_booleans(void **state)
{
    static const char *const yes[] = {"true", "True", "yes", "on", "ON", "1", "y", "'true'", "\"yes\""};
    static const char *const no[] = {"false", "FALSE", "no", "off", "0", "n", "'false'"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes + sizeof no / sizeof *no; i++) {
        bool on = i < sizeof yes / sizeof *yes;
        const char *w = on ? yes[i] : no[i - sizeof yes / sizeof *yes];
        pt_str yaml = {0};
        assert_int_equal(pt_str_printf(&yaml, BASE "adapter: lora\ngradient_checkpointing: %s\nsample_packing: %s\nbf16: %s\nauto_resume_from_checkpoints: %s\n"
                                              "load_in_4bit: %s\nresume_from_checkpoint: %s\n", w, w, w, w, w, w), PT_OK);
        pt_config *c = load(yaml.text);
        assert_true(c->device.gradient_checkpointing == on && c->model.quantised_wanted == on);
        assert_int_equal(c->batch.sample_packing, on ? PT_PACKING_FOREST : PT_PACKING_OFF);
        assert_int_equal(c->device.compute, on ? PT_COMPUTE_KIND_BF16 : PT_COMPUTE_KIND_F32);
        assert_true(on ? c->run.resume_from_checkpoint && !strcmp(c->run.resume_from_checkpoint, "auto") : !c->run.resume_from_checkpoint);
        pt_config_free(c);
        pt_str_free(&yaml);
    }
    pt_config *c = load(BASE "save_strategy: no\neval_strategy: off\nadapter: false\n"); /* PyYAML's False, which transformers takes for "no" */
    assert_true(c->run.save_steps == 0 && c->run.eval_steps == 0 && c->adapter.kind == PT_ADAPTER_NONE);
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "gradient_checkpointing: maybe\n", "takes true or false, not 'maybe'"}, {BASE "gradient_checkpointing: 2\n", "takes true or false, not '2'"},
        {BASE "save_strategy: off\nsave_steps: 3\n", "save_steps: 3 disagrees with save_strategy: off on line 3"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
}

/* Where a path, a name or auto stands: false is none, true is auto where there is an auto. */
static void test_paths(void **state)
{
    pt_config *c = load(BASE "resume_from_checkpoint: true\nauto_resume_from_checkpoints: true\n");
    assert_string_equal(c->run.resume_from_checkpoint, "auto");
    pt_config_free(c);
    c = load(BASE "resume_from_checkpoint: false\nlora_model_dir: false\ndataset_prepared_path: no\ntokenizer: off\nchat_template: false\ndefault_system_message: no\n");
    assert_true(!c->run.resume_from_checkpoint && !c->adapter.lora_model_dir && !c->model.tokenizer && !c->model.default_system_message);
    assert_string_equal(c->model.chat_template, "tokenizer_default");
    assert_string_equal(c->data.cache_dir, "out/cache");
    pt_config_free(c);
    c = load(BASE "resume_from_checkpoint: 'checkpoint-1'\ndefault_system_message: 'no'\noutput_dir: [o]\n"); /* quoted: text */
    assert_string_equal(c->run.resume_from_checkpoint, "checkpoint-1");
    assert_string_equal(c->model.default_system_message, "no");
    assert_string_equal(c->run.output_dir, "o");
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "resume_from_checkpoint: false\nauto_resume_from_checkpoints: true\n", "disagrees with"},
        {BASE "tokenizer: true\n", "tokenizer takes text, not 'true'"}, {BASE "dataset_prepared_path: yes\n", "dataset_prepared_path takes text, not 'yes'"},
        {BASE "output_dir: [a, b]\n", "output_dir takes text, not a list"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
    pt_setting s = {"resume_from_checkpoint", "auto"};
    assert_int_equal(pt_config_load(&c, write_yaml(BASE "resume_from_checkpoint: false\n"), &s, 1), PT_OK);
    assert_string_equal(c->run.resume_from_checkpoint, "auto");
    pt_config_free(c);
}

/* Below 1: a share of all steps, as in transformers. */
static void test_shares(void **state)
{
    pt_config *c = load(BASE "save_steps: 0.25\neval_steps: '0.1'\nlogging_steps: 5e-2\nwarmup_steps: 0.1\n"), *again = load(c->source.yaml_text);
    assert_true(again->run.save_steps == 0.25 && again->run.eval_steps == 0.1 && again->run.logging_steps == 0.05 && again->optim.warmup_steps == 0.1);
    pt_config_free(again);
    pt_config_free(c);
    c = load(BASE "saves_per_epoch: 0.5\nevals_per_epoch: 4\nlogging_steps: 0\n");
    assert_true(c->run.saves_per_epoch == 0.5 && c->run.evals_per_epoch == 4 && c->run.logging_steps == 0);
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "save_steps: 2.5\n", "save_steps takes a whole number of steps, or below 1 a share of all steps, not '2.5'"},
        {BASE "warmup_steps: 1.5\n", "warmup_steps takes a whole number of steps"}, {BASE "eval_steps: -0.5\n", "eval_steps is -0.5; it must lie from 0"},
        {BASE "warmup_steps: -0.5\n", "a share lies from 0 to 1"}, {BASE "save_steps: 0.5\nsaves_per_epoch: 2\n", "exclude each other"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
}

/* Anchors and merge keys reach the settings, with places. */
static void test_merges(void **state)
{
    pt_config *c = load("base_model: x\nadapter: lora\ndatasets:\n  - &d {path: a.jsonl, type: text}\n  - {<<: *d, path: b.jsonl}\n");
    assert_string_equal(c->data.datasets[1].path, "b.jsonl");
    assert_string_equal(c->data.datasets[1].type, "text");
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "<<: {lerning_rate: 1}\n", ":3:6: unknown key lerning_rate"}, {BASE "---\nlora_r: 4\n", ":3:1: a second document starts here; a config is one document"},
        {BASE "seed: !env SEED\n", ":3:7: the tag !env means nothing here"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
}

/* What the reference's keys ask of objective and adapter, said where the config says them. */
static void test_reference(void **state)
{
#define PAIRS "base_model: x.gguf\ndatasets: [{path: a.jsonl, type: preference}]\n"
    static const refusal bad[] = {
        {BASE "adapter: lora\nprecompute_ref_log_probs: true\n", ":4:1: precompute_ref_log_probs: true needs an objective with log-probabilities of a reference; sft has none"},
        {BASE "adapter: lora\nsync_ref_model: true\n", ":4:1: sync_ref_model: true needs an objective with a reference model; sft has none"},
        {PAIRS "objective: dpo\nsync_ref_model: true\n", ":4:1: sync_ref_model: true needs adapter: lora: full tuning keeps log-probabilities"},
        {PAIRS "objective: dpo\nadapter: lora\nsync_ref_model: yes\nprecompute_ref_log_probs: true\n", ":5:1: sync_ref_model: true and precompute_ref_log_probs: true exclude each other"},
        {PAIRS "objective: dpo\nlora_model_dir: d\ndpo_reference: base\nsync_ref_model: true\n", ":6:1: sync_ref_model: true moves a copy of the starting adapter"},
        {PAIRS "objective: dpo\nref_model_mixup_alpha: 1.5\n", "ref_model_mixup_alpha"}, {PAIRS "objective: dpo\nref_model_sync_steps: 0\n", "ref_model_sync_steps"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
    pt_config *c = load(PAIRS "objective: dpo\nprecompute_ref_log_probs: true\n");
    assert_true(c->reference.precompute && !c->reference.sync && c->reference.mixup == 0.6 && c->reference.every == 512);
    pt_config_free(c);
    c = load(PAIRS "objective: dpo\nlora_model_dir: d\nsync_ref_model: true\nref_model_mixup_alpha: 1\nref_model_sync_steps: 8\n");
    assert_true(c->reference.sync && c->reference.mixup == 1 && c->reference.every == 8);
    pt_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_numbers), cmocka_unit_test(test_booleans), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_shares),  cmocka_unit_test(test_merges),
    };
    return cmocka_run_group_tests(tests, NULL, remove_yaml);
}
