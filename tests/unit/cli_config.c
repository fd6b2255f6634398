/* Config files: what is read, and the exact complaint for what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "train/cli/config.h"
#include "train/cli/schema.h"

static char notes[4096];

static void keep_note(void *user, pt_log_level level, const char *text)
{
    strncat(notes, text, sizeof notes - strlen(notes) - 2);
    strcat(notes, "\n");
}

static char *write_yaml(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "build/test-cli-%d.yaml", (int)getpid());
    assert_int_equal(pt_dir_make("build"), PT_OK);
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
    return path;
}

static pt_config *load(const char *text)
{
    pt_config *c = NULL;
    pt_status rc = pt_config_load(&c, write_yaml(text), NULL, 0);
    if (rc != PT_OK) fail_msg("refused: %s", pt_err_msg());
    return c;
}

#define BASE "base_model: x.gguf\ndatasets: [{path: a.jsonl, type: messages}]\n"

static void test_bad_files(void **state)
{
    static const struct { const char *yaml, *want; } cases[] = {
        {BASE "learning_rat: 1e-3\n", ":3:1: unknown key learning_rat; did you mean learning_rate?"},
        {BASE "zzzzqqq: 1\n", ":3:1: unknown key zzzzqqq; `ptrain help` lists the keys"},
        {BASE "lora_r: many\n", ":3:1: lora_r takes a number, not 'many'"},
        {BASE "lora_r: 2.5\n", ":3:1: lora_r takes a whole number, not '2.5'"},
        {BASE "lora_r: 0\n", ":3:1: lora_r is 0; it must lie from 1 to 4096"},
        {BASE "lora_dropout: nan\n", "lora_dropout takes a number, not 'nan'"},
        {BASE "lora_r: [1, 2]\n", "lora_r takes a number, not a list"},
        {BASE "adapter: dora\n", "adapter is 'dora'; it must be one of: lora, qlora, none"},
        {BASE "peft_use_dora: true\n", "peft_use_dora is refused: this adapter method does not exist here"},
        {BASE "gradient_checkpointing: maybe\n", "gradient_checkpointing takes true or false, not 'maybe'"},
        {BASE "optimizer: lion_8bit\n", "optimizer 'lion_8bit' does not exist here"},
        {BASE "rl: kto\n", "rl: kto: of rl's kinds only dpo exists here"},
        {BASE "lora_r: 4\nlora_rank: 8\n", "lora_rank: 8 disagrees with lora_r: 4 on line 3"},
        {BASE "bf16: true\ncompute: f32\n", "disagrees with"},
        {BASE "lora_r: 4\nlora_r: 4\n", ":4:1: lora_r stands twice (first on line 3)"},
        {BASE "  lora_r: 4\n", "not valid YAML"},
        {"datasets: [{path: a, type: nonsense}]\n", "unknown data set type 'nonsense'"},
        {"datasets: [x.jsonl, ~]\n", ":1:21: a data set is {path: FILE, type: TYPE}"},
        {"datasets:\n  -\n", "a data set is {path: FILE, type: TYPE}"},
        {"base_model: x\ndatasets: x.jsonl\nrl: dpo\n", ":2:11: objective dpo needs pairs"},
        {"datasets: [{path: a, type: text, weight: 0}]\n", "weight is 0; it must lie from 1e-06 to 1000"},
        {BASE "lora_target_modules: [q_proj]\ntarget_modules: [q_proj, k_proj]\n",
         "target_modules: [q_proj, k_proj] disagrees with lora_target_modules: [q_proj] on line 3"},
        {BASE "test_datasets: [{path: a}]\neval_dataset: [{path: b}]\n", "eval_dataset: [{path: b}] disagrees with test_datasets: [{path: a}]"},
        {"datasets: [{type: messages}]\n", ":1:12: this data set has no path"},
        {"datasets: [{path: a, flavour: b}]\n", "not flavour"},
        {"datasets: []\n", "datasets is an empty list"},
        {"- a\n- b\n", "a config is a mapping of keys to values"},
        {BASE "save_strategy: \"no\"\nsave_steps: 5\n", "save_steps: 5 disagrees with save_steps: 0"},
        {BASE "eval_steps: 5\neval_strategy: no\n", "eval_steps: 0 disagrees with eval_steps: 5"},
        {BASE "deepspeed: zero3.json\n", "deepspeed is refused: each rank holds the whole model"},
        {"base_model: x\nobjective: dpo\ndatasets: [{path: a, type: alpaca}]\n", "objective dpo needs pairs"},
        {"base_model: x\ndatasets: [{path: a, type: mindset}]\n", "type mindset holds pairs; they need objective: dpo or reward"},
        {BASE "init: random\n", "init: random and base_model exclude each other"},
        {"init: random\n", "init: random needs model_config"},
        {"init: zeros\n", "init takes random"},
        {BASE "lora_model_dir: some/dir\n", "lora_model_dir needs adapter: lora"},
        {BASE "seed: -1\n", "seed takes a whole number from 0, not '-1'"},
        {BASE "a: &x [*x]\n", "nested too deeply"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_config *c = NULL;
        pt_status rc = pt_config_load(&c, write_yaml(cases[i].yaml), NULL, 0);
        if (rc != PT_EARG) fail_msg("case %zu: status %s for\n%s", i, pt_status_name(rc), cases[i].yaml);
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), cases[i].want);
        assert_null(c);
    }
}

static void test_values_read(void **state)
{
    pt_config *c = load("base_model: x.gguf\ndatasets: [{path: a.jsonl, type: preference, weight: 0.5}]\n"
                        "adapter: qlora\nlora_rank: 4\nlora_alpha:\nsample_packing: false\nbf16: auto\nrl:\nlr: 3e-4\n"
                        "optimizer: adamw_torch_fused\nlora_target_modules: [q_proj, v_proj]\nval_set_size: 0.1\nreward_model: true\n"
                        "saves_per_epoch: 2\nauto_resume_from_checkpoints: true\nspecial_tokens: {pad_token: <pad>}\nfsdp:\nload_in_8bit: false\n"
                        "dataset_prepared_path: prep\nobjective: reward\n");
    assert_int_equal(c->adapter, PT_ADAPTER_QLORA);
    assert_true(c->quantised_wanted);
    assert_int_equal(c->lora_r, 4);
    assert_true(c->lora_alpha == 32 && !c->lora_alpha_set && c->lora_r_set);
    assert_int_equal(c->sample_packing, PT_PACKING_OFF);
    assert_int_equal(c->compute, PT_COMPUTE_AUTO);
    assert_int_equal(c->objective, PT_OBJ_REWARD);
    assert_true(c->learning_rate == 3e-4 && c->val_set_size == 0.1 && c->datasets[0].weight == 0.5);
    assert_string_equal(c->optimizer, "adamw");
    assert_string_equal(c->resume_from_checkpoint, "auto");
    assert_string_equal(c->cache_dir, "prep");
    assert_int_equal(c->n_lora_target_modules, 2);
    assert_string_equal(c->lora_target_modules[1], "v_proj");
    assert_int_equal(c->n_special_tokens, 1);
    assert_int_equal(c->saves_per_epoch, 2);
    pt_config_free(c);
}

/* A bare path is a data set of messages; an empty type is axolotl's spelling of ready ids. */
static void test_short_datasets(void **state)
{
    pt_config *c = load("base_model: x\ndatasets:\n  - a.jsonl\n  - path: b.jsonl\n    type:\nmax_steps: -1\n");
    assert_int_equal(c->n_datasets, 2);
    assert_string_equal(c->datasets[0].path, "a.jsonl");
    assert_string_equal(c->datasets[0].type, "messages");
    assert_string_equal(c->datasets[1].type, "");
    assert_int_equal(c->max_steps, 0);
    pt_config *again = load(c->yaml_text);
    assert_string_equal(again->datasets[1].type, "");
    pt_config_free(again);
    pt_config_free(c);
}

