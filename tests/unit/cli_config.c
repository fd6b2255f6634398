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

#include "config_fixture.h"
#include "train/cli/schema.h"

#define BASE "base_model: x.gguf\ndatasets: [{path: a.jsonl, type: messages}]\n"

#define REWARD "base_model: x.gguf\nobjective: reward\ndatasets: [{path: a.jsonl, type: preference}]\n"

static void test_bad_files(void **state)
{
    static const refusal cases[] = {
        {BASE "learning_rat: 1e-3\n", ":3:1: unknown key learning_rat; did you mean learning_rate?"},
        {BASE "zzzzqqq: 1\n", ":3:1: unknown key zzzzqqq; `ptrain help` lists the keys"},
        {BASE "lora_r: many\n", ":3:1: lora_r takes a number, not 'many'"},
        {BASE "lora_r: 2.5\n", ":3:1: lora_r takes a whole number, not '2.5'"},
        {BASE "lora_r: 0\n", ":3:1: lora_r is 0; it must lie from 1 to 4096"},
        {BASE "lora_dropout: nan\n", "lora_dropout takes a number, not 'nan'"},
        {BASE "lora_r: [1, 2]\n", "lora_r takes a number, not a list"},
        {BASE "adapter: dora\n", "adapter is 'dora'; it must be one of: lora, qlora, none"},
        {BASE "finetuning_type: freeze\n", "finetuning_type: freeze: finetuning types here are full and lora"},
        {BASE "peft_use_dora: true\n", "peft_use_dora is refused: this adapter method does not exist here"},
        {BASE "gradient_checkpointing: maybe\n", "gradient_checkpointing takes true or false, not 'maybe'"},
        {BASE "optimizer: lion_8bit\n", "optimizer 'lion_8bit' does not exist here"},
        {BASE "rl: grpo\n", "rl: grpo: rl takes dpo, kto, bco, orpo, cpo here"},
        {BASE "lora_r: 4\nlora_rank: 8\n", "lora_rank: 8 disagrees with lora_r: 4 on line 3"},
        {BASE "bf16: true\ncompute: f32\n", "disagrees with"},
        {BASE "lora_r: 4\nlora_r: 4\n", ":4:1: lora_r stands twice (first on line 3)"},
        {BASE "  lora_r: 4\n", "not valid YAML"},
        {"datasets: [{path: a, type: nonsense}]\n", "unknown data set type 'nonsense'"},
        {"datasets: [x.jsonl, ~]\n", ":1:21: a data set is {path: FILE, type: TYPE}"},
        {"datasets:\n  -\n", "a data set is {path: FILE, type: TYPE}"},
        {"base_model: x\ndatasets: {path: x.jsonl, type: completion}\nrl: dpo\n", ":2:11: objective dpo needs pairs"},
        {"datasets: [{path: a, type: text, weight: 0}]\n", "weight is 0; it must lie from 1e-06 to 1000"},
        {BASE "lora_target_modules: [q_proj]\ntarget_modules: [q_proj, k_proj]\n",
         "target_modules: [q_proj, k_proj] disagrees with lora_target_modules: [q_proj] on line 3"},
        {BASE "test_datasets: [{path: a}]\neval_dataset: [{path: b}]\n", "eval_dataset: [{path: b}] disagrees with test_datasets: [{path: a}]"},
        {"datasets: [{type: messages}]\n", ":1:12: this data set has no path"},
        {"datasets: [{path: a, flavour: b}]\n", "does not know flavour"},
        {"- a\n- b\n", "a config is a mapping of keys to values"},
    };
    check_refused(cases, sizeof cases / sizeof *cases);
}

