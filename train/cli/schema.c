#include "train/cli/schema.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/letters.h"

#define OFF(f) offsetof(pt_config, f)
#define NO_BOUND 1, 0

static const pt_word adapters[] = {{"lora", PT_ADAPTER_LORA}, {"qlora", PT_ADAPTER_QLORA}, {"none", PT_ADAPTER_NONE}, {"", PT_ADAPTER_NONE}, {"false", PT_ADAPTER_NONE}, {NULL, 0}};
static const pt_word schedules[] = {{"constant", PT_SCHED_CONSTANT}, {"linear", PT_SCHED_LINEAR}, {"cosine", PT_SCHED_COSINE},
                                      {"constant_with_warmup", PT_SCHED_CONSTANT}, {"cosine_with_min_lr", PT_SCHED_COSINE}, {NULL, 0}};
static const pt_word packings[] = {{"forest", PT_PACKING_FOREST}, {"plain", PT_PACKING_PLAIN}, {"off", PT_PACKING_OFF}, {"true", PT_PACKING_FOREST},
                                     {"false", PT_PACKING_OFF}, {NULL, 0}};
static const pt_word splits[] = {{"prompt", PT_SPLIT_PROMPT}, {"record", PT_SPLIT_RECORD}, {"role", PT_SPLIT_ROLE}, {"auto", PT_SPLIT_PROMPT}, {NULL, 0}};
static const pt_word audits[] = {{"warn", PT_AUDIT_MODE_WARN}, {"strict", PT_AUDIT_MODE_STRICT}, {"off", PT_AUDIT_MODE_OFF}, {"false", PT_AUDIT_MODE_OFF}, {NULL, 0}};
static const pt_word system_roles[] = {{"auto", PT_SYSTEM_AUTO}, {"fold", PT_SYSTEM_FOLD}, {"keep", PT_SYSTEM_KEEP}, {NULL, 0}};
static const pt_word alternates[] = {{"auto", PT_ALTERNATE_AUTO}, {"join", PT_ALTERNATE_JOIN}, {"refuse", PT_ALTERNATE_REFUSE}, {NULL, 0}};
static const pt_word excesses[] = {{"drop", PT_EXCESS_DROP}, {"truncate", PT_EXCESS_TRUNCATE}, {"raise", PT_EXCESS_RAISE}, {NULL, 0}};
static const pt_word devices[] = {{"auto", PT_DEVICE_AUTO}, {"cpu", PT_DEVICE_CPU}, {"cuda", PT_DEVICE_CUDA}, {"emulated", PT_DEVICE_EMULATED}, {NULL, 0}};
static const pt_word computes[] = {{"auto", PT_COMPUTE_AUTO}, {"f32", PT_COMPUTE_KIND_F32}, {"bf16", PT_COMPUTE_KIND_BF16}, {NULL, 0}};
static const pt_word keeps[] = {{"auto", PT_KEEP_AUTO}, {"true", PT_KEEP_ALL}, {"false", PT_KEEP_NONE}, {NULL, 0}};
static const pt_word greater[] = {{"true", PT_GREATER_YES}, {"false", PT_GREATER_NO}, {NULL, 0}};
static const pt_word bad_rows[] = {{"drop", 1}, {"refuse", 0}, {NULL, 0}};

