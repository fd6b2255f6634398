/* The run's settings after parsing: every key of contract.md as a plain field, grouped by the part that reads it; a field bears its key's name
 * where no comment says another. train/cli fills it from YAML and the command line through its schema table; nothing below cli knows YAML.
 * Strings are owned by the config (pt_config_free in train/cli/config.h); NULL = unset. */
#ifndef PT_LOOP_CONFIG_H
#define PT_LOOP_CONFIG_H
#include "base/entry.h"
#include "data/audit/audit.h"
#include "data/read/dataset.h"
#include "data/text/template.h"
#include "train/objective/objective.h"

typedef enum pt_adapter_kind { PT_ADAPTER_NONE, PT_ADAPTER_LORA, PT_ADAPTER_QLORA } pt_adapter_kind;
typedef enum pt_sched { PT_SCHED_CONSTANT, PT_SCHED_LINEAR, PT_SCHED_COSINE } pt_sched;
typedef enum pt_device_kind { PT_DEVICE_AUTO, PT_DEVICE_CPU, PT_DEVICE_CUDA, PT_DEVICE_EMULATED } pt_device_kind;
typedef enum pt_greater { PT_GREATER_BY_NAME, PT_GREATER_YES, PT_GREATER_NO } pt_greater; /* greater_is_better; by name: not of what ends in "loss" */
typedef enum pt_compute_kind { PT_COMPUTE_AUTO, PT_COMPUTE_KIND_F32, PT_COMPUTE_KIND_BF16 } pt_compute_kind;

/* init: random: a model from numbers in YAML instead of weights. */
typedef struct pt_init_config {
    bool random;         /* init: random */
    char *family;        /* "llama", "mistral", "qwen2", "qwen3" */
    int hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, vocab_size, sliding_window;
    double rope_theta, rms_norm_eps, initializer_range;
    bool tie_word_embeddings;
    int max_position_embeddings;
} pt_init_config;

/* The base with its tokenizer and template (setup.c). */
typedef struct pt_config_model {
    char *base_model, *tokenizer;
    bool reinit_weights;         /* base_model's shape and tokenizer, random weights */
    pt_init_config init;         /* model_config */
    bool quantised_wanted;       /* load_in_4bit: true, or adapter: qlora: the base must be a quantised one */
    char *chat_template, *chat_template_jinja, *chat_template_date, *default_system_message;
    pt_system_role system_role;  /* what is done with a conversation that the template refuses */
    pt_alternate alternate_roles;
    char *greeting_prompt;
    char **added_tokens; size_t n_added_tokens; /* the vocabulary grows by them */
    char **added_tokens_from; size_t n_added_tokens_from; /* texts whose tokens' rows theirs begin as the mean of: one each, or one for all */
    char **special_tokens;       /* spellings that must be in the vocabulary (that added_tokens has made): refused otherwise */
    size_t n_special_tokens;
    char **special_token_names;  /* [n_special_tokens]: pad_token ... */
} pt_config_model;

/* Records and packs (setup_data.c). */
typedef struct pt_config_data {
    pt_dataset_spec *datasets; size_t n_datasets;
    pt_dataset_spec *test_datasets; size_t n_test_datasets;
    char *dataset_dir;           /* of dataset_info.json */
    char *cache_dir;             /* dataset_prepared_path: packs; default: output_dir/cache */
    double bad_rows;             /* share of unusable rows that a data set may have; in each of them too */
    int max_samples;             /* rows read of each set; 0 = all */
    char *pooling_token;         /* what the head of values reads, with pooling: token */
    int min_sample_len;          /* tokens that a record needs; 0 = none */
    bool dataset_exact_deduplication, train_on_inputs;
    char **roles_to_train; size_t n_roles_to_train;
    int sequence_len;
    pt_excess excess_length_strategy;
    pt_val_split val_split_by;
    double val_set_size;
    pt_audit_mode audit;
} pt_config_data;

/* What is trained of the model (setup.c). */
typedef struct pt_config_adapter {
    pt_adapter_kind kind;        /* adapter */
    char *lora_model_dir;
    int lora_r; double lora_alpha, lora_dropout;
    bool lora_r_set, lora_alpha_set;
    char **lora_target_modules; size_t n_lora_target_modules; /* suffixes, paths, or one regular expression */
    bool lora_target_linear, peft_use_rslora;
} pt_config_adapter;

/* The loader: which records a step takes, and how they lie (setup_data.c, plan.c). */
typedef struct pt_config_batch {
    pt_packing sample_packing;
    int share_group;
    int batch_rows;              /* 0 = not given */
    int micro_batch_size, gradient_accumulation_steps;
    bool shuffle_merged_datasets;
} pt_config_batch;