/* Keys that say the same, or exclude each other; values that cannot be read as what they are for. */
static void test_bad_pairs(void **state)
{
    static const refusal cases[] = {
        {BASE "load_best_model_at_end: true\n", ":3:1: load_best_model_at_end: true compares evaluations: say when they are, by eval_steps or evals_per_epoch"},
        {BASE "early_stopping_patience: 3\n", ":3:1: early_stopping_patience counts evaluations: say when they are"},
        {BASE "eval_steps: 5\nearly_stopping_threshold: 0.1\n", ":4:1: early_stopping_threshold is early_stopping_patience's"},
        {BASE "greater_is_better: maybe\n", "greater_is_better is 'maybe'; it must be one of: true, false"},
        {BASE "save_strategy: \"no\"\nsave_steps: 5\n", ":4:1: save_steps: 5 disagrees with save_strategy: no on line 3; keep one"},
        {BASE "eval_steps: 5\neval_strategy: no\n", "eval_strategy: no disagrees with eval_steps: 5 on line 3"},
        {BASE "eval_strategy: no\nevals_per_epoch: 1\n", "evals_per_epoch: 1 disagrees with eval_strategy: no"},
        {BASE "save_strategy: epoch\nsaves_per_epoch: 4\n", "saves_per_epoch: 4 disagrees with save_strategy: epoch"},
        {BASE "save_strategy: best\n", ":3:1: save_strategy: best saves each new best: say of what, by metric_for_best_model"},
        {BASE "save_strategy: best\nsave_steps: 5\nmetric_for_best_model: loss\n", ":4:1: save_steps: 5 disagrees with save_strategy: best on line 3; keep one"},
        {BASE "save_strategy: worst\n", "save_strategy: worst: strategies are no, steps, epoch, best"},
        {BASE "save_steps: 5\nsaves_per_epoch: 2\n", "save_steps: 5 and saves_per_epoch: 2 exclude each other; keep one"},
        {"reward_model: false\n" REWARD, ":1:1: reward_model: false disagrees with objective: reward on line 3; keep one"},
        {REWARD "reward_model: false\n", "reward_model: false disagrees with objective: reward on line 2"},
        {"reward_model: false\nbase_model: x\ndatasets: [{path: a, type: preference}]\nstage: rm\n",
         "reward_model: false disagrees with stage: rm on line 4"},
        {BASE "compute: bf16\nbfloat16: false\n", "bfloat16: false disagrees with compute: bf16 on line 3"},
        {BASE "auto_resume_from_checkpoints: false\nresume_from_checkpoint: auto\n",
         "auto_resume_from_checkpoints: false disagrees with resume_from_checkpoint: auto"},
        {BASE "lora_target_modules: [q_proj, 'layers.([0-9]+.v_proj']\n",
         ":3:31: lora_target_modules: 'layers.([0-9]+.v_proj' is no module name, and beside others only names match"},
        {BASE "lora_target_modules:\n  - q_proj\n  - .*v_proj\n", ":5:5: lora_target_modules: '.*v_proj' is no module name"},
        {BASE "lora_target_modules: '(q_proj'\n", ":3:22: lora_target_modules: the regular expression '(q_proj' does not compile"},
        {BASE "lora_target_modules: [ '(q_proj' ]\n", ":3:24: lora_target_modules: the regular expression '(q_proj' does not compile"},
        {"datasets: [{path: a.parquet, type: messages, ds_type: parquet}]\n",
         ":1:46: ds_type: a.parquet holds Parquet or Arrow, not text; convert it: python3 tools/parquet_to_jsonl.py 'a.parquet'"},
        {"datasets: [{ds_type: parquet, path: a.parquet}]\n", ":1:13: ds_type: a.parquet holds Parquet"},
        {"datasets: [{path: a.arrow, ds_type: arrow}]\n", ":1:28: ds_type: arrow: data files are json, csv, tsv or text here; convert a.arrow"},
        {"output_dir: ${PTRAIN_NO_SUCH}/x\n", ":1:1: output_dir: the environment variable PTRAIN_NO_SUCH is not set"},
        {"datasets: [{path: '${PTRAIN_NO_SUCH}/x', type: text}]\n", ":1:13: path: the environment variable PTRAIN_NO_SUCH is not set"},
        {"base_model: ${HOME\n", ":1:1: base_model: '${' is the beginning of a variable"},
        {BASE "relora: true\n", "relora is refused: this adapter method"},
        {"base_model: x\nobjective: dpo\ndatasets: [{path: a, type: rolebench}]\n", "objective dpo needs pairs"},
        {"base_model: x\ndatasets: [{path: a, type: mindset}]\n", "type mindset holds pairs; they need objective: dpo or orpo or cpo or reward"},
        {BASE "init: random\n", "init: random and base_model exclude each other"},
        {"init: random\n", "init: random needs model_config"},
        {"init: zeros\n", "init takes random"},
        {BASE "adapter: none\nlora_model_dir: some/dir\n", "lora_model_dir needs adapter: lora"},
        {BASE "seed: -1\n", "seed takes a whole number from 0, not '-1'"},
        {BASE "a: &x [*x]\n", ":3:8: the alias *x stands inside of what it stands for"},
    };
    check_refused(cases, sizeof cases / sizeof *cases);
}