static const pt_key plain[] = { /* `objective` and its options come from train/objective (schema_objective.c) */
    {"base_model", "Model", PT_KEY_PATH, OFF(model.base_model), 0, NULL, NO_BOUND, NULL, "model_name_or_path model",
     "The base: a Hugging Face folder (safetensors, config.json, tokenizer.json or another file of a tokenizer) or one GGUF file. Weights stay in their stored type."},
    {"init", "Model", PT_KEY_STRING, 0, 0, NULL, NO_BOUND, NULL, "", "random: start from random weights of the shape in model_config, instead of base_model."},
    {"model_config", "Model", PT_KEY_MODEL, OFF(model.init), 0, NULL, NO_BOUND, NULL, "",
     "With init: random. family (docs/families.md), hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, "
     "num_key_value_heads, head_dim, vocab_size, sliding_window, rope_theta, rms_norm_eps, initializer_range, tie_word_embeddings, "
     "max_position_embeddings: Hugging Face's names."},
    {"tokenizer", "Model", PT_KEY_PATH, OFF(model.tokenizer), 0, NULL, NO_BOUND, NULL, "tokenizer_config tokenizer_path",
     "Tokenizer from elsewhere: a tokenizer.json, a tokenizer.model (SentencePiece, tiktoken), a tekken.json, a folder with one of them, or a GGUF file. "
     "Default: the base model's own."},
    {"reinit_weights", "Model", PT_KEY_BOOL, OFF(model.reinit_weights), 0, "false", NO_BOUND, NULL, "",
     "Of base_model only the shape, the tokenizer and the template: weights begin at random. With adapter: none."},
    {"datasets", "Data", PT_KEY_DATASETS, OFF(data.datasets), OFF(data.n_datasets), NULL, NO_BOUND, NULL, "dataset dataset_name train_dataset",
     "List of {path, type, ...}, or of paths, or LLaMA-Factory's names (dataset: identity,alpaca_en_demo), which are looked up in dataset_info.json of "
     "dataset_dir; the keys stand under \"Keys of a data set\". Without type: messages, text for pretrain, preference for dpo and reward. Types: messages (= chat_template), sharegpt, alpaca (questions and answers: "
     "instruction or prompt or query or question, with output or response or completion or answer), rolebench, text (= completion), preference (also as "
     "messages, sharegpt or alpaca with chosen and rejected), mindset, tokens; personas and conversations of people (coser, convai2, characterglm ...): docs/data.md. axolotl's names for these shapes (alpaca:chat, chatml.intel, "
     "llama3.ultra, bradley_terry.chat_template ...) are taken for the shape alone."},
    {"bad_rows", "Data", PT_KEY_NUMBER, OFF(data.bad_rows), 0, "0.01", 0, 1, bad_rows, "",
     "Rows that cannot be used (a missing field, a wrong type, broken JSON, an empty answer, nothing supervised): up to this share of a "
     "data set's rows are left out, counted by cause with their lines; more are refused. refuse (= 0): the first one ends the run. drop (= 1): all are left out. Rows that are too long, and pairs whose sides are equal, are left out and counted apart."},
    {"test_datasets", "Data", PT_KEY_DATASETS, OFF(data.test_datasets), OFF(data.n_test_datasets), NULL, NO_BOUND, NULL, "eval_dataset",
     "The same for evaluation: `ptrain eval` and, without val_set_size, the eval loss."},
    {"dataset_dir", "Data", PT_KEY_PATH, OFF(data.dataset_dir), 0, "data", NO_BOUND, NULL, "", "Folder of dataset_info.json, where datasets are given by name."},
    {"max_samples", "Data", PT_KEY_INT, OFF(data.max_samples), 0, "0", 0, 1 << 30, NULL, "", "Rows read of each data set, from its beginning; 0: all."},
    {"pooling_token", "Data", PT_KEY_STRING, OFF(data.pooling_token), 0, NULL, NO_BOUND, NULL, "", "With pooling: token, the token that the head reads: of several in a text the last."},
    {"min_sample_len", "Data", PT_KEY_INT, OFF(data.min_sample_len), 0, "0", 0, 1 << 20, NULL, "", "Records of fewer tokens are dropped and counted; 0: none."},
    {"dataset_exact_deduplication", "Data", PT_KEY_BOOL, OFF(data.dataset_exact_deduplication), 0, "false", NO_BOUND, NULL, "",
     "A record with the same tokens and weights as an earlier one of any data set is dropped and counted."},
    {"chat_template", "Data", PT_KEY_STRING, OFF(model.chat_template), 0, "tokenizer_default", NO_BOUND, NULL, "template",
     "tokenizer_default (the model's own), jinja (chat_template_jinja's), or a name: chatml, chatml_bos, chatml_no_newline, llama2, llama3, mistral, mistral_v3, "
     "mistral_v3_tekken, mistral_v7_tekken, zephyr, qwen, qwen2, smollm, vicuna, alpaca, plain, gemma, gemma3, metharme, phi3, phi4, glm4, deepseek, deepseek_v2, deepseek_v3, "
     "command_r. Other trainers' names for these are known (gemma2, phi_35, cohere ...)."},
    {"chat_template_jinja", "Data", PT_KEY_STRING, OFF(model.chat_template_jinja), 0, NULL, NO_BOUND, NULL, "",
     "A file with a Jinja template (or the template itself), used in place of the model's own and saved with what was trained."},
    {"chat_template_date", "Data", PT_KEY_STRING, OFF(model.chat_template_date), 0, NULL, NO_BOUND, NULL, "",
     "YYYY-MM-DD: the date that a template gets which asks for it (strftime_now). Unset: such a template is refused where it asks."},
    {"default_system_message", "Data", PT_KEY_STRING, OFF(model.default_system_message), 0, NULL, NO_BOUND, NULL, "default_system",
     "Replaces the template's own default system prompt. Unset keeps it."},
    {"system_role", "Data", PT_KEY_ENUM, OFF(model.system_role), 0, "auto", NO_BOUND, system_roles, "",
     "System texts. auto: one that the template refuses goes into the user turn behind it, a blank line between; fold: every one does; keep: none, and the template may refuse the row."},
    {"alternate_roles", "Data", PT_KEY_ENUM, OFF(model.alternate_roles), 0, "auto", NO_BOUND, alternates, "",
     "Messages of one speaker in a row, and answers before any question (greetings). auto: where the template refuses them, the former become one, a blank line between, and the latter "
     "get greeting_prompt before them; join: such messages become one under every template; refuse: the row is refused where the template refuses it."},
    {"greeting_prompt", "Data", PT_KEY_STRING, OFF(model.greeting_prompt), 0, NULL, NO_BOUND, NULL, "",
     "The user's turn before a greeting where the template wants one (alternate_roles). Unset: an empty one."},
    {"train_on_inputs", "Data", PT_KEY_BOOL, OFF(data.train_on_inputs), 0, "false", NO_BOUND, NULL, "train_on_input", "Loss on every turn instead of on the answers."},
    {"roles_to_train", "Data", PT_KEY_LIST, OFF(data.roles_to_train), OFF(data.n_roles_to_train), NULL, NO_BOUND, NULL, "",
     "Whose turns carry loss: assistant (default), user, system, tool; names of people: as train_on_speakers of a data set."},
    {"sequence_len", "Data", PT_KEY_INT, OFF(data.sequence_len), 0, "2048", 8, 1 << 20, NULL, "max_length cutoff_len max_seq_length", "Longest record in tokens."},
    {"excess_length_strategy", "Data", PT_KEY_ENUM, OFF(data.excess_length_strategy), 0, "drop", NO_BOUND, excesses, "",
     "A record that is too long loses old turns whole first; then drop it, truncate its end, or raise an error."},
    {"sample_packing", "Data", PT_KEY_ENUM, OFF(batch.sample_packing), 0, "forest", NO_BOUND, packings, "packing",
     "forest (= true): records that begin alike share that beginning, exactly; plain: packed without sharing; off (= false): one record a segment, "
     "counted in rows. Layout only: with batch_rows the steps hold the same records in all three."},
    {"share_group", "Data", PT_KEY_INT, OFF(batch.share_group), 0, "8", 1, 4096, NULL, "",
     "Up to this many records of one prefix (a role's profile) are drawn together, so that there is something to share."},
    {"shuffle_merged_datasets", "Data", PT_KEY_BOOL, OFF(batch.shuffle_merged_datasets), 0, "true", NO_BOUND, NULL, "",
     "Shuffle records anew each epoch (by seed); false keeps file order."},
    {"dataset_prepared_path", "Data", PT_KEY_PATH, OFF(data.cache_dir), 0, NULL, NO_BOUND, NULL, "tokenized_path",
     "Folder of the packed data; made when missing, reused while nothing changed. Default: cache in output_dir."},
    {"added_tokens", "Data", PT_KEY_LIST, OFF(model.added_tokens), OFF(model.n_added_tokens), NULL, NO_BOUND, NULL, "tokens",
     "Texts that become tokens of their own ([\"<alice>\", \"<bob>\"]), found wherever they stand. They get the rows behind the tokenizer's last one; where the model has none there, embedding "
     "and head grow. New rows begin as the mean of the others, or as added_tokens_from says. With adapter: lora these rows alone are trained beside it, and the adapter holds them (PEFT's trainable_token_indices); exports have "
     "them in weights and tokenizer. A quantised embedding becomes f16. Not with objectives that take a divergence from a reference."},
    {"added_tokens_from", "Data", PT_KEY_LIST, OFF(model.added_tokens_from), OFF(model.n_added_tokens_from), NULL, NO_BOUND, NULL, "",
     "Texts ([\" pirate\", \" queen\"]): the row of each added token begins as the mean of the rows of its text's tokens. One text for each of added_tokens, or one for all."},
    {"special_tokens", "Data", PT_KEY_TOKENS, OFF(model.special_tokens), OFF(model.n_special_tokens), NULL, NO_BOUND, NULL, "",
     "{pad_token: TEXT, ...}: each text must be in the vocabulary, or among added_tokens; nothing else follows from it."},
    {"val_set_size", "Data", PT_KEY_NUMBER, OFF(data.val_set_size), 0, "0", 0, 1e9, NULL, "val_size",
     "Validation records: below 1 a share, else a count. What stays on one side: val_split_by."},
    {"val_split_by", "Data", PT_KEY_ENUM, OFF(data.val_split_by), 0, "prompt", NO_BOUND, splits, "",
     "What goes to validation as a whole: a prompt (= auto: all rows that begin with the same question), a record, a role (or system text). Of prompts, "
     "dialogues that merely begin alike (more of them than validation is to have, and they differ before the last answer) go one by one, and so do "
     "records that all answer one prompt. A role's only records stay in training where others can go."},
    {"audit", "Data", PT_KEY_ENUM, OFF(data.audit), 0, "warn", NO_BOUND, audits, "",
     "What training and `ptrain pack` do about what the audit finds in the data (`ptrain audit CONFIG` shows all of it): warn says what is wrong in a few lines; strict refuses to train "
     "where there is an error or a warning; off does not look. They read the texts of the first 20,000 rows of each data set, `ptrain audit` of all. A run keeps what was found in audit.json."},
    {"adapter", "Adapter", PT_KEY_ENUM, OFF(adapter.kind), 0, "none", NO_BOUND, adapters, "",
     "lora, qlora (lora on a quantised base), none (every weight is tuned; not on a quantised base)."},
    {"load_in_4bit", "Adapter", PT_KEY_BOOL, OFF(model.quantised_wanted), 0, "false", NO_BOUND, NULL, "",
     "The base must be a quantised one (adapter: qlora says the same); it stays in its stored type either way."},
    {"lora_r", "Adapter", PT_KEY_INT, OFF(adapter.lora_r), 0, "16", 1, 4096, NULL, "lora_rank", "Rank."},
    {"lora_alpha", "Adapter", PT_KEY_NUMBER, OFF(adapter.lora_alpha), 0, "32", 1e-6, 1e6, NULL, "", "The update is scaled by alpha/r (alpha/sqrt(r) with peft_use_rslora)."},
    {"lora_dropout", "Adapter", PT_KEY_NUMBER, OFF(adapter.lora_dropout), 0, "0", 0, 0.95, NULL, "", "Dropout on the adapter's input. The same tokens drop the same in every layout."},
    {"lora_target_modules", "Adapter", PT_KEY_LIST, OFF(adapter.lora_target_modules), OFF(adapter.n_lora_target_modules), NULL, NO_BOUND, NULL, "lora_target target_modules",
     "PEFT's meaning: suffixes (q_proj), full paths, or one regular expression. Default: all linear layers but lm_head and score."},
    {"lora_target_linear", "Adapter", PT_KEY_BOOL, OFF(adapter.lora_target_linear), 0, "false", NO_BOUND, NULL, "", "All linear layers but lm_head and score."},
    {"peft_use_rslora", "Adapter", PT_KEY_BOOL, OFF(adapter.peft_use_rslora), 0, "false", NO_BOUND, NULL, "use_rslora", "Rank-stabilised scaling alpha/sqrt(r)."},
    {"lora_model_dir", "Adapter", PT_KEY_PATH, OFF(adapter.lora_model_dir), 0, NULL, NO_BOUND, NULL, "adapter_name_or_path",
     "Start from this PEFT adapter; its rank, alpha, targets and patterns rule."},
    {"precompute_ref_log_probs", "Reference model", PT_KEY_BOOL, OFF(reference.precompute), 0, "false", NO_BOUND, NULL, "",
     "The reference's log-probabilities are computed before the first step and kept beside the packed data, for as long as base, starting adapter, multiply "
     "type and data stay the same: steps run no reference. With adapter: none always."},
    {"sync_ref_model", "Reference model", PT_KEY_BOOL, OFF(reference.sync), 0, "false", NO_BOUND, NULL, "",
     "TR-DPO: every ref_model_sync_steps applied steps the reference becomes ref_model_mixup_alpha * policy + (1 - ref_model_mixup_alpha) * reference. The "
     "reference is a frozen slot beside the trained adapter, and A and B are mixed each; not with adapter: none, nor with precompute_ref_log_probs."},
    {"ref_model_mixup_alpha", "Reference model", PT_KEY_NUMBER, OFF(reference.mixup), 0, "0.6", 0, 1, NULL, "", "sync_ref_model: the policy's share."},
    {"ref_model_sync_steps", "Reference model", PT_KEY_INT, OFF(reference.every), 0, "512", 1, 1 << 30, NULL, "", "sync_ref_model: applied steps between two of them."},
    {"batch_rows", "Steps", PT_KEY_INT, OFF(batch.batch_rows), 0, "0", 0, 1 << 24, NULL, "",
     "Exactly this many records a step, over all ranks. 0: from the two numbers below, as axolotl counts."},
    {"micro_batch_size", "Steps", PT_KEY_INT, OFF(batch.micro_batch_size), 0, "1", 1, 1 << 20, NULL, "per_device_train_batch_size",
     "A micro-batch holds at most micro_batch_size x sequence_len computed tokens."},
    {"gradient_accumulation_steps", "Steps", PT_KEY_INT, OFF(batch.gradient_accumulation_steps), 0, "1", 1, 1 << 20, NULL, "",
     "Micro-batches a step and rank, where batch_rows is not given."},
    {"num_epochs", "Steps", PT_KEY_NUMBER, OFF(run.num_epochs), 0, "1", 1e-6, 1e6, NULL, "num_train_epochs epochs", "Times each record is seen."},
    {"max_steps", "Steps", PT_KEY_INT, OFF(run.max_steps), 0, "0", -1, 1 << 30, NULL, "",
     "Stop after this many optimiser steps; wins over num_epochs. 0 or -1: not given."},
    {"learning_rate", "Optimiser", PT_KEY_NUMBER, OFF(optim.learning_rate), 0, "2e-4", 0, 10, NULL, "lr", "Peak learning rate."},
    {"loraplus_lr_ratio", "Optimiser", PT_KEY_NUMBER, OFF(optim.loraplus_lr_ratio), 0, "0", 0, 1e6, NULL, "",
     "LoRA+: the B matrices learn at this many times learning_rate; 0: at the same."},
    {"lr_scheduler", "Optimiser", PT_KEY_ENUM, OFF(optim.lr_scheduler), 0, "cosine", NO_BOUND, schedules, "lr_scheduler_type",
     "constant, linear or cosine, after the warm-up; both end at 0, cosine at cosine_min_lr_ratio."},
    {"cosine_min_lr_ratio", "Optimiser", PT_KEY_NUMBER, OFF(optim.min_lr_ratio), 0, "0", 0, 1, NULL, "min_lr_rate", "cosine: the share of learning_rate that it ends at."},
    {"warmup_steps", "Optimiser", PT_KEY_STEPS, OFF(optim.warmup_steps), 0, "-1", -1, 1 << 30, NULL, "", "Steps of linear warm-up; wins over warmup_ratio. Below 1: a share of all steps."},
    {"warmup_ratio", "Optimiser", PT_KEY_NUMBER, OFF(optim.warmup_ratio), 0, "0", 0, 1, NULL, "", "Share of the steps spent warming up."},
    {"lr_quadratic_warmup", "Optimiser", PT_KEY_BOOL, OFF(optim.lr_quadratic_warmup), 0, "false", NO_BOUND, NULL, "", "The warm-up rises with the square of the steps done."},
    {"optimizer", "Optimiser", PT_KEY_STRING, OFF(optim.optimizer), 0, "adamw", NO_BOUND, NULL, "optim", "adamw. adamw_torch, adamw_torch_fused, adamw_8bit and kin are accepted: the arithmetic here is f32 AdamW."},
    {"weight_decay", "Optimiser", PT_KEY_NUMBER, OFF(optim.weight_decay), 0, "0", 0, 10, NULL, "", "Decoupled weight decay; not on norms and biases."},
    {"adam_beta1", "Optimiser", PT_KEY_NUMBER, OFF(optim.adam_beta1), 0, "0.9", 0, 0.999999, NULL, "", "AdamW's first decay."},
    {"adam_beta2", "Optimiser", PT_KEY_NUMBER, OFF(optim.adam_beta2), 0, "0.999", 0, 0.9999999, NULL, "", "AdamW's second decay."},
    {"adam_epsilon", "Optimiser", PT_KEY_NUMBER, OFF(optim.adam_epsilon), 0, "1e-8", 0, 1, NULL, "adam_eps", "AdamW's epsilon."},
    {"max_grad_norm", "Optimiser", PT_KEY_NUMBER, OFF(optim.max_grad_norm), 0, "1.0", 0, 1e9, NULL, "gradient_clipping", "Gradients are scaled down to this norm; 0 = no clipping."},
    {"eval_steps", "Run", PT_KEY_STEPS, OFF(run.eval_steps), 0, "0", 0, 1 << 30, NULL, "", "The losses of held-out data, and the evaluations with during_training: true, every so many steps (and at the end); below 1: every such share of all steps; 0: at the end only."},
    {"save_steps", "Run", PT_KEY_STEPS, OFF(run.save_steps), 0, "0", 0, 1 << 30, NULL, "", "A checkpoint every so many steps; below 1: every such share of all steps; 0: only the final weights."},
    {"evals_per_epoch", "Run", PT_KEY_NUMBER, OFF(run.evals_per_epoch), 0, "0", 0, 1 << 20, NULL, "", "Instead of eval_steps: so many times an epoch; 0.5: every second epoch."},
    {"saves_per_epoch", "Run", PT_KEY_NUMBER, OFF(run.saves_per_epoch), 0, "0", 0, 1 << 20, NULL, "", "Instead of save_steps: so many times an epoch; 0.5: every second epoch."},
    {"save_total_limit", "Run", PT_KEY_INT, OFF(run.save_total_limit), 0, "0", 0, 1 << 20, NULL, "", "Newest checkpoints kept; 0: all. The best one (metric_for_best_model) is one of them, or one more where they are all newer."},
    {"metric_for_best_model", "Run", PT_KEY_STRING, OFF(run.metric_for_best_model), 0, NULL, NO_BOUND, NULL, "",
     "The number by which evaluations are compared: loss (= eval_loss), another of metrics.jsonl with or without its eval_ (rewards/accuracies, test_loss), or NAME/METRIC of an evaluation with "
     "during_training: true (traits/acc). Each new best is saved at its step and stays whatever save_total_limit says. Default: loss, where load_best_model_at_end or early_stopping_patience is given."},
    {"greater_is_better", "Run", PT_KEY_ENUM, OFF(run.greater_is_better), 0, NULL, NO_BOUND, greater, "",
     "Whether more of metric_for_best_model is better. Default, as transformers has it: true unless its name ends in loss."},
    {"load_best_model_at_end", "Run", PT_KEY_BOOL, OFF(run.load_best_model_at_end), 0, "false", NO_BOUND, NULL, "", "The run's result is the best model, not that of the last step. Of equals the earlier is the best."},
    {"early_stopping_patience", "Run", PT_KEY_INT, OFF(run.early_stopping_patience), 0, "0", 0, 1 << 30, NULL, "",
     "The run ends when so many evaluations in a row were no better than the best; 0: off. One that failed, or whose number is none (NaN), counts."},
    {"early_stopping_threshold", "Run", PT_KEY_NUMBER, OFF(run.early_stopping_threshold), 0, "0", 0, 1e9, NULL, "", "early_stopping_patience counts an evaluation that gains no more than this, too."},
    {"logging_steps", "Run", PT_KEY_STEPS, OFF(run.logging_steps), 0, "1", 0, 1 << 30, NULL, "", "Progress lines every so many steps; below 1: every such share of all steps; 0: first and last. metrics.jsonl has every step."},
    {"log_token_metrics", "Run", PT_KEY_BOOL, OFF(run.log_token_metrics), 0, "false", NO_BOUND, NULL, "compute_accuracy",
     "entropy (nats) and mean_token_accuracy of the supervised tokens beside the objective's own metrics, in training and in validation, as TRL's trainers log them. The head's pass gives both."},
    {"loss_watchdog_threshold", "Run", PT_KEY_NUMBER, OFF(run.loss_watchdog_threshold), 0, "0", 0, 1e9, NULL, "",
     "The run ends (exit code 1) when the loss is above this for loss_watchdog_patience steps in a row; 0: off."},
    {"loss_watchdog_patience", "Run", PT_KEY_INT, OFF(run.loss_watchdog_patience), 0, "3", 1, 1 << 30, NULL, "", "Steps in a row."},
    {"gradient_checkpointing", "Run", PT_KEY_BOOL, OFF(device.gradient_checkpointing), 0, "false", NO_BOUND, NULL, "", "Keep only block inputs, compute blocks again in backward: less memory, more time."},
    {"keep_dequantised", "Run", PT_KEY_ENUM, OFF(device.keep_dequantised), 0, "auto", NO_BOUND, keeps, "",
     "On a GPU: matrices of a quantised base (or of another type than compute) stay in its memory a second time, as numbers of that type, so that no step dequantises them. auto: as many as "
     "the plan leaves room for, 5 % of what is free apart; true: all, or the run is refused; false: none. Every process keeps its own: weights are not shared out. Training only."},
    {"device", "Run", PT_KEY_ENUM, OFF(device.kind), 0, "auto", NO_BOUND, devices, "", "auto, cpu, cuda, emulated (the CUDA kernels run on the host, for tests)."},
    {"compute", "Run", PT_KEY_ENUM, OFF(device.compute), 0, "auto", NO_BOUND, computes, "", "Multiply type of GEMMs: auto measures briefly at start and says what it took. bf16: true|false|auto is the same."},
    {"ddp_timeout", "Run", PT_KEY_INT, OFF(ranks.ddp_timeout), 0, "1800", 1, 1 << 30, NULL, "",
     "Several processes: seconds that one may wait for another before the run ends (at most 300 of them for the first meeting, which "
     "mpirun watches itself)."},
    {"ddp_bucket_cap_mb", "Run", PT_KEY_INT, OFF(ranks.ddp_bucket_cap_mb), 0, "25", 1, 4096, NULL, "",
     "Several GPUs: gradients are summed in slices of this many MiB while backward still runs."},
    {"seed", "Run", PT_KEY_U64, OFF(run.seed), 0, "42", 0, 9e18, NULL, "", "Decides shuffling, splits, initialisation, dropout and sampling."},
    {"output_dir", "Run", PT_KEY_PATH, OFF(run.output_dir), 0, "out", NO_BOUND, NULL, "", "The run's folder."},
    {"resume_from_checkpoint", "Run", PT_KEY_PATH, OFF(run.resume_from_checkpoint), 0, NULL, NO_BOUND, NULL, "", "A checkpoint-N folder, or auto (= true: the newest one in output_dir, if any). auto_resume_from_checkpoints: true is auto. false: from the start."},
    {"stages", "Run", PT_KEY_STAGES, 0, 0, NULL, NO_BOUND, NULL, "",
     "Several runs in one file, one after another by one command: a list of mappings of config keys, which stand in place of the common ones; beside them "
     "`name` (its folder; default: its number) and `from` (whose result it begins with: previous (default), base, or the name of an earlier stage). "
     "A stage goes on with the adapter of the one before (or its weights, where that tuned them all). Each stage runs in output_dir/NAME, the last "
     "in output_dir itself. A stage with `evaluate`, a list as `evaluations`, trains nothing: it measures what it begins with, and later stages train on what its "
     "tasks write (pairs of best_of); \"{output_dir}/\" begins the path of a file below output_dir. resume_from_checkpoint: auto passes over the stages that are done and goes on with the one that was under way; "
     "`--only NAME` runs, plans, packs or inspects one stage."},
    {"evaluations", "Evaluation", PT_KEY_EVALUATIONS, OFF(eval.evaluations), OFF(eval.n_evaluations), NULL, NO_BOUND, NULL, "",
     "`ptrain eval`: what is measured beside test_datasets, each {task: NAME, path: FILE, name: TEXT, limit: N, ...} with its task's own keys (docs/evaluation.md). during_training: true: "
     "at eval_steps too, of the model in training."},
    {"models", "Evaluation", PT_KEY_MODELS, OFF(eval.models), OFF(eval.n_models), NULL, NO_BOUND, NULL, "",
     "`ptrain eval`: whom tasks of `evaluations` speak to by name, each {name: NAME, path: MODEL_OR_RUN, adapter: FOLDER}: another model in memory, or an adapter of the base in a slot of it."},
    {"eval_data", "Evaluation", PT_KEY_PATH, OFF(eval.data), 0, "data/eval", NO_BOUND, NULL, "",
     "Folder of published test sets: where the file that an evaluation calls `published` lies in it, it is measured instead of `path`."},
    {"eval_questions", "Evaluation", PT_KEY_INT, OFF(eval.questions), 0, "0", 0, 1 << 24, NULL, "", "`ptrain eval`: questions answered (0 = all of test_datasets)."},
    {"eval_max_new_tokens", "Evaluation", PT_KEY_INT, OFF(eval.max_new_tokens), 0, "64", 1, 1 << 16, NULL, "", "`ptrain eval`: tokens of an answer at most."},
    {"report_rows", "Evaluation", PT_KEY_INT, OFF(eval.report_rows), 0, "200", 1, 1 << 24, NULL, "",
     "Rows of a table, answers and dialogues at most in the report that training and `ptrain eval` leave; how many more there are is said."},
    {"eval_temperature", "Evaluation", PT_KEY_NUMBER, OFF(eval.temperature), 0, "0.7", 0, 10, NULL, "", "`ptrain eval`: sampling temperature (0 = greedy)."},
    {"eval_sampling", "Evaluation", PT_KEY_LIST, OFF(eval.sampling), OFF(eval.n_sampling), NULL, NO_BOUND, NULL, "",
     "`ptrain eval`: other samplers of the answers to test_datasets, as name=value ([min-p=0.05, repeat-penalty=1.1]); options of docs/generation.md. A task of `evaluations` has `sampling` of its own."},
    {"samplers", "Generation", PT_KEY_LIST, OFF(generation.samplers), OFF(generation.n_samplers), NULL, NO_BOUND, NULL, "",
     "Which samplers run when `ptrain chat` and `ptrain generate` speak with this run, in their order ([penalties, top_k, temperature]). Unset: llama.cpp's order (docs/generation.md)."},
    {"sampling", "Generation", PT_KEY_LIST, OFF(generation.sampling), OFF(generation.n_sampling), NULL, NO_BOUND, NULL, "",
     "What these two sample with where their command line says nothing else: options of docs/generation.md as name=value ([temp=0.8, min-p=0.05, dry-multiplier=0.8, \"stop=\\nUser:\"])."},
};