/* AdamW and its schedule (run.c). */
typedef struct pt_config_optim {
    char *optimizer;
    double learning_rate, loraplus_lr_ratio;
    pt_sched lr_scheduler;
    double min_lr_ratio;         /* cosine_min_lr_ratio: cosine ends there */
    bool lr_quadratic_warmup;
    double warmup_steps, warmup_ratio; /* steps (below 1 a share of all) win over ratio; -1 = not given */
    double weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm; /* max_grad_norm 0 = no clipping */
} pt_config_optim;

/* How long, what is saved, said and resumed (trainer.c, result.c, resume.c). Steps: below 1 a share of all; 0 = off / unlimited. */
typedef struct pt_config_run {
    double num_epochs; int max_steps; /* max_steps 0 = not given; it wins */
    uint64_t seed;
    double eval_steps, save_steps, logging_steps; int save_total_limit;
    double evals_per_epoch, saves_per_epoch;  /* 0 = not given; turned into steps by the run (steps an epoch / n, at least 1) */
    bool log_token_metrics;      /* entropy and mean_token_accuracy beside the objective's own */
    double loss_watchdog_threshold; int loss_watchdog_patience; /* 0 = off; steps in a row */
    char *metric_for_best_model; /* NULL: the loss, where one of the two below wants one */
    pt_greater greater_is_better;
    bool load_best_model_at_end;
    int early_stopping_patience; double early_stopping_threshold; /* evaluations; 0 = off */
    char *output_dir, *resume_from_checkpoint; /* PATH or "auto" */
} pt_config_run;

/* Frozen weights that stay on the device as numbers, too (keep.c): as many as there is room for, all, none. */
typedef enum pt_keep { PT_KEEP_NONE, PT_KEEP_AUTO, PT_KEEP_ALL } pt_keep;

/* Where it computes (setup_device.c), and what it keeps. */
typedef struct pt_config_device {
    pt_device_kind kind;         /* device */
    pt_compute_kind compute;
    bool gradient_checkpointing;
    pt_keep keep_dequantised;
} pt_config_device;

/* The model that a loss compares with (setup.c, reference.c, trainer.c). */
typedef struct pt_config_reference {
    bool precompute; /* precompute_ref_log_probs */
    bool sync;       /* sync_ref_model */
    double mixup;    /* ref_model_mixup_alpha */
    int every;       /* ref_model_sync_steps: steps that were applied */
} pt_config_reference;

/* Several processes. 0 = the defaults of train/dist. */
typedef struct pt_config_ranks {
    int ddp_timeout;             /* seconds */
    int ddp_bucket_cap_mb;       /* MiB */
} pt_config_ranks;

/* `ptrain eval`. */
typedef struct pt_config_eval {
    int questions, max_new_tokens, report_rows; double temperature; /* eval_questions ... */
    char **sampling; size_t n_sampling; /* eval_sampling: name=value */
    char *data; /* eval_data */
    pt_task_spec *evaluations; size_t n_evaluations;
    pt_voice_spec *models; size_t n_models;
} pt_config_eval;

/* What chat and generate sample with, where their command line says nothing else (train/generate/sampler_options.h). */
typedef struct pt_config_generation {
    char **sampling; size_t n_sampling; /* name=value */
    char **samplers; size_t n_samplers;
} pt_config_generation;

typedef struct pt_setting_value {
    char *key, *value; /* value: one line of text */
    unsigned effect;   /* pt_effect, or'ed */
} pt_setting_value;

/* Not keys: what the cli found out. */
typedef struct pt_config_source {
    char *config_path;           /* the YAML file, NULL when none */
    int path_line[3], path_column[3]; /* where config_path names base_model, tokenizer, lora_model_dir; 0 = the command line */
    char *yaml_text;             /* effective config, as YAML, saved as config.yaml */
    pt_setting_value *settings; size_t n_settings; /* every key that is not free, as text; NULL where no schema made this config */
} pt_config_source;

typedef struct pt_config {
    const pt_objective *objective;
    pt_option_value options[PT_OBJECTIVE_KEYS]; /* by pt_objective_keys */
    pt_config_model model;
    pt_config_data data;
    pt_config_adapter adapter;
    pt_config_batch batch;
    pt_config_optim optim;
    pt_config_run run;
    pt_config_device device;
    pt_config_ranks ranks;
    pt_config_reference reference;
    pt_config_eval eval;
    pt_config_generation generation;
    pt_config_source source;
} pt_config;
#endif