/* Every key says what follows from it; what it says reaches the list that ranks and checkpoints compare. */
static const char *setting(const pt_config *c, const char *key)
{
    for (size_t i = 0; i < c->source.n_settings; i++)
        if (!strcmp(c->source.settings[i].key, key)) return c->source.settings[i].value;
    return NULL;
}

static void test_effects(void **state)
{
    size_t n;
    const pt_key *k = pt_schema(&n);
    pt_config *c = load("base_model: x\nadapter: lora\nlr: 2.0e-4\nsample_packing: true\nroles_to_train: [assistant, tool]\n"
                        "datasets: [{path: a, type: sharegpt, weight: 0.5}, {path: b, type: text}]\n");
    for (size_t i = 0; i < n; i++) {
        unsigned e = pt_schema_effect(k[i].name);
        if (!e || (e & PT_EFFECT_FREE && e != PT_EFFECT_FREE))
            fail_msg("%s has no place in train/cli/schema_effect.c: may ranks differ in it, and a resumed run?", k[i].name);
        bool listed = setting(c, k[i].name) != NULL;
        if (k[i].kind != PT_KEY_DATASETS && listed == (e == PT_EFFECT_FREE)) fail_msg("%s: listed %d, effect %u", k[i].name, listed, e);
    }
    assert_string_equal(setting(c, "learning_rate"), "0.0002");
    assert_string_equal(setting(c, "sample_packing"), "forest");
    assert_non_null(strstr(setting(c, "roles_to_train"), "tool"));
    assert_string_equal(setting(c, "datasets[0].weight"), "0.5");
    assert_string_equal(setting(c, "datasets[1].weight"), "1");
    assert_non_null(strstr(setting(c, "datasets[0]"), "sharegpt"));
    pt_config *d = load("base_model: y\nadapter: lora\nlearning_rate: 2e-4\nsample_packing: forest\nroles_to_train: [assistant, tool]\n"
                        "output_dir: z\ndatasets:\n  - {path: c, type: sharegpt, weight: 0.50}\n  - {path: d, type: text}\n");
    assert_int_equal(c->source.n_settings, d->source.n_settings);
    for (size_t i = 0; i < c->source.n_settings; i++) assert_string_equal(c->source.settings[i].value, d->source.settings[i].value);
    pt_config_free(c);
    pt_config_free(d);
}