const pt_key *pt_schema(size_t *n)
{
    static pt_key keys[sizeof plain / sizeof *plain + 1 + PT_OBJECTIVE_KEYS];
    static size_t count;
    if (!count) { /* the section of objectives comes after the model's */
        size_t at = 0;
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
            if (at == i && i && strcmp(plain[i].section, plain[i - 1].section)) at += pt_schema_objective(keys + at);
            keys[at++] = plain[i];
        }
        count = at;
    }
    *n = count;
    return keys;
}

static bool in_words(const char *words, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (n == len && !strncmp(p, name, n)) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

const pt_key *pt_schema_find(const char *name)
{
    size_t n;
    const pt_key *keys = pt_schema(&n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(keys[i].name, name) || in_words(keys[i].aliases, name)) return &keys[i];
    return NULL;
}

const pt_foreign_key *pt_schema_foreign_find(const char *name)
{
    size_t n, best_len = 0;
    const pt_foreign_key *f = pt_schema_foreign(&n), *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(f[i].name);
        bool prefix = f[i].name[len - 1] == '*';
        if (prefix ? strncmp(f[i].name, name, len - 1) : strcmp(f[i].name, name)) continue;
        if (!best || len > best_len) best = &f[i], best_len = len;
    }
    return best;
}

const char *pt_schema_nearest(const char *name)
{
    const char *best = NULL;
    int best_d = (int)strlen(name) / 3 + 2;
    size_t n_keys;
    const pt_key *keys = pt_schema(&n_keys);
    for (size_t i = 0; i < n_keys; i++) {
        int d = pt_letters_apart(name, keys[i].name);
        if (d < best_d) best_d = d, best = keys[i].name;
        char word[64];
        for (const char *p = keys[i].aliases; *p;) {
            size_t n = strcspn(p, " ");
            if (n < sizeof word) {
                memcpy(word, p, n);
                word[n] = 0;
                d = pt_letters_apart(name, word);
                if (d < best_d) best_d = d, best = keys[i].name;
            }
            p += n;
            p += strspn(p, " ");
        }
    }
    size_t m;
    const pt_translation *t = pt_schema_translations(&m);
    for (size_t i = 0; i < m; i++) {
        int d = pt_letters_apart(name, t[i].key);
        if (d < best_d) best_d = d, best = t[i].key;
    }
    return best;
}

