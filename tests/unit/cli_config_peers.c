/* Settings as axolotl, LLaMA-Factory and TRL write them: what they stand for here, what has no effect, what stays refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config_fixture.h"

#define BASE "base_model: x.gguf\ndatasets: [{path: a.jsonl, type: messages}]\n"

static char dir[64];

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
}

/* LLaMA-Factory's: finetuning_type, names of data sets in dataset_info.json, cutoff_len, quantization_bit ... */
static void test_factory(void **state)
{
    pt_config *c = load("model_name_or_path: x\nstage: sft\ndo_train: true\nfinetuning_type: lora\nlora_rank: 8\nlora_target: all\ndataset: identity,alpaca_en_demo\n"
                        "template: qwen3_nothink\ncutoff_len: 1024\nmax_samples: 1000\noverwrite_cache: true\npreprocessing_num_workers: 16\noutput_dir: o\n"
                        "logging_steps: 10\nsave_steps: 500\nplot_loss: true\noverwrite_output_dir: true\nsave_only_model: false\nreport_to: none\n"
                        "per_device_train_batch_size: 2\ngradient_accumulation_steps: 8\nlearning_rate: 1.0e-4\nnum_train_epochs: 3.0\nlr_scheduler_type: cosine\n"
                        "warmup_ratio: 0.1\npure_bf16: true\nddp_timeout: 180000000\nresume_from_checkpoint: null\nval_size: 0.1\neval_strategy: steps\n"
                        "quantization_bit: 4\nquantization_method: bnb\ntokenized_path: packs\ndisable_gradient_checkpointing: true\npref_loss: sigmoid\n");
    assert_true(c->adapter.kind == PT_ADAPTER_LORA && c->adapter.lora_r == 8 && c->adapter.lora_target_linear && c->data.sequence_len == 1024 && c->data.max_samples == 1000);
    assert_true(c->data.n_datasets == 2 && c->model.quantised_wanted && c->device.compute == PT_COMPUTE_KIND_BF16 && c->data.val_set_size == 0.1 && c->run.num_epochs == 3);
    assert_string_equal(c->data.datasets[0].path, "identity"); /* no dataset_info.json: the name stays */
    assert_string_equal(c->data.datasets[1].path, "alpaca_en_demo");
    assert_string_equal(c->model.chat_template, "chatml");
    assert_string_equal(c->data.cache_dir, "packs");
    assert_int_equal(pt_config_check_model(c), PT_EIO);
    assert_int_equal(pt_config_check_data(c), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "datasets: identity: no such file or folder; a name is looked up in dataset_info.json of dataset_dir (data)"));
    pt_config_free(c);
    c = load(BASE "finetuning_type: full\nstage: sft\n");
    assert_int_equal(c->adapter.kind, PT_ADAPTER_NONE);
    pt_config_free(c);
    c = load(BASE "adapter_name_or_path: some/dir\n"); /* an adapter to start from is an adapter */
    assert_int_equal(c->adapter.kind, PT_ADAPTER_LORA);
    pt_config_free(c);
    c = load("model: x\nmodel_class: llm\npeft_config: {name: lora, r: 4, lora_alpha: 32, lora_dropout: 0.05, target_modules: all}\nquant_config: {name: bnb, quantization_bit: 4}\n"
             "kernel_config: {name: auto}\ndist_config: {name: fsdp2}\ntrain_dataset: a.jsonl\nmicro_batch_size: 1\ncutoff_len: 512\nmax_steps: 10\n");
    assert_true(c->adapter.kind == PT_ADAPTER_LORA && c->adapter.lora_r == 4 && c->adapter.lora_alpha == 32 && c->model.quantised_wanted && c->data.n_datasets == 1);
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "finetuning_type: freeze\n", "finetuning_type: freeze: finetuning types here are full and lora"},
        {BASE "stage: grpo\n", "stage: grpo: stage takes sft, pt, dpo, kto, rm here"}, {BASE "stage: ppo\n", "stage: ppo: stage takes sft"},
        {BASE "quantization_bit: 2\n", "quantization_bit: 2: the base stays in its stored type: give a quantised GGUF"},
        {BASE "use_muon: true\n", "use_muon is refused: this optimiser does not exist here"}, {BASE "pref_loss: simpo\n", "pref_loss: simpo: of LLaMA-Factory's losses dpo has sigmoid, hinge and ipo"},
        {BASE "peft_config:\n  name: lora\n  r: many\n", ":5:3: lora_r takes a number, not 'many'"}, {BASE "peft_config: {name: freeze}\n", "finetuning_type: freeze"},
        {BASE "adapter: none\nadapter_name_or_path: d\n", "lora_model_dir needs adapter: lora"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
}