static void test_values_read(void **state)
{
    pt_config *c = load("base_model: x.gguf\ndatasets: [{path: a.jsonl, type: preference, weight: 0.5}]\n"
                        "adapter: qlora\nlora_rank: 4\nlora_alpha:\nsample_packing: false\nbf16: auto\nrl:\nlr: 3e-4\n"
                        "optimizer: adamw_torch_fused\nlora_target_modules: [q_proj, v_proj]\nval_set_size: 0.1\nreward_model: true\n"
                        "saves_per_epoch: 2\nauto_resume_from_checkpoints: true\nspecial_tokens: {pad_token: <pad>}\nfsdp:\nload_in_8bit: false\n"
                        "dataset_prepared_path: prep\nobjective: reward\n");
    assert_int_equal(c->adapter.kind, PT_ADAPTER_QLORA);
    assert_true(c->model.quantised_wanted);
    assert_int_equal(c->adapter.lora_r, 4);
    assert_true(c->adapter.lora_alpha == 32 && !c->adapter.lora_alpha_set && c->adapter.lora_r_set);
    assert_int_equal(c->batch.sample_packing, PT_PACKING_OFF);
    assert_int_equal(c->device.compute, PT_COMPUTE_AUTO);
    assert_string_equal(c->objective->name, "reward");
    assert_true(c->optim.learning_rate == 3e-4 && c->data.val_set_size == 0.1 && c->data.datasets[0].weight == 0.5);
    assert_string_equal(c->optim.optimizer, "adamw");
    assert_string_equal(c->run.resume_from_checkpoint, "auto");
    assert_string_equal(c->data.cache_dir, "prep");
    assert_int_equal(c->adapter.n_lora_target_modules, 2);
    assert_string_equal(c->adapter.lora_target_modules[1], "v_proj");
    assert_int_equal(c->model.n_special_tokens, 1);
    assert_int_equal(c->run.saves_per_epoch, 2);
    pt_config_free(c);
}

/* Something else than the default. NULL: `others` must say it. */
static const char *another(const pt_option *o)
{
    static char text[64];
    switch (o->kind) {
    case PT_OPTION_FLAG: return o->fallback && !strcmp(o->fallback, "true") ? "false" : "true";
    case PT_OPTION_COUNT: return "2";
    case PT_OPTION_NUMBER: snprintf(text, sizeof text, "%.17g", o->max >= 1 && o->min <= 0.8125 ? 0.8125 : (o->min + o->max) / 2); return text;
    case PT_OPTION_WORD:
    case PT_OPTION_WORDS:
        for (const pt_word *w = o->words; w->word; w++)
            if ((!o->takes || o->takes >> w->value & 1) && (!o->fallback || strcmp(w->word, o->fallback))) return w->word;
        return NULL;
    case PT_OPTION_NUMBERS: return NULL;
    }
    return NULL;
}

/* Every option of every objective comes back as it was from the effective config of a run of that objective, and no other objective's stands there.
 * others: whole lines instead: what an option (of a variant, say) needs beside it. */