/* Files that are not there are named with their place. */
static void test_missing_files(void **state)
{
    static const struct { const char *yaml, *want; } cases[] = {
        {"base_model: no.gguf\ndatasets: [a.jsonl]\n", ":1:1: base_model: no.gguf: no such file or folder"},
        {"base_model: .\ndatasets:\n  - path: no.jsonl\n    type: text\n", ":3:5: datasets: no.jsonl: no such file or folder"},
        {"base_model: .\ntokenizer: no.json\ndatasets: [.]\n", ":2:1: tokenizer: no.json: no such"},
        {"base_model: .\nadapter: lora\nlora_model_dir: nodir\ndatasets: [.]\n", ":3:1: lora_model_dir: nodir: no such"},
        {"base_model: .\ndatasets: [.]\ntest_datasets: [{path: ., type: rolebench, profiles: no}]\n", ":3:17: profiles: no: no such"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_config *c = load(cases[i].yaml);
        assert_int_equal(pt_config_check_files(c), PT_EARG);
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), cases[i].want);
        pt_config_free(c);
    }
    pt_setting s = {"base_model", "other.gguf"};
    pt_config *c = NULL;
    assert_int_equal(pt_config_load(&c, write_yaml("base_model: .\ndatasets: [.]\n"), &s, 1), PT_OK);
    assert_int_equal(pt_config_check_files(c), PT_EARG);
    assert_string_equal(pt_err_msg(), "command line: base_model: other.gguf: no such file or folder");
    pt_config_free(c);
    c = load("base_model: .\ndatasets: ['*.jsonl', .]\n");
    assert_int_equal(pt_config_check_files(c), PT_OK);
    pt_config_free(c);
}