/* Names through dataset_info.json in dataset_dir: files, columns, hubs, documents. */
static void test_names(void **state)
{
    char yaml[512];
    snprintf(dir, sizeof dir, "build/test-info-%d", (int)getpid());
    assert_int_equal(pt_dir_make(dir), PT_OK);
    put("dataset_info.json", "{\n  \"one\": {\"file_name\": \"one.json\"},\n  \"two\": {\"file_name\": \"two.jsonl\", \"formatting\": \"sharegpt\"},\n"
                             "  \"docs\": {\"file_name\": \"docs.txt\", \"columns\": {\"prompt\": \"words\"}},\n"
                             "  \"far\": {\"hf_hub_url\": \"owner/far\", \"ms_hub_url\": \"other/far\", \"subset\": \"en\"}\n}\n");
    put("one.json", "[]");
    snprintf(yaml, sizeof yaml, "base_model: x\ndataset_dir: %s\ndataset: one, two ,docs\neval_dataset: far\n", dir);
    pt_config *c = load(yaml), *again;
    char want[128];
    snprintf(want, sizeof want, "%s/one.json", dir);
    assert_true(c->data.n_datasets == 3 && c->data.n_test_datasets == 1);
    assert_string_equal(c->data.datasets[0].path, want);
    assert_string_equal(c->data.datasets[0].type, "alpaca");
    assert_string_equal(c->data.datasets[1].type, "sharegpt");
    assert_string_equal(c->data.datasets[2].type, "text");
    assert_string_equal(pt_dataset_says(&c->data.datasets[2], "field_text"), "words");
    assert_string_equal(c->data.test_datasets[0].path, "owner/far");
    assert_int_equal(c->data.datasets[0].line, 3); /* where the config says the name */
    assert_int_equal(c->data.test_datasets[0].line, 4);
    again = load(c->source.yaml_text); /* config.yaml says what they stand for */
    assert_string_equal(again->data.datasets[2].path, c->data.datasets[2].path);
    pt_config_free(again);
    pt_config_free(c);
    pt_setting s[] = {{"dataset", "[two, one]"}, {"dataset_dir", dir}}; /* on the command line too */
    assert_int_equal(pt_config_load(&c, write_yaml("base_model: x\n"), s, 2), PT_OK);
    assert_true(c->data.n_datasets == 2 && !strcmp(c->data.datasets[1].path, want) && c->data.datasets[1].line == 0);
    pt_config_free(c);
    put("dataset_info.json", "{\"one\": {\"file_name\"");
    assert_int_equal(pt_config_load(&c, write_yaml(yaml), NULL, 0), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "dataset_info.json:"));
    put("dataset_info.json", "{\"one\": 3}");
    assert_int_equal(pt_config_load(&c, write_yaml(yaml), NULL, 0), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "one is no mapping"));
    for (int i = 0; i < 2; i++) {
        snprintf(want, sizeof want, "%s/%s", dir, i ? "one.json" : "dataset_info.json");
        unlink(want);
    }
    rmdir(dir);
}