static const char *kind_word(const pt_key *k)
{
    static const char *const words[] = {"text", "path", "integer", "integer", "number", "integer or a share below 1", "true | false", "", "list", "list of data sets", "mapping", "mapping", "list of evaluations", "a word or a list of them", "list of numbers", "", "list of models", "list of mappings"};
    return words[k->kind];
}

static pt_status put_kind(pt_str *out, const pt_key *k)
{
    for (const pt_word *c = k->choices; c && c->word; c++)
        if (c->word[0]) PT_RETURN(pt_str_printf(out, "%s%s", c == k->choices ? "" : " | ", c->word));
    if (k->kind == PT_KEY_WORDS) return pt_str_printf(out, ", or a list");
    return k->kind == PT_KEY_ENUM || k->kind == PT_KEY_OBJECTIVE ? PT_OK : pt_str_printf(out, "%s%s", k->choices ? " | " : "", kind_word(k));
}

pt_status pt_schema_help(pt_str *out, const char *name)
{
    const pt_key *k = pt_schema_find(name);
    bool found;
    pt_str other = {0};
    pt_status rc = k ? PT_OK : pt_schema_translation_text(&other, name, "\n  ", &found);
    if (rc == PT_OK && other.len) {
        rc = pt_str_printf(out, "%s: another trainer's key\n  %s\n", name, other.text);
        pt_str_free(&other);
        return rc;
    }
    pt_str_free(&other);
    PT_RETURN(rc);
    if (!k) {
        const pt_foreign_key *f = pt_schema_foreign_find(name);
        if (f) return pt_str_printf(out, "%s: %s: %s\n", name, f->refused ? "refused" : "no effect here", f->why);
        const char *near = pt_schema_nearest(name);
        return pt_fail(PT_EARG, "'%s' is neither a command nor a key%s%s%s", name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    PT_RETURN(pt_str_printf(out, "%s: ", k->name));
    PT_RETURN(put_kind(out, k));
    if (k->fallback) PT_RETURN(pt_str_printf(out, " (default %s)", k->fallback));
    if (k->kind <= PT_KEY_STEPS && k->kind >= PT_KEY_INT && k->min <= k->max) PT_RETURN(pt_str_printf(out, ", from %g to %g", k->min, k->max));
    if (k->aliases[0]) PT_RETURN(pt_str_printf(out, "\n  also: %s", k->aliases));
    PT_RETURN(pt_str_printf(out, "\n  %s\n", k->help));
    if (k->kind == PT_KEY_EVALUATIONS) return pt_schema_tasks(out, false);
    if (k->kind == PT_KEY_MODELS) return pt_schema_models(out, false);
    return k->kind == PT_KEY_DATASETS ? pt_schema_dataset_help(out) : PT_OK;
}

pt_status pt_schema_markdown(pt_str *out)
{
    const char *section = "";
    size_t n;
    PT_RETURN(pt_str_puts(out, "# Config keys\n\nMade by `ptrain help --markdown` from the schema table (train/cli/schema.c). Any key may also be given on the "
                               "command line as `--key=value`.\n"));
    const pt_key *keys = pt_schema(&n);
    for (size_t i = 0; i < n; i++) {
        const pt_key *k = &keys[i];
        if (strcmp(section, k->section)) PT_RETURN(pt_str_printf(out, "\n## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", k->section));
        section = k->section;
        PT_RETURN(pt_str_printf(out, "| `%s` | ", k->name));
        pt_str kind = {0};
        PT_RETURN(put_kind(&kind, k));
        for (const char *p = kind.text; p && *p; p++) PT_RETURN(*p == '|' ? pt_str_puts(out, "\\|") : pt_str_add(out, p, 1));
        pt_str_free(&kind);
        PT_RETURN(pt_str_printf(out, " | %s | %s", k->fallback ? k->fallback : "unset", k->help));
        if (k->aliases[0]) PT_RETURN(pt_str_printf(out, " Also: `%s`.", k->aliases));
        PT_RETURN(pt_str_puts(out, " |\n"));
    }
    PT_RETURN(pt_schema_dataset_markdown(out));
    PT_RETURN(pt_str_puts(out, "\n## Keys of an evaluation\n\n`name`: as reports call it; `task`; `path`: a file as data sets read it, or a folder of them; `limit`: items at "
                               "most, spread evenly over groups (0 = all); and its task's own. File formats and metrics: docs/evaluation.md.\n"));
    PT_RETURN(pt_schema_tasks(out, true));
    PT_RETURN(pt_str_puts(out, "\n## Keys of a model that others talk to\n\nAn entry of `models`. `self` (what is measured) and `base` (what it was tuned from) need none.\n"));
    PT_RETURN(pt_schema_models(out, true));
    const pt_translation *t = pt_schema_translations(&n);
    PT_RETURN(pt_str_puts(out, "\n## Keys of other trainers: what they stand for\n\n| key | values |\n|---|---|\n"));
    for (size_t i = 0; i < n; i++) {
        bool found;
        if (i && !strcmp(t[i].key, t[i - 1].key)) continue;
        PT_RETURN(pt_str_printf(out, "| `%s` | ", t[i].key));
        PT_RETURN(pt_schema_translation_text(out, t[i].key, "; ", &found));
        PT_RETURN(pt_str_puts(out, " |\n"));
    }
    const pt_foreign_key *f = pt_schema_foreign(&n);
    for (int refused = 0; refused < 2; refused++) {
        PT_RETURN(pt_str_printf(out, "\n## Keys of other trainers: %s\n\n| key | why |\n|---|---|\n", refused ? "refused" : "accepted, no effect here"));
        for (size_t i = 0; i < n; i++)
            if (f[i].refused == (refused == 1)) PT_RETURN(pt_str_printf(out, "| `%s` | %s |\n", f[i].name, f[i].why));
    }
    return PT_OK;
}