static void test_every_option_returns(void **state)
{
    static const struct { const char *objective, *key, *yaml; } others[] = {
        {"charm", "adaptive_margin_scale", "adaptive_margin: ld\nadaptive_margin_scale: 0.5"}, {"charm", "adaptive_margin_max", "adaptive_margin: ld\nadaptive_margin_max: 0.5"},
        {"charm_ratio", "adaptive_margin_scale", "adaptive_margin: pr\nadaptive_margin_scale: 0.5"},
        {"charm_ratio", "adaptive_margin_max", "adaptive_margin: pr\nadaptive_margin_max: 0.5"}, {"charm_ratio", "dpo_reference", "adaptive_margin: pr\ndpo_reference: base"},
        {"reward_heads", "reward_head_weights", "num_labels: 2\nreward_head_weights: [0.5, 2]"}, {"classify", "class_weights", "num_labels: 2\nclass_weights: [0.5, 2]"},
        {"multilabel", "class_weights", "problem_type: multi_label_classification\nclass_weights: [0.5, 2]"},
        {"regress", "class_weights", "num_labels: 2\nclass_weights: [0.5, 2]"},
        {"", "label_smoothing", "loss_type: robust\nlabel_smoothing: 0.25"}, {"", "loss_weights", "loss_type: [sigmoid, ipo]\nloss_weights: [0.5, 2]"},
        {"idl", "use_weighting", "use_weighting: false"}, {"cpo", "label_smoothing", "label_smoothing: 0.25"}, {"cpo", "simpo_gamma", "loss_type: simpo\nsimpo_gamma: 0.75"},
        {"dpo_kl", "log_kl", "adapter: lora\nlora_target_linear: true\nlog_kl: true"}, {"dpo_kl", "kl_direction", "adapter: lora\nlora_target_linear: true\nlog_kl: true\nkl_direction: reference"},
#define KL(o, key, value) {o, key, "adapter: lora\nlora_target_linear: true\nkl_coef: 0.5\n" value}
        KL("sft", "kl_coef", ""), KL("sft", "kl_direction", "kl_direction: reference"), KL("sft", "kl_reference", "kl_reference: base"),
        KL("sft_kl", "kl_coef", ""), KL("sft_kl", "kl_direction", "kl_direction: reference"), KL("sft_kl", "kl_reference", "kl_reference: base"),
        KL("kl_sft", "kl_coef", ""), KL("kl_sft", "kl_direction", "kl_direction: policy"), KL("kl_sft", "kl_reference", "kl_reference: base"),
    };
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        for (int k = 0; k < o->n_options; k++) {
            char yaml[512], line[128];
            const char *value = another(&o->options[k]), *more = NULL;
            for (size_t j = 0; j < sizeof others / sizeof *others; j++)
                if (!strcmp(others[j].key, o->options[k].key) && (!others[j].objective[0] || !strcmp(others[j].objective, o->name))) more = others[j].yaml;
            if (!value && !more) fail_msg("say above what %s of %s is set to", o->options[k].key, o->name);
            snprintf(yaml, sizeof yaml, BASE "objective: %s\n%s%s%s\n", o->variant_of ? o->variant_of : o->name, more ? more : o->options[k].key, more ? "" : ": ", more ? "" : value);
            pt_config *a = load(yaml), *b = load(a->source.yaml_text);
            assert_string_equal(a->source.yaml_text, b->source.yaml_text);
            snprintf(line, sizeof line, "\n%s: ", o->options[k].key);
            if (!strstr(a->source.yaml_text, line)) fail_msg("config.yaml leaves out %s of %s:\n%s", o->options[k].key, o->name, a->source.yaml_text);
            int at = pt_objective_key(o->options[k].key);
            assert_true(a->options[at].set && b->options[at].set && a->options[at].number == b->options[at].number && a->options[at].word == b->options[at].word);
            const pt_option **keys;
            size_t n = pt_objective_keys(&keys);
            for (size_t j = 0; j < n; j++) {
                snprintf(line, sizeof line, "\n%s: ", keys[j]->key);
                if (strstr(a->source.yaml_text, line) && !pt_objective_has(a->objective, keys[j]->key)) fail_msg("config.yaml of %s has %s", o->name, keys[j]->key);
            }
            pt_config_free(a);
            pt_config_free(b);
        }
    }
}

/* What the file of test_every_key_returns says in lists and mappings. */
static void check_returned(const pt_config *b)
{
    assert_string_equal(b->data.cache_dir, "prep: 1");
    const pt_task_spec *e = b->eval.evaluations;
    const pt_voice_spec *v = b->eval.models;
    assert_true(b->eval.n_models == 2 && v[0].n_options == 2 && v[1].n_options == 1);
    assert_string_equal(v[0].name, "a: b");
    assert_string_equal(v[0].options[1].value, "x y");
    assert_true(b->eval.n_evaluations == 2 && e[0].limit == 3 && e[0].n_options == 2 && !e[1].name);
    assert_string_equal(e[0].name, "n: 1");
    assert_string_equal(e[0].path, "a b.jsonl");
    assert_string_equal(e[0].options[0].value, "x\n{question}");
    assert_string_equal(e[0].options[1].value, "true");
    assert_int_equal(b->model.n_special_tokens, 2);
    assert_string_equal(b->model.special_tokens[0], "<p a d>");
    assert_string_equal(b->model.special_tokens[1], "'end'");
    assert_non_null(strstr(b->source.yaml_text, "special_tokens: {pad_token: "));
    assert_string_equal(pt_dataset_says(&b->data.datasets[0], "message_field_content"), "c");
    assert_string_equal(pt_dataset_says(&b->data.datasets[0], "system_template"), "{role}: {profile}");
    assert_true(b->model.quantised_wanted && b->data.n_datasets == 2);
}