/* axolotl's: plugins, pretraining_dataset, both keys for targets, the optimiser's and the schedule's words. */
static void test_axolotl(void **state)
{
    pt_config *c = load("base_model: x\nadapter: lora\npretraining_dataset:\n  - {path: allenai/c4, type: pretrain, split: train, name: en}\nstreaming: true\n"
                        "plugins: [axolotl.integrations.liger.LigerPlugin, axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin]\n"
                        "lora_target_modules: [q_proj, model.layers.0.mlp.up_proj]\nlora_target_linear: true\ngradient_checkpointing: offload\nload_in_8bit: true\nfp16: true\n"
                        "bf16: false\nloss_watchdog_threshold: 5.0\nloss_watchdog_patience: 2\nlr_scheduler: cosine_with_min_lr\nlr_scheduler_kwargs: {min_lr_rate: 0.1}\n"
                        "fsdp: [full_shard]\nfsdp_config: {a: b}\ndeepspeed: zero3.json\ntensor_parallel_size: 2\nnum_labels: 1\n");
    assert_true(c->objective == pt_objective_find("pretrain") && c->data.n_datasets == 1 && c->device.gradient_checkpointing && c->device.compute == PT_COMPUTE_KIND_F32);
    assert_string_equal(c->data.datasets[0].type, "text");
    assert_true(!c->adapter.n_lora_target_modules && c->adapter.lora_target_linear && !c->model.quantised_wanted);
    assert_true(c->run.loss_watchdog_threshold == 5 && c->run.loss_watchdog_patience == 2 && c->optim.min_lr_ratio == 0.1 && c->optim.lr_scheduler == PT_SCHED_COSINE);
    assert_int_equal(pt_config_check_data(c), PT_EIO);
    pt_config_free(c);
    c = load("base_model: x\npretraining_dataset: words.jsonl\ncurriculum_sampling: true\n");
    assert_true(c->objective == pt_objective_find("pretrain") && !c->batch.shuffle_merged_datasets);
    assert_string_equal(c->data.datasets[0].type, "text");
    pt_config_free(c);
    c = load("base_model: x\nrl: dpo\ndatasets: a.jsonl\n"); /* what a bare path holds follows from the objective */
    assert_string_equal(c->data.datasets[0].type, "preference");
    pt_config_free(c);
    c = load("base_model: x\ndatasets: [tatsu-lab/alpaca]\n");
    pt_setting s = {"base_model", "."};
    pt_config_free(c);
    assert_int_equal(pt_config_load(&c, write_yaml("datasets: [{path: tatsu-lab/alpaca, type: alpaca}]\n"), &s, 1), PT_OK);
    assert_int_equal(pt_config_check_data(c), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "tatsu-lab/alpaca: no such file or folder; nothing is downloaded here: get it (python3 -c \"from datasets"));
    pt_config_free(c);
    static const refusal bad[] = {
        {BASE "plugins:\n  - axolotl.integrations.liger.LigerPlugin\n  - axolotl.integrations.spectrum.SpectrumPlugin\n", ":5:5: plugins: axolotl.integrations.spectrum"},
        {BASE "lora_target_modules: [lm_head]\nlora_target_linear: true\n", "lora_target_modules: lm_head is none of the linear layers"},
        {BASE "lr_scheduler_kwargs: {num_cycles: 2}\n", ":3:23: lr_scheduler_kwargs knows min_lr_rate (of cosine_with_min_lr), not num_cycles"},
        {"base_model: x\nobjective: sft\npretraining_dataset: a\n", "disagrees with objective: sft on line 2"},
        {"pretraining_dataset: [{path: a, skip: 100}]\n", ":1:39: pretraining_dataset: skip is refused: split takes a part"},
        {BASE "num_labels: 2\n", ":3:1: num_labels is no option of objective: sft; these have it: reward, "}, {BASE "relora: true\n", "relora is refused: this adapter method does not exist here"},
        {BASE "qat: {weight_dtype: int4}\n", "qat is refused"}, {BASE "lora_modules_to_save: [lm_head]\n", "lora_modules_to_save is refused"},
    };
    check_refused(bad, sizeof bad / sizeof *bad);
}

/* What changes nothing is said with its reason. */
static void test_no_effect(void **state)
{
    notes_of(BASE "deepspeed: zero3.json\nload_in_8bit: true\nfp16: true\nactivation_offloading: true\nhub_model_id: a/b\nuse_adam_mini: true\nuse_galore: true\ngalore_rank: 8\nuse_badam: false\nplugins: [axolotl.integrations.liger.LigerPlugin]\n"
                  "context_parallel_size: 2\nexport_dir: x\n");
    static const char *const said[] = {"deepspeed has no effect here: each rank holds the whole model", "load_in_8bit has no effect here: the base stays in its stored type",
                                       "fp16 has no effect here: compute is f32 or bf16", "activation_offloading has no effect here", "hub_model_id has no effect here: nothing is uploaded",
                                       "use_adam_mini: AdamW itself runs in its place", "use_galore: AdamW itself runs in its place", "plugins have no effect here: fused kernels are built in",
                                       "context_parallel_size has no effect here", "export_dir has no effect here: it belongs to another command"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(notes, said[i])) fail_msg("not said: %s in\n%s", said[i], notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factory),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_axolotl),
        cmocka_unit_test(test_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, remove_yaml);
}