static void test_yaml_reads_back(void **state)
{
    pt_config *a = load(BASE "adapter: lora\nlora_r: 7\nlearning_rate: 0.00012345678901\ndefault_system_message: \"a: b\\n'c' \\\"d\\\"\"\n"
                             "roles_to_train: [assistant, user]\nsample_packing: plain\nseed: 18446744073709551615\n"
                             "output_dir: 'with space'\nmax_steps: 12\n");
    pt_config *b = load(a->yaml_text);
    assert_string_equal(a->yaml_text, b->yaml_text);
    assert_string_equal(b->default_system_message, "a: b\n'c' \"d\"");
    assert_true(b->seed == UINT64_MAX && b->learning_rate == 0.00012345678901);
    assert_string_equal(b->output_dir, "with space");
    pt_config_free(a);
    pt_config_free(b);
}

static void test_command_line_wins(void **state)
{
    pt_setting s[] = {{"lora_r", "9"}, {"datasets", "[{path: z.jsonl, type: alpaca}]"}, {"adapter", "lora"}, {"lr", "1e-5"}};
    pt_config *c = NULL;
    assert_int_equal(pt_config_load(&c, write_yaml(BASE "lora_r: 4\nlearning_rate: 1e-3\n"), s, 4), PT_OK);
    assert_int_equal(c->lora_r, 9);
    assert_true(c->learning_rate == 1e-5);
    assert_string_equal(c->datasets[0].path, "z.jsonl");
    pt_config_free(c);
    pt_setting bad = {"lora_r", "x"};
    assert_int_equal(pt_config_load(&c, NULL, &bad, 1), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "command line: lora_r takes a number"));
    assert_int_equal(pt_config_load(&c, "no/such/file.yaml", NULL, 0), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "no/such/file.yaml"));
}

static void test_notes(void **state)
{
    notes[0] = 0;
    pt_log_set_sink(keep_note, NULL);
    pt_config_free(load(BASE "flash_attention: true\nwandb_project: x\nwandb_name:\nliger_rope: true\noptimizer: adamw_8bit\nplugins: []\n"));
    pt_log_set_sink(NULL, NULL);
    assert_non_null(strstr(notes, "flash_attention has no effect here"));
    assert_non_null(strstr(notes, "wandb_project has no effect here"));
    assert_non_null(strstr(notes, "liger_rope has no effect here"));
    assert_null(strstr(notes, "wandb_name"));
    assert_non_null(strstr(notes, "adamw_8bit runs as AdamW"));
}

/* The schema itself: names once, defaults within their bounds (loading proves it), aliases not names, foreign keys not ours. */
static void test_schema_is_sound(void **state)
{
    size_t n, m;
    const pt_key *k = pt_schema(&n);
    const pt_foreign_key *f = pt_schema_foreign(&m);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(pt_schema_find(k[i].name), &k[i]);
        assert_null(pt_schema_foreign_find(k[i].name));
        char words[256];
        strncpy(words, k[i].aliases, sizeof words - 1);
        words[sizeof words - 1] = 0;
        for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
            if (pt_schema_find(w) != &k[i]) fail_msg("alias %s of %s belongs to another key", w, k[i].name);
            if (pt_schema_foreign_find(w)) fail_msg("alias %s is also a foreign key", w);
        }
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(f[i].name, f[j].name)) fail_msg("foreign key %s stands twice", f[i].name);
    pt_str text = {0};
    assert_int_equal(pt_schema_markdown(&text), PT_OK);
    for (size_t i = 0; i < n; i++) assert_non_null(strstr(text.text, k[i].name));
    pt_str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files), cmocka_unit_test(test_values_read), cmocka_unit_test(test_yaml_reads_back),
        cmocka_unit_test(test_short_datasets), cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_command_line_wins), cmocka_unit_test(test_notes), cmocka_unit_test(test_schema_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