/* The default place of packs follows output_dir. */
static void test_place_of_packs(void **state)
{
    pt_config *a = load(BASE "output_dir: here\nsaves_per_epoch: 2\n"), *b;
    assert_string_equal(a->data.cache_dir, "here/cache");
    assert_null(strstr(a->source.yaml_text, "dataset_prepared_path"));
    pt_setting s = {"output_dir", "there"};
    assert_int_equal(pt_config_load(&b, write_yaml(a->source.yaml_text), &s, 1), PT_OK);
    assert_string_equal(b->data.cache_dir, "there/cache");
    assert_int_equal(b->run.saves_per_epoch, 2);
    pt_config_free(a);
    pt_config_free(b);
}

/* Every key of the schema, set to something else than its default, comes back from the effective config as it was. */
static void test_every_key_returns(void **state)
{
    static const char *const other[][2] = {
        {"datasets", "[{path: a, type: rolebench, ds_type: csv, split: x, weight: 0.25, field_messages: fm, message_property_mappings: {role: r, content: c}, "
                     "field_text: ft, profiles: p, references: all, system_template: '{role}: {profile}'}, b.jsonl]"},
        {"test_datasets", "[{path: t.jsonl, type: rolebench, profiles: p}]"}, {"base_model", "'x y.gguf'"}, {"tokenizer", "'tok: en'"},
        {"chat_template", "chatml"}, {"chat_template_jinja", "'a: b.jinja'"}, {"chat_template_date", "'2025-07-10'"}, {"optimizer", "adamw"}, {"added_tokens", "['<|speaker:a b|>', \"x\\ty\"]"}, {"added_tokens_from", "[' a b', \"c\"]"}, {"special_tokens", "{pad_token: '<p a d>', eos_token: \"'end'\"}"},
        {"dataset_prepared_path", "'prep: 1'"}, {"resume_from_checkpoint", "auto"}, {"output_dir", "'#o'"}, {"default_system_message", "\"a\\nb\""},
        {"system_role", "fold"}, {"alternate_roles", "join"}, {"greeting_prompt", "'g: p'"}, {"samplers", "[temperature, top_k]"}, {"eval_sampling", "[min-p=0.1]"}, {"sampling", "[temp=0.5, \"stop=\\na: b\"]"},
        {"lora_target_modules", "[q_proj, model.layers.0.mlp.up_proj]"}, {"roles_to_train", "[user]"}, {"sample_packing", "off"}, {"adapter", "lora"},
        {"objective", "pretrain"}, {"excess_length_strategy", "raise"}, {"val_split_by", "role"}, {"audit", "strict"}, {"lr_scheduler", "linear"}, {"device", "cpu"}, {"compute", "f32"}, {"keep_dequantised", "true"},
        {"dataset_dir", "'d i r'"}, {"pooling_token", "'<p a d>'"}, {"metric_for_best_model", "'a: b/c'"}, {"greater_is_better", "false"}, {"eval_data", "'e: d'"},
        {"evaluations", "[{task: choice, name: 'n: 1', path: a b.jsonl, limit: 3, during_training: yes, prompt: \"x\\n{question}\", mutual_info: yes}, {task: statements, path: s, published: 'p: q'}]"},
        {"models", "[{name: 'a: b', path: m.gguf, adapter: x y}, {name: c, adapter: d}]"}};
    static const char *const left_out[] = {"stages", "init", "model_config", "lora_target_linear", "lora_model_dir", "evals_per_epoch", "saves_per_epoch", "reinit_weights", "precompute_ref_log_probs", "sync_ref_model"};
    size_t n, kept = 0;
    const pt_key *k = pt_schema(&n);
    pt_str yaml = {0};
    for (size_t i = 0; i < n; i++) {
        const char *value = NULL;
        bool skip = false;
        for (size_t j = 0; j < sizeof left_out / sizeof *left_out; j++) skip |= !strcmp(k[i].name, left_out[j]);
        if (pt_objective_key(k[i].name) >= 0) kept++, skip = true; /* test_every_option_returns */
        if (skip) continue;
        for (size_t j = 0; j < sizeof other / sizeof *other; j++)
            if (!strcmp(k[i].name, other[j][0])) value = other[j][1];
        if (!value && k[i].kind == PT_KEY_BOOL) value = strcmp(k[i].fallback, "true") ? "true" : "false";
        if (!value && k[i].kind == PT_KEY_NUMBER) value = k[i].max >= 1 ? "0.8125" : "0.40625";
        if (!value && (k[i].kind == PT_KEY_INT || k[i].kind == PT_KEY_U64 || k[i].kind == PT_KEY_STEPS)) value = "77";
        if (!value) fail_msg("say above what %s is set to", k[i].name);
        assert_int_equal(pt_str_printf(&yaml, "%s: %s\n", k[i].name, value), PT_OK);
        kept++;
    }
    assert_true(kept + sizeof left_out / sizeof *left_out == n);
    pt_config *a = load(yaml.text), *b = load(a->source.yaml_text);
    assert_string_equal(a->source.yaml_text, b->source.yaml_text);
    for (size_t i = 0; i < n; i++) { /* and no key is missing there */
        char line[80];
        bool skip = pt_objective_key(k[i].name) >= 0;
        for (size_t j = 0; j < 5; j++) skip |= !strcmp(k[i].name, left_out[j]);
        snprintf(line, sizeof line, "\n%s: ", k[i].name);
        if (!skip && strncmp(a->source.yaml_text, line + 1, strlen(line) - 1) && !strstr(a->source.yaml_text, line) && k[i].kind != PT_KEY_DATASETS && k[i].kind != PT_KEY_EVALUATIONS && k[i].kind != PT_KEY_MODELS && strcmp(k[i].name, "special_tokens"))
            fail_msg("config.yaml leaves out %s:\n%s", k[i].name, a->source.yaml_text);
    }
    check_returned(b);
    pt_config_free(a);
    pt_config_free(b);
    pt_str_free(&yaml);
}

/* What one side of the file says gives way to the command line, also where two keys exclude each other. */
static void test_one_way_or_the_other(void **state)
{
    pt_setting s[] = {{"save_steps", "5"}, {"objective", "reward"}, {"lora_target", "q_proj, v_proj"}};
    pt_config *c = NULL;
    assert_int_equal(pt_config_load(&c, write_yaml("base_model: x\ndatasets: [{path: a, type: preference}]\nobjective: dpo\nsaves_per_epoch: 2\n"
                                                   "reward_model: false\neval_strategy: epoch\n"), s, 3), PT_OK);
    assert_int_equal(c->run.save_steps, 5);
    assert_int_equal(c->run.saves_per_epoch, 0);
    assert_int_equal(c->run.evals_per_epoch, 1);
    assert_string_equal(c->objective->name, "reward");
    assert_int_equal(c->adapter.n_lora_target_modules, 2); /* LLaMA-Factory's way to write a list */
    assert_string_equal(c->adapter.lora_target_modules[1], "v_proj");
    pt_config_free(c);
    pt_setting no = {"reward_model", "false"};
    assert_int_equal(pt_config_load(&c, write_yaml(REWARD), &no, 1), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "command line: reward_model: false disagrees with objective: reward on line 2"));
    pt_setting twice[] = {{"lora_r", "4"}, {"lora_rank", "8"}};
    assert_int_equal(pt_config_load(&c, write_yaml(BASE), twice, 2), PT_EARG);
    assert_string_equal(pt_err_msg(), "command line: lora_rank: 8 disagrees with lora_r: 4; they mean the same, keep one");
    c = load("base_model: x\ndatasets: [{path: a, type: preference}]\nrl: dpo\nreward_model: false\n");
    assert_string_equal(c->objective->name, "dpo");
    pt_config_free(c);
    c = load(BASE "lora_target_modules: 'layers\\.[0-9]{1,2}\\..*(q|v)_proj'\n");
    assert_int_equal(c->adapter.n_lora_target_modules, 1);
    pt_config_free(c);
}

/* A bare path is a data set of messages; an empty type is axolotl's spelling of ready ids. */
static void test_short_datasets(void **state)
{
    pt_config *c = load("base_model: x\ndatasets:\n  - a.jsonl\n  - path: b.jsonl\n    type:\nmax_steps: -1\n");
    assert_int_equal(c->data.n_datasets, 2);
    assert_string_equal(c->data.datasets[0].path, "a.jsonl");
    assert_string_equal(c->data.datasets[0].type, "messages");
    assert_string_equal(c->data.datasets[1].type, "");
    assert_int_equal(c->run.max_steps, 0);
    pt_config *again = load(c->source.yaml_text);
    assert_string_equal(again->data.datasets[1].type, "");
    pt_config_free(again);
    pt_config_free(c);
}

static pt_status check_files(const pt_config *c)
{
    PT_RETURN(pt_config_check_model(c));
    return pt_config_check_data(c);
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
        assert_int_equal(check_files(c), PT_EIO); /* exit code 1: the config is right */
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), cases[i].want);
        pt_config_free(c);
    }
    pt_setting s = {"base_model", "other.gguf"};
    pt_config *c = NULL;
    assert_int_equal(pt_config_load(&c, write_yaml("base_model: .\ndatasets: [.]\n"), &s, 1), PT_OK);
    assert_int_equal(check_files(c), PT_EIO); /* exit code 1: the config is right */
    assert_string_equal(pt_err_msg(), "command line: base_model: other.gguf: no such file or folder");
    pt_config_free(c);
    c = load("base_model: .\ndatasets: ['*.jsonl', .]\n");
    assert_int_equal(check_files(c), PT_OK);
    pt_config_free(c);
}

static void test_yaml_reads_back(void **state)
{
    pt_config *a = load(BASE "adapter: lora\nlora_r: 7\nlearning_rate: 0.00012345678901\ndefault_system_message: \"a: b\\n'c' \\\"d\\\"\"\n"
                             "roles_to_train: [assistant, user]\nsample_packing: plain\nseed: 18446744073709551615\n"
                             "output_dir: 'with space'\nmax_steps: 12\n");
    pt_config *b = load(a->source.yaml_text);
    assert_string_equal(a->source.yaml_text, b->source.yaml_text);
    assert_string_equal(b->model.default_system_message, "a: b\n'c' \"d\"");
    assert_true(b->run.seed == UINT64_MAX && b->optim.learning_rate == 0.00012345678901);
    assert_string_equal(b->run.output_dir, "with space");
    pt_config_free(a);
    pt_config_free(b);
}

static void test_command_line_wins(void **state)
{
    pt_setting s[] = {{"lora_r", "9"}, {"datasets", "[{path: z.jsonl, type: alpaca}]"}, {"adapter", "lora"}, {"lr", "1e-5"}};
    pt_config *c = NULL;
    assert_int_equal(pt_config_load(&c, write_yaml(BASE "lora_r: 4\nlearning_rate: 1e-3\n"), s, 4), PT_OK);
    assert_int_equal(c->adapter.lora_r, 9);
    assert_true(c->optim.learning_rate == 1e-5);
    assert_string_equal(c->data.datasets[0].path, "z.jsonl");
    pt_config_free(c);
    pt_setting bad = {"lora_r", "x"};
    assert_int_equal(pt_config_load(&c, NULL, &bad, 1), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "command line: lora_r takes a number"));
    assert_int_equal(pt_config_load(&c, "no/such/file.yaml", NULL, 0), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "no/such/file.yaml"));
}

static void test_notes(void **state)
{
    notes_of(BASE "flash_attention: true\nwandb_project: x\nwandb_name:\nliger_rope: true\noptimizer: adamw_8bit\nplugins: []\n");
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
        cmocka_unit_test(test_bad_files), cmocka_unit_test(test_bad_pairs), cmocka_unit_test(test_effects), cmocka_unit_test(test_values_read), cmocka_unit_test(test_yaml_reads_back),
        cmocka_unit_test(test_every_key_returns), cmocka_unit_test(test_place_of_packs), cmocka_unit_test(test_every_option_returns), cmocka_unit_test(test_one_way_or_the_other),
        cmocka_unit_test(test_short_datasets), cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_command_line_wins), cmocka_unit_test(test_notes), cmocka_unit_test(test_schema_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, remove_yaml);
}
